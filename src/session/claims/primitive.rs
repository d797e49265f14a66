//! Claims whose value is one JSON value or a list of them, with their validators.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value, json};

use crate::clock::Timestamp;
use crate::session::claims::{Claim, Validator, fetched_at, value_in};
use crate::session::{Unavailable, UserId};

/// The source of a claim's value.
#[async_trait]
pub trait Fetch: Send + Sync {
    /// Fetches the value; `None` leaves the stored one unchanged.
    ///
    /// # Errors
    /// [`Unavailable`]: the source does not answer; the response is 503.
    async fn fetch(&self, user: &UserId, payload: &Map<String, Value>) -> Result<Option<Value>, Unavailable>;
}

/// A claim with one value.
#[derive(Clone)]
pub struct PrimitiveClaim {
    claim: Arc<ClaimSource>,
}

/// A claim that is true or false.
#[derive(Clone)]
pub struct BooleanClaim(PrimitiveClaim);

/// A claim with a list of values.
#[derive(Clone)]
pub struct ArrayClaim {
    claim: Arc<ClaimSource>,
}

struct ClaimSource {
    key: String,
    fetch: Box<dyn Fetch>,
}

#[async_trait]
impl Claim for ClaimSource {
    fn key(&self) -> &str {
        &self.key
    }

    async fn fetch(&self, user: &UserId, payload: &Map<String, Value>) -> Result<Option<Value>, Unavailable> {
        self.fetch.fetch(user, payload).await
    }
}

impl PrimitiveClaim {
    /// Creates a claim that is stored under `key`.
    pub fn new(key: &str, fetch: impl Fetch + 'static) -> Self {
        Self { claim: Arc::new(ClaimSource { key: key.to_owned(), fetch: Box::new(fetch) }) }
    }

    /// The claim, for [`Settings::claims`](crate::session::Settings::claims) and the claim methods of sessions.
    pub fn claim(&self) -> Arc<dyn Claim> {
        let claim: Arc<ClaimSource> = Arc::clone(&self.claim);
        claim
    }

    /// A validator: the value equals `value` and was fetched at most `age_max` ago.
    pub fn has_value(&self, value: Value, age_max: Option<Duration>) -> Arc<dyn Validator> {
        Arc::new(PrimitiveValidator { claim: Arc::clone(&self.claim), age_max, wants: Condition::Value(value) })
    }
}

impl BooleanClaim {
    /// Creates a claim that is stored under `key`.
    pub fn new(key: &str, fetch: impl Fetch + 'static) -> Self {
        Self(PrimitiveClaim::new(key, fetch))
    }

    /// The claim, for [`Settings::claims`](crate::session::Settings::claims) and the claim methods of sessions.
    pub fn claim(&self) -> Arc<dyn Claim> {
        self.0.claim()
    }

    /// A validator: the value is true and was fetched at most `age_max` ago.
    pub fn is_true(&self, age_max: Option<Duration>) -> Arc<dyn Validator> {
        self.0.has_value(true.into(), age_max)
    }

    /// A validator: the value is false and was fetched at most `age_max` ago.
    pub fn is_false(&self, age_max: Option<Duration>) -> Arc<dyn Validator> {
        self.0.has_value(false.into(), age_max)
    }
}

impl ArrayClaim {
    /// Creates a claim that is stored under `key`.
    pub fn new(key: &str, fetch: impl Fetch + 'static) -> Self {
        Self { claim: Arc::new(ClaimSource { key: key.to_owned(), fetch: Box::new(fetch) }) }
    }

    /// The claim, for [`Settings::claims`](crate::session::Settings::claims) and the claim methods of sessions.
    pub fn claim(&self) -> Arc<dyn Claim> {
        let claim: Arc<ClaimSource> = Arc::clone(&self.claim);
        claim
    }

    /// A validator: the list contains this value.
    pub fn includes(&self, value: Value, age_max: Option<Duration>) -> Arc<dyn Validator> {
        self.check(age_max, Condition::All(vec![value.clone()], value))
    }

    /// A validator: the list contains all of these values.
    pub fn includes_all(&self, values: Vec<Value>, age_max: Option<Duration>) -> Arc<dyn Validator> {
        let shown = Value::Array(values.clone());
        self.check(age_max, Condition::All(values, shown))
    }

    /// A validator: the list contains at least one of these values.
    pub fn includes_any(&self, values: Vec<Value>, age_max: Option<Duration>) -> Arc<dyn Validator> {
        self.check(age_max, Condition::Any(values))
    }

    /// A validator: the list does not contain this value.
    pub fn excludes(&self, value: Value, age_max: Option<Duration>) -> Arc<dyn Validator> {
        self.check(age_max, Condition::None(vec![value.clone()], value))
    }

    /// A validator: the list contains none of these values.
    pub fn excludes_all(&self, values: Vec<Value>, age_max: Option<Duration>) -> Arc<dyn Validator> {
        let shown = Value::Array(values.clone());
        self.check(age_max, Condition::None(values, shown))
    }

    fn check(&self, age_max: Option<Duration>, wants: Condition) -> Arc<dyn Validator> {
        Arc::new(PrimitiveValidator { claim: Arc::clone(&self.claim), age_max, wants })
    }
}

/// A condition on the value; a second field is the value shown to the client, a single one or a list as the caller passed it.
enum Condition {
    Value(Value),
    All(Vec<Value>, Value),
    Any(Vec<Value>),
    None(Vec<Value>, Value),
}

impl Condition {
    fn accepts(&self, value: &Value) -> bool {
        let holds = |wanted: &Value| value.as_array().is_some_and(|values| values.contains(wanted));
        match self {
            Self::Value(wanted) => value == wanted,
            Self::All(wanted, _) => wanted.iter().all(holds),
            Self::Any(wanted) => wanted.iter().any(holds),
            Self::None(unwanted, _) => value.is_array() && !unwanted.iter().any(holds),
        }
    }

    /// The reason of a failure, in the format of SuperTokens' claim validators.
    fn reason(&self, message: &str, actual: Option<&Value>) -> Value {
        let (name, expected) = match self {
            Self::Value(wanted) => ("expectedValue", wanted.clone()),
            Self::All(_, shown) => ("expectedToInclude", shown.clone()),
            Self::Any(wanted) => ("expectedToIncludeAtLeastOneOf", Value::Array(wanted.clone())),
            Self::None(_, shown) => ("expectedToNotInclude", shown.clone()),
        };
        let mut reason = Map::new();
        reason.insert("message".to_owned(), message.into());
        reason.insert(name.to_owned(), expected);
        if let Some(actual) = actual {
            reason.insert("actualValue".to_owned(), actual.clone());
        }
        Value::Object(reason)
    }
}

/// A validator of one claim; its id is the claim's key.
struct PrimitiveValidator {
    claim: Arc<ClaimSource>,
    age_max: Option<Duration>,
    wants: Condition,
}

impl PrimitiveValidator {
    /// The age of the value if it exceeds the limit.
    fn too_old(&self, payload: &Map<String, Value>, now: Timestamp) -> Option<Duration> {
        let age = fetched_at(payload, &self.claim.key)?.until(now);
        self.age_max.is_some_and(|age_max| age > age_max).then_some(age)
    }
}

impl Validator for PrimitiveValidator {
    fn id(&self) -> &str {
        &self.claim.key
    }

    fn claim(&self) -> Option<Arc<dyn Claim>> {
        let claim: Arc<ClaimSource> = Arc::clone(&self.claim);
        Some(claim)
    }

    fn should_refetch(&self, payload: &Map<String, Value>, now: Timestamp) -> bool {
        value_in(payload, &self.claim.key).is_none() || self.too_old(payload, now).is_some()
    }

    fn validate(&self, payload: &Map<String, Value>, now: Timestamp) -> Result<(), Value> {
        let Some(value) = value_in(payload, &self.claim.key) else {
            return Err(self.wants.reason("value does not exist", None));
        };
        if let (Some(age), Some(age_max)) = (self.too_old(payload, now), self.age_max) {
            let (age, age_max) = (age.as_secs(), age_max.as_secs());
            return Err(json!({ "message": "expired", "ageInSeconds": age, "maxAgeInSeconds": age_max }));
        }
        if self.wants.accepts(value) { Ok(()) } else { Err(self.wants.reason("wrong value", Some(value))) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nothing;

    #[async_trait]
    impl Fetch for Nothing {
        async fn fetch(&self, _: &UserId, _: &Map<String, Value>) -> Result<Option<Value>, Unavailable> {
            Ok(None)
        }
    }

    fn payload(value: &Value) -> Map<String, Value> {
        let stored = json!({ "k": { "v": value, "t": 10_000 } });
        stored.as_object().unwrap().clone()
    }

    const NOW: Timestamp = Timestamp::from_millis(15_000);

    #[test]
    fn reasons_are_those_of_the_frontends() {
        let claim = BooleanClaim::new("k", Nothing);
        let is_true = claim.is_true(None);
        assert_eq!(is_true.validate(&payload(&json!(true)), NOW), Ok(()));
        assert_eq!(
            is_true.validate(&payload(&json!(false)), NOW),
            Err(json!({ "message": "wrong value", "expectedValue": true, "actualValue": false }))
        );
        assert_eq!(
            is_true.validate(&Map::new(), NOW),
            Err(json!({ "message": "value does not exist", "expectedValue": true }))
        );
        let fresh = claim.is_true(Some(Duration::from_secs(4)));
        assert!(fresh.should_refetch(&payload(&json!(true)), NOW));
        assert_eq!(
            fresh.validate(&payload(&json!(true)), NOW),
            Err(json!({ "message": "expired", "ageInSeconds": 5, "maxAgeInSeconds": 4 }))
        );
        assert!(!claim.is_true(Some(Duration::from_secs(5))).should_refetch(&payload(&json!(true)), NOW));
    }

    #[test]
    fn lists_include_and_exclude() {
        let claim = ArrayClaim::new("k", Nothing);
        let roles = payload(&json!(["user", "editor"]));
        let accepted = [
            claim.includes(json!("user"), None),
            claim.includes_all(vec![json!("user"), json!("editor")], None),
            claim.includes_any(vec![json!("admin"), json!("editor")], None),
            claim.excludes(json!("admin"), None),
            claim.excludes_all(vec![json!("admin"), json!("root")], None),
        ];
        let refused = [
            (claim.includes(json!("admin"), None), "expectedToInclude"),
            (claim.includes_all(vec![json!("user"), json!("admin")], None), "expectedToInclude"),
            (claim.includes_any(vec![json!("admin")], None), "expectedToIncludeAtLeastOneOf"),
            (claim.excludes(json!("user"), None), "expectedToNotInclude"),
            (claim.excludes_all(vec![json!("root"), json!("user")], None), "expectedToNotInclude"),
        ];
        assert!(accepted.iter().all(|validator| validator.validate(&roles, NOW).is_ok()));
        for (validator, name) in refused {
            assert!(validator.validate(&roles, NOW).unwrap_err().get(name).is_some(), "{name}");
        }
    }
}
