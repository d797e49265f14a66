//! Claims: what a session's access token says beyond who it is, and what routes ask of it.
//!
//! A claim is stored in the payload as `{"<key>": {"v": value, "t": milliseconds}}`; a validator looks at it, may ask for it
//! to be fetched anew, and refuses with a reason (session.md 6.1). Reasons are shown to the client.

mod primitive;

use std::sync::Arc;

use async_trait::async_trait;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::clock::Timestamp;
use crate::session::{Unavailable, UserId};

pub use primitive::{ArrayClaim, BooleanClaim, Fetch, PrimitiveClaim};

/// Something that is known about a session and can be looked up.
#[async_trait]
pub trait Claim: Send + Sync {
    /// Its key in the payload.
    fn key(&self) -> &str;

    /// Looks it up. Nothing: it is left as it is.
    ///
    /// # Errors
    /// What knows it does not answer: the request is answered 503.
    async fn fetch(&self, user: &UserId, payload: &Map<String, Value>) -> Result<Option<Value>, Unavailable>;
}

/// What a route asks of a session.
pub trait Validator: Send + Sync {
    /// Names it in refusals.
    fn id(&self) -> &str;

    /// The claim to fetch when [`Validator::should_refetch`] says so.
    fn claim(&self) -> Option<Arc<dyn Claim>> {
        None
    }

    /// Whether the claim is missing or too old to judge by.
    fn should_refetch(&self, _payload: &Map<String, Value>, _now: Timestamp) -> bool {
        false
    }

    /// Judges.
    ///
    /// # Errors
    /// The reason, for the client.
    fn validate(&self, payload: &Map<String, Value>, now: Timestamp) -> Result<(), Value>;
}

/// A validator refused.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClaimFailure {
    /// [`Validator::id`].
    pub id: String,
    /// What it said; absent where it said nothing.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub reason: Value,
}

/// The claims that have to be fetched before these validators can judge, each once.
pub fn to_refetch(
    validators: &[Arc<dyn Validator>],
    payload: &Map<String, Value>,
    now: Timestamp,
) -> Vec<Arc<dyn Claim>> {
    let mut claims: Vec<Arc<dyn Claim>> = Vec::new();
    for validator in validators.iter().filter(|validator| validator.should_refetch(payload, now)) {
        if let Some(claim) = validator.claim()
            && !claims.iter().any(|other| other.key() == claim.key())
        {
            claims.push(claim);
        }
    }
    claims
}

/// Asks all validators.
pub fn failures(validators: &[Arc<dyn Validator>], payload: &Map<String, Value>, now: Timestamp) -> Vec<ClaimFailure> {
    let failure = |validator: &Arc<dyn Validator>| {
        let reason = validator.validate(payload, now).err()?;
        Some(ClaimFailure { id: validator.id().to_owned(), reason })
    };
    validators.iter().filter_map(failure).collect()
}

/// A claim as it is stored.
pub fn stored(value: &Value, now: Timestamp) -> Value {
    json!({ "v": value, "t": now.millis() })
}

/// The value of a claim.
pub fn value_in<'a>(payload: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    payload.get(key)?.get("v")
}

/// When a claim was fetched.
pub fn fetched_at(payload: &Map<String, Value>, key: &str) -> Option<Timestamp> {
    payload.get(key)?.get("t")?.as_i64().map(Timestamp::from_millis)
}
