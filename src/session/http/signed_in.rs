//! A person who is signed in, as a handler meets them.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::events::RevokeReason;
use crate::session::claims::{Claim, Validator};
use crate::session::compat::FrontendVersion;
use crate::session::http::response_tokens::ResponseTokens;
use crate::session::http::transport::TokenDelivery;
use crate::session::service::{SessionInfo, Sessions};
use crate::session::tokens::access_token::Claims;
use crate::session::tokens::verified_cache::Verified;
use crate::session::{Error, Lineage, SessionHandle, UserId, claims};

/// The session of a request: proof that it comes from a signed-in person. Only this room can make one.
#[derive(Clone)]
pub struct SignedIn {
    /// All sessions.
    sessions: Sessions,
    /// What the access token says.
    token: Arc<Verified>,
    /// How it came.
    delivery: TokenDelivery,
    /// What the response will say.
    response_tokens: ResponseTokens,
}

impl SignedIn {
    /// From a token that was verified or made for this request.
    pub(in crate::session) fn new(
        sessions: Sessions,
        token: Arc<Verified>,
        delivery: TokenDelivery,
        response_tokens: ResponseTokens,
    ) -> Self {
        Self { sessions, token, delivery, response_tokens }
    }

    /// Whose session it is.
    pub fn user(&self) -> &UserId {
        &self.token.claims.user
    }

    /// Which session it is.
    pub fn handle(&self) -> &SessionHandle {
        &self.token.claims.handle
    }

    /// Lineage of the refresh token that was handed out with the access token.
    pub fn lineage(&self) -> &Lineage {
        &self.token.descent.lineage
    }

    /// Lineage of the refresh token that it descends from, until it is promoted.
    pub fn parent(&self) -> Option<&Lineage> {
        self.token.descent.parent.as_ref()
    }

    /// What the access token says besides the session's own claims.
    pub fn payload(&self) -> &Map<String, Value> {
        &self.token.claims.payload
    }

    /// All that the access token says, as frontends see it.
    pub fn access_token_payload(&self) -> Map<String, Value> {
        self.token.claims.seen_by_frontends()
    }

    /// When the access token ends.
    pub fn access_token_expires_at(&self) -> Timestamp {
        self.token.claims.expiry()
    }

    /// The session as it is stored.
    ///
    /// # Errors
    /// It has ended (and the client is told to forget it), or the database fails.
    pub async fn info(&self) -> Result<SessionInfo, Error> {
        self.there(self.sessions.info(self.handle()).await?)
    }

    /// Replaces what the application keeps with the session.
    ///
    /// # Errors
    /// As [`SignedIn::info`].
    pub async fn update_data(&self, data: &Map<String, Value>) -> Result<(), Error> {
        let done = self.sessions.update_data(self.handle(), data).await?;
        self.there(done.then_some(()))
    }

    /// Ends the session and tells the client to forget it, even if it was gone already.
    ///
    /// # Errors
    /// The database fails: nothing happened.
    pub async fn revoke(&self) -> Result<(), Error> {
        self.sessions.revoke(self.handle(), RevokeReason::SignedOut).await?;
        self.response_tokens.clear(self.sessions.cookies(), self.delivery.transfer);
        self.clear_id();
        Ok(())
    }

    /// Merges into what the access token says, one level deep; a null removes its key. The client gets a new access token
    /// with the same end, and the session remembers for the next ones.
    ///
    /// # Errors
    /// As [`SignedIn::info`]; the payload is too large; too many others change it at the same moment.
    pub async fn merge_payload(&mut self, update: Map<String, Value>) -> Result<(), Error> {
        let merged = self.sessions.merge(self.handle(), update).await?;
        let mut payload = self.there(merged)?;
        payload.extend(self.sessions.provider_claims(&self.token.claims));
        let now = self.sessions.now();
        let claims = Claims { issued_at: now.seconds(), payload, ..self.token.claims.clone() };
        let tokens = self.sessions.sign(claims).await?;
        self.token = Arc::clone(&tokens.token);
        self.response_tokens.set(&self.sessions.delivery_context(self.delivery), tokens);
        Ok(())
    }

    /// Looks a claim up and stores it.
    ///
    /// # Errors
    /// As [`SignedIn::merge_payload`]; what knows the claim does not answer.
    pub async fn fetch_and_set_claim(&mut self, claim: &dyn Claim) -> Result<(), Error> {
        match claim.fetch(self.user(), self.payload()).await? {
            Some(value) => self.set_claim_value(claim, value).await,
            None => Ok(()),
        }
    }

    /// Stores a claim.
    ///
    /// # Errors
    /// As [`SignedIn::merge_payload`].
    pub async fn set_claim_value(&mut self, claim: &dyn Claim, value: Value) -> Result<(), Error> {
        let stored = claims::stored(&value, self.sessions.now());
        self.merge_payload(Map::from_iter([(claim.key().to_owned(), stored)])).await
    }

    /// The value of a claim.
    pub fn claim_value(&self, claim: &dyn Claim) -> Option<&Value> {
        claims::value_in(self.payload(), claim.key())
    }

    /// Removes a claim.
    ///
    /// # Errors
    /// As [`SignedIn::merge_payload`].
    pub async fn remove_claim(&mut self, claim: &dyn Claim) -> Result<(), Error> {
        self.merge_payload(Map::from_iter([(claim.key().to_owned(), Value::Null)])).await
    }

    /// Asks validators, after looking up the claims that they want to be fresh, which are then stored at once.
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

    /// Nothing there means that the session has ended; the client is told to forget it.
    fn there<T>(&self, found: Option<T>) -> Result<T, Error> {
        found.ok_or_else(|| {
            self.response_tokens.clear_all(self.sessions.cookies());
            self.clear_id();
            Error::Ended("there is no such session")
        })
    }

    /// Tells a frontend of old that there is no session any more.
    fn clear_id(&self) {
        if self.delivery.frontend == FrontendVersion::Legacy {
            self.response_tokens.clear_id(self.sessions.cookies());
        }
    }
}
