//! The text of a credential: `SECRET`, `SECRET:SCOPE` or `SECRET:DATABASE/PATH:SCOPE`.
//!
//! FaunaDB reads it with an ordered-choice grammar that never goes back on a choice. A suffix that begins like no scope is ignored
//! as a whole, so that `SECRET:nonsense` is `SECRET`; one that begins like a scope and goes on makes the whole credential invalid.

use crate::evaluator::Permissions;

/// Characters that end a secret.
const AFTER_SECRET: &[char] = &['/', ',', '(', ')', '&', '=', ':'];
/// Characters that end a database path, the name of a role or the path of a document.
const AFTER_SEGMENT: &[char] = &[',', '(', ')', '&', '=', ':'];
/// Built-in roles; one that is the beginning of another comes after it.
const BUILT_IN: &[(&str, Permissions)] = &[
    ("admin", Permissions::Admin),
    ("server-readonly", Permissions::ServerReadOnly),
    ("server", Permissions::Server),
    ("client", Permissions::Client),
];

/// The identity or role that a request takes on in place of the key's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope<'s> {
    BuiltIn(Permissions),
    /// A user-defined role, by name.
    Role(&'s str),
    /// What follows `@doc/`: a document that can be acted as, if it has the form `COLLECTION/ID`.
    Document(&'s str),
}

/// A credential taken apart.
#[derive(Debug, PartialEq, Eq)]
pub struct Credential<'s> {
    pub secret: &'s str,
    /// Names of child databases, the outermost first.
    pub path: Vec<&'s str>,
    pub scope: Option<Scope<'s>>,
}

impl<'s> Credential<'s> {
    /// Takes a credential apart; `None` where it is invalid whatever the secret.
    pub fn parse(text: &'s str) -> Option<Self> {
        let (secret, suffix) = split_before(text, AFTER_SECRET);
        if secret.is_empty() {
            return None;
        }
        let plain = Self { secret, path: Vec::new(), scope: None };
        if suffix.is_empty() {
            return Some(plain);
        }
        let suffix = suffix.strip_prefix(':')?;
        let (path, scope) = match split_before(suffix, AFTER_SEGMENT) {
            ("", _) => ("", suffix),
            (path, rest) => rest.strip_prefix(':').map_or(("", suffix), |scope| (path, scope)),
        };
        match Scope::parse_prefix(scope) {
            None => Some(plain),
            Some((scope, "")) => Some(Self { secret, path: path_names(path), scope: Some(scope) }),
            Some(_) => None,
        }
    }
}

impl<'s> Scope<'s> {
    /// The scope that a text begins with, and the rest of the text.
    fn parse_prefix(text: &'s str) -> Option<(Self, &'s str)> {
        for (name, permissions) in BUILT_IN {
            if let Some(rest) = text.strip_prefix(name) {
                return Some((Self::BuiltIn(permissions.clone()), rest));
            }
        }
        let segment = |prefix: &str| {
            let (segment, rest) = split_before(text.strip_prefix(prefix)?, AFTER_SEGMENT);
            (!segment.is_empty()).then_some((segment, rest))
        };
        if let Some((name, rest)) = segment("@role/") {
            return Some((Self::Role(name), rest));
        }
        let document = ["classes/", "collections/", "@doc/"].into_iter().find_map(segment);
        document.map(|(path, rest)| (Self::Document(path), rest))
    }
}

/// The permissions of a key or a function whose `role` is a built-in one.
pub fn built_in_role(name: &str) -> Option<Permissions> {
    BUILT_IN.iter().find(|(known, _)| *known == name).map(|(_, permissions)| permissions.clone())
}

/// Splits a text before the first of some characters.
fn split_before<'s>(text: &'s str, characters: &[char]) -> (&'s str, &'s str) {
    text.split_at(text.find(characters).unwrap_or(text.len()))
}

/// The names in a path of databases. Empty ones at the end do not count, as in Java's `split`.
fn path_names(path: &str) -> Vec<&str> {
    let path = path.trim_end_matches('/');
    if path.is_empty() { Vec::new() } else { path.split('/').collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_are_scopes_or_ignored_or_make_the_credential_invalid() {
        let scope = |text: &'static str| Credential::parse(text).map(|credential| (credential.path, credential.scope));
        let plain = Some((vec![], None));
        for ignored in
            ["k", "k:", "k:nonsense", "k:@doc/", "k:@role/", "k:a:b", "k:@doc/users/1:", "k:admin:", "k::admin"]
        {
            assert_eq!(scope(ignored), plain, "{ignored}");
        }
        for invalid in
            ["", ":admin", "k/x", "k,x", "k:administrator", "k:server-read", "k:x:admin:y", "k:@doc/users/1,x"]
        {
            assert_eq!(scope(invalid), None, "{invalid}");
        }
        let document = |path| Some(Scope::Document(path));
        assert_eq!(scope("k:@doc/users/1"), Some((vec![], document("users/1"))));
        assert_eq!(scope("k:@doc/users"), Some((vec![], document("users"))));
        assert_eq!(scope("k:classes/users/1/events"), Some((vec![], document("users/1/events"))));
        assert_eq!(scope("k:a/b:@role/r/s"), Some((vec!["a", "b"], Some(Scope::Role("r/s")))));
        assert_eq!(scope("k:/:server"), Some((vec![], Some(Scope::BuiltIn(Permissions::Server)))));
        assert_eq!(scope("k:/a/:client"), Some((vec!["", "a"], Some(Scope::BuiltIn(Permissions::Client)))));
    }
}
