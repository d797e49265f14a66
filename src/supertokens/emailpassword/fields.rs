//! The fields of the sign-up form besides address and password, and the rule that decides who may sign up.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::supertokens::emailpassword::form::NOT_OPTIONAL;
use crate::supertokens::emailpassword::{FieldProblem, Form};
use crate::users::SignUpField;

/// Accepts or refuses a sign-up by its normalised address, with a text for the user.
pub type Admission = fn(&str) -> Result<(), &'static str>;

pub fn anybody(_address: &str) -> Result<(), &'static str> {
    Ok(())
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
        match form.value(&field.id).filter(|value| !field.is_blank(value)).map(|value| field.accept(value)) {
            Some(Ok(value)) if field.is_name() => values.name = value.as_str().map(str::to_owned),
            Some(Ok(value)) => {
                values.profile.insert(field.id.clone(), value);
            }
            Some(Err(error)) => problems.push(FieldProblem { id: Cow::Owned(field.id.clone()), error }),
            None if field.is_optional => {}
            None => problems.push(FieldProblem { id: Cow::Owned(field.id.clone()), error: NOT_OPTIONAL }),
        }
    }
    if problems.is_empty() { Ok(values) } else { Err(problems) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::users::NAME_CHARS_MAX;

    const INVISIBLE: &str = "This must not contain invisible characters";

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
