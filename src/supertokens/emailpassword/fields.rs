//! The fields of the sign-up form besides address and password, and the rule that decides who may sign up.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::supertokens::emailpassword::form::NOT_OPTIONAL;
use crate::supertokens::emailpassword::{FieldProblem, Form};
use crate::users;

/// Id of the field whose value becomes the user's display name.
const NAME: &str = "name";
/// Longest name, in characters.
pub const NAME_CHARS_MAX: usize = 40;
/// Longest value of a field, in bytes of JSON.
const VALUE_BYTES_MAX: usize = 1000;

const INVISIBLE: &str = "This must not contain invisible characters";

/// Accepts or refuses a value, with a text for the user.
pub type Check = fn(&Value) -> Result<(), &'static str>;

/// Accepts or refuses a sign-up by its normalised address, with a text for the user.
pub type Admission = fn(&str) -> Result<(), &'static str>;

pub fn anybody(_address: &str) -> Result<(), &'static str> {
    Ok(())
}

/// A field of the sign-up form. Its value is stored in the user's document under `profile`; the field `name` becomes the
/// display name.
#[derive(Clone, Debug)]
pub struct SignUpField {
    pub id: String,
    pub is_optional: bool,
    pub check: Check,
}

impl SignUpField {
    /// A field that takes text without control characters, or any other JSON value, of at most 1000 bytes.
    pub fn new(id: &str, is_optional: bool) -> Self {
        Self { id: id.to_owned(), is_optional, check: is_short }
    }
}

fn is_short(value: &Value) -> Result<(), &'static str> {
    if value.to_string().len() > VALUE_BYTES_MAX {
        return Err("This is too long");
    }
    match value.as_str() {
        Some(text) if text.contains(char::is_control) => Err("This must not contain control characters"),
        Some(text) if text.contains(users::is_refused_in_names) => Err(INVISIBLE),
        Some(_) | None => Ok(()),
    }
}

#[derive(Debug, Default, PartialEq)]
pub struct SignUpValues {
    pub profile: Map<String, Value>,
    pub name: Option<String>,
}

/// Reads all fields, or returns every problem.
pub fn read(fields: &[SignUpField], form: &Form) -> Result<SignUpValues, Vec<FieldProblem>> {
    let (mut values, mut problems) = (SignUpValues::default(), Vec::new());
    for field in fields {
        let value = form.value(&field.id).filter(|value| !value.is_null() && !is_blank(field, value));
        let judged = match value {
            Some(value) if field.id == NAME => (field.check)(value).and_then(|()| name_of(value)).map(|text| {
                values.name = Some(text);
                None
            }),
            Some(value) => users::is_storable(value).and_then(|()| (field.check)(value)).map(|()| Some(value.clone())),
            None if field.is_optional => Ok(None),
            None => Err(NOT_OPTIONAL),
        };
        match judged {
            Ok(value) => values.profile.extend(value.map(|value| (field.id.clone(), value))),
            Err(error) => problems.push(FieldProblem { id: Cow::Owned(field.id.clone()), error }),
        }
    }
    if problems.is_empty() { Ok(values) } else { Err(problems) }
}

fn is_blank(field: &SignUpField, value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.is_empty() || field.id == NAME && text.trim().is_empty())
}

fn name_of(value: &Value) -> Result<String, &'static str> {
    let text = value.as_str().ok_or("This must be text")?.trim();
    if text.chars().count() > NAME_CHARS_MAX { Err("This is too long") } else { Ok(text.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn optional_fields_may_be_missing_and_others_may_not() {
        let fields = [SignUpField::new("city", false), SignUpField::new("age", true)];
        let values = |json: &str| read(&fields, &Form::parse(json.as_bytes(), 9).unwrap());
        let taken = values(r#"{"formFields":[{"id":"city","value":"Ulm"},{"id":"age","value":7}]}"#).unwrap();
        assert_eq!((Value::from(taken.profile), taken.name), (serde_json::json!({"city": "Ulm", "age": 7}), None));
        for missing in
            [r#"{"formFields":[]}"#, r#"{"formFields":[{"id":"city","value":""},{"id":"age","value":null}]}"#]
        {
            let problems = values(missing).unwrap_err();
            assert_eq!(problems, [FieldProblem { id: "city".into(), error: NOT_OPTIONAL }]);
        }
    }

    #[test]
    fn a_name_is_text_of_some_length_and_no_blanks() {
        let read = |is_optional: bool, value: &str| {
            let form = format!(r#"{{"formFields":[{{"id":"name","value":{value}}}]}}"#);
            let read = read(&[SignUpField::new("name", is_optional)], &Form::parse(form.as_bytes(), 9).unwrap());
            read.map(|typed| {
                assert!(typed.profile.is_empty());
                typed.name
            })
            .map_err(|problems| problems[0].error)
        };
        let long = format!("\"{}\"", "é".repeat(NAME_CHARS_MAX));
        assert_eq!(read(true, "\" Ann \""), Ok(Some("Ann".to_owned())));
        assert_eq!(read(true, &long), Ok(Some("é".repeat(NAME_CHARS_MAX))));
        assert_eq!((read(true, "\"  \""), read(false, "\"  \"")), (Ok(None), Err(NOT_OPTIONAL)));
        assert_eq!(read(true, &long.replacen('é', "éé", 1)), Err("This is too long"));
        for hidden in ['\u{202e}', '\u{200b}', '\u{ad}', '\u{2060}'] {
            assert_eq!(read(true, &format!("\"A{hidden}nn\"")), Err(INVISIBLE), "{hidden:?}");
        }
        let joined = "Ann \u{1f469}\u{200d}\u{1f4bb}";
        assert_eq!(read(true, &format!("\"{joined}\"")), Ok(Some(joined.to_owned())));
        for value in ["5", r#"{"a":1}"#, "[]"] {
            assert_eq!(read(true, value), Err("This must be text"), "{value}");
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
