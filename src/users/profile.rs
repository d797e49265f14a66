//! Values under `profile` of a user's document: fields of the sign-up form, and metadata of an import.

use fauna_client::DocumentId;
use serde_json::{Map, Value};

use crate::users::{Error, User, Users, is_refused_in_names, store};

/// Id of the field whose value becomes the user's display name.
const NAME: &str = "name";
/// Longest name, in characters.
pub const NAME_CHARS_MAX: usize = 40;
/// Longest value of a field, in bytes of JSON.
const VALUE_BYTES_MAX: usize = 1000;

/// Accepts or refuses a value, with a text for the user.
pub type Check = fn(&Value) -> Result<(), &'static str>;

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

    /// The field of the display name, for sites whose sign-up form does not ask for one.
    pub fn display_name() -> Self {
        Self::new(NAME, true)
    }

    pub fn is_name(&self) -> bool {
        self.id == NAME
    }

    /// Whether a value counts as not given.
    pub fn is_blank(&self, value: &Value) -> bool {
        let is_blank = |text: &str| text.is_empty() || self.is_name() && text.trim().is_empty();
        value.is_null() || value.as_str().is_some_and(is_blank)
    }

    /// Checks a value that is not blank. A name comes back without spaces around it.
    ///
    /// # Errors
    /// The value is refused; the text is for the user.
    pub fn accept(&self, value: &Value) -> Result<Value, &'static str> {
        if self.is_name() {
            (self.check)(value)?;
            return name_of(value).map(Value::from);
        }
        is_storable(value)?;
        (self.check)(value)?;
        Ok(value.clone())
    }
}

fn is_short(value: &Value) -> Result<(), &'static str> {
    if value.to_string().len() > VALUE_BYTES_MAX {
        return Err("This is too long");
    }
    match value.as_str() {
        Some(text) if text.contains(char::is_control) => Err("This must not contain control characters"),
        Some(text) if text.contains(is_refused_in_names) => Err("This must not contain invisible characters"),
        Some(_) | None => Ok(()),
    }
}

fn name_of(value: &Value) -> Result<String, &'static str> {
    let text = value.as_str().ok_or("This must be text")?.trim();
    if text.chars().count() > NAME_CHARS_MAX { Err("This is too long") } else { Ok(text.to_owned()) }
}

/// A user with their profile fields, for themselves only.
#[derive(Clone, Debug)]
pub struct Profile {
    pub user: User,
    pub fields: Map<String, Value>,
}

/// What is to be changed about a profile; the values have been checked.
#[derive(Debug, Default, PartialEq)]
pub struct ProfileChange {
    pub name: Option<String>,
    /// New values by field; null removes the field. Fields that are not named stay.
    pub fields: Map<String, Value>,
}

impl Users {
    /// `None` where there is no such user.
    pub async fn profile(&self, id: &DocumentId) -> Result<Option<Profile>, Error> {
        let found: Option<store::Found> = self.fauna.query_idempotent(&store::by_id(&self.layout, id)).await?;
        Ok(found.map(Profile::of))
    }

    /// Changes name and profile fields and nothing else of the document, and returns the profile after that. `None` where there
    /// is no such user.
    pub async fn update_profile(&self, id: &DocumentId, change: &ProfileChange) -> Result<Option<Profile>, Error> {
        let query = store::accounts::update_profile(&self.layout, id, change);
        let found: Option<store::Found> = self.fauna.query_idempotent(&query).await?;
        Ok(found.map(Profile::of))
    }
}

impl Profile {
    fn of(mut found: store::Found) -> Self {
        let fields = found.user.profile.take().unwrap_or_default().0;
        Self { fields, user: found.into_user() }
    }
}

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
