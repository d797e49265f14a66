//! Regular expressions in Java's flavour.
//!
//! A pattern is translated piece by piece into one of `fancy_regex` that means the same: classes are those of ASCII, `.` stops at
//! Java's line ends, `$` also matches before the last one. What Java refuses is refused here too.
//!
//! Short work is done by `fancy_regex`, which for patterns without look-around is linear. Everything else is done by a machine
//! of our own that can be interrupted at any time.

mod class;
mod machine;
mod program;
mod translate;

use fancy_regex::{Expr, Regex};

use crate::ir::{Failure, Fault, Kind, Outcome, Position, Value};
use machine::{Machine, Spans};
use program::Compiled;

/// The longest search of a linear pattern that is not interruptible, in bytes of text times weight of the pattern: some
/// milliseconds.
const MAX_LINEAR: usize = 1 << 21;

/// The heaviest pattern for the library: compiling it takes milliseconds.
const MAX_WEIGHT: usize = 2000;

/// The part of a text that a match or one of its groups covers.
#[derive(Clone, Copy, Debug)]
pub struct Part<'t> {
    pub start: usize,
    pub end: usize,
    pub text: &'t str,
}

/// A match and its groups.
#[derive(Debug)]
pub struct Match<'t> {
    text: &'t str,
    spans: Spans,
}

impl<'t> Match<'t> {
    /// A group; the whole match is group 0.
    pub fn get(&self, group: usize) -> Option<Part<'t>> {
        let (start, end) = self.spans.get(group).copied().flatten()?;
        Some(Part { start, end, text: self.text.get(start..end)? })
    }
}

pub struct Pattern {
    compiled: Compiled,
    /// For patterns that are linear and light.
    linear: Option<Regex>,
    /// Names of groups and their numbers.
    names: Vec<(String, usize)>,
}

impl Pattern {
    /// Compiles an argument.
    ///
    /// # Errors
    /// If it is not a string, or not a pattern.
    pub fn cast(value: &Value, at: &Position) -> Outcome<Self> {
        let Value::String(text) = value else {
            return Err(Failure::expected(&[Kind::String], value.kind(), at.clone()).into());
        };
        Self::compile(text).ok_or_else(|| {
            let text = format!("Search pattern /{text}/ is not a valid regular expression.");
            Failure::argument(at.clone(), text).into()
        })
    }

    fn compile(text: &str) -> Option<Self> {
        let translated = translate::translate(text)?;
        let tree = Expr::parse_tree(&translated).ok()?;
        let compiled = program::compile(&tree.expr)?;
        let is_linear = !compiled.is_hard && compiled.weight <= MAX_WEIGHT;
        let linear = if is_linear { Some(Regex::new(&translated).ok()?) } else { None };
        let names = tree.named_groups.iter().filter_map(|(name, groups)| Some((name.clone(), *groups.first()?)));
        Some(Self { compiled, linear, names: names.collect() })
    }

    /// Whether it matches anywhere. `check_time` is called often.
    ///
    /// # Errors
    /// If `check_time` says so, or the pattern needs too much memory.
    pub fn is_in(&self, text: &str, check_time: impl Fn() -> Outcome<()>) -> Outcome<bool> {
        Ok(!self.matches(text, 1, check_time)?.is_empty())
    }

    /// At most `limit` matches, one after the other. After an empty one the search goes on one character later, as in Java.
    /// `check_time` is called often, at least once for every match.
    ///
    /// # Errors
    /// If `check_time` says so, or the pattern needs too much memory.
    pub fn matches<'t>(
        &self,
        text: &'t str,
        limit: usize,
        check_time: impl Fn() -> Outcome<()>,
    ) -> Outcome<Vec<Match<'t>>> {
        let is_short = self.compiled.weight.saturating_mul(text.len()) <= MAX_LINEAR;
        let linear = self.linear.as_ref().filter(|_| is_short);
        let mut machine = Machine::new(&self.compiled, text, &check_time);
        let mut found = Vec::new();
        let mut from = 0;
        while found.len() < limit && from <= text.len() {
            check_time()?;
            let next = match linear {
                Some(regex) => next_linear(regex, text, from)?,
                None => machine.next(from)?,
            };
            let Some(spans) = next else { break };
            let Some((start, end)) = spans.first().copied().flatten() else { break };
            from = end;
            if start == end {
                from += text.get(from..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8);
            }
            found.push(Match { text, spans });
        }
        Ok(found)
    }

    /// The number of capturing groups.
    pub const fn groups(&self) -> usize {
        self.compiled.groups - 1
    }

    /// The number of the group with this name.
    pub fn group_named(&self, name: &str) -> Option<usize> {
        self.names.iter().find(|(known, _)| known == name).map(|(_, group)| *group)
    }
}

/// The first match that begins at `from` or later, by the library.
fn next_linear(regex: &Regex, text: &str, from: usize) -> Outcome<Option<Spans>> {
    let captures = regex.captures_from_pos(text, from).map_err(|error| Fault::Internal(error.to_string()))?;
    let span = |group: Option<fancy_regex::Match<'_>>| group.map(|group| (group.start(), group.end()));
    Ok(captures.map(|captures| captures.iter().map(span).collect()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The matches of a pattern in a text; `None` if it is invalid.
    fn found(pattern: &str, text: &str) -> Option<Vec<String>> {
        let pattern = Pattern::cast(&Value::from(pattern), &Position::root()).ok()?;
        let all = pattern.matches(text, 100, || Ok(())).unwrap();
        Some(all.iter().map(|captures| captures.get(0).unwrap().text.to_owned()).collect())
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

    /// Random patterns over a small alphabet, by a generator of their own so that every run tries the same. No body of a loop
    /// matches nothing: there Java, and the machine, end the loop, where the library tries other alternatives first.
    struct Patterns(u64);

    impl Patterns {
        fn below(&mut self, count: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            usize::try_from(self.0 % u64::try_from(count).unwrap()).unwrap()
        }

        fn pick<'a>(&mut self, all: &[&'a str]) -> &'a str {
            all[self.below(all.len())]
        }

        fn pattern(&mut self, depth: usize) -> String {
            let mut pattern = String::new();
            for _ in 0..=self.below(3) {
                let atom = match self.below(if depth == 0 { 5 } else { 9 }) {
                    0 => "a".to_owned(),
                    1 => "b".to_owned(),
                    2 => "[^a]".to_owned(),
                    3 => ".".to_owned(),
                    4 => self.pick(&[r"\b", "^", "$", r"\z", "(?i)A", r"\w"]).to_owned(),
                    5 => format!("(b{})", self.pattern(depth - 1)),
                    6 => format!("(?:a{}|b{})", self.pattern(depth - 1), self.pattern(depth - 1)),
                    7 => {
                        let opening = self.pick(&["(?=", "(?!", "(?>", "(?<=", "(?<!"]);
                        let inner = if opening.starts_with("(?<") { "b".to_owned() } else { self.pattern(depth - 1) };
                        format!("{opening}{inner})")
                    }
                    _ => format!("({})", self.pick(&["a", "b", "ab", "a|b"])),
                };
                pattern.push_str(&atom);
                if !atom.starts_with(['^', '$', '\\']) && !atom.starts_with("(?") {
                    pattern.push_str(self.pick(&["", "", "*", "+", "?", "*?", "{1,2}", "{2}", "++"]));
                }
            }
            pattern
        }
    }

    /// Compares what both find of a pattern; how often.
    fn compare(pattern: &str) -> usize {
        let (Some(compiled), Some(translated)) = (Pattern::compile(pattern), translate::translate(pattern)) else {
            return 0;
        };
        let Ok(regex) = Regex::new(&translated) else { return 0 };
        let mut compared = 0;
        for text in ["", "a", "ab", "aabb", "abab", "bab\n", "a b", "bbaab"] {
            let mut machine = Machine::new(&compiled.compiled, text, || Ok(()));
            for from in 0..=text.len() {
                let [wanted, found] = [next_linear(&regex, text, from), machine.next(from)].map(Result::unwrap);
                assert_eq!(found, wanted, "{pattern} ({translated}) in {text:?} from {from}");
                compared += 1;
            }
        }
        compared
    }

    #[test]
    fn the_machine_finds_what_the_library_finds() {
        let mut patterns = Patterns(0x9e37_79b9_7f4a_7c15);
        // Each once: compiling one takes milliseconds.
        let patterns: BTreeSet<String> = (0..800).map(|_| patterns.pattern(2)).collect();
        let patterns: Vec<_> = patterns.into_iter().collect();
        let compared: usize = std::thread::scope(|scope| {
            let compare = |part: &[String]| part.iter().map(|pattern| compare(pattern)).sum::<usize>();
            let threads: Vec<_> = patterns.chunks(100).map(|part| scope.spawn(move || compare(part))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert!(compared > 5_000, "{compared}");
    }
}
