//! Prints numbers as Java's `Formatter` does.

use super::specifier::Specifier;
use crate::wire;

/// Precision of `%f`, `%e` and `%g` if none is given.
const DEFAULT_PRECISION: usize = 6;

/// Pads with blanks, on the right if `is_left`.
pub fn padded(text: String, width: usize, is_left: bool) -> String {
    let blanks = " ".repeat(width.saturating_sub(text.chars().count()));
    if is_left { text + &blanks } else { blanks + &text }
}

/// An integer; `None` where Java refuses the specifier.
pub fn integer(specifier: &Specifier, value: i64) -> Option<String> {
    if specifier.precision.is_some() {
        return None;
    }
    let (allowed, prefix, digits) = match specifier.conversion {
        Some('d') => {
            let digits = grouped(specifier, &value.unsigned_abs().to_string());
            return specifier.allows("-+ 0,(").then(|| signed(specifier, value < 0, &digits));
        }
        Some('o') => ("-#0", "0", format!("{value:o}")),
        _ => ("-#0", "0x", format!("{value:x}")),
    };
    let prefix = if specifier.has('#') { prefix } else { "" };
    specifier.allows(allowed).then(|| {
        let width = if specifier.has('0') { specifier.width.unwrap_or(0) } else { 0 };
        let zeros = "0".repeat(width.saturating_sub(prefix.len() + digits.len()));
        specifier.filled(format!("{prefix}{zeros}{digits}"))
    })
}

/// Digits with a comma after each three, if asked for; only those before the point count.
fn grouped(specifier: &Specifier, digits: &str) -> String {
    if !specifier.has(',') {
        return digits.to_owned();
    }
    let (whole, fraction) = digits.split_at(digits.find('.').unwrap_or(digits.len()));
    let mut grouped = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + fraction
}

/// A number with its sign, and zeros between the two if asked for.
fn signed(specifier: &Specifier, is_negative: bool, digits: &str) -> String {
    let (before, after) = match is_negative {
        true if specifier.has('(') => ("(", ")"),
        true => ("-", ""),
        false if specifier.has('+') => ("+", ""),
        false if specifier.has(' ') => (" ", ""),
        false => ("", ""),
    };
    let width = if specifier.has('0') { specifier.width.unwrap_or(0) } else { 0 };
    let zeros = "0".repeat(width.saturating_sub(before.len() + digits.len() + after.len()));
    specifier.filled(format!("{before}{zeros}{digits}{after}"))
}

/// A double; `None` where Java refuses the specifier.
pub fn double(specifier: &Specifier, value: f64) -> Option<String> {
    let conversion = specifier.conversion?.to_ascii_lowercase();
    let allowed = match conversion {
        'f' => "-#+ 0,(",
        'e' => "-#+ 0(",
        _ => "-+ 0,(",
    };
    if !specifier.allows(allowed) {
        return None;
    }
    if !value.is_finite() {
        return Some(infinite(specifier, value));
    }
    let decimal = Decimal::of(value.abs());
    let precision = specifier.precision.unwrap_or(DEFAULT_PRECISION);
    let digits = match conversion {
        'f' => with_point(specifier, decimal.fixed(precision)),
        'e' => decimal.scientific(precision, specifier.has('#')),
        _ => decimal.general(precision.max(1)),
    };
    let digits = if conversion == 'e' { digits } else { grouped(specifier, &digits) };
    Some(signed(specifier, value.is_sign_negative(), &digits))
}

fn infinite(specifier: &Specifier, value: f64) -> String {
    let text = match () {
        () if value.is_nan() => "NaN",
        () if value < 0.0 && specifier.has('(') => "(Infinity)",
        () if value < 0.0 => "-Infinity",
        () if specifier.has('+') => "+Infinity",
        () if specifier.has(' ') => " Infinity",
        () => "Infinity",
    };
    specifier.filled(text.to_owned())
}

/// Digits with a point at the end, if asked for one in any case.
fn with_point(specifier: &Specifier, digits: String) -> String {
    if specifier.has('#') && !digits.contains('.') { digits + "." } else { digits }
}

/// A decimal number 0.ddd × 10^exponent with the digits that Java prints; rounding works on these digits.
struct Decimal {
    /// The digits; none for zero.
    digits: Vec<u8>,
    /// The power of ten.
    exponent: i32,
}

impl Decimal {
    /// Of a double that is finite and not negative.
    fn of(value: f64) -> Self {
        let text = wire::double(value);
        let (mantissa, exponent) = text.split_once('E').unwrap_or((&text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{fraction}");
        let significant = all.trim_start_matches('0');
        let zeros = all.len() - significant.len();
        let place = i32::try_from(whole.len()).unwrap_or(0) - i32::try_from(zeros).unwrap_or(0);
        let digits: Vec<u8> = significant.trim_end_matches('0').bytes().map(|digit| digit - b'0').collect();
        let exponent = if digits.is_empty() { 1 } else { place + exponent.parse::<i32>().unwrap_or(0) };
        Self { digits, exponent }
    }

    /// Rounds half up to `count` digits; 0 is allowed.
    fn rounded(&self, count: i32) -> Self {
        let Ok(count) = usize::try_from(count) else { return Self { digits: Vec::new(), exponent: 1 } };
        let mut digits: Vec<u8> = self.digits.iter().take(count).copied().collect();
        let mut exponent = self.exponent;
        if self.digits.get(count).is_some_and(|digit| *digit >= 5) {
            while digits.last() == Some(&9) {
                digits.pop();
            }
            if let Some(last) = digits.last_mut() {
                *last += 1;
            } else {
                digits.push(1);
                exponent += 1;
            }
        }
        Self { digits, exponent }
    }

    /// The digit at a place; zero beyond them.
    fn digit(&self, place: i32) -> char {
        let digit = usize::try_from(place).ok().and_then(|place| self.digits.get(place)).copied().unwrap_or(0);
        char::from(b'0' + digit)
    }

    /// Fixed notation (`%f`), with `count` digits after the point.
    fn fixed(&self, precision: usize) -> String {
        let places = i32::try_from(precision).unwrap_or(i32::MAX / 2);
        let rounded = self.rounded(self.exponent + places);
        let whole = rounded.exponent.max(1);
        let mut text: String = (0..whole).map(|place| rounded.digit(place + rounded.exponent - whole)).collect();
        if places > 0 {
            text.push('.');
            text.extend((0..places).map(|place| rounded.digit(rounded.exponent + place)));
        }
        text
    }

    /// Scientific notation (`%e`): one digit before the point, an exponent of at least two digits.
    fn scientific(&self, precision: usize, has_point: bool) -> String {
        let places = i32::try_from(precision).unwrap_or(i32::MAX / 2);
        let rounded = self.rounded(places + 1);
        let mut text = String::from(rounded.digit(0));
        if places > 0 || has_point {
            text.push('.');
        }
        text.extend((1..=places).map(|place| rounded.digit(place)));
        let exponent = rounded.exponent - 1;
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{text}e{sign}{:02}", exponent.abs())
    }

    /// General notation (`%g`): fixed from 1e-4 up to the precision, otherwise scientific.
    fn general(&self, precision: usize) -> String {
        let places = i32::try_from(precision).unwrap_or(i32::MAX / 2);
        let rounded = self.rounded(places);
        if rounded.digits.is_empty() || (-3..=places).contains(&rounded.exponent) {
            let after = usize::try_from(places - rounded.exponent).unwrap_or(0);
            return rounded.fixed(after);
        }
        self.scientific(precision - 1, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::strings::format::specifier::{Part, parse};

    /// The only specifier of a format string.
    fn specifier(text: &str) -> Specifier {
        match parse(text).unwrap().pop() {
            Some(Part::Specifier(specifier)) => specifier,
            _ => panic!("{text} is no specifier"),
        }
    }

    #[test]
    fn integers_print_as_in_java() {
        for (format, value, text) in [
            ("%d", -7, Some("-7")),
            ("%5d", 42, Some("   42")),
            ("%-5d", 42, Some("42   ")),
            ("%05d", -42, Some("-0042")),
            ("%+d", 42, Some("+42")),
            ("% d", 42, Some(" 42")),
            ("%,d", -1_234_567, Some("-1,234,567")),
            ("%(,d", -1_234_567, Some("(1,234,567)")),
            ("%x", -1, Some("ffffffffffffffff")),
            ("%#X", 255, Some("0XFF")),
            ("%#o", 8, Some("010")),
            ("%08x", 255, Some("000000ff")),
            ("%.2d", 1, None),
            ("%-d", 1, None),
            ("%+ d", 1, None),
            ("%,x", 1, None),
            ("%<d", 1, None),
        ] {
            assert_eq!(integer(&specifier(format), value).as_deref(), text, "{format}");
        }
    }

    #[test]
    fn doubles_print_as_in_java() {
        for (format, value, text) in [
            ("%f", 3.25, Some("3.250000")),
            ("%.1f", 2.25, Some("2.3")),
            ("%.0f", 0.5, Some("1")),
            ("%.2f", 0.001, Some("0.00")),
            ("%.3f", 0.0095, Some("0.010")),
            ("%,.2f", 1_234_567.891, Some("1,234,567.89")),
            ("%.0f", 999.9, Some("1000")),
            ("%08.2f", -3.5, Some("-0003.50")),
            ("%e", 12345.678, Some("1.234568e+04")),
            ("%.2E", 1e-7, Some("1.00E-07")),
            ("%g", 123_456.789, Some("123457")),
            ("%g", 0.0001, Some("0.000100000")),
            ("%g", 0.00001, Some("1.00000e-05")),
            ("%g", 0.0, Some("0.00000")),
            ("%.3g", 1e21, Some("1.00e+21")),
            ("%f", f64::INFINITY, Some("Infinity")),
            ("%05.1f", f64::NAN, Some("  NaN")),
            ("%#.0f", 2.0, Some("2.")),
            ("%,e", 1.0, None),
            ("%#g", 1.0, None),
        ] {
            assert_eq!(double(&specifier(format), value).as_deref(), text, "{format} of {value}");
        }
    }
}
