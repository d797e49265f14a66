//! The JSON of a user for a client, by the version of the frontend interface (FDI) that it speaks.
//!
//! A user whose document has no address or no time of sign-up is shown with null for it.

use actix_web::HttpRequest;
use serde_json::{Value, json};

use crate::clock::Timestamp;
use crate::users::{Email, User};

/// The newest version that changed the look of a user: two numbers, compared one after the other.
const NEW_LOOK: (u32, u32) = (3, 0);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserFormat {
    Legacy,
    Current,
}

impl UserFormat {
    /// The format for the versions in the `fdi-version` header.
    pub fn of(request: &HttpRequest) -> Self {
        request
            .headers()
            .get("fdi-version")
            .map_or(Self::Current, |value| Self::parse(value.to_str().unwrap_or_default()))
    }

    /// The greatest of a list of versions decides; a version that is not a number means an old client.
    fn parse(versions: &str) -> Self {
        match versions.split(',').filter_map(version).max() {
            Some(version) if version >= NEW_LOOK || ((1, 18)..(2, 0)).contains(&version) => Self::Current,
            _ => Self::Legacy,
        }
    }

    pub fn user(self, user: &User) -> Value {
        let (id, email) = (user.id.as_str(), user.email.as_ref().map(Email::as_str));
        let joined = user.joined_at.map(Timestamp::millis);
        match self {
            Self::Legacy => json!({"id": id, "email": email, "timeJoined": joined}),
            Self::Current => json!({
                "id": id,
                "isPrimaryUser": false,
                "tenantIds": ["public"],
                "emails": email.into_iter().collect::<Vec<_>>(),
                "phoneNumbers": [],
                "thirdParty": [],
                "webauthn": {"credentialIds": []},
                "loginMethods": [{
                    "recipeId": "emailpassword",
                    "recipeUserId": id,
                    "tenantIds": ["public"],
                    "email": email,
                    "timeJoined": joined,
                    "verified": user.email_verified,
                }],
                "timeJoined": joined,
            }),
        }
    }
}

fn version(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.trim().split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greatest_version_decides() {
        for (header, expected) in [
            ("4.2", UserFormat::Current),
            ("3.0", UserFormat::Current),
            ("4.10", UserFormat::Current),
            ("2.0,3.1,99.0", UserFormat::Current),
            ("1.18", UserFormat::Current),
            ("1.19,1.8", UserFormat::Current),
            ("2.0", UserFormat::Legacy),
            ("1.17", UserFormat::Legacy),
            ("1.8,1.9", UserFormat::Legacy),
            ("junk", UserFormat::Legacy),
            ("", UserFormat::Legacy),
        ] {
            assert_eq!(UserFormat::parse(header), expected, "{header}");
        }
    }
}
