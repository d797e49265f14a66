//! The fields of the sign-up form besides address and password, and who may sign up at all: what a site of one's own changes
//! first.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::supertokens::emailpassword::form::NOT_OPTIONAL;
use crate::supertokens::emailpassword::{FieldProblem, Form};
use crate::users;

/// The field that says what a person is called.
const NAME: &str = "name";
/// Longest name, in characters.
pub const NAME_CHARS_MAX: usize = 40;
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

/// What was typed into the fields.
#[derive(Debug, Default, PartialEq)]
pub struct Typed {
    /// Kept in the user's document.
    pub profile: Map<String, Value>,
    /// What the person is called, if they say so.
    pub name: Option<String>,
}

/// What was typed into the fields, or everything that is wrong with it.
pub fn read(fields: &[SignUpField], form: &Form) -> Result<Typed, Vec<FieldProblem>> {
    let (mut typed, mut problems) = (Typed::default(), Vec::new());
    for field in fields {
        let value = form.value(&field.id).filter(|value| !value.is_null() && !is_blank(field, value));
        let judged = match value {
            Some(value) if field.id == NAME => (field.check)(value).and_then(|()| name_of(value)).map(|text| {
                typed.name = Some(text);
                None
            }),
            Some(value) => users::is_storable(value).and_then(|()| (field.check)(value)).map(|()| Some(value.clone())),
            None if field.is_optional => Ok(None),
            None => Err(NOT_OPTIONAL),
        };
        match judged {
            Ok(value) => typed.profile.extend(value.map(|value| (field.id.clone(), value))),
            Err(error) => problems.push(FieldProblem { id: Cow::Owned(field.id.clone()), error }),
        }
    }
    if problems.is_empty() { Ok(typed) } else { Err(problems) }
}

/// Whether nothing was typed: of a name, nothing but blanks.
fn is_blank(field: &SignUpField, value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.is_empty() || field.id == NAME && text.trim().is_empty())
}

/// What somebody is called who typed that.
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
