//! Values under `profile` of a user's document: fields of the sign-up form, and metadata of an import.

use serde_json::Value;

/// Deepest nesting of a value. Each level becomes two in Fauna's wire format, whose parser is limited too.
const LEVELS_MAX: u32 = 8;

/// Checks that Fauna can store a value: its only integers are signed with 64 bits.
///
/// # Errors
/// The reason, for the user.
pub fn is_storable(value: &Value) -> Result<(), &'static str> {
    is_storable_within(value, LEVELS_MAX)
}

fn is_storable_within(value: &Value, levels: u32) -> Result<(), &'static str> {
    match value {
        Value::Number(number) if number.is_u64() && !number.is_i64() => Err("This number is too large"),
        Value::Null | Value::Bool(_) | Value::String(_) | Value::Number(_) => Ok(()),
        Value::Array(_) | Value::Object(_) if levels == 0 => Err("This has too many parts"),
        Value::Array(items) => items.iter().try_for_each(|item| is_storable_within(item, levels.saturating_sub(1))),
        Value::Object(fields) => {
            fields.values().try_for_each(|item| is_storable_within(item, levels.saturating_sub(1)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fauna_cannot_keep_is_refused() {
        let nested = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
        for (json, expected) in [
            ("9223372036854775807", None),
            ("-9223372036854775808", None),
            ("1e300", None),
            ("9223372036854775808", Some("This number is too large")),
            ("18446744073709551615", Some("This number is too large")),
            (r#"{"a":[9223372036854775808]}"#, Some("This number is too large")),
            (&nested(8), None),
            (&nested(9), Some("This has too many parts")),
            (r#"[[[[[[[[{"a":1}]]]]]]]]"#, Some("This has too many parts")),
        ] {
            assert_eq!(is_storable(&serde_json::from_str(json).unwrap()).err(), expected, "{json}");
        }
    }
}
