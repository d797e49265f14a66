//! What is born, renewed and ended together with a session, and of which this room knows nothing else.
//!
//! A companion gives each access token something of the same length of life. It is asked before tokens are handed out, it
//! stores what it made in the transaction that makes the tokens good, and it is told when sessions are gone.

use async_trait::async_trait;
use secrecy::SecretString;
use serde_json::{Map, Value};
use sqlx::AnyConnection;

use crate::clock::Timestamp;
use crate::session::{Lineage, SessionHandle, UserId};

/// Lives and dies with sessions.
#[async_trait]
pub trait SessionTokenProvider: Send + Sync {
    /// Before tokens are handed out, outside any SQL transaction: on create and for every child that a refresh mints.
    ///
    /// # Errors
    /// There is to be no such session any more, or it cannot be made now; nothing has happened.
    async fn issue(&self, request: &TokenRequest) -> Result<IssuedToken, IssueError>;

    /// In the transaction that makes the session or confirms the refresh. That transaction has seen that the session still
    /// exists, so nothing that is kept outlives a revocation that ran in between.
    ///
    /// # Errors
    /// [`sqlx::Error::RowNotFound`] where it was abandoned meanwhile, or the statement failed; the whole transaction is given up.
    async fn persist(
        &self,
        transaction: &mut AnyConnection,
        request: &TokenRequest,
        minted: &IssuedToken,
    ) -> Result<(), sqlx::Error>;

    /// After the transaction of [`SessionTokenProvider::persist`] was committed.
    fn on_persisted(&self, _request: &TokenRequest, _issued: &IssuedToken) {}

    /// In the transaction that ends all sessions of a user, but one where one is to be kept: nothing that was minted until now
    /// can be kept for a session whose row is not there yet.
    ///
    /// # Errors
    /// The statement failed; the whole transaction is given up.
    async fn cancel_pending(
        &self,
        _transaction: &mut AnyConnection,
        _user: &UserId,
        _but: Option<&SessionHandle>,
    ) -> Result<(), sqlx::Error> {
        Ok(())
    }

    /// After these sessions' rows were deleted.
    async fn on_revoked(&self, handles: &[SessionHandle]);

    /// After the first use of a session's newest tokens: those before are accepted until `grace_until`, still older ones are not
    /// accepted any more.
    async fn on_promoted(&self, _handle: &SessionHandle, _grace_until: Timestamp) {}

    /// Names of the claims that [`IssuedToken::claims`] may hold; no application can write them.
    fn reserved_claims(&self) -> &'static [&'static str] {
        &[]
    }
}

/// The access token that is about to be handed out.
#[derive(Clone, Debug)]
pub struct TokenRequest {
    /// Its session.
    pub handle: SessionHandle,
    /// Whose session that is.
    pub user: UserId,
    /// Of the refresh token that is handed out with it.
    pub lineage: Lineage,
    /// Of the refresh token that was effective when it was minted; none for the first one of a session.
    pub parent: Option<Lineage>,
    /// When the access token ends.
    pub expires_at: Timestamp,
    /// What its owner was let in for, at the beginning of a session: it must still hold when the companion mints.
    pub proof: Option<SecretString>,
}

/// What a companion made.
pub struct IssuedToken {
    /// Its name for it.
    pub id: String,
    /// What it must keep secret, until [`SessionTokenProvider::persist`] has stored it.
    pub secret: Option<SecretString>,
    /// Goes into the access token, and stays in it when that is promoted or regenerated.
    pub claims: Map<String, Value>,
}

/// Why a companion made nothing.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// There is to be no such session any more: its user is gone, or what they were let in for does not hold.
    #[error("refused: {0}")]
    Refused(&'static str),
    /// It cannot be made now: the caller is answered 503.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// A companion could not do its part.
#[derive(Debug, thiserror::Error)]
#[error("the token_provider of the session is not available")]
pub struct Unavailable(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// Nothing accompanies the session.
pub struct NoTokenProvider;

#[async_trait]
impl SessionTokenProvider for NoTokenProvider {
    async fn issue(&self, _: &TokenRequest) -> Result<IssuedToken, IssueError> {
        Ok(IssuedToken { id: String::new(), secret: None, claims: Map::new() })
    }

    async fn persist(&self, _: &mut AnyConnection, _: &TokenRequest, _: &IssuedToken) -> Result<(), sqlx::Error> {
        Ok(())
    }

    async fn on_revoked(&self, _: &[SessionHandle]) {}
}
