//! Creation of sessions.
//!
//! The token provider issues its token first, then row and token are stored in one transaction, then the tokens are sent to the
//! client: whatever fails, there is no session without all of it.

use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpRequest;
use aws_lc_rs::rand;
use secrecy::SecretString;
use serde_json::{Map, Value};

use crate::database::Attempt;
use crate::events::{EventKind, RevokeReason};
use crate::http::trace;
use crate::session::compat::FrontendVersion;
use crate::session::http::response_tokens::{ResponseTokens, SessionTokens};
use crate::session::http::signed_in::SignedIn;
use crate::session::http::transport;
use crate::session::http::transport::TokenDelivery;
use crate::session::rotation::RotationState;
use crate::session::service::{Sessions, TokenFormat, UnsignedTokens};
use crate::session::settings::{AntiCsrf, Transfer};
use crate::session::tokens::payload;
use crate::session::{
    Error, IssueError, SessionHandle, TokenRequest, Unavailable, UserId, Version, claims, compat, store,
};

/// A session to be created.
pub struct NewSession {
    pub user: UserId,
    /// Claims of the application for the access token.
    pub payload: Map<String, Value>,
    /// Stored with the session in SQL only.
    pub data: Map<String, Value>,
    /// Known values of claims, by key; the other claims are fetched.
    pub known: Map<String, Value>,
    /// `None` selects the setting, else what the client asks for.
    pub transfer: Option<Transfer>,
    /// Limits that are shorter than those of the settings.
    pub life: SessionLife,
    /// The reason why the user was admitted, such as the hash of the correct password. The token provider checks that it is
    /// still valid, so that no session begins with a password that was changed meanwhile.
    pub proof: Option<SecretString>,
}

/// Lifetime of a session, where it is shorter than in the settings; the default changes nothing. Refreshes keep it, and no
/// token of the session outlives it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionLife {
    /// Lifetime without a refresh; each refresh starts it again. At least [`LIFE_MIN`], at most `REFRESH_TOKEN_LIFETIME_S`.
    pub unused: Option<Duration>,
    /// Absolute lifetime, which refreshes do not extend. At least [`LIFE_MIN`], at most `SESSION_LIFETIME_S`.
    pub total: Option<Duration>,
    /// Cookies without an expiry: browsers delete them when they are closed, unless they are set to restore their windows. Set
    /// [`SessionLife::unused`] as well, because the server does not learn that a browser was closed.
    pub ends_with_browser: bool,
}

/// Minimum lifetime; shorter ones are raised to it, because times in access tokens are whole seconds.
pub const LIFE_MIN: Duration = Duration::from_secs(1);

impl NewSession {
    pub fn of(user: UserId) -> Self {
        Self {
            user,
            payload: Map::new(),
            data: Map::new(),
            known: Map::new(),
            transfer: None,
            life: SessionLife::default(),
            proof: None,
        }
    }
}

impl Sessions {
    /// Creates a session and queues its tokens for the response to this request.
    ///
    /// # Errors
    /// The database or the token provider fails: nothing happened. The payload is too large. [`Error::RevokedMeanwhile`]: all sessions
    /// of the user were ended before this one had begun. [`Error::UnknownUser`]: there is no user of that id. [`Error::Ended`]: the
    /// proof does not hold any more.
    pub async fn create(
        &self,
        request: &HttpRequest,
        user: &UserId,
        payload: Map<String, Value>,
    ) -> Result<SessionHandle, Error> {
        let new = NewSession { payload, ..NewSession::of(user.clone()) };
        Ok(self.create_with(request, new).await?.handle().clone())
    }

    /// The same with all options.
    ///
    /// # Errors
    /// As [`Sessions::create`].
    pub async fn create_with(&self, request: &HttpRequest, new: NewSession) -> Result<SignedIn, Error> {
        let (headers, set) = (request.headers(), new.transfer.or(self.settings().transfer));
        let (transfer, frontend) = match compat::frontend_of_request(headers) {
            // Old frontends do not support tokens in headers.
            FrontendVersion::Legacy if set != Some(Transfer::Header) => (Transfer::Cookie, FrontendVersion::Legacy),
            FrontendVersion::Legacy | FrontendVersion::Modern => {
                (transport::for_create(headers, set), FrontendVersion::Modern)
            }
        };
        let delivery = TokenDelivery { transfer, frontend };
        let other = if transfer == Transfer::Cookie { Transfer::Header } else { Transfer::Cookie };
        let with_anti_csrf = transfer == Transfer::Cookie && self.settings().anti_csrf() == AntiCsrf::ViaToken;
        let sessions = self.clone();
        // In a task of its own, so that a client that disconnects cannot stop it halfway.
        let format = TokenFormat { with_anti_csrf, version: frontend.token_version() };
        let issued = trace::spawn(async move { sessions.issue_as(new, format).await }).await??;
        let response_tokens = ResponseTokens::of(request);
        if transport::carries_access(headers, self.cookies(), other) {
            response_tokens.clear(self.cookies(), other);
        }
        if transfer == Transfer::Cookie && transport::carries_access(headers, self.cookies(), Transfer::Cookie) {
            // A host-only cookie would stay beside the new ones, and it belongs to another session.
            response_tokens.remove_cookies_of_host(self.cookies());
        }
        let token = Arc::clone(&issued.token);
        response_tokens.set(&self.delivery_context(delivery), issued);
        Ok(SignedIn::new(self.clone(), token, delivery, response_tokens))
    }

    /// Creates a session without a request; the caller sends the tokens.
    ///
    /// # Errors
    /// As [`Sessions::create`].
    pub async fn issue(&self, new: NewSession, with_anti_csrf: bool) -> Result<SessionTokens, Error> {
        self.issue_as(new, TokenFormat { with_anti_csrf, version: Version::Five }).await
    }

    /// The same in another format.
    ///
    /// # Errors
    /// As [`Sessions::create`].
    pub async fn issue_as(&self, new: NewSession, format: TokenFormat) -> Result<SessionTokens, Error> {
        let now = self.now();
        let payload = self.first_payload(&new.user, new.payload, &new.known, format.version).await?;
        let mut bits = [0; 16];
        rand::fill(&mut bits)?;
        let handle = SessionHandle::random(bits);
        let refresh = self.issue_refresh_token(&handle, None, format.with_anti_csrf)?;
        let total = new.life.total.map_or(self.settings().absolute_lifetime, |total| {
            total.clamp(LIFE_MIN, self.settings().absolute_lifetime)
        });
        let unused_life = new.life.unused.map(|unused| unused.max(LIFE_MIN));
        let ends_at = now.after(total);
        let expires_at = now.after(self.unused_life(unused_life)).min(ends_at);
        let rotation = RotationState { current: refresh.lineage(), previous: None, rotated_at: None, expires_at };
        let session = store::Session {
            handle,
            user: new.user,
            rotation,
            created_at: now,
            refreshed_at: now,
            ends_at,
            payload,
            data: new.data,
            unused_life,
            ends_with_browser: new.life.ends_with_browser,
        };

        let request = TokenRequest { proof: new.proof, ..self.token_request(&session, &refresh, now) };
        let provider_token = match self.token_provider().issue(&request).await {
            // Without a proof there is no other reason to refuse a new session.
            Err(IssueError::Refused(_)) if request.proof.is_none() => return Err(Error::UnknownUser),
            issued => issued?,
        };
        let pair = UnsignedTokens { refresh, parent: None, request, provider_token, version: format.version };
        let issued = self.sign_pair(&session, &pair).await?;
        self.store().repeat(|attempt| self.insert(attempt, &session, &pair)).await?;
        let kind = EventKind::SessionCreated { expires_at: session.rotation.expires_at };
        self.publish(&session.user, &session.handle, kind);
        self.token_provider().on_persisted(&pair.request, &pair.provider_token).await;
        self.end_surplus_sessions(&session).await;
        Ok(issued)
    }

    /// Revokes the oldest sessions of a user who has more than [`Settings::sessions_per_user`](crate::session::Settings). It
    /// runs after the commit: of two concurrent sign-ins, the one that commits last sees both.
    async fn end_surplus_sessions(&self, new: &store::Session) {
        let kept = self.settings().sessions_per_user;
        let surplus = match self.store().beyond_newest(&new.user, kept, self.now()).await {
            Ok(surplus) if surplus.is_empty() => return,
            Ok(surplus) => surplus,
            Err(error) => {
                tracing::warn!(%error, user = %new.user, "the user's oldest sessions are ended after the next sign-in");
                return;
            }
        };
        if let Err(error) = self.revoke_multiple(&surplus, RevokeReason::TooManySessions).await {
            tracing::warn!(%error, user = %new.user, "the user's oldest sessions are ended after the next sign-in");
        }
    }

    /// Stores a session and the token of its provider, in one transaction.
    async fn insert(&self, attempt: Attempt, session: &store::Session, pair: &UnsignedTokens) -> Result<(), Error> {
        let mut transaction = attempt.begin().await?;
        self.store().insert(&mut transaction, session).await?;
        self.persist_token(&mut transaction, pair).await?;
        Ok(transaction.commit().await?)
    }

    /// The claims of the application and those that every session gets. Access tokens of version 2 name no issuer.
    async fn first_payload(
        &self,
        user: &UserId,
        wanted: Map<String, Value>,
        known: &Map<String, Value>,
        version: Version,
    ) -> Result<Map<String, Value>, Error> {
        let mut all = match &self.settings().payload {
            Some(hook) => hook.call(user.clone()).await.map_err(Unavailable)?,
            None => Map::new(),
        };
        all.extend(wanted);
        let mut payload = payload::application_claims(all, self.token_provider().reserved_claims());
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
