//! The extractor [`SignedIn`]: the session of a request.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::events::RevokeReason;
use crate::session::claims::{Claim, Validator};
use crate::session::compat::FrontendVersion;
use crate::session::error::REVOKED;
use crate::session::http::response_tokens::ResponseTokens;
use crate::session::http::transport::TokenDelivery;
use crate::session::service::{SessionInfo, Sessions};
use crate::session::store::Session;
use crate::session::tokens::access_token::Claims;
use crate::session::tokens::verified_cache::Verified;
use crate::session::{Error, Lineage, SessionHandle, UserId, claims};

/// The session of a request: proof that it comes from a signed-in user. Only the session module can construct one.
#[derive(Clone)]
pub struct SignedIn {
    sessions: Sessions,
    token: Arc<Verified>,
    delivery: TokenDelivery,
    response_tokens: ResponseTokens,
}

impl SignedIn {
    /// `token` must have been verified or issued for this request.
    pub(in crate::session) fn new(
        sessions: Sessions,
        token: Arc<Verified>,
        delivery: TokenDelivery,
        response_tokens: ResponseTokens,
    ) -> Self {
        Self { sessions, token, delivery, response_tokens }
    }

    pub fn user(&self) -> &UserId {
        &self.token.claims.user
    }

    pub fn handle(&self) -> &SessionHandle {
        &self.token.claims.handle
    }

    /// Lineage of the refresh token that was issued with the access token.
    pub fn lineage(&self) -> &Lineage {
        &self.token.descent.lineage
    }

    /// Lineage of the refresh token whose exchange issued it; `None` once promoted, and for the first of a session.
    pub fn parent(&self) -> Option<&Lineage> {
        self.token.descent.parent.as_ref()
    }

    /// The claims of the application and of the token provider, without the session's own.
    pub fn payload(&self) -> &Map<String, Value> {
        &self.token.claims.payload
    }

    /// All claims of the access token, as SuperTokens' frontends see them.
    pub fn access_token_payload(&self) -> Map<String, Value> {
        self.token.claims.frontend_payload()
    }

    pub fn access_token_expires_at(&self) -> Timestamp {
        self.token.claims.expiry()
    }

    /// The session as stored in SQL.
    ///
    /// # Errors
    /// The session has ended (and the response clears the client's tokens), or the database fails.
    pub async fn info(&self) -> Result<SessionInfo, Error> {
        self.found_or_clear(self.sessions.info(self.handle()).await?)
    }

    /// Replaces the application's data of the session, which no token contains.
    ///
    /// # Errors
    /// As [`SignedIn::info`].
    pub async fn update_data(&self, data: &Map<String, Value>) -> Result<(), Error> {
        let done = self.sessions.update_data(self.handle(), data).await?;
        self.found_or_clear(done.then_some(()))
    }

    /// Revokes the session and clears the client's tokens, also if it was revoked before.
    ///
    /// # Errors
    /// The database fails: nothing has changed.
    pub async fn revoke(&self) -> Result<(), Error> {
        self.sessions.revoke(self.handle(), RevokeReason::SignedOut).await?;
        self.response_tokens.clear(self.sessions.cookies(), self.delivery.transfer);
        self.clear_id();
        Ok(())
    }

    /// Merges `update` into the payload of the access token, one level deep; null removes a key. The response has a new access
    /// token with the same expiry, and later access tokens of the session have the payload too.
    ///
    /// # Errors
    /// As [`SignedIn::info`]; [`Error::PayloadTooLarge`]; [`Error::Contended`].
    pub async fn merge_payload(&mut self, update: Map<String, Value>) -> Result<(), Error> {
        let merged = self.sessions.merge(self.handle(), update).await?;
        let Session { mut payload, ends_with_browser, .. } = self.found_or_clear(merged)?;
        payload.extend(self.sessions.provider_claims(&self.token.claims));
        let now = self.sessions.now();
        let claims = Claims { issued_at: now.seconds(), payload, ..self.token.claims.clone() };
        let tokens = self.sessions.sign(claims, ends_with_browser).await?;
        self.token = Arc::clone(&tokens.token);
        self.response_tokens.set(&self.sessions.delivery_context(self.delivery), tokens);
        Ok(())
    }

    /// Fetches the value of a claim and stores it in the payload; no value leaves the claim unchanged.
    ///
    /// # Errors
    /// As [`SignedIn::merge_payload`]; the source of the claim is not available.
    pub async fn fetch_and_set_claim(&mut self, claim: &dyn Claim) -> Result<(), Error> {
        match claim.fetch(self.user(), self.payload()).await? {
            Some(value) => self.set_claim_value(claim, value).await,
            None => Ok(()),
        }
    }

    /// Stores a value of a claim in the payload.
    ///
    /// # Errors
    /// As [`SignedIn::merge_payload`].
    pub async fn set_claim_value(&mut self, claim: &dyn Claim, value: Value) -> Result<(), Error> {
        let stored = claims::stored(&value, self.sessions.now());
        self.merge_payload(Map::from_iter([(claim.key().to_owned(), stored)])).await
    }

    /// The value of a claim in the payload of the access token.
    pub fn claim_value(&self, claim: &dyn Claim) -> Option<&Value> {
        claims::value_in(self.payload(), claim.key())
    }

    /// Removes a claim from the payload.
    ///
    /// # Errors
    /// As [`SignedIn::merge_payload`].
    pub async fn remove_claim(&mut self, claim: &dyn Claim) -> Result<(), Error> {
        self.merge_payload(Map::from_iter([(claim.key().to_owned(), Value::Null)])).await
    }

    /// Runs validators. Claims that are missing or too old for one of them are fetched and stored first.
    ///
    /// # Errors
    /// [`Error::InvalidClaims`]; as [`SignedIn::merge_payload`].
    pub async fn assert_claims(&mut self, validators: &[Arc<dyn Validator>]) -> Result<(), Error> {
        let now = self.sessions.now();
        let mut fetched = Map::new();
        for claim in claims::to_refetch(validators, self.payload(), now) {
            if let Some(value) = claim.fetch(self.user(), self.payload()).await? {
                fetched.insert(claim.key().to_owned(), claims::stored(&value, now));
            }
        }
        if !fetched.is_empty() {
            self.merge_payload(fetched).await?;
        }
        let failures = claims::failures(validators, self.payload(), now);
        if failures.is_empty() { Ok(()) } else { Err(Error::InvalidClaims(failures)) }
    }

    /// `None` means that the session has ended; then the client's tokens are cleared.
    fn found_or_clear<T>(&self, found: Option<T>) -> Result<T, Error> {
        found.ok_or_else(|| {
            self.response_tokens.clear_all(self.sessions.cookies());
            self.clear_id();
            Error::Ended(REVOKED)
        })
    }

    fn clear_id(&self) {
        if self.delivery.frontend == FrontendVersion::Legacy {
            self.response_tokens.clear_id(self.sessions.cookies());
        }
    }
}
