//! Regular expressions in Java's flavour.
//!
//! A pattern is translated piece by piece into one of `fancy_regex` that means the same: classes are those of ASCII, `.` stops at
//! Java's line ends, `$` also matches before the last one. What Java refuses is refused here too.

mod class;
mod translate;

use fancy_regex::{Captures, Regex};

use crate::ir::{Failure, Fault, Kind, Outcome, Position, Value};

/// A match and its groups.
pub type Match<'t> = Captures<'t, str>;

/// A compiled pattern.
pub struct Pattern(Regex);

impl Pattern {
    /// Compiles an argument.
    ///
    /// # Errors
    /// Where it is no string, or no pattern.
    pub fn cast(value: &Value, at: &Position) -> Outcome<Self> {
        let Value::String(text) = value else {
            return Err(Failure::expected(&[Kind::String], value.kind(), at.clone()).into());
        };
        let compiled = translate::translate(text).and_then(|translated| Regex::new(&translated).ok());
        compiled.map(Self).ok_or_else(|| {
            let text = format!("Search pattern /{text}/ is not a valid regular expression.");
            Failure::argument(at.clone(), text).into()
        })
    }

    /// Whether it matches anywhere.
    ///
    /// # Errors
    /// Where that takes too long to find out.
    pub fn is_in(&self, text: &str) -> Outcome<bool> {
        self.0.is_match(text).map_err(|error| Fault::Internal(error.to_string()).into())
    }

    /// The first match that begins at `from` or later.
    fn next<'t>(&self, text: &'t str, from: usize) -> Outcome<Option<Match<'t>>> {
        self.0.captures_from_pos(text, from).map_err(|error| Fault::Internal(error.to_string()).into())
    }

    /// At most `limit` matches, one after the other. After an empty one the search goes on one character later, as in Java.
    /// Each time `goes_on` is asked first.
    ///
    /// # Errors
    /// Where that takes too long, or `goes_on` says so.
    pub fn matches<'t>(
        &self,
        text: &'t str,
        limit: usize,
        goes_on: impl Fn() -> Outcome<()>,
    ) -> Outcome<Vec<Match<'t>>> {
        let mut found = Vec::new();
        let mut from = 0;
        while found.len() < limit && from <= text.len() {
            goes_on()?;
            let Some(captures) = self.next(text, from)? else { break };
            let Some(whole) = captures.get(0) else { break };
            from = whole.end();
            if whole.start() == whole.end() {
                let step = text.get(from..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8);
                from += step;
            }
            found.push(captures);
        }
        Ok(found)
    }

    /// How many groups it has.
    pub fn groups(&self) -> usize {
        self.0.captures_len() - 1
    }

    /// Whether it has a group of this name.
    pub fn has_group(&self, name: &str) -> bool {
        self.0.capture_names().flatten().any(|group| group == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a pattern finds in a text; `None` where it is no pattern.
    fn found(pattern: &str, text: &str) -> Option<Vec<String>> {
        let pattern = Pattern::cast(&Value::from(pattern), &Position::root()).ok()?;
        let all = pattern.matches(text, 100, || Ok(())).unwrap();
        Some(all.iter().map(|captures| captures[0].to_owned()).collect())
    }

    #[test]
    fn patterns_mean_what_they_mean_in_java() {
        for (pattern, text, matches) in [
            (r"\w+", "ÅNGSTRÖM a_1", &["NGSTR", "M", "a_1"][..]),
            (r"x$", "ax\n", &["x"]),
            (r".+", "a\u{85}b", &["a", "b"]),
            (r"a*", "baac", &["", "aa", "", ""]),
            (r"\Qa.b\E.", "a.bc axbc", &["a.bc"]),
            (r"[]a]+", "]a[", &["]a"]),
            (r"[a-z&&[^b]]+", "abc", &["a", "c"]),
            (r"\p{Lower}+", "éclair", &["clair"]),
            (r"\p{L}+", "éclair", &["éclair"]),
            (r"(a)\1", "aab", &["aa"]),
            (r"(?i)FA", "fauna", &["fa"]),
            (r"(?m)^b", "a\nb", &["b"]),
            (r"(?<=a)b", "ab", &["b"]),
            (r"a++b", "aab", &["aab"]),
            (r"\u0041\x42\0103", "ABC", &["ABC"]),
            (r"(?x) a b # c", "ab", &["ab"]),
        ] {
            assert_eq!(found(pattern, text).unwrap(), matches, "{pattern}");
        }
        for pattern in ["[", "(", ")", "*", "a**", "a{", "a{2,1}", "[]", r"\y", "(?<1>a)", r"\p{Nope}", "(?z)", r"\"] {
            assert_eq!(found(pattern, "x"), None, "{pattern}");
        }
    }
}
