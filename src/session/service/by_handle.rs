//! Payload, data and claims of sessions by handle, without a request.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::session::claims::{Claim, Validator};
use crate::session::service::Sessions;
use crate::session::store::Session;
use crate::session::tokens::payload;
use crate::session::{Error, SessionHandle, claims};

/// Attempts to change the payload while other requests change it at the same time.
const ATTEMPTS: usize = 8;

impl Sessions {
    /// Merges `update` into the payload of a session. Clients see it after their next refresh, promotion or check of the
    /// database. False if the session does not exist.
    ///
    /// # Errors
    /// As [`SignedIn::merge_payload`](crate::session::SignedIn::merge_payload).
    pub async fn merge_into_payload(&self, handle: &SessionHandle, update: Map<String, Value>) -> Result<bool, Error> {
        Ok(self.merge(handle, update).await?.is_some())
    }

    /// Replaces the data that the application stores with a session. False if the session does not exist.
    ///
    /// # Errors
    /// The database fails.
    pub async fn update_data(&self, handle: &SessionHandle, data: &Map<String, Value>) -> Result<bool, Error> {
        Ok(self.store().update_data(handle, data, self.now()).await?)
    }

    /// Fetches a claim and stores it. False if the session does not exist.
    ///
    /// # Errors
    /// As [`SignedIn::fetch_and_set_claim`](crate::session::SignedIn::fetch_and_set_claim).
    pub async fn fetch_and_set_claim(&self, handle: &SessionHandle, claim: &dyn Claim) -> Result<bool, Error> {
        let Some(session) = self.info(handle).await? else { return Ok(false) };
        match claim.fetch(&session.user_id, &session.payload).await? {
            Some(value) => self.set_claim_value(handle, claim, value).await,
            None => Ok(true),
        }
    }

    /// Stores a claim. False if the session does not exist.
    ///
    /// # Errors
    /// As [`Sessions::merge_into_payload`].
    pub async fn set_claim_value(
        &self,
        handle: &SessionHandle,
        claim: &dyn Claim,
        value: Value,
    ) -> Result<bool, Error> {
        let stored = claims::stored(&value, self.now());
        self.merge_into_payload(handle, Map::from_iter([(claim.key().to_owned(), stored)])).await
    }

    /// The stored value of a claim. `None` if the session does not exist or has no such claim.
    ///
    /// # Errors
    /// The database fails.
    pub async fn claim_value(&self, handle: &SessionHandle, claim: &dyn Claim) -> Result<Option<Value>, Error> {
        let session = self.info(handle).await?;
        Ok(session.and_then(|session| claims::value_in(&session.payload, claim.key()).cloned()))
    }

    /// Removes a claim. False if the session does not exist.
    ///
    /// # Errors
    /// As [`Sessions::merge_into_payload`].
    pub async fn remove_claim(&self, handle: &SessionHandle, claim: &dyn Claim) -> Result<bool, Error> {
        self.merge_into_payload(handle, Map::from_iter([(claim.key().to_owned(), Value::Null)])).await
    }

    /// The failures of the validators for a session. `None` if the session does not exist.
    ///
    /// # Errors
    /// As [`SignedIn::assert_claims`](crate::session::SignedIn::assert_claims), but refusals are the answer and not an error.
    pub async fn validate_claims(
        &self,
        handle: &SessionHandle,
        validators: &[Arc<dyn Validator>],
    ) -> Result<Option<Vec<claims::ClaimFailure>>, Error> {
        let Some(mut session) = self.info(handle).await? else { return Ok(None) };
        let now = self.now();
        for claim in claims::to_refetch(validators, &session.payload, now) {
            if let Some(value) = claim.fetch(&session.user_id, &session.payload).await? {
                let update = Map::from_iter([(claim.key().to_owned(), claims::stored(&value, now))]);
                let Some(merged) = self.merge(handle, update).await? else { return Ok(None) };
                session.payload = merged.payload;
            }
        }
        Ok(Some(claims::failures(validators, &session.payload, now)))
    }

    /// Compares and swaps, so that two requests that write different keys both succeed.
    pub(in crate::session) async fn merge(
        &self,
        handle: &SessionHandle,
        update: Map<String, Value>,
    ) -> Result<Option<Session>, Error> {
        let reserved = self.token_provider().reserved_claims();
        for _ in 0..ATTEMPTS {
            let now = self.now();
            let found = self.store().find(handle).await?;
            let Some(session) = found.filter(|session| session.rotation.expires_at > now) else { return Ok(None) };
            let merged = payload::merged(&session.payload, update.clone(), reserved);
            payload::check_size(&merged)?;
            if self.store().swap_payload(handle, &session.payload, &merged, now).await? {
                return Ok(Some(Session { payload: merged, ..session }));
            }
        }
        Err(Error::Contended)
    }
}
