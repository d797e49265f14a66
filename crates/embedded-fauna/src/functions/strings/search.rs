//! `findstr`, `containsstr`, `replacestr` and the others that look for text, and those that look for patterns.

use crate::evaluator::{Context, Form, cast};
use crate::functions::numbers::java::{count, to_int};
use crate::functions::strings::pattern::Pattern;
use crate::functions::strings::replacement;
use crate::ir::{ApiVersion, Fault, FormCall, Key, Outcome, Value, parts_of_bytes};

/// A form under its name before version `UNSTABLE`.
macro_rules! old {
    ($run:expr, $($key:expr),+) => { Form::pure(&[$($key),+], $run).until(ApiVersion::Unstable) };
}

/// A form under its name from version `UNSTABLE` on.
macro_rules! new {
    ($run:expr, $($key:expr),+) => { Form::pure(&[$($key),+], $run).since(ApiVersion::Unstable) };
}

const SEARCH: Key = Key::required("search");
const FIND: Key = Key::required("find");
const PATTERN: Key = Key::required("pattern");
const REPLACE: Key = Key::required("replace");
const START: Key = Key::optional("start");
const RESULTS: Key = Key::optional("num_results");
const FIRST: Key = Key::optional("first");

pub const FORMS: &[Form] = &[
    old!(escape, Key::required("regexescape")),
    new!(escape, Key::required("regex_escape")),
    old!(starts_with, Key::required("startswith"), SEARCH),
    new!(starts_with, Key::required("starts_with"), SEARCH),
    old!(ends_with, Key::required("endswith"), SEARCH),
    new!(ends_with, Key::required("ends_with"), SEARCH),
    old!(contains, Key::required("containsstr"), SEARCH),
    new!(contains, Key::required("contains_str"), SEARCH),
    old!(contains_pattern, Key::required("containsstrregex"), PATTERN),
    new!(contains_pattern, Key::required("contains_str_regex"), PATTERN),
    old!(find, Key::required("findstr"), FIND, START),
    new!(find, Key::required("find_str"), FIND, START),
    old!(find_pattern, Key::required("findstrregex"), PATTERN, START, RESULTS),
    new!(find_pattern, Key::required("find_str_regex"), PATTERN, START, RESULTS),
    old!(replace, Key::required("replacestr"), FIND, REPLACE),
    new!(replace, Key::required("replace_str"), FIND, REPLACE),
    old!(replace_pattern, Key::required("replacestrregex"), PATTERN, REPLACE, FIRST),
    new!(replace_pattern, Key::required("replace_str_regex"), PATTERN, REPLACE, FIRST),
];

/// The most matches in one result; FaunaDB's limit.
const MAX_RESULTS: i64 = 1024;

/// `regexescape`: quoted as a whole; an end of quotation inside is quoted by itself.
fn escape(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    let text = call.required(context, 0, cast::string)?;
    Ok(Value::from(format!("\\Q{}\\E", text.replace("\\E", "\\E\\\\E\\Q"))))
}

fn starts_with(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    let text = call.required(context, 0, cast::string)?;
    Ok(Value::Bool(text.starts_with(&*call.required(context, 1, cast::string)?)))
}

fn ends_with(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    let text = call.required(context, 0, cast::string)?;
    Ok(Value::Bool(text.ends_with(&*call.required(context, 1, cast::string)?)))
}

fn contains(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    let text = call.required(context, 0, cast::string)?;
    Ok(Value::Bool(text.contains(&*call.required(context, 1, cast::string)?)))
}

fn contains_pattern(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    let text = call.required(context, 0, cast::string)?;
    let pattern = call.required(context, 1, Pattern::cast)?;
    Ok(Value::Bool(pattern.is_in(&text, || context.in_time())?))
}

/// The text from a place on, counted in characters, and that place. A place beyond the end, counted in UTF-16, is none; one that only
/// that count allows is FaunaDB's own mistake.
fn from(text: &str, start: Option<i64>) -> Outcome<(&str, i64)> {
    let units = count(text.encode_utf16().count());
    let Some(start) = start.filter(|start| *start > 0 && *start < units) else { return Ok((text, 0)) };
    let places = text.char_indices().map(|(at, _)| at).chain([text.len()]);
    let at = usize::try_from(start).ok().and_then(|start| places.into_iter().nth(start));
    match at.and_then(|at| text.get(at..)) {
        Some(rest) => Ok((rest, start)),
        None => Err(Fault::Internal("a place beyond the end of a string".to_owned()).into()),
    }
}

fn characters_before(text: &str, at: usize) -> i64 {
    count(text.get(..at).unwrap_or(text).chars().count())
}

/// Counts characters up to places that come in ascending order, so that the text is gone through once for all of them.
struct Places<'t> {
    text: &'t str,
    /// Length of the text counted so far, in bytes; `characters` is the same in characters.
    bytes: usize,
    characters: i64,
}

impl Places<'_> {
    fn at(&mut self, bytes: usize) -> i64 {
        let between = self.text.get(self.bytes..bytes).unwrap_or_default();
        self.characters += count(between.chars().count());
        self.bytes = bytes;
        self.characters
    }
}

/// `findstr`: the place in characters, -1 where there is none.
fn find(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    let text = call.required(context, 0, cast::string)?;
    let wanted = call.required(context, 1, cast::string)?;
    let start = call.optional(context, 2, cast::integer)?;
    let (rest, skipped) = from(&text, start)?;
    Ok(Value::Integer(rest.find(&*wanted).map_or(-1, |at| skipped + characters_before(rest, at))))
}

/// Checks the deadline and charges one more match.
fn check_time(context: &Context<'_>, pattern: &Pattern) -> Outcome<()> {
    context.in_time()?;
    context.spend(1 + pattern.groups())
}

/// `findstrregex`: the first and the last place of each match and its text.
fn find_pattern(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    let text = call.required(context, 0, cast::string)?;
    let pattern = call.required(context, 1, Pattern::cast)?;
    let start = call.optional(context, 2, cast::integer)?;
    let limit = call.optional(context, 3, cast::integer)?.unwrap_or(MAX_RESULTS).min(MAX_RESULTS);
    let (rest, skipped) = from(&text, start)?;
    let limit = usize::try_from(to_int(limit)).unwrap_or(0);
    let mut places = Places { text: rest, bytes: 0, characters: skipped };
    let found = pattern.matches(rest, limit, || check_time(context, &pattern))?.into_iter().filter_map(|captures| {
        let whole = captures.get(0)?;
        // FaunaDB steps back one UTF-16 unit: only half of a character beyond the basic plane.
        let step = whole.text.chars().next_back().filter(|last| last.len_utf16() == 1);
        let first = places.at(whole.start);
        let last = places.at(whole.end) - i64::from(step.is_some());
        Some(Value::object([
            ("start", Value::Integer(first)),
            ("end", Value::Integer(last)),
            ("data", Value::from(whole.text)),
        ]))
    });
    Ok(Value::array(found.collect()))
}

fn replace(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    let text = call.required(context, 0, cast::string)?;
    let wanted = call.required(context, 1, cast::string)?;
    let replacement = call.required(context, 2, cast::string)?;
    let times = text.matches(&*wanted).count();
    context.spend(parts_of_bytes(replacement.len().saturating_mul(times).saturating_add(text.len())))?;
    Ok(Value::from(text.replace(&*wanted, &replacement)))
}

/// `replacestrregex`: everywhere, or only the first match.
fn replace_pattern(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    let text = call.required(context, 0, cast::string)?;
    let pattern = call.required(context, 1, Pattern::cast)?;
    let replacement = call.required(context, 2, cast::string)?;
    let is_first = call.optional(context, 3, cast::boolean)?.unwrap_or(false);
    let limit = if is_first { 1 } else { usize::MAX };
    let mut replaced = String::new();
    let mut copied = 0;
    for captures in pattern.matches(&text, limit, || check_time(context, &pattern))? {
        let Some(whole) = captures.get(0) else { continue };
        replaced.push_str(text.get(copied..whole.start).unwrap_or_default());
        let expanded = replacement::expand(&replacement, &pattern, &captures);
        let expanded = expanded.ok_or_else(|| Fault::Internal("a replacement names no group".to_owned()))?;
        context.spend(parts_of_bytes(expanded.len()))?;
        replaced.push_str(&expanded);
        copied = whole.end;
    }
    replaced.push_str(text.get(copied..).unwrap_or_default());
    Ok(Value::from(replaced))
}
