//! How Java turns numbers of one type into another: FaunaDB computes with its `long`, `int` and `double`.

use crate::evaluator::cast::Number;
use crate::ir::Value;

/// An integer as the nearest double.
#[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "the nearest double is what Java gives")]
pub const fn to_double(number: i64) -> f64 {
    number as f64
}

/// Truncates a double: saturates at the bounds of `i64`, 0 for NaN.
#[expect(clippy::as_conversions, clippy::cast_possible_truncation, reason = "saturates, as in Java")]
pub const fn to_long(number: f64) -> i64 {
    number as i64
}

/// The low 32 bits of an integer.
pub const fn to_int(number: i64) -> i32 {
    let [a, b, c, d, ..] = number.to_le_bytes();
    i32::from_le_bytes([a, b, c, d])
}

/// A count as an integer.
pub fn count(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

/// A number as a double.
pub const fn double(number: Number) -> f64 {
    match number {
        Number::Integer(number) => to_double(number),
        Number::Double(number) => number,
    }
}

pub const fn long(number: Number) -> i64 {
    match number {
        Number::Integer(number) => number,
        Number::Double(number) => to_long(number),
    }
}

impl From<Number> for Value {
    fn from(number: Number) -> Self {
        match number {
            Number::Integer(number) => Self::Integer(number),
            Number::Double(number) => Self::Double(number),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_turn_as_in_java() {
        assert_eq!(to_long(-3.99), -3);
        assert_eq!(to_long(1e21), i64::MAX);
        assert_eq!(to_long(f64::NAN), 0);
        assert_eq!(to_int(i64::MAX), -1);
        assert_eq!(to_int(9_007_199_254_740_993), 1);
    }
}
