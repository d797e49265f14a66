//! Claims whose value is one JSON value or a list of them, and the validators that come with them.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value, json};

use crate::clock::Timestamp;
use crate::session::claims::{Claim, Validator, fetched_at, value_in};
use crate::session::{Unavailable, UserId};

/// Where the value of a claim comes from.
#[async_trait]
pub trait Fetch: Send + Sync {
    /// Looks it up. Nothing: it is left as it is.
    ///
    /// # Errors
    /// What knows it does not answer.
    async fn fetch(&self, user: &UserId, payload: &Map<String, Value>) -> Result<Option<Value>, Unavailable>;
}

/// A claim with one value.
#[derive(Clone)]
pub struct PrimitiveClaim {
    /// Shared by the claim and its validators.
    claim: Arc<Keyed>,
}

/// A claim that is true or false.
#[derive(Clone)]
pub struct BooleanClaim(PrimitiveClaim);

/// A claim with a list of values.
#[derive(Clone)]
pub struct ArrayClaim {
    /// Shared by the claim and its validators.
    claim: Arc<Keyed>,
}

/// A key and where its value comes from.
struct Keyed {
    /// In the payload.
    key: String,
    /// Where from.
    fetch: Box<dyn Fetch>,
}

#[async_trait]
impl Claim for Keyed {
    fn key(&self) -> &str {
        &self.key
    }

    async fn fetch(&self, user: &UserId, payload: &Map<String, Value>) -> Result<Option<Value>, Unavailable> {
        self.fetch.fetch(user, payload).await
    }
}

impl PrimitiveClaim {
    /// A claim stored under `key`.
    pub fn new(key: &str, fetch: impl Fetch + 'static) -> Self {
        Self { claim: Arc::new(Keyed { key: key.to_owned(), fetch: Box::new(fetch) }) }
    }

    /// The claim itself.
    pub fn claim(&self) -> Arc<dyn Claim> {
        let claim: Arc<Keyed> = Arc::clone(&self.claim);
        claim
    }

    /// It must have this value, fetched within `age_max` where that is given.
    pub fn has_value(&self, value: Value, age_max: Option<Duration>) -> Arc<dyn Validator> {
        Arc::new(Check { claim: Arc::clone(&self.claim), age_max, wants: Wants::Value(value) })
    }
}

impl BooleanClaim {
    /// A claim stored under `key`.
    pub fn new(key: &str, fetch: impl Fetch + 'static) -> Self {
        Self(PrimitiveClaim::new(key, fetch))
    }

    /// The claim itself.
    pub fn claim(&self) -> Arc<dyn Claim> {
        self.0.claim()
    }

    /// It must be true.
    pub fn is_true(&self, age_max: Option<Duration>) -> Arc<dyn Validator> {
        self.0.has_value(true.into(), age_max)
    }

    /// It must be false.
    pub fn is_false(&self, age_max: Option<Duration>) -> Arc<dyn Validator> {
        self.0.has_value(false.into(), age_max)
    }
}

impl ArrayClaim {
    /// A claim stored under `key`.
    pub fn new(key: &str, fetch: impl Fetch + 'static) -> Self {
        Self { claim: Arc::new(Keyed { key: key.to_owned(), fetch: Box::new(fetch) }) }
    }

    /// The claim itself.
    pub fn claim(&self) -> Arc<dyn Claim> {
        let claim: Arc<Keyed> = Arc::clone(&self.claim);
        claim
    }

    /// The list must hold this value.
    pub fn includes(&self, value: Value, age_max: Option<Duration>) -> Arc<dyn Validator> {
        self.check(age_max, Wants::All(vec![value.clone()], value))
    }

    /// The list must hold all of these.
    pub fn includes_all(&self, values: Vec<Value>, age_max: Option<Duration>) -> Arc<dyn Validator> {
        let shown = Value::Array(values.clone());
        self.check(age_max, Wants::All(values, shown))
    }

    /// The list must hold at least one of these.
    pub fn includes_any(&self, values: Vec<Value>, age_max: Option<Duration>) -> Arc<dyn Validator> {
        self.check(age_max, Wants::Any(values))
    }

    /// The list must not hold this value.
    pub fn excludes(&self, value: Value, age_max: Option<Duration>) -> Arc<dyn Validator> {
        self.check(age_max, Wants::None(vec![value.clone()], value))
    }

    /// The list must hold none of these.
    pub fn excludes_all(&self, values: Vec<Value>, age_max: Option<Duration>) -> Arc<dyn Validator> {
        let shown = Value::Array(values.clone());
        self.check(age_max, Wants::None(values, shown))
    }

    /// A validator of this claim.
    fn check(&self, age_max: Option<Duration>, wants: Wants) -> Arc<dyn Validator> {
        Arc::new(Check { claim: Arc::clone(&self.claim), age_max, wants })
    }
}

/// What is asked of a value. Lists are shown as the caller wrote them.
enum Wants {
    /// To be this.
    Value(Value),
    /// To hold all of these.
    All(Vec<Value>, Value),
    /// To hold one of these.
    Any(Vec<Value>),
    /// To hold none of these.
    None(Vec<Value>, Value),
}

impl Wants {
    /// Whether the value is as it should be.
    fn accepts(&self, value: &Value) -> bool {
        let holds = |wanted: &Value| value.as_array().is_some_and(|values| values.contains(wanted));
        match self {
            Self::Value(wanted) => value == wanted,
            Self::All(wanted, _) => wanted.iter().all(holds),
            Self::Any(wanted) => wanted.iter().any(holds),
            Self::None(unwanted, _) => value.is_array() && !unwanted.iter().any(holds),
        }
    }

    /// What the client is told.
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

/// A validator of one claim. Its id is the claim's key.
struct Check {
    /// Which claim.
    claim: Arc<Keyed>,
    /// How old it may be.
    age_max: Option<Duration>,
    /// What it must be.
    wants: Wants,
}

impl Check {
    /// Its age, where it is too old.
    fn too_old(&self, payload: &Map<String, Value>, now: Timestamp) -> Option<Duration> {
        let age = fetched_at(payload, &self.claim.key)?.until(now);
        self.age_max.is_some_and(|age_max| age > age_max).then_some(age)
    }
}

impl Validator for Check {
    fn id(&self) -> &str {
        &self.claim.key
    }

    fn claim(&self) -> Option<Arc<dyn Claim>> {
        let claim: Arc<Keyed> = Arc::clone(&self.claim);
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

    /// A claim that nobody knows.
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
