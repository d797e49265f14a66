//! The handle that the application holds on its sessions.

mod by_handle;
pub mod create;
pub mod refresh;
pub mod revoke;
pub mod verify;
mod without_request;

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::clock::{Clock, Timestamp};
use crate::database::Database;
use crate::events::{EventKind, RevokeReason};
use crate::session::http::cookies::CookieRules;
use crate::session::http::response_tokens::{HandOut, HandOutRefresh, Manner};
use crate::session::http::transport::Travel;
use crate::session::settings::Settings;
use crate::session::store::Store;
use crate::session::tokens::access_token::{Claims, Parent};
use crate::session::tokens::refresh_token::RefreshToken;
use crate::session::tokens::signing_keys::{Kind, Schedule, SigningKeys};
use crate::session::tokens::verified_cache::{Verified, VerifiedTokens};
use crate::session::{Error, IssuedToken, SessionHandle, SessionTokenProvider, TokenRequest, UserId, Version, store};

/// Expired sessions that are deleted at once: few enough not to hold the one writer for long.
const SWEEP_ROWS: i64 = 20;

/// How often expired sessions are looked for.
const SWEEP_PAUSE: Duration = Duration::from_mins(1);

/// All sessions. Clones share everything.
#[derive(Clone)]
pub struct Sessions(Arc<Inner>);

/// What the clones share.
struct Inner {
    /// As set.
    settings: Settings,
    /// What time it is.
    clock: Clock,
    /// Sessions in SQL.
    store: Store,
    /// What signs and authenticates.
    keys: SigningKeys,
    /// What lives with the sessions.
    token_provider: Arc<dyn SessionTokenProvider>,
    /// How cookies are written.
    cookies: Arc<CookieRules>,
    /// Access tokens seen before.
    verified: VerifiedTokens,
}

/// The tokens of a session, about to be signed.
pub struct Unsigned {
    /// The refresh token.
    pub refresh: RefreshToken,
    /// What the access token says of where it comes from.
    pub parent: Option<Parent>,
    /// What the companion was told.
    pub request: TokenRequest,
    /// What the companion made of it.
    pub minted: IssuedToken,
    /// The make of the access token.
    pub version: Version,
}

/// A session, as its owner and the application may see it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionInfo {
    /// Its name.
    pub handle: SessionHandle,
    /// Whose it is.
    pub user_id: UserId,
    /// When it began, in milliseconds.
    pub created_at: Timestamp,
    /// When tokens were last handed out, in milliseconds.
    pub refreshed_at: Timestamp,
    /// When it ends unless it is used, in milliseconds.
    pub expires_at: Timestamp,
    /// What its access tokens carry.
    #[serde(skip)]
    pub payload: Map<String, Value>,
    /// What the application keeps with it.
    #[serde(skip)]
    pub data: Map<String, Value>,
}

impl Sessions {
    /// Opens the sessions of a database; makes the keys that are missing.
    ///
    /// # Errors
    /// The settings contradict each other, the database fails, or a key cannot be made.
    pub async fn open(
        settings: Settings,
        database: Database,
        clock: Clock,
        token_provider: Arc<dyn SessionTokenProvider>,
    ) -> Result<Self, Error> {
        let settings = settings.checked()?;
        if let Some(warning) = settings.warning() {
            tracing::warn!("{warning}");
        }
        let store = Store::new(database);
        let schedule = Schedule::new(settings.signing_key_interval, settings.access_token_lifetime);
        let signs = if settings.dynamic_signing_key { Kind::Dynamic } else { Kind::Static };
        let seal = Arc::clone(&settings.seal);
        let keys = SigningKeys::open(store.clone(), seal, schedule, signs, clock.now()).await?;
        let cookies = Arc::new(CookieRules::new(&settings));
        let verified = VerifiedTokens::new(settings.verified_tokens_max);
        Ok(Self(Arc::new(Inner { settings, clock, store, keys, token_provider, cookies, verified })))
    }

    /// The sessions of a user that have not expired, newest first.
    ///
    /// # Errors
    /// The database fails.
    pub async fn list(&self, user: &UserId) -> Result<Vec<SessionInfo>, Error> {
        let sessions = self.store().of_user(user, self.now()).await?;
        Ok(sessions.into_iter().map(SessionInfo::from).collect())
    }

    /// One session, unless it has expired.
    ///
    /// # Errors
    /// The database fails.
    pub async fn info(&self, handle: &SessionHandle) -> Result<Option<SessionInfo>, Error> {
        let session = self.store().find(handle).await?;
        let now = self.now();
        Ok(session.filter(|session| session.position.expires_at > now).map(SessionInfo::from))
    }

    /// Deletes some expired sessions and keys. True: there may be more.
    ///
    /// # Errors
    /// The database fails.
    pub async fn sweep(&self) -> Result<bool, Error> {
        let now = self.now();
        let expired = self.store().delete_expired(now, SWEEP_ROWS).await?;
        for (handle, user) in &expired {
            self.publish(user, handle, EventKind::SessionEnded { reason: RevokeReason::Expired });
        }
        let handles: Vec<SessionHandle> = expired.into_iter().map(|(handle, _)| handle).collect();
        if !handles.is_empty() {
            self.token_provider().on_revoked(&handles).await;
        }
        self.keys().forget(now).await?;
        Ok(i64::try_from(handles.len()).unwrap_or(SWEEP_ROWS) == SWEEP_ROWS)
    }

    /// Sweeps for as long as the application runs, giving way to others between batches.
    pub async fn sweep_forever(self) {
        loop {
            let pause = match self.sweep().await {
                Ok(true) => Duration::from_millis(20),
                Ok(false) => SWEEP_PAUSE,
                Err(error) => {
                    tracing::warn!(%error, "expired sessions could not be swept");
                    SWEEP_PAUSE
                }
            };
            self.0.clock.sleep(pause).await;
        }
    }

    /// How long an access token lives.
    pub fn access_token_lifetime(&self) -> Duration {
        self.settings().access_token_lifetime
    }

    /// How long a session lives that is not used.
    pub fn refresh_token_lifetime(&self) -> Duration {
        self.settings().refresh_token_lifetime
    }
}

/// For the rest of this room.
impl Sessions {
    /// As set.
    pub(in crate::session) fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// Tells the user's pages what happened.
    pub(in crate::session) fn publish(&self, user: &UserId, handle: &SessionHandle, kind: EventKind) {
        self.settings().events.publish(user.as_str(), handle.as_str(), self.now(), kind);
    }

    /// To wait by.
    pub(in crate::session) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// What time it is.
    pub(in crate::session) fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// Sessions in SQL.
    pub(in crate::session) fn store(&self) -> &Store {
        &self.0.store
    }

    /// What signs and authenticates.
    pub(in crate::session) fn keys(&self) -> &SigningKeys {
        &self.0.keys
    }

    /// What lives with the sessions.
    pub(in crate::session) fn token_provider(&self) -> &Arc<dyn SessionTokenProvider> {
        &self.0.token_provider
    }

    /// How cookies are written.
    pub(in crate::session) fn cookies(&self) -> &Arc<CookieRules> {
        &self.0.cookies
    }

    /// Access tokens seen before.
    pub(in crate::session) fn verified(&self) -> &VerifiedTokens {
        &self.0.verified
    }

    /// A refresh token for a session.
    pub(in crate::session) fn mint_refresh(
        &self,
        handle: &SessionHandle,
        parent: Option<&crate::session::Lineage>,
        with_anti_csrf: bool,
    ) -> Result<RefreshToken, Error> {
        self.keys().with_refresh_keys(|keys| {
            let key = keys.first().ok_or(Error::NoKey)?;
            Ok(RefreshToken::mint(key, handle, parent, with_anti_csrf)?)
        })
    }

    /// What the companion is told of the access token that goes with a refresh token. It does not outlive the session.
    pub(in crate::session) fn request(
        &self,
        session: &store::Session,
        refresh: &RefreshToken,
        now: Timestamp,
    ) -> TokenRequest {
        let ends = now.after(self.settings().access_token_lifetime).min(session.ends_at).seconds();
        TokenRequest {
            handle: session.handle.clone(),
            user: session.user.clone(),
            lineage: refresh.lineage(),
            parent: refresh.parent.clone(),
            expires_at: Timestamp::from_millis(ends.saturating_mul(1000)),
            proof: None,
        }
    }

    /// Signs the access token that goes with a refresh token.
    pub(in crate::session) async fn sign_pair(
        &self,
        session: &store::Session,
        pair: &Unsigned,
    ) -> Result<HandOut, Error> {
        let now = self.now();
        let mut payload = session.payload.clone();
        payload.extend(pair.minted.claims.clone());
        let refresh = &pair.refresh;
        let claims = Claims {
            version: pair.version,
            user: session.user.clone(),
            handle: session.handle.clone(),
            issued_at: now.seconds(),
            expires_at: pair.request.expires_at.seconds(),
            hash1: refresh.hash1(),
            parent: pair.parent.clone(),
            anti_csrf: refresh.anti_csrf.clone(),
            payload,
        };
        let mut hand_out = self.sign(claims).await?;
        hand_out.refresh = Some(HandOutRefresh {
            token: refresh.expose().into(),
            expires_at: now.after(self.settings().refresh_token_lifetime).min(session.ends_at),
            anti_csrf: refresh.anti_csrf.clone(),
        });
        Ok(hand_out)
    }

    /// Signs claims; the token needs no verification any more.
    pub(in crate::session) async fn sign(&self, claims: Claims) -> Result<HandOut, Error> {
        let key = self.keys().signing(self.now()).await?;
        let access = claims.sign(&key.kid, &key.encoding)?;
        let token = Arc::new(Verified::new(claims, &key.kid, key.verifies_until));
        self.verified().insert(access.clone(), Arc::clone(&token));
        Ok(HandOut { access: access.into(), token, refresh: None })
    }

    /// How tokens are handed out to a client.
    pub(in crate::session) fn manner(&self, travel: Travel) -> Manner {
        let rules = Arc::clone(self.cookies());
        Manner { rules, travel, expose: self.settings().expose_access_token, now: self.now() }
    }
}

impl From<store::Session> for SessionInfo {
    fn from(session: store::Session) -> Self {
        Self {
            handle: session.handle,
            user_id: session.user,
            created_at: session.created_at,
            refreshed_at: session.refreshed_at,
            expires_at: session.position.expires_at,
            payload: session.payload,
            data: session.data,
        }
    }
}
