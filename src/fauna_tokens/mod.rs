//! The Fauna token of every session: minted with it, renewed with it, deleted with it.
//!
//! A token lives exactly as long as the access token it was minted with can be used ([`lifetime::is_live`]), and is deleted in
//! Fauna as soon as that stops being true. Its row in the ledger is written before Fauna is asked for it, so that every token
//! that exists or may exist can be ended. In SQL the secret is sealed; it leaves this room only as [`AsUser`], and as a claim
//! where the configuration says so (design D17).

mod collector;
mod ledger;
mod lifetime;
mod schema;
mod store;
mod sweeper;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use fauna_client as fauna;
use fauna_client::fql::Expr;
use fauna_client::{AsApp, AsUser, DocumentId};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use sqlx::AnyConnection;

use crate::clock::{Clock, Timestamp};
use crate::database::Database;
use crate::http::problem::Problem;
use crate::seal::SealRing;
use crate::session::{
    IssueError, IssuedToken, Lineage, SessionHandle, SessionTokenProvider, SignedIn, TokenRequest, Unavailable, UserId,
};
use crate::{seal, session};
use ledger::Ledger;
use lifetime::Descent;
use sweeper::Sweeper;

pub use collector::Collector;
pub use schema::schema;

/// How much longer than the access token a token lives in Fauna: requests that were let in at the last moment finish.
const LIFE_MARGIN: Duration = Duration::from_secs(30);
/// How long SQL and everything else around a mint may take, besides Fauna.
const MINT_MARGIN: Duration = Duration::from_secs(5);
/// How long the request that ended a session waits for Fauna.
const COLLECT_TIMEOUT: Duration = Duration::from_secs(1);
/// The claim that shows the token to frontends, named as the seed names it.
const CLAIM: &str = "faunadbToken";

/// The Fauna tokens of all sessions.
pub struct FaunaTokens {
    /// What there is.
    ledger: Ledger,
    /// What ends it.
    sweeper: Sweeper,
    /// What keeps it secret.
    ring: Arc<SealRing>,
    /// How it is done here.
    settings: Settings,
}

/// What can be set about tokens.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Collection of users.
    pub users: String,
    /// How long a superseded refresh token is answered.
    pub grace: Duration,
    /// Whether frontends may read the token.
    pub in_frontend: bool,
    /// Whether what a user was let in for still holds ([`crate::session::NewSession::proof`]), asked in the transaction that makes
    /// the token.
    pub holds: fn(user: &str, proof: &str) -> Expr,
}

/// A token without its secret.
#[derive(Clone, Debug)]
pub struct Description {
    /// Id of its document in Fauna.
    pub id: DocumentId,
    /// When Fauna ends it by itself.
    pub expires_at: Timestamp,
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The session was ended meanwhile.
    #[error("the session is over")]
    SessionOver,
    /// The access token is of a generation whose time is over; a refresh brings a new one.
    #[error("the access token was superseded")]
    Superseded,
    /// The user is gone, or what they were let in for does not hold any more.
    #[error("the user of the session does not exist")]
    NoUser,
    /// Fauna did not do its part.
    #[error(transparent)]
    Fauna(#[from] fauna::Error),
    /// SQL did not do its part.
    #[error("the ledger of Fauna tokens cannot be used")]
    Sql(#[from] sqlx::Error),
    /// There are no keys to seal with.
    #[error(transparent)]
    Seal(#[from] seal::CannotSeal),
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::SessionOver => Self::from(session::Error::Ended("its row is gone")),
            Error::Superseded => Self::from(session::Error::TryRefresh("superseded")),
            Error::NoUser => Self::from(session::Error::Ended("its user is gone")),
            Error::Fauna(error) => Self::from(error),
            Error::Sql(_) => Self::unavailable(error),
            Error::Seal(_) => Self::internal(error),
        }
    }
}

impl FaunaTokens {
    /// Tokens made with the app's key, written down in the database and sealed with the ring.
    pub fn new(fauna: AsApp, database: Database, ring: Arc<SealRing>, clock: Clock, settings: Settings) -> Self {
        let ledger = Ledger::new(database);
        let sweeper = Sweeper {
            patience: fauna.client().deadline() + MINT_MARGIN,
            fauna,
            ledger: ledger.clone(),
            users: settings.users.clone(),
            clock,
            grace: settings.grace,
        };
        Self { ledger, sweeper, ring, settings }
    }

    /// Begins to delete what is no longer live.
    pub fn collect_in_background(&self) -> Collector {
        Collector::begin(self.sweeper.clone())
    }

    /// Asks Fauna as the person of this session, at most once. A token that Fauna no longer knows is replaced: its owner may
    /// have ended it there, which does not end the session.
    ///
    /// # Errors
    /// The session was revoked ([`Error::SessionOver`]), Fauna refuses the query, or Fauna or SQL does not answer.
    pub async fn query<T: DeserializeOwned>(&self, session: &SignedIn, query: &Expr) -> Result<T, Error> {
        let (id, person) = self.token_of(session).await?;
        match person.query(query).await {
            Err(fauna::Error::Unauthorized) => Ok(self.replace(session, id).await?.query(query).await?),
            answer => Ok(answer?),
        }
    }

    /// The same for a query that may be run twice: one that only reads, or that leaves the same behind every time.
    ///
    /// # Errors
    /// As [`FaunaTokens::query`].
    pub async fn query_idempotent<T: DeserializeOwned>(&self, session: &SignedIn, query: &Expr) -> Result<T, Error> {
        let (id, person) = self.token_of(session).await?;
        match person.query_idempotent(query).await {
            Err(fauna::Error::Unauthorized) => Ok(self.replace(session, id).await?.query_idempotent(query).await?),
            answer => Ok(answer?),
        }
    }

    /// What may be shown of the token of this session.
    ///
    /// # Errors
    /// The session was revoked, or SQL does not answer.
    pub async fn describe(&self, session: &SignedIn) -> Result<Description, Error> {
        let (id, _) = self.token_of(session).await?;
        Ok(Description { id, expires_at: session.access_token_expires_at().after(LIFE_MARGIN) })
    }

    /// The token of a session with its id.
    async fn token_of(&self, session: &SignedIn) -> Result<(DocumentId, AsUser), Error> {
        let now = self.sweeper.clock.now();
        let found = self.ledger.find(session.handle(), session.lineage(), now).await?;
        let (row, sealed) = found.ok_or(Error::SessionOver)?;
        let request = request(session);
        let descent =
            Descent { lineage: request.lineage.as_str(), parent: request.parent.as_ref().map(Lineage::as_str) };
        if !lifetime::is_live(descent, Some(&row), self.settings.grace, now) {
            return Err(Error::Superseded);
        }
        if let Some((id, sealed)) = sealed {
            match self.ring.open(&sealed, &place(&request, &id)) {
                Ok(secret) => return Ok((id, AsUser::new(self.sweeper.fauna.client(), secret))),
                Err(error) => tracing::warn!(%error, "a Fauna token is minted anew"),
            }
        }
        self.mint_again(&request).await
    }

    /// A new token instead of one that Fauna refuses.
    async fn replace(&self, session: &SignedIn, refused: DocumentId) -> Result<AsUser, Error> {
        tracing::warn!("Fauna refuses the token of a live session: it is minted anew");
        let (_, person) = self.mint_again(&request(session)).await?;
        if let Err(error) = self.sweeper.delete(&[refused]).await {
            tracing::warn!(%error, "the row of a refused Fauna token stays until its session ends");
        }
        Ok(person)
    }

    /// Makes a token for a session in the middle of its life.
    async fn mint_again(&self, request: &TokenRequest) -> Result<(DocumentId, AsUser), Error> {
        let (id, secret) = self.make(request).await?;
        let sealed = self.ring.seal(secret.expose_secret(), &place(request, &id))?;
        if self.ledger.confirm_again(&id, &sealed, self.sweeper.clock.now()).await? {
            Ok((id, AsUser::new(self.sweeper.fauna.client(), secret)))
        } else {
            self.sweeper.delete(&[id]).await?;
            Err(Error::SessionOver)
        }
    }

    /// Writes the row, then makes the token.
    async fn make(&self, request: &TokenRequest) -> Result<(DocumentId, SecretString), Error> {
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
        let proof =
            request.proof.as_ref().map(|proof| (self.settings.holds)(request.user.as_str(), proof.expose_secret()));
        let secret: Option<String> = self.sweeper.fauna.query(&store::mint(&new, proof)).await?;
        Ok((id, secret.ok_or(Error::NoUser)?.into()))
    }
}

#[async_trait]
impl SessionTokenProvider for FaunaTokens {
    async fn issue(&self, request: &TokenRequest) -> Result<IssuedToken, IssueError> {
        let (id, secret) = match self.make(request).await {
            Err(Error::NoUser) => return Err(IssueError::Refused("its user is gone, or has another password")),
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
        tx: &mut AnyConnection,
        request: &TokenRequest,
        minted: &IssuedToken,
    ) -> Result<(), sqlx::Error> {
        let Some(secret) = &minted.secret else { return Err(sqlx::Error::RowNotFound) };
        let id = DocumentId::stored(minted.id.clone());
        let sealed = self.ring.seal(secret.expose_secret(), &place(request, &id));
        let sealed = sealed.map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
        self.ledger.confirm(tx, &id, &sealed).await
    }

    async fn cancel_pending(
        &self,
        tx: &mut AnyConnection,
        user: &UserId,
        but: Option<&SessionHandle>,
    ) -> Result<(), sqlx::Error> {
        self.ledger.abandon(tx, user, but, self.sweeper.clock.now()).await
    }

    async fn on_revoked(&self, handles: &[SessionHandle]) {
        match tokio::time::timeout(COLLECT_TIMEOUT, self.sweeper.on_revoked(handles)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the collector will delete the Fauna tokens of ended sessions"),
            Err(_) => tracing::warn!("Fauna is slow: the collector will delete the tokens of ended sessions"),
        }
    }

    fn reserved_claims(&self) -> &'static [&'static str] {
        &[CLAIM]
    }
}

/// What the session room would say if it minted now.
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

/// Where a secret is kept: sealed for one row, it opens in no other.
fn place(request: &TokenRequest, id: &DocumentId) -> String {
    format!("fauna_token {} {} {}", request.handle.as_str(), request.lineage.as_str(), id.as_str())
}
