//! `add` and the others that fold numbers from the left.
//!
//! Integers wrap; as soon as a double takes part, the rest is computed in doubles.

use crate::evaluator::cast::Number;
use crate::evaluator::{Context, Form, cast};
use crate::functions::numbers::java::{double, long, to_double};
use crate::ir::{ApiVersion, Failure, FormCall, Key, Outcome, Value};

pub const FORMS: &[Form] = &[
    Form::pure(&[Key::required("add")], |context, call| {
        fold(context, call, |a, b| combine(a, b, i64::wrapping_add, |a, b| a + b))
    }),
    Form::pure(&[Key::required("subtract")], |context, call| {
        fold(context, call, |a, b| combine(a, b, i64::wrapping_sub, |a, b| a - b))
    }),
    Form::pure(&[Key::required("multiply")], |context, call| {
        fold(context, call, |a, b| combine(a, b, i64::wrapping_mul, |a, b| a * b))
    }),
    Form::pure(&[Key::required("divide")], |context, call| {
        fold_without_zero(context, call, |a, b| combine(a, b, i64::wrapping_div, |a, b| a / b))
    }),
    Form::pure(&[Key::required("modulo")], |context, call| {
        fold_without_zero(context, call, |a, b| combine(a, b, i64::wrapping_rem, |a, b| a % b))
    }),
    Form::pure(&[Key::required("bitand")], bit_and).until(ApiVersion::Unstable),
    Form::pure(&[Key::required("bit_and")], bit_and).since(ApiVersion::Unstable),
    Form::pure(&[Key::required("bitor")], bit_or).until(ApiVersion::Unstable),
    Form::pure(&[Key::required("bit_or")], bit_or).since(ApiVersion::Unstable),
    Form::pure(&[Key::required("bitxor")], bit_xor).until(ApiVersion::Unstable),
    Form::pure(&[Key::required("bit_xor")], bit_xor).since(ApiVersion::Unstable),
];

type Operation = fn(Number, Number) -> Number;

/// Folds the numbers of the one argument, of which there is at least one; a single number stays as it is.
fn fold(context: &Context<'_>, call: &FormCall, operation: Operation) -> Outcome<Value> {
    let numbers = call.required(context, 0, cast::one_or_more(cast::number))?;
    Ok(numbers.into_iter().reduce(operation).map_or(Value::Null, Value::from))
}

/// The same, where none but the first may be zero.
fn fold_without_zero(context: &Context<'_>, call: &FormCall, operation: Operation) -> Outcome<Value> {
    let numbers = call.required(context, 0, cast::one_or_more(cast::number))?;
    if numbers.iter().skip(1).any(|number| double(*number) == 0.0) {
        return Err(Failure::argument(call.position.clone(), "Illegal division by zero.").into());
    }
    Ok(numbers.into_iter().reduce(operation).map_or(Value::Null, Value::from))
}

/// Two integers as such, anything else as doubles.
fn combine(a: Number, b: Number, integers: fn(i64, i64) -> i64, doubles: fn(f64, f64) -> f64) -> Number {
    match (a, b) {
        (Number::Integer(a), Number::Integer(b)) => Number::Integer(integers(a, b)),
        (a, b) => Number::Double(doubles(double(a), double(b))),
    }
}

/// Combines bits; a double loses its fraction first, and the result is a double again.
fn bits(a: Number, b: Number, operation: fn(i64, i64) -> i64) -> Number {
    match (a, b) {
        (Number::Integer(a), Number::Integer(b)) => Number::Integer(operation(a, b)),
        (a, b) => Number::Double(to_double(operation(long(a), long(b)))),
    }
}

fn bit_and(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    fold(context, call, |a, b| bits(a, b, |a, b| a & b))
}

fn bit_or(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    fold(context, call, |a, b| bits(a, b, |a, b| a | b))
}

fn bit_xor(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    fold(context, call, |a, b| bits(a, b, |a, b| a ^ b))
}
