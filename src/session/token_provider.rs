//! The one trait between sessions and what is issued, renewed and revoked together with them, such as Fauna tokens.
//!
//! A provider issues one token for each access token, with the same lifetime. It is called before an access token is handed out,
//! stores its token in the transaction that makes the access token valid, and is notified when sessions have been revoked.

use async_trait::async_trait;
use secrecy::SecretString;
use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::database::Connection;
use crate::session::{Lineage, RevokedSessions, SessionHandle, UserId};

/// Issues a token beside each access token of a session.
#[async_trait]
pub trait SessionTokenProvider: Send + Sync {
    /// Issues a token, outside any SQL transaction. Called before a session is created and at every refresh.
    ///
    /// # Errors
    /// [`IssueError::Refused`] or [`IssueError::Unavailable`]; in both cases no tokens are handed out.
    async fn issue(&self, request: &TokenRequest) -> Result<IssuedToken, IssueError>;

    /// Stores an issued token, in the transaction that inserts the session or confirms the refresh. That transaction has checked
    /// that the session still exists, so a token that is stored cannot outlive a revocation that ran in between.
    ///
    /// # Errors
    /// [`sqlx::Error::RowNotFound`] if [`SessionTokenProvider::cancel_pending`] cancelled the token meanwhile, or an error of a
    /// statement. The whole transaction is rolled back.
    async fn persist(
        &self,
        transaction: &mut Connection,
        request: &TokenRequest,
        issued: &IssuedToken,
    ) -> Result<(), sqlx::Error>;

    /// Called after the transaction of [`SessionTokenProvider::persist`] was committed.
    async fn on_persisted(&self, _request: &TokenRequest, _issued: &IssuedToken) {}

    /// Cancels tokens that were issued but not persisted, in the transaction that revokes these sessions. Afterwards, persisting
    /// any of them fails: a session whose row is not inserted yet must not survive.
    ///
    /// # Errors
    /// An error of a statement; the whole transaction is rolled back.
    async fn cancel_pending(
        &self,
        _transaction: &mut Connection,
        _revoked: &RevokedSessions,
    ) -> Result<(), sqlx::Error> {
        Ok(())
    }

    /// Called after the rows of these sessions were deleted.
    async fn on_revoked(&self, handles: &[SessionHandle]);

    /// Called after the first use of a session's newest tokens. Those of the generation before are accepted until `grace_until`,
    /// older ones no longer.
    async fn on_promoted(&self, _handle: &SessionHandle, _grace_until: Timestamp) {}

    /// Names of the claims that [`IssuedToken::claims`] may have; applications cannot write them.
    fn reserved_claims(&self) -> &'static [&'static str] {
        &[]
    }
}

/// The access token for which [`SessionTokenProvider::issue`] is called.
#[derive(Clone, Debug)]
pub struct TokenRequest {
    pub handle: SessionHandle,
    pub user: UserId,
    /// Lineage of the refresh token that is handed out with it.
    pub lineage: Lineage,
    /// Lineage of the refresh token that was effective when it was issued; `None` for the first of a session.
    pub parent: Option<Lineage>,
    /// Expiry of the access token.
    pub expires_at: Timestamp,
    /// [`NewSession::proof`](crate::session::NewSession::proof), when a session is created: it must still be valid when the
    /// provider issues its token.
    pub proof: Option<SecretString>,
}

/// A token of a [`SessionTokenProvider`].
pub struct IssuedToken {
    /// Identifier of the token, chosen by the provider.
    pub id: String,
    /// The secret of the token, for [`SessionTokenProvider::persist`] to store.
    pub secret: Option<SecretString>,
    /// Claims for the access token; kept when that is promoted or regenerated.
    pub claims: Map<String, Value>,
}

/// Reasons why [`SessionTokenProvider::issue`] failed.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The session must not exist: its user was deleted, or its proof is not valid any more.
    #[error("refused: {0}")]
    Refused(&'static str),
    /// The token cannot be issued now; the response is 503.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// A source that sessions depend on is not available; the response is 503.
#[derive(Debug, thiserror::Error)]
#[error("the token_provider of the session is not available")]
pub struct Unavailable(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// Issues no tokens, for sites without a provider.
pub struct NoTokenProvider;

#[async_trait]
impl SessionTokenProvider for NoTokenProvider {
    async fn issue(&self, _: &TokenRequest) -> Result<IssuedToken, IssueError> {
        Ok(IssuedToken { id: String::new(), secret: None, claims: Map::new() })
    }

    async fn persist(&self, _: &mut Connection, _: &TokenRequest, _: &IssuedToken) -> Result<(), sqlx::Error> {
        Ok(())
    }

    async fn on_revoked(&self, _: &[SessionHandle]) {}
}
