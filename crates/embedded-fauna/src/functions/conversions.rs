//! `to_string`, `to_number`, `to_time` and the others that turn a value into another type.
//!
//! A value that cannot be converted is reported at the call; `to_integer` and `to_double` report it at their key.

use crate::evaluator::cast::Number;
use crate::evaluator::{Context, Form};
use crate::functions::numbers::java::{double, long};
use crate::functions::numbers::text;
use crate::functions::time::{parse_date, parse_time};
use crate::ir::{Date, Failure, Fault, FormCall, Key, Kind, Outcome, Position, Time, Value};
use crate::wire;

pub const FORMS: &[Form] = &[
    Form::pure(&[Key::required("to_string")], |context, call| text(&call.value(context, 0)?, &call.position)),
    Form::pure(&[Key::required("to_number")], |context, call| {
        Ok(Value::from(number(&call.value(context, 0)?, Kind::Number, &call.position)?))
    }),
    Form::pure(&[Key::required("to_double")], |context, call| {
        Ok(Value::Double(double(number(&call.value(context, 0)?, Kind::Double, &call.at(0))?)))
    }),
    Form::pure(&[Key::required("to_integer")], |context, call| {
        Ok(Value::Integer(long(number(&call.value(context, 0)?, Kind::Integer, &call.at(0))?)))
    }),
    Form::pure(&[Key::required("to_time")], to_time),
    Form::pure(&[Key::required("to_date")], to_date),
];

/// Converts a scalar to text; other types are a failure.
pub fn text(value: &Value, at: &Position) -> Outcome<Value> {
    Ok(match value {
        Value::Integer(number) => Value::from(number.to_string()),
        Value::Double(number) => Value::from(wire::double(*number)),
        Value::Bool(value) => Value::from(value.to_string()),
        Value::Null => Value::from("null"),
        Value::String(_) => value.clone(),
        Value::Time(time) => Value::from(time.to_string()),
        Value::Date(date) => Value::from(date.to_string()),
        Value::Uuid(uuid) => Value::from(wire::hyphenated(*uuid)),
        Value::Action(action) => Value::from(action.name()),
        other => return Err(Failure::cast(other.kind(), Kind::String, at.clone()).into()),
    })
}

/// A number, or the one a text begins with.
fn number(value: &Value, wanted: Kind, at: &Position) -> Outcome<Number> {
    let number = match value {
        Value::Integer(number) => Some(Number::Integer(*number)),
        Value::Double(number) => Some(Number::Double(*number)),
        Value::String(text) => text::parse(text),
        _ => None,
    };
    number.ok_or_else(|| Failure::cast(value.kind(), wanted, at.clone()).into())
}

/// `to_time`: an integer counts milliseconds, a date begins at midnight.
fn to_time(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    match call.value(context, 0)? {
        Value::Integer(millis) => {
            let time = Time::new(millis.div_euclid(1000), millis.rem_euclid(1000) * 1_000_000);
            time.map(Value::Time).ok_or_else(|| Fault::Internal("a time out of range".to_owned()).into())
        }
        time @ Value::Time(_) => Ok(time),
        Value::Date(date) => Ok(Value::Time(date.midnight())),
        Value::String(text) => parse_time(context, &text, &call.position),
        other => Err(Failure::cast(other.kind(), Kind::Time, call.position.clone()).into()),
    }
}

/// `to_date`: of a time its day, UTC.
fn to_date(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    match call.value(context, 0)? {
        Value::Time(time) => {
            let date = Date::from_days(time.date().days());
            date.map(Value::Date).ok_or_else(|| Fault::Internal("a date out of range".to_owned()).into())
        }
        date @ Value::Date(_) => Ok(date),
        Value::String(text) => parse_date(&text, &call.position),
        other => Err(Failure::cast(other.kind(), Kind::Date, call.position.clone()).into()),
    }
}
