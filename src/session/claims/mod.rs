//! Claims: statements about a session in its access token, and validators of them.
//!
//! A claim is stored in the payload as `{"<key>": {"v": value, "t": milliseconds since 1970}}`. A validator reads it, may request
//! that it be fetched anew, and fails with a reason, which the client sees.

mod primitive;

use std::sync::Arc;

use async_trait::async_trait;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::clock::Timestamp;
use crate::session::{Unavailable, UserId};

pub use primitive::{ArrayClaim, BooleanClaim, Fetch, PrimitiveClaim};

/// A statement about a session that can be fetched from some source.
#[async_trait]
pub trait Claim: Send + Sync {
    /// The key in the payload of the access token.
    fn key(&self) -> &str;

    /// Fetches the value; `None` leaves the stored one unchanged.
    ///
    /// # Errors
    /// [`Unavailable`]: the source does not answer; the response is 503.
    async fn fetch(&self, user: &UserId, payload: &Map<String, Value>) -> Result<Option<Value>, Unavailable>;
}

/// A condition on the claims of a session.
pub trait Validator: Send + Sync {
    /// The identifier in [`ClaimFailure::id`].
    fn id(&self) -> &str;

    /// The claim to fetch if [`Validator::should_refetch`] is true.
    fn claim(&self) -> Option<Arc<dyn Claim>> {
        None
    }

    /// Whether the claim is missing or too old.
    fn should_refetch(&self, _payload: &Map<String, Value>, _now: Timestamp) -> bool {
        false
    }

    /// Checks the payload.
    ///
    /// # Errors
    /// The reason, as JSON for the client.
    fn validate(&self, payload: &Map<String, Value>, now: Timestamp) -> Result<(), Value>;
}

/// A failure of one validator, as the client sees it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClaimFailure {
    /// The result of [`Validator::id`].
    pub id: String,
    /// The reason of [`Validator::validate`]; null is left out of the JSON.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub reason: Value,
}

/// The claims to fetch before these validators can run, each key once.
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

/// Runs all validators and collects their failures.
pub fn failures(validators: &[Arc<dyn Validator>], payload: &Map<String, Value>, now: Timestamp) -> Vec<ClaimFailure> {
    let failure = |validator: &Arc<dyn Validator>| {
        let reason = validator.validate(payload, now).err()?;
        Some(ClaimFailure { id: validator.id().to_owned(), reason })
    };
    validators.iter().filter_map(failure).collect()
}

/// The value of a claim as stored in the payload.
pub fn stored(value: &Value, now: Timestamp) -> Value {
    json!({ "v": value, "t": now.millis() })
}

pub fn value_in<'a>(payload: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    payload.get(key)?.get("v")
}

pub fn fetched_at(payload: &Map<String, Value>, key: &str) -> Option<Timestamp> {
    payload.get(key)?.get("t")?.as_i64().map(Timestamp::from_millis)
}
