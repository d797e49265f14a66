//! The fields of the sign-up form besides address and password, and who may sign up at all: what a site of one's own changes
//! first.

use std::borrow::Cow;

use serde_json::Map;
use serde_json::Value;

use crate::emailpassword::FieldProblem;
use crate::emailpassword::Form;
use crate::emailpassword::form::NOT_OPTIONAL;
use crate::users;

/// Longest value of a field, in bytes of JSON.
const VALUE_BYTES_MAX: usize = 1000;
/// Says whether a value can be taken, and if not why, for the person who typed it.
pub type Check = fn(&Value) -> Result<(), &'static str>;

/// Says whether somebody with that (normalised) address may have an account, and if not why.
pub type Admission = fn(&str) -> Result<(), &'static str>;

/// Anybody may.
#[expect(clippy::unnecessary_wraps, reason = "it is an Admission")]
pub fn anybody(_address: &str) -> Result<(), &'static str> {
    Ok(())
}

/// A field of the sign-up form. What was typed is kept in the user's document, under `profile`; a field called `name` is what
/// the person is called.
#[derive(Clone, Debug)]
pub struct SignUpField {
    /// Its id, as frontends send it.
    pub id: String,
    /// Whether it may be missing or empty.
    pub is_optional: bool,
    /// What is asked of a value.
    pub check: Check,
}

impl SignUpField {
    /// A field whose values are text without control characters, or anything else, of a reasonable length.
    pub fn new(id: &str, is_optional: bool) -> Self {
        Self { id: id.to_owned(), is_optional, check: is_short }
    }
}

/// Text without control characters, or any other value, not too long.
fn is_short(value: &Value) -> Result<(), &'static str> {
    if value.to_string().len() > VALUE_BYTES_MAX {
        return Err("This is too long");
    }
    match value.as_str() {
        Some(text) if text.contains(char::is_control) => Err("This must not contain control characters"),
        Some(_) | None => Ok(()),
    }
}

/// What was typed into the fields, or everything that is wrong with it.
pub fn read(fields: &[SignUpField], form: &Form) -> Result<Map<String, Value>, Vec<FieldProblem>> {
    let (mut values, mut problems) = (Map::new(), Vec::new());
    for field in fields {
        let value = form.value(&field.id).filter(|value| !value.is_null() && value.as_str() != Some(""));
        let judged = match value {
            Some(value) => users::is_storable(value).and_then(|()| (field.check)(value)).map(|()| Some(value.clone())),
            None if field.is_optional => Ok(None),
            None => Err(NOT_OPTIONAL),
        };
        match judged {
            Ok(value) => values.extend(value.map(|value| (field.id.clone(), value))),
            Err(error) => problems.push(FieldProblem { id: Cow::Owned(field.id.clone()), error }),
        }
    }
    if problems.is_empty() { Ok(values) } else { Err(problems) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn optional_fields_may_be_missing_and_others_may_not() {
        let fields = [SignUpField::new("city", false), SignUpField::new("age", true)];
        let values = |json: &str| read(&fields, &Form::parse(json.as_bytes(), 9).unwrap());
        let taken = values(r#"{"formFields":[{"id":"city","value":"Ulm"},{"id":"age","value":7}]}"#).unwrap();
        assert_eq!(Value::from(taken), serde_json::json!({"city": "Ulm", "age": 7}));
        for missing in
            [r#"{"formFields":[]}"#, r#"{"formFields":[{"id":"city","value":""},{"id":"age","value":null}]}"#]
        {
            let problems = values(missing).unwrap_err();
            assert_eq!(problems, [FieldProblem { id: "city".into(), error: NOT_OPTIONAL }]);
        }
    }

    #[test]
    fn what_fauna_cannot_keep_is_refused_and_named() {
        let fields = [SignUpField { id: "own".to_owned(), is_optional: true, check: |_| Ok(()) }];
        let form = Form::parse(br#"{"formFields":[{"id":"own","value":9223372036854775808}]}"#, 9).unwrap();
        let problems = read(&fields, &form).unwrap_err();
        assert_eq!(problems, [FieldProblem { id: "own".into(), error: "This number is too large" }]);
    }
}
