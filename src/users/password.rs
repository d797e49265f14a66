//! The rule for new passwords, with the messages of SuperTokens' backends, which its frontends show.

use secrecy::{ExposeSecret, SecretString};

/// Shortest password, UTF-16 code units as JavaScript counts them.
const UNITS_MIN: usize = 8;
const UNITS_END: usize = 100;

/// A rule of the site's own for new passwords, with a text for the user.
pub type PasswordRule = fn(&str) -> Result<(), &'static str>;

/// The rule of sites that have none of their own.
pub fn any_password(_typed: &str) -> Result<(), &'static str> {
    Ok(())
}

/// A password that satisfies the rule.
pub struct NewPassword(SecretString);

impl NewPassword {
    /// Checks a submitted password. The error is a message for the user about the first broken rule.
    pub fn parse(typed: String) -> Result<Self, &'static str> {
        let units = typed.encode_utf16().count();
        if units < UNITS_MIN {
            return Err("Password must contain at least 8 characters, including a number");
        }
        if units >= UNITS_END {
            return Err("Password's length must be lesser than 100 characters");
        }
        if !typed.contains(|c: char| c.is_ascii_alphabetic()) {
            return Err("Password must contain at least one alphabet");
        }
        if !typed.contains(|c: char| c.is_ascii_digit()) {
            return Err("Password must contain at least one number");
        }
        if typed.contains(char::is_control) {
            return Err("Password must not contain control characters");
        }
        Ok(Self(typed.into()))
    }

    /// The same with a further rule of the site's own.
    pub fn parse_with(typed: String, rule: PasswordRule) -> Result<Self, &'static str> {
        let password = Self::parse(typed)?;
        rule(password.expose())?;
        Ok(password)
    }

    /// The text that is hashed, never trimmed or normalised.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_broken_rule_is_named() {
        for (typed, expected) in [
            ("", Some("at least 8 characters")),
            ("abc1234", Some("at least 8 characters")),
            ("12345678", Some("one alphabet")),
            ("üüüüüüü1", Some("one alphabet")),
            ("abcdefgh", Some("one number")),
            ("abcdefg\u{7}1", Some("control characters")),
            ("    dskj3", None),
            ("abcdefg1", None),
            ("a1😀😀😀", None),
        ] {
            let refusal = NewPassword::parse(typed.to_owned()).err();
            assert_eq!(refusal.is_some(), expected.is_some(), "{typed:?}: {refusal:?}");
            assert!(refusal.unwrap_or_default().contains(expected.unwrap_or_default()), "{typed:?}: {refusal:?}");
        }
        assert!(NewPassword::parse(format!("a1{}", "x".repeat(97))).is_ok());
        assert!(NewPassword::parse(format!("a1{}", "x".repeat(98))).is_err_and(|why| why.contains("lesser than 100")));
    }
}
