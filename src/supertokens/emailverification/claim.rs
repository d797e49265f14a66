//! The session claim `st-ev`: whether the e-mail address of the account is verified.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use fauna_client::DocumentId;
use serde_json::{Map, Value, json};

use crate::clock::Timestamp;
use crate::session::{Claim, Unavailable, UserId, Validator};
use crate::users::{User, Users};

const KEY: &str = "st-ev";
/// Age after which "not verified" is looked up again; "verified" holds for the whole session.
const NO_LIFE: Duration = Duration::from_secs(10);

/// Fetches the claim from Fauna.
#[derive(Clone)]
pub struct Verified {
    users: Users,
}

struct MustBeVerified(Verified);

impl Verified {
    pub fn new(users: Users) -> Self {
        Self { users }
    }

    pub fn claim(&self) -> Arc<dyn Claim> {
        Arc::new(self.clone())
    }

    pub fn validator(&self) -> Arc<dyn Validator> {
        Arc::new(MustBeVerified(self.clone()))
    }
}

#[async_trait]
impl Claim for Verified {
    fn key(&self) -> &str {
        KEY
    }

    async fn fetch(&self, user: &UserId, _: &Map<String, Value>) -> Result<Option<Value>, Unavailable> {
        let Some(id) = DocumentId::parse(user.as_str()) else { return Ok(None) };
        let contact = self.users.contact(&id).await.map_err(|error| Unavailable(Box::new(error)))?;
        Ok(contact.map(|contact| Value::Bool(contact.is_verified)))
    }
}

impl Validator for MustBeVerified {
    fn id(&self) -> &str {
        KEY
    }

    fn claim(&self) -> Option<Arc<dyn Claim>> {
        Some(self.0.claim())
    }

    fn should_refetch(&self, payload: &Map<String, Value>, now: Timestamp) -> bool {
        should_refetch(payload, now)
    }

    fn validate(&self, payload: &Map<String, Value>, _: Timestamp) -> Result<(), Value> {
        validate(payload)
    }
}

/// The claim of a new session from an account that was just read.
pub fn claim_of(user: &User) -> Map<String, Value> {
    Map::from_iter([(KEY.to_owned(), user.email_verified.into())])
}

/// Whether a payload's claim must be fetched again.
fn should_refetch(payload: &Map<String, Value>, now: Timestamp) -> bool {
    let Some(claim) = payload.get(KEY) else { return true };
    let fetched_at = claim.get("t").and_then(Value::as_i64).map(Timestamp::from_millis);
    match claim.get("v") {
        Some(Value::Bool(true)) => false,
        _ => fetched_at.is_none_or(|fetched_at| fetched_at.until(now) > NO_LIFE),
    }
}

/// Validates the claim; the refusal has the form that frontends expect.
fn validate(payload: &Map<String, Value>) -> Result<(), Value> {
    match payload.get(KEY).and_then(|claim| claim.get("v")) {
        Some(Value::Bool(true)) => Ok(()),
        Some(actual) => Err(json!({ "message": "wrong value", "expectedValue": true, "actualValue": actual })),
        None => Err(json!({ "message": "value does not exist", "expectedValue": true })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(claim: &Value) -> Map<String, Value> {
        Map::from_iter([(KEY.to_owned(), claim.clone())])
    }

    #[test]
    fn a_yes_holds_and_a_no_is_asked_again() {
        let now = Timestamp::from_millis(20_000);
        for (claim, expected) in [
            (json!({ "v": true, "t": 0 }), false),
            (json!({ "v": false, "t": 10_000 }), false),
            (json!({ "v": false, "t": 9_999 }), true),
            (json!({ "v": false }), true),
            (json!({}), true),
            (json!(null), true),
        ] {
            assert_eq!(should_refetch(&payload(&claim), now), expected, "{claim}");
        }
        assert!(should_refetch(&Map::new(), now));
    }

    #[test]
    fn refusals_have_the_words_of_the_frontends() {
        assert_eq!(validate(&payload(&json!({ "v": true, "t": 0 }))), Ok(()));
        let wrong = json!({ "message": "wrong value", "expectedValue": true, "actualValue": false });
        assert_eq!(validate(&payload(&json!({ "v": false, "t": 0 }))), Err(wrong));
        let missing = json!({ "message": "value does not exist", "expectedValue": true });
        assert_eq!(validate(&Map::new()), Err(missing));
    }
}
