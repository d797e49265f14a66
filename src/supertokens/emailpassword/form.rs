//! The `formFields` of a request body, checked in the order and answered in the words of SuperTokens' SDKs.

use serde_json::Value;

use crate::session::SessionLife;
use crate::supertokens::fdi_request::{Malformed, NOT_JSON};

/// Message for a missing or empty field. Frontends compare it literally.
pub const NOT_OPTIONAL: &str = "Field is not optional";

/// Fields by id, each once.
#[derive(Debug)]
pub struct Form {
    fields: Vec<(String, Value)>,
    life: SessionLife,
}

impl Form {
    /// Reads a request's body, whatever its content type says; none at all counts as `{}`.
    pub fn parse(body: &[u8], fields_max: usize) -> Result<Self, Malformed> {
        let body = if body.is_empty() { b"{}" } else { body };
        let json: Value = serde_json::from_slice(body).map_err(|_why| Malformed(NOT_JSON))?;
        let fields = json.get("formFields").ok_or(Malformed("Missing input param: formFields"))?;
        let fields = fields.as_array().ok_or(Malformed("formFields must be an array"))?;
        if fields.iter().any(|field| !field.is_object()) {
            return Err(Malformed("All elements of formFields must be an object"));
        }
        let mut form: Vec<(String, Value)> = Vec::new();
        for field in fields {
            let named = field.get("id").and_then(Value::as_str).zip(field.get("value"));
            let (id, value) =
                named.ok_or(Malformed("All elements of formFields must contain an 'id' and 'value' field"))?;
            check_text(id, value)?;
            if form.iter().any(|(known, _)| known == id) {
                return Err(Malformed("formFields must not contain an id twice"));
            }
            form.push((id.to_owned(), value.clone()));
        }
        if form.len() > fields_max {
            return Err(Malformed("Are you sending too many formFields?"));
        }
        Ok(Self { fields: form, life: SessionLife::default() })
    }

    /// A form that was filled in on one of our own pages.
    pub fn of<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let fields = fields.into_iter().map(|(id, value)| (id.to_owned(), Value::from(value))).collect();
        Self { fields, life: SessionLife::default() }
    }

    /// The same for a session with this life.
    #[must_use]
    pub fn lasting(self, life: SessionLife) -> Self {
        Self { life, ..self }
    }

    /// Life of the session that begins with this form.
    pub fn life(&self) -> SessionLife {
        self.life
    }

    /// The value of a field.
    pub fn value(&self, id: &str) -> Option<&Value> {
        self.fields.iter().find(|(known, _)| known == id).map(|(_, value)| value)
    }

    /// The text of a field; empty where it is missing.
    pub fn text(&self, id: &str) -> &str {
        self.value(id).and_then(Value::as_str).unwrap_or_default()
    }
}

fn check_text(id: &str, value: &Value) -> Result<(), Malformed> {
    match id {
        "email" if !value.is_string() => Err(Malformed("email value must be a string")),
        "password" if !value.is_string() => Err(Malformed("password value must be a string")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_has_its_words() {
        for (body, expected) in [
            ("{", "API input error: Please make sure to pass a valid JSON input in the request body"),
            ("email=a", "API input error: Please make sure to pass a valid JSON input in the request body"),
            ("", "Missing input param: formFields"),
            ("{}", "Missing input param: formFields"),
            ("[]", "Missing input param: formFields"),
            ("null", "Missing input param: formFields"),
            (r#"{"formFields":{}}"#, "formFields must be an array"),
            (r#"{"formFields":null}"#, "formFields must be an array"),
            (r#"{"formFields":[1]}"#, "All elements of formFields must be an object"),
            (r#"{"formFields":[["a"]]}"#, "All elements of formFields must be an object"),
            (
                r#"{"formFields":[{"id":1,"value":""}]}"#,
                "All elements of formFields must contain an 'id' and 'value' field",
            ),
            (r#"{"formFields":[{"id":"a"}]}"#, "All elements of formFields must contain an 'id' and 'value' field"),
            (r#"{"formFields":[{"id":"email","value":1}]}"#, "email value must be a string"),
            (r#"{"formFields":[{"id":"password","value":null}]}"#, "password value must be a string"),
            (
                r#"{"formFields":[{"id":"a","value":1},{"id":"a","value":2}]}"#,
                "formFields must not contain an id twice",
            ),
            (
                r#"{"formFields":[{"id":"a","value":1},{"id":"b","value":2},{"id":"c","value":3}]}"#,
                "Are you sending too many formFields?",
            ),
        ] {
            assert_eq!(Form::parse(body.as_bytes(), 2).unwrap_err().to_string(), expected, "{body}");
        }
    }

    #[test]
    fn fields_are_found_by_id() {
        let form =
            Form::parse(br#"{"formFields":[{"id":"email","value":" a@x.io"},{"id":"b","value":2}]}"#, 2).unwrap();
        assert_eq!((form.text("email"), form.text("b"), form.text("password")), (" a@x.io", "", ""));
    }
}
