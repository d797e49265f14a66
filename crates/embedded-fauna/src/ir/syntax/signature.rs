//! What the function table says about a form: its keys, when it exists, and what it may do.

use std::collections::{HashMap, HashSet};

use crate::ir::ApiVersion;

/// The effect of an evaluation; a stronger one compares greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    Pure,
    Read,
    Write,
}

impl Effect {
    /// The name of the effect in a refusal.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pure => "pure",
            Self::Read => "a read",
            Self::Write => "a write",
        }
    }
}

/// The way the value of a key is parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArgumentKind {
    Expression,
    Lambda,
    /// A lambda where it can be read as one, else an expression.
    Either,
}

/// A key of a form.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    pub name: &'static str,
    /// Whether the form may be without it.
    pub optional: bool,
    pub kind: ArgumentKind,
}

impl Key {
    /// A key that must be there.
    pub const fn required(name: &'static str) -> Self {
        Self { name, optional: false, kind: ArgumentKind::Expression }
    }

    /// A key that may be left out.
    pub const fn optional(name: &'static str) -> Self {
        Self { name, optional: true, kind: ArgumentKind::Expression }
    }

    /// A key whose value is a lambda.
    pub const fn lambda(name: &'static str) -> Self {
        Self { name, optional: false, kind: ArgumentKind::Lambda }
    }

    /// A key whose value is a lambda or something else.
    pub const fn either(name: &'static str) -> Self {
        Self { name, optional: false, kind: ArgumentKind::Either }
    }
}

/// The keys of a form, when it exists, and what it may do.
#[derive(Debug)]
pub struct Signature {
    /// The keys, the naming one first. A form is recognised by the set of its keys.
    pub keys: &'static [Key],
    /// The effect of a call, apart from its arguments.
    pub effect: Effect,
    /// The first version that has it.
    pub since: ApiVersion,
    /// The first version that has it no more.
    pub until: Option<ApiVersion>,
}

impl Signature {
    /// Whether these are its keys.
    fn fits(&self, keys: &[&str]) -> bool {
        keys.iter().all(|given| self.keys.iter().any(|key| key.name == *given))
            && self.keys.iter().all(|key| key.optional || keys.contains(&key.name))
    }

    /// Whether `version` has it.
    fn exists_in(&self, version: ApiVersion) -> bool {
        version >= self.since && self.until.is_none_or(|until| version < until)
    }
}

/// All signatures, found by keys. A form is known by its place in the table.
#[derive(Debug)]
pub struct Signatures {
    all: Vec<&'static Signature>,
    /// Places in the table by naming key.
    by_name: HashMap<&'static str, Vec<usize>>,
    /// Naming keys of the forms that may write.
    writing: HashSet<&'static [u8]>,
}

impl Signatures {
    /// Of a table of forms.
    pub fn new(all: Vec<&'static Signature>) -> Self {
        let mut by_name: HashMap<&'static str, Vec<usize>> = HashMap::new();
        for (place, signature) in all.iter().enumerate() {
            if let Some(key) = signature.keys.first() {
                by_name.entry(key.name).or_default().push(place);
            }
        }
        let writes = all.iter().filter(|signature| signature.effect == Effect::Write);
        let writing = writes.filter_map(|signature| Some(signature.keys.first()?.name.as_bytes())).collect();
        Self { all, by_name, writing }
    }

    /// Whether a JSON text looks like a query that may write, because a form that does is named in it. A guess, made without
    /// reading the text properly: a field of data may be named so as well, and a name may be written with escapes.
    pub fn names_a_write(&self, json: &[u8]) -> bool {
        let mut quoted = json.split(|byte| *byte == b'"').peekable();
        while let Some(part) = quoted.next() {
            let is_key = quoted.peek().is_some_and(|after| after.trim_ascii_start().starts_with(b":"));
            if is_key && self.writing.contains(part) {
                return true;
            }
        }
        false
    }

    /// The naming keys of all forms.
    #[cfg(test)]
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.by_name.keys().copied()
    }

    /// The form with exactly these keys in `version`.
    pub fn find(&self, keys: &[&str], version: ApiVersion) -> Option<(usize, &'static Signature)> {
        keys.iter().filter_map(|key| self.by_name.get(*key)).flatten().find_map(|place| {
            let signature = *self.all.get(*place)?;
            (signature.fits(keys) && signature.exists_in(version)).then_some((*place, signature))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_that_writes_is_known_by_its_text() {
        const ALL: [Signature; 2] = [
            Signature { keys: &[Key::required("get")], effect: Effect::Read, since: ApiVersion::V20, until: None },
            Signature { keys: &[Key::required("create")], effect: Effect::Write, since: ApiVersion::V20, until: None },
        ];
        let signatures = Signatures::new(ALL.iter().collect());
        for (json, expected) in [
            (r#"{"create":{"@ref":"x"}}"#, true),
            (r#"{"if":true,"then":{"create" : 1}}"#, true),
            (r#"{"get":{"@ref":"create"}}"#, false),
            (r#"["create", "get"]"#, false),
            (r#"{"object":{"created":1}}"#, false),
            (r#""create"#, false),
            (r#""create":"#, true),
            ("", false),
        ] {
            assert_eq!(signatures.names_a_write(json.as_bytes()), expected, "{json}");
        }
    }
}
