//! `time`, `now`, `epoch`, the parts of times, and arithmetic with times and dates.

use std::sync::Arc;

use crate::evaluator::{Context, Form, cast};
use crate::ir::{Date, Failure, Fault, FormCall, Key, Kind, Outcome, Position, Time, Value};

pub const FORMS: &[Form] = &[
    Form::pure(&[Key::required("time")], |context, call| {
        let text = call.required(context, 0, cast::string)?;
        parse_time(context, &text, &call.position)
    }),
    Form::pure(&[Key::required("now")], |context, call| {
        call.required(context, 0, cast::null)?;
        Ok(now(context))
    }),
    Form::pure(&[Key::required("date")], |context, call| {
        parse_date(&call.required(context, 0, cast::string)?, &call.position)
    }),
    Form::pure(&[Key::required("epoch"), Key::required("unit")], epoch),
    Form::pure(&[Key::required("to_micros")], |context, call| {
        let time = call.required(context, 0, cast::timestamp)?;
        Ok(Value::Integer(time.seconds().wrapping_mul(1_000_000).wrapping_add(time.nanos() / 1000)))
    }),
    Form::pure(&[Key::required("to_millis")], |context, call| {
        let time = call.required(context, 0, cast::timestamp)?;
        integer(i128::from(time.seconds()) * 1000 + i128::from(time.nanos() / 1_000_000))
    }),
    Form::pure(&[Key::required("to_seconds")], |context, call| {
        Ok(Value::Integer(call.required(context, 0, cast::timestamp)?.seconds()))
    }),
    Form::pure(&[Key::required("second")], |context, call| part(context, call, |time| time.second_of_day() % 60)),
    Form::pure(&[Key::required("minute")], |context, call| part(context, call, |time| time.second_of_day() / 60 % 60)),
    Form::pure(&[Key::required("hour")], |context, call| part(context, call, |time| time.second_of_day() / 3600)),
    Form::pure(&[Key::required("day_of_month")], |context, call| part(context, call, |time| time.date().civil().2)),
    Form::pure(&[Key::required("day_of_week")], |context, call| part(context, call, |time| time.date().weekday())),
    Form::pure(&[Key::required("day_of_year")], |context, call| part(context, call, |time| time.date().day_of_year())),
    Form::pure(&[Key::required("month")], |context, call| part(context, call, |time| time.date().civil().1)),
    Form::pure(&[Key::required("year")], |context, call| part(context, call, |time| time.date().civil().0)),
    Form::pure(&[Key::required("time_add"), Key::required("offset"), Key::required("unit")], |context, call| {
        shift(context, call, 1)
    }),
    Form::pure(&[Key::required("time_subtract"), Key::required("offset"), Key::required("unit")], |context, call| {
        shift(context, call, -1)
    }),
    Form::pure(&[Key::required("time_diff"), Key::required("other"), Key::required("unit")], difference),
];

/// Nanoseconds of a microsecond.
const MICROSECOND: i128 = 1000;
/// Nanoseconds of a millisecond.
const MILLISECOND: i128 = 1_000_000;
/// Nanoseconds of a second.
const SECOND: i128 = 1_000_000_000;
/// Nanoseconds of a day.
const DAY: i128 = 86_400 * SECOND;

/// A unit of time: its length in nanoseconds, and how it was written.
struct Unit {
    nanos: i128,
    given: Arc<str>,
}

impl Unit {
    /// Reads its name, in the singular or the plural.
    fn cast(value: &Value, at: &Position) -> Outcome<Self> {
        let nanos = |text: &str| {
            let name = text.trim_matches(|character: char| character <= ' ');
            Some(match name.strip_suffix('s').unwrap_or(name) {
                "day" => DAY,
                "half day" => DAY / 2,
                "hour" => 3600 * SECOND,
                "minute" => 60 * SECOND,
                "second" => SECOND,
                "millisecond" => MILLISECOND,
                "microsecond" => MICROSECOND,
                "nanosecond" => 1,
                _ => return None,
            })
        };
        match value {
            Value::String(given) => nanos(given)
                .map(|nanos| Self { nanos, given: Arc::clone(given) })
                .ok_or_else(|| Failure::expected(&[Kind::TimeUnit], Kind::String, at.clone()).into()),
            other => cast::unexpected(&[Kind::TimeUnit], other, at),
        }
    }

    /// The refusal of a unit shorter than a day for dates.
    fn refused(&self, at: Position) -> Failure {
        Failure::argument(at, format!("Invalid time unit '{}'.", self.given))
    }
}

/// The time of the request.
const fn now(context: &Context<'_>) -> Value {
    Value::Time(Time::from_micros(context.transaction().snapshot()))
}

/// Parses a time; `now` is the transaction time.
pub fn parse_time(context: &Context<'_>, text: &str, at: &Position) -> Outcome<Value> {
    if text == "now" {
        return Ok(now(context));
    }
    let time = Time::parse(text.trim_matches(|character: char| character <= ' '));
    time.map(Value::Time)
        .ok_or_else(|| Failure::argument(at.clone(), format!("Cannot cast '{text}' to a time.")).into())
}

pub fn parse_date(text: &str, at: &Position) -> Outcome<Value> {
    let date = Date::parse(text.trim_matches(|character: char| character <= ' '));
    date.map(Value::Date)
        .ok_or_else(|| Failure::argument(at.clone(), format!("Cannot cast '{text}' to a date.")).into())
}

/// The time `nanos` nanoseconds after 1970; `None` if it is out of range.
fn at_nanos(nanos: i128) -> Option<Time> {
    let seconds = i64::try_from(nanos.div_euclid(SECOND)).ok()?;
    Time::new(seconds, i64::try_from(nanos.rem_euclid(SECOND)).ok()?)
}

fn nanos_of(time: Time) -> i128 {
    i128::from(time.seconds()) * SECOND + i128::from(time.nanos())
}

fn out_of_range(at: Position) -> Failure {
    let range = "between -1000000000-01-01T00:00:00Z and +1000000000-12-31T23:59:59.999999999Z";
    Failure::bounds("dates and times", range, at)
}

/// `epoch`: an offset from 1970 in the given unit.
fn epoch(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    let number = call.required(context, 0, cast::integer)?;
    let unit = call.required(context, 1, Unit::cast)?;
    let time = at_nanos(i128::from(number) * unit.nanos);
    time.map(Value::Time).ok_or_else(|| out_of_range(call.position.clone()).into())
}

/// A part of a time; fails for years that a date cannot have.
fn part(context: &Context<'_>, call: &FormCall, part: fn(Time) -> i64) -> Outcome<Value> {
    let time = call.required(context, 0, cast::timestamp)?;
    match Date::from_days(time.date().days()) {
        Some(_) => Ok(Value::Integer(part(time))),
        None => Err(Fault::Internal("a date out of range".to_owned()).into()),
    }
}

/// Narrows to an integer; out of range is an internal error, as in FaunaDB (500).
fn integer(number: i128) -> Outcome<Value> {
    match i64::try_from(number) {
        Ok(number) => Ok(Value::Integer(number)),
        Err(overflow) => Err(Fault::Internal(overflow.to_string()).into()),
    }
}

/// A time or a date.
enum Temporal {
    Time(Time),
    Date(Date),
}

/// A time or a date.
fn temporal(value: &Value, at: &Position) -> Outcome<Temporal> {
    match value {
        Value::Time(time) => Ok(Temporal::Time(*time)),
        Value::Date(date) => Ok(Temporal::Date(*date)),
        other => cast::unexpected(&[Kind::Temporal], other, at),
    }
}

/// `time_add` and `time_subtract`; dates move by days only.
fn shift(context: &Context<'_>, call: &FormCall, sign: i128) -> Outcome<Value> {
    let base = call.required(context, 0, temporal)?;
    let offset = sign * i128::from(call.required(context, 1, cast::integer)?);
    let unit = call.required(context, 2, Unit::cast)?;
    let shifted = match base {
        Temporal::Time(time) => at_nanos(nanos_of(time) + offset * unit.nanos).map(Value::Time),
        Temporal::Date(date) if unit.nanos == DAY => {
            let days = i64::try_from(i128::from(date.days()) + offset).ok();
            days.and_then(Date::from_days).map(Value::Date)
        }
        Temporal::Date(_) => return Err(unit.refused(call.at(2)).into()),
    };
    shifted.ok_or_else(|| out_of_range(call.at(1)).into())
}

/// Whole units between two moments, as Java's `Instant` counts them: milliseconds between those that have begun, where both can be
/// counted from 1970, and microseconds only where the nanoseconds can be counted, of which those of whole seconds come first.
fn between(start: i128, other: i128, unit: i128) -> Outcome<Value> {
    match unit {
        MILLISECOND => {
            let [start, other] = [start, other].map(|nanos| nanos.div_euclid(unit));
            integer(start).and(integer(other)).and(integer(other - start))
        }
        MICROSECOND | 1 => {
            let seconds = other.div_euclid(SECOND) - start.div_euclid(SECOND);
            integer(seconds * SECOND).and(integer(other - start)).and(integer((other - start) / unit))
        }
        unit => integer((other - start) / unit),
    }
}

/// `time_diff`: whole units from the first to the other; of dates only days.
fn difference(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    let start = call.required(context, 0, temporal)?;
    let other = call.required(context, 1, temporal)?;
    let unit = call.required(context, 2, Unit::cast)?;
    match (start, other) {
        (Temporal::Time(start), Temporal::Time(other)) => between(nanos_of(start), nanos_of(other), unit.nanos),
        (Temporal::Date(start), Temporal::Date(other)) if unit.nanos == DAY => {
            Ok(Value::Integer(other.days() - start.days()))
        }
        (Temporal::Date(_), Temporal::Date(_)) => Err(unit.refused(call.at(2)).into()),
        _ => Err(Failure::argument(call.at(0), "Incompatible time arguments.").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_that_java_cannot_count_fail() {
        let last = 31_556_889_864_403_199 * SECOND;
        let almost = SECOND - 1;
        for (start, other, unit, difference) in [
            (last, last, DAY, Some(0)),
            // Java counts the milliseconds of both from 1970 first.
            (last, last, MILLISECOND, None),
            (-1, 0, MILLISECOND, Some(1)),
            (last - SECOND, last, MICROSECOND, Some(1_000_000)),
            (almost, 9_223_372_036 * SECOND + almost, 1, Some(9_223_372_036_000_000_000)),
            // 9 223 372 037 seconds have too many nanoseconds, although the difference is smaller.
            (almost, 9_223_372_037 * SECOND, 1, None),
            (almost, 9_223_372_037 * SECOND, MICROSECOND, None),
            (almost, 9_223_372_037 * SECOND, SECOND, Some(9_223_372_036)),
        ] {
            assert_eq!(between(start, other, unit).ok(), difference.map(Value::Integer), "{start} {other} {unit}");
        }
    }
}
