//! Errors of Fauna tokens.

use fauna_client as fauna;

use crate::http::problem::Problem;
use crate::{seal, session};

/// Reasons why a session has no Fauna token.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the session is over")]
    SessionOver,
    /// The access token is of a superseded generation; a refresh issues a new one.
    #[error("the access token was superseded")]
    Superseded,
    /// The user was deleted, or the proof of the sign-in is not valid any more, because the password was changed.
    #[error("the user of the session does not exist")]
    NoUser,
    #[error(transparent)]
    Fauna(#[from] fauna::Error),
    #[error("the ledger of Fauna tokens cannot be used")]
    Sql(#[from] sqlx::Error),
    #[error(transparent)]
    Seal(#[from] seal::CannotSeal),
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::SessionOver => Self::from(session::Error::Ended("revoked: the session has ended")),
            Error::Superseded => {
                Self::from(session::Error::TryRefresh("expired: a newer token of the session is in use"))
            }
            Error::NoUser => Self::from(session::Error::Ended("revoked: the user was deleted")),
            Error::Fauna(error) => Self::from(error),
            Error::Sql(_) => Self::unavailable(error),
            Error::Seal(_) => Self::internal(error),
        }
    }
}
