//! The beginning of a session.
//!
//! What lives with a session is minted first, then row and secret are stored in one transaction, then the tokens are handed
//! out: whatever fails, there is no session without all of it.

use std::sync::Arc;

use actix_web::HttpRequest;
use aws_lc_rs::rand;
use secrecy::SecretString;
use serde_json::{Map, Value};

use crate::events::EventKind;
use crate::session::http::frontend_version::FrontendVersion;
use crate::session::http::response_tokens::{HandOut, ResponseTokens};
use crate::session::http::signed_in::SignedIn;
use crate::session::http::transport::Travel;
use crate::session::http::{frontend_version, transport};
use crate::session::rotation::Position;
use crate::session::service::{Sessions, Unsigned};
use crate::session::settings::{AntiCsrf, Transfer};
use crate::session::tokens::payload;
use crate::session::{Error, SessionHandle, TokenRequest, UserId, Version, claims, store};

/// A session to be made.
pub struct NewSession {
    /// Whose.
    pub user: UserId,
    /// What the application wants in the access token.
    pub payload: Map<String, Value>,
    /// What it wants to keep with the session in SQL.
    pub data: Map<String, Value>,
    /// Values of claims, by their keys, that the application has at hand; the others are looked up.
    pub known: Map<String, Value>,
    /// How the tokens travel; none: as the client asks for.
    pub transfer: Option<Transfer>,
    /// What the person was let in for, such as the hash of a password that was right: the companion sees to it that it still
    /// holds, so that no session begins by what all sessions were ended for meanwhile.
    pub proof: Option<SecretString>,
}

impl NewSession {
    /// A session of that person about which nothing else is said.
    pub fn of(user: UserId) -> Self {
        Self { user, payload: Map::new(), data: Map::new(), known: Map::new(), transfer: None, proof: None }
    }
}

impl Sessions {
    /// Creates a session and queues its tokens for the response to this request.
    ///
    /// # Errors
    /// The database or the companion fails: nothing happened. The payload is too large. [`Error::Abandoned`]: all sessions
    /// of the user were ended before this one had begun. [`Error::Ended`]: what is to be proven does not hold any more.
    pub async fn create(
        &self,
        request: &HttpRequest,
        user: &UserId,
        payload: Map<String, Value>,
    ) -> Result<SessionHandle, Error> {
        let new = NewSession { payload, ..NewSession::of(user.clone()) };
        Ok(self.create_with(request, new).await?.handle().clone())
    }

    /// The same with everything that can be chosen.
    ///
    /// # Errors
    /// As [`Sessions::create`].
    pub async fn create_with(&self, request: &HttpRequest, new: NewSession) -> Result<SignedIn, Error> {
        let (headers, set) = (request.headers(), new.transfer.or(self.settings().transfer));
        let (transfer, profile) = match frontend_version::of_request(headers) {
            // Frontends of old know nothing of headers.
            FrontendVersion::Legacy if set != Some(Transfer::Header) => (Transfer::Cookie, FrontendVersion::Legacy),
            FrontendVersion::Legacy | FrontendVersion::Modern => {
                (transport::for_create(headers, set), FrontendVersion::Modern)
            }
        };
        let travel = Travel { transfer, profile };
        let other = if transfer == Transfer::Cookie { Transfer::Header } else { Transfer::Cookie };
        let with_anti_csrf = transfer == Transfer::Cookie && self.settings().anti_csrf() == AntiCsrf::ViaToken;
        let sessions = self.clone();
        // A client that goes away must not stop this halfway (security.md F7).
        let version = profile.version();
        let issued = tokio::spawn(async move { sessions.issue_as(new, with_anti_csrf, version).await }).await??;
        let response_tokens = ResponseTokens::of(request);
        if transport::carries_access(headers, self.cookies(), other) {
            response_tokens.clear(self.cookies(), other);
        }
        let token = Arc::clone(&issued.token);
        response_tokens.hand_out(&self.manner(travel), issued);
        Ok(SignedIn::new(self.clone(), token, travel, response_tokens))
    }

    /// Creates a session without a request; the caller hands out the tokens.
    ///
    /// # Errors
    /// As [`Sessions::create`].
    pub async fn issue(&self, new: NewSession, with_anti_csrf: bool) -> Result<HandOut, Error> {
        self.issue_as(new, with_anti_csrf, Version::Five).await
    }

    /// The same with an access token of another make.
    ///
    /// # Errors
    /// As [`Sessions::create`].
    pub async fn issue_as(&self, new: NewSession, with_anti_csrf: bool, version: Version) -> Result<HandOut, Error> {
        let now = self.now();
        let payload = self.first_payload(&new.user, new.payload, &new.known, version).await?;
        let mut bits = [0; 16];
        rand::fill(&mut bits)?;
        let handle = SessionHandle::random(bits);
        let refresh = self.mint_refresh(&handle, None, with_anti_csrf)?;
        let ends_at = now.after(self.settings().absolute_lifetime);
        let expires_at = now.after(self.settings().refresh_token_lifetime).min(ends_at);
        let position = Position { current: refresh.lineage(), previous: None, rotated_at: None, expires_at };
        let session = store::Session {
            handle,
            user: new.user,
            position,
            created_at: now,
            refreshed_at: now,
            ends_at,
            payload,
            data: new.data,
        };

        let request = TokenRequest { proof: new.proof, ..self.request(&session, &refresh, now) };
        let minted = self.token_provider().issue(&request).await?;
        let pair = Unsigned { refresh, parent: None, request, minted, version };
        let issued = self.sign_pair(&session, &pair).await?;
        let mut transaction = self.store().begin().await?;
        self.store().insert(&mut transaction, &session).await?;
        match self.token_provider().persist(&mut transaction, &pair.request, &pair.minted).await {
            Err(sqlx::Error::RowNotFound) => return Err(Error::Abandoned),
            kept => kept?,
        }
        transaction.commit().await?;
        let kind = EventKind::SessionCreated { expires_at: session.position.expires_at };
        self.publish(&session.user, &session.handle, kind);
        self.token_provider().on_persisted(&pair.request, &pair.minted);
        Ok(issued)
    }

    /// What the application wants in the access token, and what is set for every session. Tokens of old name no issuer.
    async fn first_payload(
        &self,
        user: &UserId,
        wanted: Map<String, Value>,
        known: &Map<String, Value>,
        version: Version,
    ) -> Result<Map<String, Value>, Error> {
        let mut payload = payload::of_application(wanted, self.token_provider().reserved_claims());
        if version == Version::Five {
            payload.insert("iss".to_owned(), self.settings().issuer().into());
        }
        for claim in &self.settings().claims {
            let at_hand = known.get(claim.key()).cloned();
            let value = if at_hand.is_some() { at_hand } else { claim.fetch(user, &payload).await? };
            if let Some(value) = value {
                payload.insert(claim.key().to_owned(), claims::stored(&value, self.now()));
            }
        }
        payload::check_size(&payload)?;
        Ok(payload)
    }
}
