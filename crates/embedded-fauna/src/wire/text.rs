//! Escaping of strings in JSON.

use std::fmt::Write;

/// A UUID as `8-4-4-4-12` hexadecimal digits.
pub fn hyphenated(uuid: u128) -> String {
    let digits = format!("{uuid:032x}");
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

/// Appends a JSON string.
pub fn escape(out: &mut String, text: &str) {
    out.push('"');
    let mut rest = text;
    while let Some(plain) = rest.bytes().position(|byte| byte < b' ' || byte == b'"' || byte == b'\\') {
        out.push_str(rest.get(..plain).unwrap_or_default());
        match rest.as_bytes().get(plain) {
            Some(b'"') => out.push_str("\\\""),
            Some(b'\\') => out.push_str("\\\\"),
            Some(8) => out.push_str("\\b"),
            Some(b'\t') => out.push_str("\\t"),
            Some(b'\n') => out.push_str("\\n"),
            Some(12) => out.push_str("\\f"),
            Some(b'\r') => out.push_str("\\r"),
            control => {
                let _infallible = write!(out, "\\u{:04x}", control.copied().unwrap_or_default());
            }
        }
        rest = rest.get(plain + 1..).unwrap_or_default();
    }
    out.push_str(rest);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_quotes_and_backslashes_are_escaped() {
        for (text, escaped) in [
            ("", r#""""#),
            ("aé\u{1f600}\u{7f}", "\"aé\u{1f600}\u{7f}\""),
            ("\"a\\", r#""\"a\\""#),
            ("é\n\u{8}\t\u{c}\ré", r#""é\n\b\t\f\ré""#),
            ("\0a\u{1f}", r#""\u0000a\u001f""#),
        ] {
            let mut out = String::new();
            escape(&mut out, text);
            assert_eq!(out, escaped);
        }
    }
}
