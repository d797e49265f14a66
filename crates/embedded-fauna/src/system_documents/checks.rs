//! Checks of single fields.

use std::sync::LazyLock;

use fancy_regex::Regex;

use crate::ir::{FieldFailure, Object, Value};

pub type Failures = Vec<FieldFailure>;

/// The name of a stored value's type, as failures give it.
pub const fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Integer(_) => "Long",
        Value::Double(_) => "Double",
        Value::Bool(_) => "Boolean",
        Value::Null => "Null",
        Value::String(_) | Value::Action(_) => "String",
        Value::Bytes(_) => "Bytes",
        Value::Ref(_) | Value::Unresolved(_) => "Ref",
        Value::Time(_) => "Time",
        Value::TransactionTime | Value::TransactionMicros => "TransactionTime",
        Value::Date(_) => "Date",
        Value::Lambda(_) => "Query",
        Value::Uuid(_) => "UUID",
        Value::Array(_) => "Array",
        _ => "Map",
    }
}

/// A field of the wrong type.
pub fn wrong_type(path: &[&str], expected: &str, value: &Value) -> FieldFailure {
    FieldFailure::new(path, "invalid type", format!("Invalid type {}, expected type {expected}.", type_name(value)))
}

/// A field that is not there and must be.
pub fn missing(path: &[&str]) -> FieldFailure {
    FieldFailure::new(path, "value required", "Required value not found.")
}

/// A field that must be of a type if it is there.
pub fn optional(data: &Object, field: &str, expected: &str, is: impl Fn(&Value) -> bool) -> Failures {
    match data.get(field) {
        Some(value) if !is(value) => vec![wrong_type(&[field], expected, value)],
        _ => Vec::new(),
    }
}

/// A field that must be there and of a type.
pub fn required(data: &Object, field: &str, expected: &str, is: impl Fn(&Value) -> bool) -> Failures {
    match data.get(field) {
        None => vec![missing(&[field])],
        Some(_) => optional(data, field, expected, is),
    }
}

/// `data`, which must be an object.
pub fn data(data: &Object) -> Failures {
    optional(data, "data", "Map", |value| matches!(value, Value::Object(_)))
}

/// `ttl`, which must be a time.
pub fn ttl(data: &Object) -> Failures {
    optional(data, "ttl", "Timestamp", |value| matches!(value, Value::Time(_) | Value::TransactionTime))
}

/// `name`, which must be there and consist of certain characters.
pub fn name(data: &Object) -> Failures {
    match data.get("name") {
        None => vec![missing(&["name"])],
        Some(Value::String(name)) if &**name == "_" => {
            vec![FieldFailure::new(&["name"], "reserved name", "Invalid name _. Reserved names: _.")]
        }
        Some(Value::String(name)) if is_name(name) => Vec::new(),
        Some(Value::String(name)) => {
            let text =
                format!("The name {name} uses invalid characters. Valid characters must match: [;@+$\\-_.!~%\\w]+");
            vec![FieldFailure::new(&["name"], "invalid characters", text)]
        }
        Some(other) => vec![wrong_type(&["name"], "Name", other)],
    }
}

/// `priority`, which must be one of those there are.
pub fn priority(data: &Object) -> Failures {
    optional(data, "priority", "Priority", |value| matches!(value, Value::Integer(1..=500)))
}

/// What names consist of: what Unicode takes for parts of words, and what may be in the segment of a path.
static NAME: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\A[;@+$\-_.!~%\w]+\z").ok());

/// Whether a name consists of letters, digits and what may be in the segment of a path.
fn is_name(name: &str) -> bool {
    NAME.as_ref().is_some_and(|pattern| pattern.is_match(name).unwrap_or(false))
}
