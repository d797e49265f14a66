//! Which version of the frontend interface a client speaks, and how users look in it.

use actix_web::HttpRequest;
use serde_json::{Value, json};

use crate::users::User;

/// The newest version that changed the look of a user: two numbers, compared one after the other.
const NEW_LOOK: (u32, u32) = (3, 0);

/// How users look to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `{"id", "email", "timeJoined"}`.
    Old,
    /// With login methods, tenants and lists.
    New,
}

impl Dialect {
    /// What the request's `fdi-version` header asks for.
    pub fn of(request: &HttpRequest) -> Self {
        request.headers().get("fdi-version").map_or(Self::New, |value| Self::parse(value.to_str().unwrap_or_default()))
    }

    /// The greatest of a list of versions decides; what is no number is an old client.
    fn parse(versions: &str) -> Self {
        match versions.split(',').filter_map(version).max() {
            Some(version) if version >= NEW_LOOK || ((1, 18)..(2, 0)).contains(&version) => Self::New,
            _ => Self::Old,
        }
    }

    /// A user as this client knows them.
    pub fn user(self, user: &User) -> Value {
        let (id, email, joined) = (user.id.as_str(), user.email.as_str(), user.joined_at.millis());
        match self {
            Self::Old => json!({"id": id, "email": email, "timeJoined": joined}),
            Self::New => json!({
                "id": id,
                "isPrimaryUser": false,
                "tenantIds": ["public"],
                "emails": [email],
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

/// `major.minor`.
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
            ("4.2", Dialect::New),
            ("3.0", Dialect::New),
            ("4.10", Dialect::New),
            ("2.0,3.1,99.0", Dialect::New),
            ("1.18", Dialect::New),
            ("1.19,1.8", Dialect::New),
            ("2.0", Dialect::Old),
            ("1.17", Dialect::Old),
            ("1.8,1.9", Dialect::Old),
            ("junk", Dialect::Old),
            ("", Dialect::Old),
        ] {
            assert_eq!(Dialect::parse(header), expected, "{header}");
        }
    }
}
