//! What users see and change of their own profile without their password: the display name and the fields of the sign-up form.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::account::{Accounts, Error, document_id};
use crate::clock::Timestamp;
use crate::session;
use crate::session::SignedIn;
use crate::users::{Email, Profile, ProfileChange, SignUpField};

/// A user's own profile as the API shows it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"id": "42", "email": "ann@example.com", "emailVerified": true, "name": "Ann",
    "joinedAt": 1_700_000_000_000_i64, "profile": {}}))]
pub struct OwnProfile {
    pub id: String,
    /// Null: the document, of another application, holds no address. So are `name` and `joinedAt`.
    pub email: Option<String>,
    pub email_verified: bool,
    pub name: Option<String>,
    /// In milliseconds since 1970 (UTC).
    pub joined_at: Option<i64>,
    /// Extra fields of the sign-up form, and what an import brought along.
    #[schema(value_type = Object)]
    pub profile: Map<String, Value>,
}

impl Accounts {
    /// The profile of the signed-in user.
    ///
    /// # Errors
    /// [`session::Error::Missing`] where the user has been deleted; or Fauna does not answer.
    pub async fn profile(&self, session: &SignedIn) -> Result<OwnProfile, Error> {
        let profile = self.services.users.profile(&document_id(session)?).await?;
        Ok(OwnProfile::from(profile.ok_or(session::Error::Missing)?))
    }

    /// Changes the signed-in user's name and profile fields, and returns the profile after that. `change` has the form of
    /// [`OwnProfile`] with the members `name` and `profile` only; what it does not name stays as it is, null removes an optional
    /// field. Either everything is changed or nothing.
    ///
    /// # Errors
    /// [`Error::BadProfile`], naming the field; the user writes too much; [`session::Error::Missing`] where the user has been deleted; or Fauna does not
    /// answer.
    pub async fn update_profile(&self, session: &SignedIn, change: &Map<String, Value>) -> Result<OwnProfile, Error> {
        let change = read(&self.fields, change).map_err(Error::BadProfile)?;
        self.services.writes.admit(session.user().as_str()).await?;
        let profile = self.services.users.update_profile(&document_id(session)?, &change).await?;
        Ok(OwnProfile::from(profile.ok_or(session::Error::Missing)?))
    }
}

impl From<Profile> for OwnProfile {
    fn from(Profile { user, fields }: Profile) -> Self {
        Self {
            id: user.id.as_str().to_owned(),
            email: user.email.as_ref().map(Email::as_str).map(str::to_owned),
            email_verified: user.email_verified,
            name: user.name,
            joined_at: user.joined_at.map(Timestamp::millis),
            profile: fields,
        }
    }
}

fn read(fields: &[SignUpField], change: &Map<String, Value>) -> Result<ProfileChange, String> {
    let mut read = ProfileChange::default();
    for (member, value) in change {
        match (member.as_str(), value) {
            ("name", value) => {
                let ours = SignUpField::display_name();
                let field = fields.iter().find(|field| field.is_name()).unwrap_or(&ours);
                if field.is_blank(value) {
                    return Err("name: must not be empty".to_owned());
                }
                let name = field.accept(value).map_err(|error| format!("name: {error}"))?;
                read.name = name.as_str().map(str::to_owned);
            }
            ("profile", Value::Object(values)) => read.fields = read_fields(fields, values)?,
            ("profile", _) => return Err("profile: must be an object".to_owned()),
            ("email", _) => {
                return Err("email: cannot be changed here, use POST /api/user/email".to_owned());
            }
            ("id" | "emailVerified" | "joinedAt", _) => return Err(format!("{member}: cannot be changed")),
            (other, _) => return Err(format!("unknown field {}, expected name or profile", quoted(other))),
        }
    }
    Ok(read)
}

fn read_fields(fields: &[SignUpField], values: &Map<String, Value>) -> Result<Map<String, Value>, String> {
    let known = || fields.iter().filter(|field| !field.is_name());
    let read = |(id, value): (&String, &Value)| {
        let Some(field) = known().find(|field| field.id == *id) else {
            let names = known().map(|field| field.id.as_str()).collect::<Vec<_>>().join(", ");
            let expected =
                if names.is_empty() { "this site has no such fields".to_owned() } else { format!("expected {names}") };
            return Err(format!("profile: unknown field {}, {expected}", quoted(id)));
        };
        let value = match (field.is_blank(value), field.is_optional) {
            (false, _) => field.accept(value).map_err(|error| format!("profile.{id}: {error}"))?,
            (true, true) => Value::Null,
            (true, false) => return Err(format!("profile.{id}: must not be empty")),
        };
        Ok((id.clone(), value))
    };
    values.iter().map(read).collect()
}

/// The beginning of a name that a client made up.
fn quoted(name: &str) -> String {
    format!("{:?}", name.chars().take(60).collect::<String>())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refusal(change: &Value) -> String {
        let fields = [SignUpField::new("city", false), SignUpField::new("age", true)];
        read(&fields, change.as_object().unwrap()).err().unwrap_or_default()
    }

    #[test]
    fn every_mistake_names_its_field() {
        for (change, expected) in [
            (json!({"name": "Ann", "profile": {"city": "Ulm", "age": null}}), ""),
            (json!({}), ""),
            (json!({"name": " "}), "name: must not be empty"),
            (json!({"name": null}), "name: must not be empty"),
            (json!({"name": 7}), "name: This must be text"),
            (json!({"name": "x".repeat(41)}), "name: This is too long"),
            (json!({"nmae": "Ann"}), "unknown field \"nmae\", expected name or profile"),
            (json!({"email": "b@x.io"}), "email: cannot be changed here, use POST /api/user/email"),
            (json!({"emailVerified": true}), "emailVerified: cannot be changed"),
            (json!({"profile": []}), "profile: must be an object"),
            (json!({"profile": {"town": "Ulm"}}), "profile: unknown field \"town\", expected city, age"),
            (json!({"profile": {"city": ""}}), "profile.city: must not be empty"),
            (json!({"profile": {"age": u64::MAX}}), "profile.age: This number is too large"),
            (json!({"profile": {"age": "x".repeat(1000)}}), "profile.age: This is too long"),
        ] {
            assert_eq!(refusal(&change), expected);
        }
    }
}
