//! Verification of access tokens, and promotion by their first use (session.md 2.3).

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::events::EventKind;
use crate::session::http::response_tokens::HandOut;
use crate::session::rotation::Use;
use crate::session::service::Sessions;
use crate::session::store::{Promotion, Session};
use crate::session::tokens::access_token::{Claims, Signer, Unverified};
use crate::session::tokens::signing_keys::SigningKey;
use crate::session::tokens::verified_cache::Verified;
use crate::session::{Error, rotation};

/// How often others may change the session under our hands before we take the token as it is.
const ATTEMPTS: usize = 4;

/// A token that holds, and what replaces it.
pub struct Accepted {
    /// What the token says, or the one that replaces it.
    pub token: Arc<Verified>,
    /// For the client, where the token is replaced.
    pub renewed: Option<HandOut>,
}

impl Sessions {
    /// A token that was verified before, needs no promotion and still holds: what most requests come with.
    pub fn recall(&self, text: &str) -> Option<Arc<Verified>> {
        let token = self.verified().get(text, self.now())?;
        let is_plain = token.claims.parent.is_none() && self.keys().is_of_our_kind(&token.kid);
        (is_plain && !self.verified().has_ended(&token.claims.handle)).then_some(token)
    }

    /// Signature, key and times of a token that has the form of one, and whether this process has ended its session.
    ///
    /// # Errors
    /// [`Error::TryRefresh`], [`Error::Ended`], or what keeps us from answering.
    pub async fn verify(&self, unverified: Unverified<'_>) -> Result<Arc<Verified>, Error> {
        let token = self.check_signature(unverified).await?;
        if self.verified().has_ended(&token.claims.handle) {
            return Err(Error::Ended("the session was ended here"));
        }
        Ok(token)
    }

    /// Promotes or replaces a verified token where that is due.
    ///
    /// # Errors
    /// [`Error::Ended`], or what keeps us from answering.
    pub async fn settle(&self, token: Arc<Verified>, check_database: bool) -> Result<Accepted, Error> {
        if token.claims.parent.is_none() && !check_database {
            return Ok(Accepted { token, renewed: None });
        }
        self.compare(token, check_database).await
    }

    /// Signature, key and times.
    async fn check_signature(&self, unverified: Unverified<'_>) -> Result<Arc<Verified>, Error> {
        let now = self.now();
        if let Some(known) = self.verified().get(unverified.text(), now) {
            return Ok(known);
        }
        let (claims, key) = self.prove(&unverified, now).await?;
        if !claims.is_current(now) {
            return Err(Error::TryRefresh("it has ended"));
        }
        if !self.keys().is_of_our_kind(&key.kid) {
            return Err(Error::TryRefresh("it is signed with a key of the other kind"));
        }
        let verified = Arc::new(Verified::new(claims, &key.kid, key.verifies_until));
        self.verified().insert(unverified.text().to_owned(), Arc::clone(&verified));
        Ok(verified)
    }

    /// What the token says, and the key that signed it. A token that names no key is held against all of them; one that
    /// none has signed may be of another process's newest.
    async fn prove(&self, token: &Unverified<'_>, now: Timestamp) -> Result<(Claims, Arc<SigningKey>), Error> {
        let kid = match token.signer() {
            Signer::Named(kid) => kid,
            Signer::Unnamed => {
                let by_any = |keys: Vec<Arc<SigningKey>>| {
                    keys.into_iter().find_map(|key| token.verify(&key.decoding).map(|claims| (claims, key)))
                };
                if let Some(proven) = by_any(self.keys().usable(now).await?) {
                    return Ok(proven);
                }
                self.keys().ask_again(now).await?;
                return by_any(self.keys().usable(now).await?).ok_or(Error::TryRefresh("no key of ours signed it"));
            }
            Signer::Foreign => return Err(Error::TryRefresh("the header is not one of ours")),
        };
        let key = self.keys().verifying(kid, now).await?.ok_or(Error::TryRefresh("the key is not known"))?;
        let claims = token.verify(&key.decoding).ok_or(Error::TryRefresh("the signature does not hold"))?;
        Ok((claims, key))
    }

    /// Compares a token with its session, and promotes or replaces it where that is due.
    async fn compare(&self, token: Arc<Verified>, check_database: bool) -> Result<Accepted, Error> {
        for _ in 0..ATTEMPTS {
            let now = self.now();
            let Some(session) = self.store().find(&token.claims.handle).await? else {
                return Err(Error::Ended("there is no such session"));
            };
            if session.position.expires_at < now {
                return Err(Error::Ended("the session has expired"));
            }
            let has_changed = check_database && self.application_payload(&token.claims) != session.payload;
            let is_effective = token.descent.lineage == session.position.current;
            match rotation::access(&token.descent, &session.position) {
                Use::Keep if has_changed && is_effective => {}
                Use::Keep => return Ok(Accepted { token, renewed: None }),
                Use::Renew => {}
                Use::Promote => {
                    let expires_at = now.after(self.settings().refresh_token_lifetime);
                    let (from, to) = (&session.position.current, &token.descent.lineage);
                    let change = Promotion { handle: &session.handle, from, to, at: now, expires_at };
                    if !self.store().promote(change).await? {
                        continue;
                    }
                    self.announce_promotion(&session, now);
                }
            }
            return self.replace(&token.claims, &session).await;
        }
        Ok(Accepted { token, renewed: None })
    }

    /// The same token without a parent, with what the session says now, and with the same end (design D2).
    async fn replace(&self, claims: &Claims, session: &Session) -> Result<Accepted, Error> {
        let mut payload = session.payload.clone();
        payload.extend(self.companions_claims(claims));
        let claims = Claims { issued_at: self.now().seconds(), parent: None, payload, ..claims.clone() };
        let renewed = self.sign(claims).await?;
        Ok(Accepted { token: Arc::clone(&renewed.token), renewed: Some(renewed) })
    }

    /// What a token says, without what the companion put there.
    pub(in crate::session) fn application_payload(&self, claims: &Claims) -> Map<String, Value> {
        let reserved = self.token_provider().reserved_claims();
        let mut payload = claims.payload.clone();
        payload.retain(|name, _| !reserved.contains(&name.as_str()));
        payload
    }

    /// What the companion put into a token.
    pub(in crate::session) fn companions_claims(&self, claims: &Claims) -> Map<String, Value> {
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
        tokio::spawn(async move { token_provider.on_promoted(&handle, grace_until).await });
    }
}
