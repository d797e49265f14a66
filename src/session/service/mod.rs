//! [`Sessions`], the operations on sessions. Each file here is one concern.

mod by_handle;
pub mod create;
pub mod refresh;
pub mod revoke;
pub mod verify;
mod without_request;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::clock::{Clock, Timestamp};
use crate::database::{Connection, Database};
use crate::events::{EventKind, RevokeReason};
use crate::session::http::cookies::CookieRules;
use crate::session::http::response_tokens::{DeliveryContext, NewRefreshToken, SessionTokens};
use crate::session::http::transport::TokenDelivery;
use crate::session::settings::{AntiCsrf, Settings};
use crate::session::store::Store;
use crate::session::tokens::access_token::{Claims, Parent};
use crate::session::tokens::refresh_token::RefreshToken;
use crate::session::tokens::signing_keys::{Kind, Schedule, Sealing, SigningKeys, StoredKeys};
use crate::session::tokens::verified_cache::{Verified, VerifiedTokens};
use crate::session::{Error, IssuedToken, SessionHandle, SessionTokenProvider, TokenRequest, UserId, Version, store};

/// Expired sessions deleted per statement: few enough not to hold SQLite's one writer for long.
const SWEEP_ROWS: i64 = 20;

const SWEEP_PAUSE: Duration = Duration::from_mins(1);

/// All sessions. Clones share everything.
#[derive(Clone)]
pub struct Sessions(Arc<Inner>);

struct Inner {
    settings: Settings,
    clock: Clock,
    store: Store,
    keys: SigningKeys,
    token_provider: Arc<dyn SessionTokenProvider>,
    cookies: Arc<CookieRules>,
    verified: VerifiedTokens,
    has_warned_of_duplicate_cookies: AtomicBool,
}

/// The format of the tokens that a client gets.
#[derive(Clone, Copy, Debug)]
pub struct TokenFormat {
    pub with_anti_csrf: bool,
    /// Of the access token.
    pub version: Version,
}

/// The content of a session's new tokens.
pub struct UnsignedTokens {
    pub refresh: RefreshToken,
    /// Lineage of the refresh token that it descends from; `None` for the first of a session.
    pub parent: Option<Parent>,
    pub request: TokenRequest,
    /// The provider's token for `request`.
    pub provider_token: IssuedToken,
    /// Of the access token.
    pub version: Version,
}

/// Information about a session for its user and the application.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionInfo {
    #[schema(value_type = String)]
    pub handle: SessionHandle,
    #[schema(value_type = String)]
    pub user_id: UserId,
    /// In milliseconds since 1970 (UTC).
    #[schema(value_type = i64)]
    pub created_at: Timestamp,
    /// The last sign-in or refresh, in milliseconds since 1970 (UTC).
    #[schema(value_type = i64)]
    pub refreshed_at: Timestamp,
    /// The end of the session unless it is refreshed, in milliseconds since 1970 (UTC).
    #[schema(value_type = i64)]
    pub expires_at: Timestamp,
    /// Claims of its access tokens.
    #[serde(skip)]
    #[schema(ignore)]
    pub payload: Map<String, Value>,
    /// Kept in SQL only.
    #[serde(skip)]
    #[schema(ignore)]
    pub data: Map<String, Value>,
}

impl Sessions {
    /// Loads the signing keys from the database, and generates those that are missing.
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
        let sealing = Sealing { ring: Arc::clone(&settings.seal), policy: settings.key_policy };
        let keys = SigningKeys::open(store.clone(), sealing, schedule, signs, clock.now()).await?;
        let cookies = Arc::new(CookieRules::new(&settings));
        let verified = VerifiedTokens::new(settings.verified_tokens_max);
        let has_warned_of_duplicate_cookies = AtomicBool::new(false);
        Ok(Self(Arc::new(Inner {
            settings,
            clock,
            store,
            keys,
            token_provider,
            cookies,
            verified,
            has_warned_of_duplicate_cookies,
        })))
    }

    /// The keys that the database has, as far as they were read.
    pub fn stored_keys(&self) -> StoredKeys {
        self.0.keys.stored()
    }

    /// The sessions of a user that have not expired, newest first.
    ///
    /// # Errors
    /// The database fails.
    pub async fn count(&self) -> Result<i64, Error> {
        Ok(self.store().count(self.now()).await?)
    }

    pub async fn list(&self, user: &UserId) -> Result<Vec<SessionInfo>, Error> {
        let sessions = self.store().of_user(user, self.now()).await?;
        Ok(sessions.into_iter().map(SessionInfo::from).collect())
    }

    /// A session; `None` if it does not exist or has expired.
    ///
    /// # Errors
    /// The database fails.
    pub async fn info(&self, handle: &SessionHandle) -> Result<Option<SessionInfo>, Error> {
        let session = self.store().find(handle).await?;
        let now = self.now();
        Ok(session.filter(|session| session.rotation.expires_at > now).map(SessionInfo::from))
    }

    /// Deletes a batch of expired sessions and keys. True if there may be more.
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
        self.keys().delete_expired(now).await?;
        Ok(i64::try_from(handles.len()).unwrap_or(SWEEP_ROWS) == SWEEP_ROWS)
    }

    /// Deletes expired sessions and keys as long as the application runs, and yields between batches.
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

    pub fn access_token_lifetime(&self) -> Duration {
        self.settings().access_token_lifetime
    }

    /// Period in which a superseded refresh token is still accepted.
    pub fn grace(&self) -> Duration {
        self.settings().grace
    }

    /// Lifetime of a session that is not used.
    pub fn refresh_token_lifetime(&self) -> Duration {
        self.settings().refresh_token_lifetime
    }
}

impl Sessions {
    pub(in crate::session) fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// Names of the cookies with the access token and with the refresh token.
    pub fn cookie_names(&self) -> (&'static str, &'static str) {
        (self.cookies().access_name, self.cookies().refresh_name)
    }

    /// The header that requests with cookies must have, except GET; `None`: `SameSite` is the only protection.
    pub fn anti_csrf_header(&self) -> Option<&'static str> {
        match self.settings().anti_csrf() {
            AntiCsrf::None => None,
            AntiCsrf::ViaToken => Some("anti-csrf"),
            AntiCsrf::ViaCustomHeader => Some("rid"),
        }
    }

    pub(in crate::session) fn publish(&self, user: &UserId, handle: &SessionHandle, kind: EventKind) {
        self.settings().events.publish(user.as_str(), handle.as_str(), self.now(), kind);
    }

    pub(in crate::session) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    pub fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    pub(in crate::session) fn store(&self) -> &Store {
        &self.0.store
    }

    pub(in crate::session) fn keys(&self) -> &SigningKeys {
        &self.0.keys
    }

    pub(in crate::session) fn token_provider(&self) -> &Arc<dyn SessionTokenProvider> {
        &self.0.token_provider
    }

    pub(in crate::session) fn cookies(&self) -> &Arc<CookieRules> {
        &self.0.cookies
    }

    pub(in crate::session) fn verified(&self) -> &VerifiedTokens {
        &self.0.verified
    }

    pub(in crate::session) fn issue_refresh_token(
        &self,
        handle: &SessionHandle,
        parent: Option<&crate::session::Lineage>,
        with_anti_csrf: bool,
    ) -> Result<RefreshToken, Error> {
        self.keys().with_refresh_keys(|keys| {
            let key = keys.first().ok_or(Error::NoKey)?;
            Ok(RefreshToken::issue(key, handle, parent, with_anti_csrf)?)
        })
    }

    /// The request to the token provider for the access token that goes with a refresh token, which does not outlive the session.
    pub(in crate::session) fn token_request(
        &self,
        session: &store::Session,
        refresh: &RefreshToken,
        now: Timestamp,
    ) -> TokenRequest {
        let ends = now.after(self.settings().access_token_lifetime).min(self.next_expiry(session, now)).seconds();
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
        pair: &UnsignedTokens,
    ) -> Result<SessionTokens, Error> {
        let now = self.now();
        let mut payload = session.payload.clone();
        payload.extend(pair.provider_token.claims.clone());
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
        let mut tokens = self.sign(claims, session.ends_with_browser).await?;
        tokens.refresh = Some(NewRefreshToken {
            token: refresh.expose().into(),
            expires_at: self.next_expiry(session, now),
            anti_csrf: refresh.anti_csrf.clone(),
        });
        Ok(tokens)
    }

    /// Signs claims, and adds the token to the cache of verified tokens.
    pub(in crate::session) async fn sign(
        &self,
        claims: Claims,
        ends_with_browser: bool,
    ) -> Result<SessionTokens, Error> {
        let key = self.keys().signing(self.now()).await?;
        let access = claims.sign(&key.kid, &key.encoding)?;
        let token = Arc::new(Verified::new(claims, &key.kid, key.verifies_until));
        self.verified().insert(access.clone(), Arc::clone(&token));
        Ok(SessionTokens { access: access.into(), token, refresh: None, ends_with_browser })
    }

    /// Lets the provider store its token in the transaction of the session.
    ///
    /// # Errors
    /// [`Error::RevokedMeanwhile`] if the token was cancelled; the database fails.
    async fn persist_token(&self, transaction: &mut Connection, pair: &UnsignedTokens) -> Result<(), Error> {
        match self.token_provider().persist(transaction, &pair.request, &pair.provider_token).await {
            Err(sqlx::Error::RowNotFound) => Err(Error::RevokedMeanwhile),
            persisted => Ok(persisted?),
        }
    }

    pub(in crate::session) fn delivery_context(&self, delivery: TokenDelivery) -> DeliveryContext {
        let cookies = Arc::clone(self.cookies());
        let expose_access_token = self.settings().expose_access_token;
        DeliveryContext { cookies, delivery, expose_access_token, now: self.now() }
    }

    /// Logs once per process why browsers send session cookies twice.
    pub(in crate::session) fn warn_of_duplicate_cookies(&self) {
        let is_unexplained = self.settings().older_cookie_domain.is_none();
        if is_unexplained && !self.0.has_warned_of_duplicate_cookies.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "a browser sent session cookies twice, which happens after COOKIE_DOMAIN was changed: set OLDER_COOKIE_DOMAIN to \
                 its former value (empty if it was not set) so that the older cookies are removed"
            );
        }
    }
}

impl From<store::Session> for SessionInfo {
    fn from(session: store::Session) -> Self {
        Self {
            handle: session.handle,
            user_id: session.user,
            created_at: session.created_at,
            refreshed_at: session.refreshed_at,
            expires_at: session.rotation.expires_at,
            payload: session.payload,
            data: session.data,
        }
    }
}
