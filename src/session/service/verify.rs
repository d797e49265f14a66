//! Verification of access tokens, and promotion by their first use.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::events::EventKind;
use crate::http::trace;
use crate::session::error::{REVOKED, SESSION_EXPIRED};
use crate::session::http::requirements::SessionCheck;
use crate::session::http::response_tokens::SessionTokens;
use crate::session::rotation::AccessDecision;
use crate::session::service::Sessions;
use crate::session::store::{Promotion, Session};
use crate::session::tokens::access_token::{Claims, Signer, Unverified};
use crate::session::tokens::signing_keys::SigningKey;
use crate::session::tokens::verified_cache::Verified;
use crate::session::{Error, rotation};

/// Attempts to promote while other requests change the session at the same time; then the token is accepted as it is.
const ATTEMPTS: usize = 4;
/// One text for every token whose signature is not verified, so that it tells nothing about keys or sessions.
const NOT_OURS: &str = "malformed: the token is not signed by this site";

/// A text that has the form of an access token.
pub enum AccessToken<'a> {
    /// Verified before, and not expired since.
    Known(Arc<Verified>),
    Unverified(Box<Unverified<'a>>),
}

/// A valid access token.
pub struct CurrentToken {
    /// The token presented, or the one that replaces it.
    pub token: Arc<Verified>,
    /// For the client, if the token was replaced.
    pub replacement: Option<SessionTokens>,
}

impl Sessions {
    /// None if the text does not have the form of an access token.
    pub(in crate::session) fn read_access_token<'a>(&self, text: &'a str) -> Option<AccessToken<'a>> {
        let known = self.verified().get(text, self.now()).map(AccessToken::Known);
        known.or_else(|| Unverified::parse(text).map(|token| AccessToken::Unverified(Box::new(token))))
    }

    /// Checks signature, key, times, and whether this process has ended the session.
    ///
    /// # Errors
    /// [`Error::TryRefresh`], [`Error::Ended`], or a failure of SQL.
    pub(in crate::session) async fn verify(&self, token: AccessToken<'_>) -> Result<Arc<Verified>, Error> {
        let token = match token {
            AccessToken::Known(token) => token,
            AccessToken::Unverified(unverified) => self.check_signature(*unverified).await?,
        };
        if self.verified().is_revoked(&token.claims.handle) {
            return Err(Error::Ended(REVOKED));
        }
        Ok(token)
    }

    /// Of several access tokens, the newest one that is valid. Texts that we have not signed count for nothing.
    ///
    /// # Errors
    /// [`Error::TryRefresh`] if none is valid or if two, expired or not, belong to different sessions: which user is meant cannot
    /// be told, and whoever can set a cookie for a whole domain must not choose. Or a failure of SQL.
    pub(in crate::session) async fn verify_one_of(&self, tokens: Vec<AccessToken<'_>>) -> Result<Arc<Verified>, Error> {
        let (now, mut valid) = (self.now(), Vec::new());
        let mut handle = None;
        for token in tokens {
            let verified = match token {
                AccessToken::Known(token) => token,
                AccessToken::Unverified(token) => match self.check_signature_at_any_time(*token).await {
                    Ok(token) => token,
                    Err(Error::TryRefresh(_)) => continue,
                    Err(error) => return Err(error),
                },
            };
            if *handle.get_or_insert_with(|| verified.claims.handle.clone()) != verified.claims.handle {
                return Err(Error::TryRefresh("malformed: the cookies are of two sessions"));
            }
            if verified.claims.is_current(now) {
                valid.push(verified);
            }
        }
        let newest = valid.into_iter().max_by_key(|token| (token.claims.issued_at, token.claims.expires_at));
        self.verify(AccessToken::Known(
            newest.ok_or(Error::TryRefresh("malformed or expired: none of several cookies is valid"))?,
        ))
        .await
    }

    /// Whether SQL must be asked before the token is accepted.
    pub(in crate::session) fn needs_database(token: &Verified, check: SessionCheck) -> bool {
        token.claims.parent.is_some() || check == SessionCheck::Database
    }

    /// Promotes or replaces a verified token where that is due.
    ///
    /// # Errors
    /// [`Error::Ended`], or a failure of SQL.
    pub(in crate::session) async fn promote_if_due(
        &self,
        token: Arc<Verified>,
        check: SessionCheck,
    ) -> Result<CurrentToken, Error> {
        if !Self::needs_database(&token, check) {
            return Ok(CurrentToken { token, replacement: None });
        }
        for _ in 0..ATTEMPTS {
            let now = self.now();
            let Some(session) = self.store().find(&token.claims.handle).await? else {
                return Err(Error::Ended(REVOKED));
            };
            if session.rotation.expires_at < now {
                return Err(Error::Ended(SESSION_EXPIRED));
            }
            let has_changed =
                check == SessionCheck::Database && self.application_payload(&token.claims) != session.payload;
            let is_effective = token.descent.lineage == session.rotation.current;
            match rotation::access(&token.descent, &session.rotation) {
                AccessDecision::Accept if has_changed && is_effective => {}
                AccessDecision::Accept => return Ok(CurrentToken { token, replacement: None }),
                AccessDecision::Replace => {}
                AccessDecision::Promote => {
                    let expires_at = self.next_expiry(&session, now);
                    let (from, to) = (&session.rotation.current, &token.descent.lineage);
                    let change = Promotion { handle: &session.handle, from, to, at: now, expires_at };
                    if !self.store().promote(change).await? {
                        continue;
                    }
                    self.announce_promotion(&session, now);
                }
            }
            return self.replace(&token.claims, &session).await;
        }
        Ok(CurrentToken { token, replacement: None })
    }

    async fn check_signature(&self, unverified: Unverified<'_>) -> Result<Arc<Verified>, Error> {
        let text = unverified.text().to_owned();
        let verified = self.check_signature_at_any_time(unverified).await?;
        if !verified.claims.is_current(self.now()) {
            return Err(Error::TryRefresh("expired: refresh the session"));
        }
        self.verified().insert(text, Arc::clone(&verified));
        Ok(verified)
    }

    /// Checks signature and key, but not whether the token has expired.
    async fn check_signature_at_any_time(&self, unverified: Unverified<'_>) -> Result<Arc<Verified>, Error> {
        let (claims, key) = self.verify_signature(&unverified, self.now()).await?;
        if !self.keys().is_current_kind(&key.kid) {
            return Err(Error::TryRefresh("expired: it is signed with a key of the other kind"));
        }
        Ok(Arc::new(Verified::new(claims, &key.kid, key.verifies_until)))
    }

    /// The claims of a token, and the key that signed it. A token that names no key is held against all of them; one that
    /// none has signed may be of another process's newest.
    async fn verify_signature(
        &self,
        token: &Unverified<'_>,
        now: Timestamp,
    ) -> Result<(Claims, Arc<SigningKey>), Error> {
        let kid = match token.signer() {
            Signer::Named(kid) => kid,
            Signer::Unnamed => {
                let by_any = |keys: Vec<Arc<SigningKey>>| {
                    keys.into_iter().find_map(|key| token.verify(&key.decoding).map(|claims| (claims, key)))
                };
                if let Some(proven) = by_any(self.keys().usable(now).await?) {
                    return Ok(proven);
                }
                self.keys().reload_if_due(now).await?;
                return by_any(self.keys().usable(now).await?).ok_or(Error::TryRefresh(NOT_OURS));
            }
            Signer::Foreign => return Err(Error::TryRefresh(NOT_OURS)),
        };
        let key = self.keys().verifying(kid, now).await?.ok_or(Error::TryRefresh(NOT_OURS))?;
        let claims = token.verify(&key.decoding).ok_or(Error::TryRefresh(NOT_OURS))?;
        Ok((claims, key))
    }

    /// The same token without a parent, with the session's payload of now, and with the same expiry: a token that lived longer would
    /// outlive the Fauna token that was issued with it.
    async fn replace(&self, claims: &Claims, session: &Session) -> Result<CurrentToken, Error> {
        let mut payload = session.payload.clone();
        payload.extend(self.provider_claims(claims));
        let claims = Claims { issued_at: self.now().seconds(), parent: None, payload, ..claims.clone() };
        let tokens = self.sign(claims, session.ends_with_browser).await?;
        Ok(CurrentToken { token: Arc::clone(&tokens.token), replacement: Some(tokens) })
    }

    /// The payload of a token without the claims of the token provider.
    fn application_payload(&self, claims: &Claims) -> Map<String, Value> {
        let reserved = self.token_provider().reserved_claims();
        let mut payload = claims.payload.clone();
        payload.retain(|name, _| !reserved.contains(&name.as_str()));
        payload
    }

    /// The claims that the token provider put into a token.
    pub(in crate::session) fn provider_claims(&self, claims: &Claims) -> Map<String, Value> {
        let reserved = self.token_provider().reserved_claims();
        let mut payload = claims.payload.clone();
        payload.retain(|name, _| reserved.contains(&name.as_str()));
        payload
    }

    /// Tells the token provider that older lineages are superseded, without waiting for it.
    pub(in crate::session) fn announce_promotion(&self, session: &Session, at: Timestamp) {
        let grace_until = at.after(self.settings().grace);
        self.publish(&session.user, &session.handle, EventKind::SessionPromoted { grace_until });
        let (token_provider, handle) = (Arc::clone(self.token_provider()), session.handle.clone());
        trace::spawn(async move { token_provider.on_promoted(&handle, grace_until).await });
    }
}
