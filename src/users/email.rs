//! An e-mail address, parsed and normalised: the only form in which an address reaches the store.

use std::fmt;

use crate::users::invisible::is_invisible;

/// The longest address, bytes after normalisation (RFC 5321, 4.5.3.1.3).
const BYTES_MAX: usize = 254;
const SPECIAL: &str = "<>()[]\\.,;:@\"";

/// A normalised address: trimmed and lower case.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Email(String);

impl fmt::Debug for Email {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Email(..)")
    }
}

impl Email {
    /// Reads an address by the grammar of SuperTokens' frontends, except that a quoted local part is refused: mail servers do not
    /// deliver to it. Invisible characters are refused, because two addresses would look the same.
    pub fn parse(typed: &str) -> Option<Self> {
        let trimmed = typed.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
        let (local, domain) = trimmed.rsplit_once('@')?;
        if !is_dotted(local) || !(is_name(domain) || is_literal(domain)) {
            return None;
        }
        let normal = trimmed.to_lowercase();
        (normal.len() <= BYTES_MAX && !normal.contains(|c: char| c.is_control() || is_invisible(c)))
            .then_some(Self(normal))
    }

    /// Reads a stored address. `None` for one that is not found by its normalised form, because it has spaces around it.
    pub fn stored(text: &str) -> Option<Self> {
        Self::parse(text).filter(|email| email.0 == text.to_lowercase())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The local part, before the `@`.
    pub fn local_part(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(local, _)| local)
    }
}

/// Runs of ordinary characters with dots between them.
fn is_dotted(local: &str) -> bool {
    local.split('.').all(|run| !run.is_empty() && !run.chars().any(|c| c.is_whitespace() || SPECIAL.contains(c)))
}

/// Labels of letters, digits and hyphens; the last one of two letters or more.
fn is_name(domain: &str) -> bool {
    let Some((labels, last)) = domain.rsplit_once('.') else { return false };
    last.len() >= 2
        && last.bytes().all(|b| b.is_ascii_alphabetic())
        && labels
            .split('.')
            .all(|label| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))
}

/// `[1.2.3.4]`; ranges are not checked, as in SuperTokens' frontends.
fn is_literal(domain: &str) -> bool {
    let Some(inner) = domain.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) else { return false };
    let groups = || inner.split('.');
    groups().count() == 4
        && groups().all(|group| (1..=3).contains(&group.len()) && group.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_of_the_frontends() {
        for valid in
            ["test@supertokens.io", "fewf3r_fdkj@gmaildsfa.co.uk", "a+b@x.co", "a@[999.1.1.1]", "ü@x.io", "a@-x.io"]
        {
            assert!(Email::parse(valid).is_some(), "{valid}");
        }
        let long = format!("{}@x.io", "a".repeat(250));
        for invalid in [
            "",
            "@",
            "fasd",
            "d@c",
            "dfa@@@abc.com",
            "sdkjfnas34@gmail.com.c",
            "a..b@x.io",
            ".a@x.io",
            "a@bücher.de",
            "a b@x.io",
            "a\u{7}@x.io",
            "\"\"@x.io",
            "\"a b\"@x.io",
            "\"a@b\"@x.io",
            "a\u{200b}@x.io",
            "a\u{ad}@x.io",
            "a\u{2060}@x.io",
            "\u{202e}a@x.io",
            "a@[1.2.3]",
            "a@[1.2.3.4444]",
            "a@x..io",
            "a@x.i0",
            "a@b@x.io",
            &long,
        ] {
            assert!(Email::parse(invalid).is_none(), "{invalid:?}");
        }
    }

    #[test]
    fn case_and_space_around_do_not_count() {
        let email = Email::parse(" \u{feff}Ada@Example.com\n").unwrap();
        assert_eq!((email.as_str(), email.local_part()), ("ada@example.com", "ada"));
        assert_eq!(Email::stored("Ada@Example.com"), Some(email));
        assert_eq!(Email::stored("ada@example.com "), None);
    }
}
