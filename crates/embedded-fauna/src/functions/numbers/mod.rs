//! `abs`, `round` and the others that take one number, and those of trigonometry.
//!
//! Rounding keeps the type of its argument; roots, powers, logarithms and trigonometry give doubles.

pub mod arithmetic;
pub mod java;
pub mod text;

use crate::evaluator::cast::Number;
use crate::evaluator::{Context, Form, cast};
use crate::functions::numbers::java::{double, long, to_double, to_long};
use crate::ir::{ApiVersion, Failure, FormCall, Key, Outcome, Value};
use crate::wire;

pub const FORMS: &[Form] = &[
    Form::pure(&[Key::required("abs")], |context, call| each(context, call, i64::wrapping_abs, f64::abs)),
    Form::pure(&[Key::required("ceil")], |context, call| each(context, call, |number| number, f64::ceil)),
    Form::pure(&[Key::required("floor")], |context, call| each(context, call, |number| number, f64::floor)),
    Form::pure(&[Key::required("round"), Key::optional("precision")], |context, call| {
        to_precision(context, call, round_integer, round_double)
    }),
    Form::pure(&[Key::required("trunc"), Key::optional("precision")], |context, call| {
        to_precision(context, call, truncate_integer, truncate_double)
    }),
    Form::pure(&[Key::required("sign")], sign),
    Form::pure(&[Key::required("bitnot")], bit_not).until(ApiVersion::Unstable),
    Form::pure(&[Key::required("bit_not")], bit_not).since(ApiVersion::Unstable),
    Form::pure(&[Key::required("sqrt")], |context, call| {
        within(context, call, |number| number >= 0.0, "positive", f64::sqrt)
    }),
    Form::pure(&[Key::required("pow"), Key::optional("exp")], power),
    Form::pure(&[Key::required("hypot"), Key::optional("b")], hypotenuse),
    Form::pure(&[Key::required("exp")], |context, call| unary_double(context, call, f64::exp)),
    Form::pure(&[Key::required("ln")], |context, call| {
        within(context, call, |number| number > 0.0, "greater than 0", f64::ln)
    }),
    Form::pure(&[Key::required("log")], |context, call| {
        within(context, call, |number| number > 0.0, "greater than 0", f64::log10)
    }),
    Form::pure(&[Key::required("sin")], |context, call| unary_double(context, call, f64::sin)),
    Form::pure(&[Key::required("cos")], |context, call| unary_double(context, call, f64::cos)),
    Form::pure(&[Key::required("tan")], |context, call| unary_double(context, call, f64::tan)),
    Form::pure(&[Key::required("asin")], |context, call| {
        within(context, call, |number| (-1.0..=1.0).contains(&number), UNIT_RANGE, f64::asin)
    }),
    Form::pure(&[Key::required("acos")], |context, call| {
        within(context, call, |number| (-1.0..=1.0).contains(&number), UNIT_RANGE, f64::acos)
    }),
    Form::pure(&[Key::required("atan")], |context, call| unary_double(context, call, f64::atan)),
    Form::pure(&[Key::required("sinh")], |context, call| unary_double(context, call, f64::sinh)),
    Form::pure(&[Key::required("cosh")], |context, call| unary_double(context, call, f64::cosh)),
    Form::pure(&[Key::required("tanh")], |context, call| unary_double(context, call, f64::tanh)),
    Form::pure(&[Key::required("degrees")], |context, call| unary_double(context, call, f64::to_degrees)),
    Form::pure(&[Key::required("radians")], |context, call| unary_double(context, call, f64::to_radians)),
];

const UNIT_RANGE: &str = "between -1 and 1 inclusive";
const DEFAULT_PLACES: i64 = 2;

/// A number of the same type.
fn each(
    context: &Context<'_>,
    call: &FormCall,
    integer: fn(i64) -> i64,
    unary_double: fn(f64) -> f64,
) -> Outcome<Value> {
    Ok(match call.required(context, 0, cast::number)? {
        Number::Integer(number) => Value::Integer(integer(number)),
        Number::Double(number) => Value::Double(unary_double(number)),
    })
}

/// A double, whatever the argument is.
fn unary_double(context: &Context<'_>, call: &FormCall, function: fn(f64) -> f64) -> Outcome<Value> {
    Ok(Value::Double(function(double(call.required(context, 0, cast::number)?))))
}

/// A function of a double with a bounded domain.
fn within(
    context: &Context<'_>,
    call: &FormCall,
    is_inside: fn(f64) -> bool,
    bounds: &'static str,
    function: fn(f64) -> f64,
) -> Outcome<Value> {
    let number = call.required(context, 0, cast::number)?;
    if is_inside(double(number)) {
        return Ok(Value::Double(function(double(number))));
    }
    let shown = match number {
        Number::Integer(number) => number.to_string(),
        Number::Double(number) => wire::double(number),
    };
    Err(Failure::bounds(shown, bounds, call.position.clone()).into())
}

/// `round` and `trunc`: an integer without a precision stays as it is.
fn to_precision(
    context: &Context<'_>,
    call: &FormCall,
    integer: fn(i64, i64) -> i64,
    unary_double: fn(f64, i64) -> f64,
) -> Outcome<Value> {
    let number = call.required(context, 0, cast::number)?;
    let places = call.optional(context, 1, cast::integer)?;
    Ok(match (number, places) {
        (Number::Integer(number), None) => Value::Integer(number),
        (Number::Integer(number), Some(places)) => Value::Integer(integer(number, places)),
        (Number::Double(number), places) => Value::Double(unary_double(number, places.unwrap_or(DEFAULT_PLACES))),
    })
}

/// A power of ten.
fn power_of_ten(exponent: i64) -> f64 {
    10_f64.powf(to_double(exponent))
}

/// A power of ten as the 32-bit integer that FaunaDB scales fractions with.
fn scale(places: i64) -> f64 {
    to_double(to_long(power_of_ten(places)).min(i64::from(i32::MAX)))
}

/// Rounds an integer half up; only places before the point matter.
fn round_integer(number: i64, places: i64) -> i64 {
    if places > 0 {
        return number;
    }
    let scale = power_of_ten(places);
    to_long(to_double(to_long(to_double(number) * scale + 0.5)) / scale)
}

/// Rounds a double half up; with places after the point its whole part is kept apart, so that large numbers keep it.
fn round_double(number: f64, places: i64) -> f64 {
    if places > 0 {
        let scale = scale(places);
        let whole = to_double(to_long(number));
        let fraction = to_long((number - whole + 0.5 / scale) * scale);
        return whole + to_double(fraction) / scale;
    }
    let scale = power_of_ten(places);
    to_double(to_long(to_double(to_long(number * scale + 0.5)) / scale))
}

/// Cuts places before the point off an integer.
fn truncate_integer(number: i64, places: i64) -> i64 {
    if places > 0 {
        return number;
    }
    let scale = power_of_ten(places);
    to_long(to_double(to_long(to_double(number) * scale)) / scale)
}

/// Cuts places off a double.
fn truncate_double(number: f64, places: i64) -> f64 {
    if places > 0 {
        let scale = scale(places);
        let whole = to_double(to_long(number));
        return whole + to_double(to_long((number - whole) * scale)) / scale;
    }
    let scale = power_of_ten(places);
    to_double(to_long(number * scale)) / scale
}

/// `sign`: an integer; zero has a sign only as a double.
fn sign(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    Ok(Value::Integer(match call.required(context, 0, cast::number)? {
        Number::Integer(number) => number.signum(),
        Number::Double(number) if number < 0.0 => -1,
        Number::Double(_) => 1,
    }))
}

fn bit_not(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    Ok(Value::Integer(!long(call.required(context, 0, cast::number)?)))
}

/// `pow`: the square where no exponent is given. Java, unlike IEEE 754, knows no 1 to the power of infinity.
fn power(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    let base = double(call.required(context, 0, cast::number)?);
    let exponent = call.optional(context, 1, cast::number)?.map_or(2.0, double);
    let is_undefined = exponent.is_nan() || base.abs().to_bits() == 1_f64.to_bits() && exponent.is_infinite();
    Ok(Value::Double(if is_undefined { f64::NAN } else { base.powf(exponent) }))
}

/// `hypot`: both sides alike where only one is given.
fn hypotenuse(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    let a = double(call.required(context, 0, cast::number)?);
    let b = call.optional(context, 1, cast::number)?.map_or(a, double);
    Ok(Value::Double(a.hypot(b)))
}
