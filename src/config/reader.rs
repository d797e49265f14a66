//! Reads single variables and remembers every mistake.

use std::fmt;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use secrecy::SecretString;

/// Reads variables one by one; a mistake yields the default and is kept for the end.
pub struct Reader<'a> {
    /// Where values come from.
    lookup: &'a dyn Fn(&str) -> Option<String>,
    /// What was wrong so far.
    mistakes: Vec<String>,
}

impl<'a> Reader<'a> {
    /// Reads from `lookup`.
    pub fn new(lookup: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { lookup, mistakes: Vec::new() }
    }

    /// Notes a mistake.
    pub fn refuse(&mut self, name: &str, why: &str) {
        self.mistakes.push(format!("{name}: {why}"));
    }

    /// The value if there were no mistakes.
    pub fn finish<T>(self, value: T) -> Result<T, Invalid> {
        if self.mistakes.is_empty() { Ok(value) } else { Err(Invalid(self.mistakes)) }
    }

    /// The value as given, even if empty.
    pub fn given(&self, name: &str) -> Option<String> {
        (self.lookup)(name).map(|value| value.trim().to_owned())
    }

    /// The value; empty counts as absent.
    pub fn optional(&self, name: &str) -> Option<String> {
        self.given(name).filter(|value| !value.is_empty())
    }

    /// The value or a default.
    pub fn text(&self, name: &str, default: &str) -> String {
        self.optional(name).unwrap_or_else(|| default.to_owned())
    }

    /// A value that never prints itself.
    pub fn secret(&self, name: &str) -> Option<SecretString> {
        self.optional(name).map(SecretString::from)
    }

    /// Address and port; `default` is used where the value is none, and must be valid.
    pub fn address(&mut self, name: &str, default: SocketAddr) -> SocketAddr {
        let Some(text) = self.optional(name) else { return default };
        text.parse().unwrap_or_else(|_| {
            self.refuse(name, "must be address and port, like 127.0.0.1:3000");
            default
        })
    }

    /// `true` or `false`.
    pub fn flag(&mut self, name: &str, default: bool) -> bool {
        self.choice(name, &[("true", true), ("false", false)], default)
    }

    /// One of the named choices.
    pub fn choice<T: Copy>(&mut self, name: &str, choices: &[(&str, T)], default: T) -> T {
        let Some(text) = self.optional(name) else { return default };
        if let Some((_, value)) = choices.iter().find(|(word, _)| word.eq_ignore_ascii_case(&text)) {
            return *value;
        }
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).filter(|word| !word.is_empty()).collect();
        self.refuse(name, &format!("must be one of {}", words.join(", ")));
        default
    }

    /// A whole number within bounds, if one is given.
    pub fn count(&mut self, name: &str, bounds: RangeInclusive<usize>) -> Option<usize> {
        let text = self.optional(name)?;
        let count = text.parse().ok().filter(|count| bounds.contains(count));
        if count.is_none() {
            self.refuse(name, &format!("must be {} to {}", bounds.start(), bounds.end()));
        }
        count
    }

    /// A whole number of seconds within bounds.
    pub fn seconds(&mut self, name: &str, default: u64, bounds: RangeInclusive<u64>) -> Duration {
        let text = self.text(name, &default.to_string());
        match text.parse::<u64>() {
            Ok(seconds) if bounds.contains(&seconds) => Duration::from_secs(seconds),
            _ => {
                self.refuse(name, &format!("must be {} to {} seconds", bounds.start(), bounds.end()));
                Duration::from_secs(default)
            }
        }
    }

    /// Scheme and host like `https://example.com`, without path.
    pub fn origin(&mut self, name: &str) -> Option<String> {
        let text = self.optional(name)?.trim_end_matches('/').to_ascii_lowercase();
        let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        if host.is_none_or(|host| host.is_empty() || host.contains(['/', '?', '#', '@', ' '])) {
            self.refuse(name, "must be scheme and host, like https://example.com");
        }
        Some(text)
    }

    /// Values separated by commas.
    pub fn list<T: FromStr>(&mut self, name: &str, form: &str) -> Vec<T> {
        let Some(text) = self.optional(name) else { return Vec::new() };
        text.split(',').map(|entry| entry.trim().parse()).collect::<Result<_, _>>().unwrap_or_else(|_| {
            self.refuse(name, &format!("must be {form}"));
            Vec::new()
        })
    }
}

/// All that is wrong with the configuration.
#[derive(Debug)]
pub struct Invalid(pub(super) Vec<String>);

impl fmt::Display for Invalid {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "the configuration is not usable:")?;
        self.0.iter().try_for_each(|mistake| write!(out, "\n  {mistake}"))
    }
}

impl std::error::Error for Invalid {}
