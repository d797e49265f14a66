//! Reads numbers from text as Java's `NumberFormat` does in an English locale.
//!
//! A number at the beginning is enough, what follows it is ignored; commas group digits, `E` begins an exponent. What fits an integer
//! is one, even if it is written with a point.

use crate::evaluator::cast::Number;

/// Exponents beyond this give zero or infinity.
const MAX_EXPONENT: i64 = 100_000;

/// Parses the number at the beginning of a text, after blanks.
pub fn parse(text: &str) -> Option<Number> {
    let text = text.trim_matches(|character: char| character <= ' ');
    let (is_negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    if text.starts_with("NaN") {
        return Some(Number::Double(f64::NAN));
    }
    if rest.starts_with('∞') {
        return Some(Number::Double(if is_negative { f64::NEG_INFINITY } else { f64::INFINITY }));
    }
    let mut digits = Digits::default();
    let rest = digits.read(rest.chars())?;
    digits.exponent = exponent(rest.as_str());
    Some(digits.number(is_negative))
}

/// Parses `E` and an exponent; 0 if there is none.
fn exponent(rest: &str) -> i64 {
    let Some(rest) = rest.strip_prefix('E') else { return 0 };
    let (sign, rest) = rest.strip_prefix('-').map_or((1, rest), |rest| (-1, rest));
    let digits = rest.chars().map_while(|character| character.to_digit(10));
    sign * digits.fold(0, |value, digit| (value * 10 + i64::from(digit)).min(MAX_EXPONENT))
}

/// The digits of a number.
#[derive(Default)]
struct Digits {
    /// All digits but leading zeros.
    text: String,
    fraction: i64,
    /// The power of ten they are multiplied with.
    exponent: i64,
}

impl Digits {
    /// Reads digits with commas and one point; what follows is given back. `None` where there is no digit.
    fn read<'t>(&mut self, mut rest: std::str::Chars<'t>) -> Option<std::str::Chars<'t>> {
        let mut has_digit = false;
        let mut has_point = false;
        let mut before_comma = None;
        loop {
            let here = rest.clone();
            match rest.next() {
                Some(digit @ '0'..='9') => {
                    has_digit = true;
                    before_comma = None;
                    self.fraction += i64::from(has_point);
                    if digit != '0' || !self.text.is_empty() {
                        self.text.push(digit);
                    }
                }
                Some('.') if !has_point => has_point = true,
                Some(',') if !has_point => {
                    before_comma.get_or_insert(here);
                }
                _ => return has_digit.then(|| before_comma.unwrap_or(here)),
            }
        }
    }

    /// An integer if the number fits one and is not a negative zero, otherwise a double.
    fn number(&self, is_negative: bool) -> Number {
        let significant = self.text.trim_end_matches('0');
        let trailing = i64::try_from(self.text.len() - significant.len()).unwrap_or(0);
        let zeros = trailing - self.fraction + self.exponent;
        if significant.is_empty() {
            return if is_negative { Number::Double(-0.0) } else { Number::Integer(0) };
        }
        let sign = if is_negative { "-" } else { "" };
        let integer = usize::try_from(zeros)
            .ok()
            .filter(|zeros| *zeros < 19)
            .and_then(|zeros| format!("{sign}{significant}{}", "0".repeat(zeros)).parse().ok());
        match integer {
            Some(integer) => Number::Integer(integer),
            None => Number::Double(format!("{sign}{significant}e{zeros}").parse().unwrap_or(f64::NAN)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_java_reads_them() {
        for (text, number) in [
            ("42", Number::Integer(42)),
            ("3.50", Number::Double(3.5)),
            ("7.0", Number::Integer(7)),
            ("12abc", Number::Integer(12)),
            ("1,000", Number::Integer(1000)),
            ("1,x", Number::Integer(1)),
            ("1e3", Number::Integer(1)),
            ("1E3", Number::Integer(1000)),
            ("1.5E-1", Number::Double(0.15)),
            (" 5 ", Number::Integer(5)),
            ("-7", Number::Integer(-7)),
            (".5", Number::Double(0.5)),
            ("1.", Number::Integer(1)),
            ("0x1F", Number::Integer(0)),
            ("9223372036854775807", Number::Integer(i64::MAX)),
            ("-9223372036854775808", Number::Integer(i64::MIN)),
            ("9223372036854775808", Number::Double(9_223_372_036_854_775_808.0)),
            ("2025-02-30", Number::Integer(2025)),
        ] {
            assert_eq!(parse(text), Some(number), "{text}");
        }
        for text in ["", "abc", "-", "+5", ".", ",", "- 5"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
