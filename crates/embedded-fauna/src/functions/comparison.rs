//! `equals`, the comparisons, and `not`.
//!
//! Comparing uses the total order of all values; equality is exact by type except between integers and doubles.

use std::cmp::Ordering;

use crate::evaluator::{Context, Form, cast};
use crate::functions::numbers::java::to_double;
use crate::ir::{ApiVersion, Failure, FormCall, Halt, Key, Outcome, Position, Value, compare};

pub const FORMS: &[Form] = &[
    Form::pure(&[Key::required("equals")], equals),
    Form::pure(&[Key::required("lt")], |context, call| compare_all(context, call, Ordering::is_lt)),
    Form::pure(&[Key::required("lte")], |context, call| compare_all(context, call, Ordering::is_le)),
    Form::pure(&[Key::required("gt")], |context, call| compare_all(context, call, Ordering::is_gt)),
    Form::pure(&[Key::required("gte")], |context, call| compare_all(context, call, Ordering::is_ge)),
    Form::pure(&[Key::required("not")], |context, call| Ok(Value::Bool(!call.required(context, 0, cast::boolean)?))),
    Form::pure(&[Key::required("and")], |context, call| {
        Ok(Value::Bool(booleans(context, call)?.into_iter().all(|value| value)))
    })
    .until(ApiVersion::V3),
    Form::pure(&[Key::required("or")], |context, call| {
        Ok(Value::Bool(booleans(context, call)?.into_iter().any(|value| value)))
    })
    .until(ApiVersion::V3),
];

/// The arguments of `and` and `or` in API versions before 3, which evaluate all of them.
fn booleans(context: &Context<'_>, call: &FormCall) -> Outcome<Vec<bool>> {
    call.required(context, 0, cast::one_or_more(cast::boolean))
}

/// `equals`: whether all are like the first.
fn equals(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    let values = call.required(context, 0, cast::one_or_more(cast::any))?;
    let equal =
        values.split_first().is_none_or(|(first, rest)| rest.iter().all(|other| are_equal(context, first, other)));
    Ok(Value::Bool(equal))
}

/// NaN equals itself and the two zeros differ, as with Java's `Double.compare`.
fn are_equal(context: &Context<'_>, a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Double(a), Value::Double(b)) => same_double(*a, *b),
        (Value::Integer(a), Value::Double(b)) | (Value::Double(b), Value::Integer(a)) => same_double(to_double(*a), *b),
        (Value::String(text), Value::Action(action)) | (Value::Action(action), Value::String(text))
            if context.version >= ApiVersion::V5 =>
        {
            action.name() == &**text
        }
        (a, b) => a == b,
    }
}

const fn same_double(a: f64, b: f64) -> bool {
    a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan()
}

fn compare_all(context: &Context<'_>, call: &FormCall, is_ordered: fn(Ordering) -> bool) -> Outcome<Value> {
    let values = call.required(context, 0, cast::one_or_more(cast::any))?;
    all_resolved(&values, &call.at(0))?;
    for pair in values.windows(2) {
        context.in_time()?;
        if let [a, b] = pair
            && !is_ordered(order(a, b))
        {
            return Ok(Value::Bool(false));
        }
    }
    Ok(Value::Bool(true))
}

/// Which of two values comes first. An integer and a double are compared as doubles.
pub fn order(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Integer(a), Value::Double(b)) => order_doubles(to_double(*a), *b),
        (Value::Double(a), Value::Integer(b)) => order_doubles(*a, to_double(*b)),
        (a, b) => compare(a, b),
    }
}

fn order_doubles(a: f64, b: f64) -> Ordering {
    if a.is_nan() || b.is_nan() { a.is_nan().cmp(&b.is_nan()) } else { a.total_cmp(&b) }
}

/// Refuses unresolved references, which have no place in the order; reports all of them.
pub fn all_resolved(values: &[Value], at: &Position) -> Outcome<()> {
    let failures: Vec<Failure> = values
        .iter()
        .filter_map(|value| match value {
            Value::Unresolved(reference) => Some(Failure::unresolved(reference, at.clone())),
            _ => None,
        })
        .collect();
    if failures.is_empty() { Ok(()) } else { Err(Halt::Failures(failures)) }
}
