//! `concat`, `length`, `trim`, `substring` and the others that take strings apart or put them together.
//!
//! Positions and lengths count code points; a few limits count UTF-16 units, because FaunaDB's strings are Java's.

pub mod casing;
pub mod format;
mod pattern;
mod replacement;
pub mod search;

use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::evaluator::{Context, Form, cast};
use crate::functions::numbers::java::{count, to_int};
use crate::ir::{ApiVersion, Failure, Fault, FormCall, Halt, Key, Outcome, Value, parts_of_bytes};

macro_rules! substring_keys {
    ($name:literal) => {
        &[Key::required($name), Key::optional("start"), Key::optional("length")]
    };
}

pub const FORMS: &[Form] = &[
    Form::pure(&[Key::required("concat"), Key::optional("separator")], concat),
    Form::pure(&[Key::required("length")], |context, call| {
        Ok(Value::Integer(count(call.required(context, 0, cast::string)?.chars().count())))
    }),
    Form::pure(&[Key::required("trim")], |context, call| change(context, call, |text| trim_end(trim_start(text)))),
    Form::pure(&[Key::required("ltrim")], |context, call| change(context, call, trim_start))
        .until(ApiVersion::Unstable),
    Form::pure(&[Key::required("l_trim")], |context, call| change(context, call, trim_start))
        .since(ApiVersion::Unstable),
    Form::pure(&[Key::required("rtrim")], |context, call| change(context, call, trim_end)).until(ApiVersion::Unstable),
    Form::pure(&[Key::required("r_trim")], |context, call| change(context, call, trim_end)).since(ApiVersion::Unstable),
    Form::pure(&[Key::required("space")], space),
    Form::pure(&[Key::required("repeat"), Key::optional("number")], repeat),
    Form::pure(substring_keys!("substring"), substring).until(ApiVersion::Unstable),
    Form::pure(substring_keys!("sub_string"), substring).since(ApiVersion::Unstable),
    Form::pure(&[Key::required("ngram"), Key::optional("min"), Key::optional("max")], ngram),
];

/// The most repetitions; FaunaDB's limit.
const MAX_REPETITIONS: i64 = 1024;
/// Default sizes of n-grams.
const DEFAULT_NGRAM: (i64, i64) = (1, 2);
/// The largest difference between the sizes of n-grams.
const MAX_NGRAM_SPAN: i64 = 1;

fn change(context: &Context<'_>, call: &FormCall, part: fn(&str) -> &str) -> Outcome<Value> {
    Ok(Value::from(part(&call.required(context, 0, cast::string)?)))
}

fn concat(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    let strings: Vec<Arc<str>> = call.required(context, 0, cast::zero_or_more(cast::string))?;
    let separator = call.optional(context, 1, cast::string)?;
    let between = separator.as_deref().map_or(0, str::len).saturating_mul(strings.len());
    let length = strings.iter().fold(between, |length, text| length.saturating_add(text.len()));
    context.spend(parts_of_bytes(length))?;
    let mut all = String::with_capacity(length);
    for (place, text) in strings.iter().enumerate() {
        context.in_time()?;
        if let (1.., Some(separator)) = (place, &separator) {
            all.push_str(separator);
        }
        all.push_str(text);
    }
    Ok(Value::from(all))
}

/// Java's white space: without no-break spaces, with the separators of ASCII.
fn is_white(character: char) -> bool {
    match character {
        '\u{85}' | '\u{a0}' | '\u{2007}' | '\u{202f}' => false,
        '\u{1c}'..='\u{1f}' => true,
        other => other.is_whitespace(),
    }
}

fn trim_start(text: &str) -> &str {
    text.trim_start_matches(is_white)
}

fn trim_end(text: &str) -> &str {
    text.trim_end_matches(is_white)
}

/// A string several times. Java takes only the low 32 bits of the number, which then can be more than it has memory for.
fn repeated(context: &Context<'_>, text: &str, number: i64) -> Outcome<Value> {
    let Ok(number) = usize::try_from(to_int(number.min(MAX_REPETITIONS))) else { return Ok(Value::from("")) };
    if text.is_empty() {
        // The number may be more than two thousand million.
        return Ok(Value::from(""));
    }
    let length = text.len().saturating_mul(number);
    context.spend(parts_of_bytes(length))?;
    let mut all = String::with_capacity(length);
    for _ in 0..number {
        context.in_time()?;
        all.push_str(text);
    }
    Ok(Value::from(all))
}

fn space(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    repeated(context, " ", call.required(context, 0, cast::integer)?.max(0))
}

/// `repeat`: twice where no number is given.
fn repeat(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    let text = call.required(context, 0, cast::string)?;
    let number = call.optional(context, 1, cast::integer)?;
    repeated(context, &text, number.unwrap_or(2))
}

/// `substring`: a negative start counts from the end. Java takes only the low 32 bits of both numbers.
fn substring(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    let text = call.required(context, 0, cast::string)?;
    let start = call.optional(context, 1, cast::integer)?;
    let wanted = call.optional(context, 2, cast::integer)?;
    let length = count(text.chars().count());
    let from = i64::from(match start {
        Some(start) if start < 0 => to_int(length.wrapping_add(start)),
        start => to_int(start.unwrap_or(0)),
    });
    let to = match wanted {
        None => length,
        Some(0) => from,
        Some(wanted) if wanted > 0 => i64::from(to_int(from.wrapping_add(wanted).min(length))),
        Some(_) => -1,
    };
    if from > length || from < 0 {
        return Err(Failure::bounds("start", "less than or equal to the string length", call.position.clone()).into());
    }
    if to < 0 {
        return Err(Failure::bounds("length", "positive", call.position.clone()).into());
    }
    match (usize::try_from(from), usize::try_from(to - from)) {
        (Ok(from), Ok(length)) => Ok(Value::from(text.chars().skip(from).take(length).collect::<String>())),
        _ => Err(Fault::Internal("a string ends before it begins".to_owned()).into()),
    }
}

/// `ngram`: all parts of `min` to `max` characters, by place, then by length; what is no string stays as it is.
fn ngram(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    let terms = call.required(context, 0, cast::zero_or_more(cast::scalar))?;
    let min = call.optional(context, 1, cast::integer)?;
    let max = call.optional(context, 2, cast::integer)?;
    let failures = ngram_failures(min, max, call);
    if !failures.is_empty() {
        return Err(Halt::Failures(failures));
    }
    let sizes =
        [min.unwrap_or(DEFAULT_NGRAM.0), max.unwrap_or(DEFAULT_NGRAM.1)].map(|size| usize::try_from(to_int(size)));
    let (Ok(min @ 1..), Ok(max @ 1..)) = (sizes[0], sizes[1]) else {
        return Err(Fault::Internal("the sizes of n-grams are too large".to_owned()).into());
    };
    let mut grams = Vec::new();
    for term in terms {
        match term {
            Value::String(text) => push_grams(context, &mut grams, &text, min..=max)?,
            other => grams.push(other),
        }
    }
    Ok(Value::array(grams))
}

fn ngram_failures(min: Option<i64>, max: Option<i64>, call: &FormCall) -> Vec<Failure> {
    let (default_min, default_max) = DEFAULT_NGRAM;
    let rules: [(bool, &str, &str); 3] = match (min, max) {
        (Some(min), Some(max)) => [
            (min > max || min <= 0, "min ngram size", "> 0 and <= max"),
            (max <= 0, "max ngram size", "> 0"),
            (max.wrapping_sub(min) > MAX_NGRAM_SPAN, "max ngram size", "<= min + 1"),
        ],
        (Some(min), None) => [
            (min > default_max || min <= 0, "min ngram size", "> 0 and <= max"),
            (default_max.wrapping_sub(min) > MAX_NGRAM_SPAN, "min ngram size", ">= max - 1"),
            (false, "", ""),
        ],
        (None, Some(max)) => [
            (max <= default_min, "max ngram size", "> 0 and >= min"),
            (max.wrapping_sub(default_min) > MAX_NGRAM_SPAN, "max ngram size", "<= min + 1"),
            (false, "", ""),
        ],
        (None, None) => [(false, "", ""); 3],
    };
    let broken = rules.into_iter().filter(|(is_broken, _, _)| *is_broken);
    broken.map(|(_, argument, rule)| Failure::bounds(argument, rule, call.position.clone())).collect()
}

fn push_grams(context: &Context<'_>, grams: &mut Vec<Value>, text: &str, sizes: RangeInclusive<usize>) -> Outcome<()> {
    // No list of all places: it would be many times as large as the text.
    let places = || text.char_indices().map(|(at, _)| at).chain([text.len()]);
    let mut ends: Vec<_> = sizes.map(|size| places().skip(size)).collect();
    for start in places() {
        context.in_time()?;
        for gram in ends.iter_mut().filter_map(|ends| text.get(start..ends.next()?)) {
            context.spend(parts_of_bytes(gram.len()))?;
            grams.push(Value::from(gram));
        }
    }
    Ok(())
}
