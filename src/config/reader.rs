//! Reads single variables and collects all mistakes.

use std::collections::HashSet;
use std::fmt;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use secrecy::SecretString;

/// Reads variables one by one. A mistake yields the default, and is reported by [`Reader::finish`].
pub struct Reader<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
    mistakes: Vec<String>,
}

impl<'a> Reader<'a> {
    pub fn new(lookup: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { lookup, mistakes: Vec::new() }
    }

    pub fn refuse(&mut self, name: &str, why: &str) {
        self.mistakes.push(format!("{name}: {why}"));
    }

    /// Refuses a list in which two entries have the same name.
    pub fn refuse_twins<'n>(&mut self, name: &str, entries: impl Iterator<Item = &'n str>) {
        let mut seen = HashSet::new();
        let twin = entries.into_iter().find(|entry| !seen.insert(*entry));
        if let Some(twin) = twin {
            self.refuse(name, &format!("names {twin} twice"));
        }
    }

    /// # Errors
    /// All mistakes so far.
    pub fn finish<T>(self, value: T) -> Result<T, Invalid> {
        if self.mistakes.is_empty() { Ok(value) } else { Err(Invalid(self.mistakes)) }
    }

    /// The trimmed value, even if empty.
    pub fn trimmed(&self, name: &str) -> Option<String> {
        (self.lookup)(name).map(|value| value.trim().to_owned())
    }

    /// The trimmed value; an empty one counts as not set.
    pub fn optional(&self, name: &str) -> Option<String> {
        self.trimmed(name).filter(|value| !value.is_empty())
    }

    pub fn text(&self, name: &str, default: &str) -> String {
        self.optional(name).unwrap_or_else(|| default.to_owned())
    }

    pub fn secret(&self, name: &str) -> Option<SecretString> {
        self.optional(name).map(SecretString::from)
    }

    pub fn address(&mut self, name: &str, default: SocketAddr) -> SocketAddr {
        let Some(text) = self.optional(name) else { return default };
        text.parse().unwrap_or_else(|_| {
            self.refuse(name, "must be an address and a port, like 127.0.0.1:3000");
            default
        })
    }

    pub fn flag(&mut self, name: &str, default: bool) -> bool {
        self.choice(name, &[("true", true), ("false", false)], default)
    }

    /// One of the named choices, in any case. A choice with an empty name is not offered in messages.
    pub fn choice<T: Copy>(&mut self, name: &str, choices: &[(&str, T)], default: T) -> T {
        let Some(text) = self.optional(name) else { return default };
        if let Some((_, value)) = choices.iter().find(|(word, _)| word.eq_ignore_ascii_case(&text)) {
            return *value;
        }
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).filter(|word| !word.is_empty()).collect();
        self.refuse(name, &format!("must be one of {}", words.join(", ")));
        default
    }

    pub fn count(&mut self, name: &str, bounds: RangeInclusive<usize>) -> Option<usize> {
        let text = self.optional(name)?;
        let count = text.parse().ok().filter(|count| bounds.contains(count));
        if count.is_none() {
            self.refuse(name, &format!("must be a number from {} to {}", bounds.start(), bounds.end()));
        }
        count
    }

    pub fn seconds(&mut self, name: &str, default: u64, bounds: RangeInclusive<u64>) -> Duration {
        let text = self.text(name, &default.to_string());
        match text.parse::<u64>() {
            Ok(seconds) if bounds.contains(&seconds) => Duration::from_secs(seconds),
            _ => {
                self.refuse(name, &format!("must be from {} to {} seconds", bounds.start(), bounds.end()));
                Duration::from_secs(default)
            }
        }
    }

    /// Scheme and host like `https://example.com`, without path, in lower case.
    pub fn origin(&mut self, name: &str) -> Option<String> {
        let text = self.optional(name)?.trim_end_matches('/').to_ascii_lowercase();
        let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        if host.is_none_or(|host| host.is_empty() || host.contains(['/', '?', '#', '@', ' '])) {
            self.refuse(name, "must be a scheme and a host, like https://example.com");
        }
        Some(text)
    }

    /// A path, normalised to one leading and no trailing slash. Only characters that need no escaping, in paths and in the
    /// `Path` of cookies.
    pub fn path(&mut self, name: &str, default: &str) -> String {
        let text = self.text(name, default);
        let inner = text.trim_matches('/');
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "/-_.~".contains(c);
        if inner.is_empty() && default.is_empty() {
            return String::new();
        }
        if inner.is_empty()
            || !inner.chars().all(is_plain)
            || inner.split('/').any(|part| matches!(part, "" | "." | ".."))
        {
            self.refuse(name, "must be a path, like /auth");
        }
        format!("/{inner}")
    }

    /// An `http` or `https` address; a refusal shows the example.
    pub fn url(&mut self, name: &str, example: &str) -> Option<String> {
        let text = self.optional(name)?;
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        if rest.is_none_or(|rest| rest.is_empty() || rest.contains(|c: char| c.is_whitespace() || c.is_control())) {
            self.refuse(name, &format!("must be an address, like {example}"));
        }
        Some(text)
    }

    /// A folder that exists.
    pub fn folder(&mut self, name: &str) -> Option<PathBuf> {
        let folder = PathBuf::from(self.optional(name)?);
        if !folder.is_dir() {
            self.refuse(name, &format!("must be a folder; {} is not one", folder.display()));
        }
        Some(folder)
    }

    /// The content of a file.
    pub fn file(&mut self, name: &str) -> Option<Vec<u8>> {
        let file = self.optional(name)?;
        std::fs::read(&file).map_err(|error| self.refuse(name, &format!("{file} cannot be read: {error}"))).ok()
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

/// All mistakes in the settings, each beginning with the name of its variable.
#[derive(Debug)]
pub struct Invalid(pub(super) Vec<String>);

impl Invalid {
    /// One sentence each, beginning with the name of the variable.
    pub fn mistakes(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "The configuration is not usable:")?;
        self.0.iter().try_for_each(|mistake| write!(out, "\n  {mistake}"))
    }
}

impl std::error::Error for Invalid {}
