//! The Fauna token of every session: issued, renewed and deleted together with it.
//!
//! A token lives exactly as long as the access token it was issued with is accepted ([`lifetime::is_live`]), and is deleted in
//! Fauna as soon as that ends. Its row in the ledger is written before the request to Fauna, so that every token that exists or may
//! exist can be deleted. In SQL the secret is encrypted; it leaves this module only inside [`AsUser`], by [`FaunaTokens::token`],
//! and as a claim of the access token if [`Settings::in_frontend`] is on.

mod collector;
mod error;
mod ledger;
mod lifetime;
mod query_text;
mod revocation_delay;
mod schema;
mod store;
mod surplus;
mod sweeper;
mod user_client;

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use fauna_client as fauna;
use fauna_client::fql::Expr;
use fauna_client::{AsApp, AsUser, DocumentId};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::clock::{Clock, Timestamp};
use crate::database::{Connection, Database};
use crate::events;
use crate::events::{EventBus, EventKind};
use crate::seal::SealRing;
use crate::session::{
    IssueError, IssuedToken, Lineage, RevokedSessions, SessionHandle, SessionTokenProvider, SignedIn, TokenRequest,
    Unavailable, UserId,
};
use ledger::{Ledger, StoredSecret};
use lifetime::Descent;
use revocation_delay::RevocationDelays;
use sweeper::{Promotions, Sweeper};

pub use collector::Collector;
pub use error::Error;
pub use revocation_delay::RevocationDelay;
pub use schema::{dry_run, schema};
pub use user_client::SentQuery;

/// Time that a token outlives its access token in Fauna, so that requests authenticated at the last moment can finish.
const LIFE_MARGIN: Duration = Duration::from_secs(30);
/// Longest time that issuing a token may take besides the request to Fauna.
const ISSUE_MARGIN: Duration = Duration::from_secs(5);
/// Longest time that a request which revokes a session waits for Fauna; then the sweeper deletes the tokens.
const DELETE_TIMEOUT: Duration = Duration::from_secs(1);
/// The claim with the token for frontends; existing frontends expect this name.
const CLAIM: &str = "faunadbToken";

/// The Fauna tokens of all sessions.
pub struct FaunaTokens {
    ledger: Ledger,
    sweeper: Sweeper,
    ring: Arc<SealRing>,
    settings: Settings,
}

#[derive(Clone, Debug)]
pub struct Settings {
    pub users: String,
    /// Must be equal to [`crate::session::Settings::grace`].
    pub grace: Duration,
    /// Most live tokens of one session; at least 2.
    pub per_session: u32,
    /// Whether access tokens have the Fauna token as a claim, which frontends can read.
    pub in_frontend: bool,
    /// Field that must equal [`crate::session::NewSession::proof`], checked in the transaction that creates the token.
    pub proof: ProofField,
    pub events: EventBus,
}

/// A field in Fauna, in the document of `collection` with the id of the user.
#[derive(Clone, Copy, Debug)]
pub struct ProofField {
    pub collection: &'static str,
    pub path: &'static [&'static str],
}

/// Description of a token, without its secret.
#[derive(Clone, Debug)]
pub struct TokenDescription {
    /// Id of its document in Fauna.
    pub id: DocumentId,
    /// Computed by [`events::fingerprint`] from the secret.
    pub fingerprint: String,
    pub created_at: Timestamp,
    /// The `ttl` of the token in Fauna.
    pub expires_at: Timestamp,
}

/// A session's token with a client that uses it.
struct SessionToken {
    id: DocumentId,
    created_at: Timestamp,
    client: AsUser,
}

/// Whether a query may be sent again if it is unknown whether Fauna has executed it.
#[derive(Clone, Copy)]
enum Repeat {
    Never,
    Safe,
}

impl FaunaTokens {
    /// `fauna` issues and deletes tokens, `database` stores the ledger, and `ring` encrypts the secrets in it.
    pub fn new(fauna: AsApp, database: Database, ring: Arc<SealRing>, clock: Clock, settings: Settings) -> Self {
        let ledger = Ledger::new(database);
        let sweeper = Sweeper {
            issue_timeout: fauna.client().deadline() + ISSUE_MARGIN,
            fauna,
            ledger: ledger.clone(),
            users: settings.users.clone(),
            clock,
            grace: settings.grace,
            events: settings.events.clone(),
            delays: RevocationDelays::default(),
            promotions: Promotions::default(),
        };
        Self { ledger, sweeper, ring, settings }
    }

    /// Sends a query as the user of this session, at most once. A token that Fauna does not accept is replaced: the user may have
    /// deleted it in Fauna, which does not end the session.
    ///
    /// # Errors
    /// The session was revoked ([`Error::SessionOver`]), Fauna refuses the query, or Fauna or SQL does not respond.
    pub async fn query<T: DeserializeOwned>(&self, session: &SignedIn, query: &Expr) -> Result<T, Error> {
        self.query_as_user(session, query, Repeat::Never).await
    }

    /// The same for an idempotent query, which is sent again if the connection fails.
    ///
    /// # Errors
    /// As [`FaunaTokens::query`].
    pub async fn query_idempotent<T: DeserializeOwned>(&self, session: &SignedIn, query: &Expr) -> Result<T, Error> {
        self.query_as_user(session, query, Repeat::Safe).await
    }

    /// The secret of the session's Fauna token, for code that queries Fauna without [`FaunaTokens::query`]. It is valid until the
    /// session ends or is refreshed: call this again in every request.
    ///
    /// # Errors
    /// The session was revoked, or Fauna or SQL does not respond.
    pub async fn token(&self, session: &SignedIn) -> Result<SecretString, Error> {
        Ok(self.token_of(session).await?.client.secret().clone())
    }

    /// The description of the session's token, which may be shown to its user.
    ///
    /// # Errors
    /// The session was revoked, or SQL does not respond.
    pub async fn describe(&self, session: &SignedIn) -> Result<TokenDescription, Error> {
        let token = self.token_of(session).await?;
        let expires_at = session.access_token_expires_at().after(LIFE_MARGIN);
        Ok(TokenDescription {
            fingerprint: token.fingerprint(),
            id: token.id,
            created_at: token.created_at,
            expires_at,
        })
    }

    /// Delays between the revocation of sessions and the deletion of their tokens.
    pub fn revocation_delay(&self) -> RevocationDelay {
        self.sweeper.delays.summary(self.sweeper.clock.now())
    }

    async fn query_as_user<T: DeserializeOwned>(
        &self,
        session: &SignedIn,
        query: &Expr,
        repeat: Repeat,
    ) -> Result<T, Error> {
        let token = self.token_of(session).await?;
        match self.query_once(session, &token, query, repeat).await {
            Err(fauna::Error::Unauthorized) => {
                let token = self.replace(session, token).await?;
                Ok(self.query_once(session, &token, query, repeat).await?)
            }
            answer => Ok(answer?),
        }
    }

    async fn query_once<T: DeserializeOwned>(
        &self,
        session: &SignedIn,
        token: &SessionToken,
        query: &Expr,
        repeat: Repeat,
    ) -> Result<T, fauna::Error> {
        let started = Instant::now();
        let answer = match repeat {
            Repeat::Never => token.client.query(query).await,
            Repeat::Safe => token.client.query_idempotent(query).await,
        };
        let (status, duration) = (answer.as_ref().err().map_or(Some(200), status), started.elapsed());
        events::count_query(status, duration);
        if self.settings.events.wants_queries(session.user().as_str()) {
            let kind = EventKind::TokenUsed {
                fingerprint: token.fingerprint(),
                query: query_text::masked(query),
                built_at: format!("{}:{}", query.built_at().file(), query.built_at().line()),
                status,
                duration_micros: duration.as_micros().try_into().unwrap_or(u64::MAX),
            };
            self.publish(session.user(), session.handle(), kind);
        }
        answer
    }

    fn publish(&self, user: &UserId, handle: &SessionHandle, kind: EventKind) {
        self.settings.events.publish(user.as_str(), handle.as_str(), self.sweeper.clock.now(), kind);
    }

    /// The stored token of a session; issues a new one if none is stored or it cannot be unsealed.
    async fn token_of(&self, session: &SignedIn) -> Result<SessionToken, Error> {
        let now = self.sweeper.clock.now();
        let found = self.ledger.find(session.handle(), session.lineage(), now).await?;
        let (row, stored) = found.ok_or(Error::SessionOver)?;
        let request = request(session);
        let descent =
            Descent { lineage: request.lineage.as_str(), parent: request.parent.as_ref().map(Lineage::as_str) };
        if !lifetime::is_live(descent, Some(&row), self.settings.grace, now) {
            return Err(Error::Superseded);
        }
        if let Some(StoredSecret { id, sealed, created_at }) = stored {
            match self.ring.open(&sealed, &associated_data(&request, &id)) {
                Ok(secret) => return Ok(self.session_token(id, created_at, secret)),
                Err(error) => tracing::warn!(%error, "a Fauna token is issued anew"),
            }
        }
        self.issue_replacement(&request).await
    }

    fn session_token(&self, id: DocumentId, created_at: Timestamp, secret: SecretString) -> SessionToken {
        SessionToken { id, created_at, client: AsUser::new(self.sweeper.fauna.client(), secret) }
    }

    /// Replaces a token that Fauna refuses.
    async fn replace(&self, session: &SignedIn, refused: SessionToken) -> Result<SessionToken, Error> {
        tracing::warn!("Fauna refuses the token of a live session: it is issued anew");
        let kind = EventKind::TokenRefused { fingerprint: refused.fingerprint() };
        self.publish(session.user(), session.handle(), kind);
        let token = self.issue_replacement(&request(session)).await?;
        if let Err(error) = self.sweeper.delete(&[refused.id]).await {
            tracing::warn!(%error, "the row of a refused Fauna token stays until its session ends");
        }
        Ok(token)
    }

    /// Issues a token for an existing session, outside a refresh.
    async fn issue_replacement(&self, request: &TokenRequest) -> Result<SessionToken, Error> {
        let (id, secret) = self.create(request).await?;
        let sealed = self.ring.seal(secret.expose_secret(), &associated_data(request, &id))?;
        let now = self.sweeper.clock.now();
        let token = self.session_token(id.clone(), now, secret);
        let fingerprint = token.fingerprint();
        if self.ledger.confirm_replacement(&id, &sealed, &fingerprint, now).await? {
            self.delete_surplus(&request.handle).await;
            self.publish_issued(request, fingerprint, false);
            Ok(token)
        } else {
            self.sweeper.delete(&[id]).await?;
            Err(Error::SessionOver)
        }
    }

    fn publish_issued(&self, request: &TokenRequest, fingerprint: String, at_refresh: bool) {
        let expires_at = request.expires_at.after(LIFE_MARGIN);
        let kind = EventKind::TokenIssued { fingerprint, expires_at, at_refresh };
        self.publish(&request.user, &request.handle, kind);
    }

    /// Writes the row, then issues the token in Fauna.
    async fn create(&self, request: &TokenRequest) -> Result<(DocumentId, SecretString), Error> {
        let id = DocumentId::random()?;
        let now = self.sweeper.clock.now();
        let life = now.until(request.expires_at) + LIFE_MARGIN;
        self.ledger.announce(&id, request, now, now.after(life)).await?;
        let new = store::NewToken {
            users: &self.settings.users,
            id: &id,
            user: request.user.as_str(),
            session: request.handle.as_str(),
            life,
        };
        let proof = request.proof.as_ref();
        let condition =
            proof.map(|proof| store::field_equals(self.settings.proof, request.user.as_str(), proof.expose_secret()));
        let secret: Option<String> = self.sweeper.fauna.query(&store::create(&new, condition)).await?;
        Ok((id, secret.ok_or(Error::NoUser)?.into()))
    }
}

#[async_trait]
impl SessionTokenProvider for FaunaTokens {
    async fn issue(&self, request: &TokenRequest) -> Result<IssuedToken, IssueError> {
        let (id, secret) = match self.create(request).await {
            Err(Error::NoUser) => {
                return Err(IssueError::Refused("revoked: the user is gone or has another password"));
            }
            made => made.map_err(|error| Unavailable(Box::new(error)))?,
        };
        let mut claims = Map::new();
        if self.settings.in_frontend {
            claims.insert(CLAIM.to_owned(), Value::from(secret.expose_secret()));
        }
        Ok(IssuedToken { id: id.as_str().to_owned(), secret: Some(secret), claims })
    }

    async fn persist(
        &self,
        tx: &mut Connection,
        request: &TokenRequest,
        issued: &IssuedToken,
    ) -> Result<(), sqlx::Error> {
        let Some(secret) = &issued.secret else { return Err(sqlx::Error::RowNotFound) };
        let id = DocumentId::stored(issued.id.clone());
        let sealed = self.ring.seal(secret.expose_secret(), &associated_data(request, &id));
        let sealed = sealed.map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
        let fingerprint = events::fingerprint(secret.expose_secret());
        self.ledger.confirm(tx, &id, &sealed, &fingerprint).await
    }

    async fn cancel_pending(&self, tx: &mut Connection, revoked: &RevokedSessions) -> Result<(), sqlx::Error> {
        self.ledger.cancel_pending(tx, revoked, self.sweeper.clock.now()).await
    }

    async fn on_persisted(&self, request: &TokenRequest, issued: &IssuedToken) {
        if let Some(secret) = &issued.secret {
            self.publish_issued(request, events::fingerprint(secret.expose_secret()), request.parent.is_some());
        }
        if request.parent.is_some() {
            self.delete_surplus(&request.handle).await;
        }
    }

    async fn on_promoted(&self, handle: &SessionHandle, grace_until: Timestamp) {
        match tokio::time::timeout(DELETE_TIMEOUT, self.sweeper.on_promoted(handle, grace_until)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the collector will delete the Fauna tokens that were superseded"),
            Err(_) => tracing::warn!("Fauna is slow: the collector will delete the tokens that were superseded"),
        }
    }

    async fn on_revoked(&self, handles: &[SessionHandle]) {
        match tokio::time::timeout(DELETE_TIMEOUT, self.sweeper.on_revoked(handles)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the collector will delete the Fauna tokens of ended sessions"),
            Err(_) => tracing::warn!("Fauna is slow: the collector will delete the tokens of ended sessions"),
        }
    }

    fn reserved_claims(&self) -> &'static [&'static str] {
        &[CLAIM]
    }
}

/// HTTP status of the response; `None` if Fauna has not responded.
fn status(error: &fauna::Error) -> Option<u16> {
    match error {
        fauna::Error::Unauthorized => Some(401),
        fauna::Error::PermissionDenied(_) => Some(403),
        fauna::Error::NotFound => Some(404),
        fauna::Error::Contended => Some(409),
        fauna::Error::TooLarge => Some(413),
        fauna::Error::NotUnique | fauna::Error::AlreadyExists | fauna::Error::Aborted(_) => Some(400),
        fauna::Error::Refused { status, .. } => Some(*status),
        _ => None,
    }
}

/// The request that the session module would make for the tokens of this session.
fn request(session: &SignedIn) -> TokenRequest {
    TokenRequest {
        handle: session.handle().clone(),
        user: session.user().clone(),
        lineage: session.lineage().clone(),
        parent: session.parent().cloned(),
        expires_at: session.access_token_expires_at(),
        proof: None,
    }
}

/// The associated data of a sealed secret, which binds it to its row.
fn associated_data(request: &TokenRequest, id: &DocumentId) -> String {
    format!("fauna_token {} {} {}", request.handle.as_str(), request.lineage.as_str(), id.as_str())
}
