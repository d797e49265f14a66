//! What can go wrong with a session, as facts.

use actix_web::http::StatusCode;

use crate::http::problem::Problem;
use crate::seal::CannotSeal;
use crate::session::claims::ClaimFailure;
use crate::session::{IssueError, SessionHandle, Unavailable, UserId};

/// Why there is no session, or none right now.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The settings contradict each other, or would work with no browser: there are no sessions at all.
    #[error("{0}")]
    Settings(&'static str),
    /// The access token does not serve any more, or was not sent as it must be: the client refreshes and comes again.
    #[error("the access token must be renewed: {0}")]
    TryRefresh(&'static str),
    /// No token came along. Nothing is cleared: a request in parallel may be bringing tokens (session.md 3.5).
    #[error("there is no session")]
    Missing,
    /// There is no session behind the token that came along.
    #[error("the session has ended: {0}")]
    Ended(&'static str),
    /// There is no user of the id for which a session was to be created.
    #[error("no user has this id")]
    UnknownUser,
    /// All sessions of its user were ended before this one had begun. Nothing was handed out; it may begin anew.
    #[error("the session was ended before it had begun")]
    Abandoned,
    /// A refresh token came back after its successor was used. The session has been ended.
    #[error("session {handle} was ended, because a refresh token of it was used twice")]
    Theft {
        /// The session that was ended.
        handle: SessionHandle,
        /// Whose it was.
        user: UserId,
    },
    /// The session exists, but does not say what the route asks for.
    #[error("the session's claims do not suffice")]
    InvalidClaims(Vec<ClaimFailure>),
    /// The browser holds session cookies of two domains, and we do not know the older one.
    #[error("session cookies came twice")]
    DuplicateCookies,
    /// Cookies that an older domain had set were removed; the client comes again.
    #[error("session cookies of an older domain were removed")]
    DuplicateCookiesCleared,
    /// An application wants to put more into access tokens than a cookie can carry.
    #[error("the access token's payload is too large")]
    PayloadTooLarge,
    /// Many changed the same session at the same moment.
    #[error("the session was changed by others again and again")]
    Contended,
    /// The database did not do what it was asked for.
    #[error("the session database failed")]
    Store(#[from] sqlx::Error),
    /// What is born with sessions could not be.
    #[error(transparent)]
    SessionTokenProvider(#[from] Unavailable),
    /// A key could not be stored.
    #[error(transparent)]
    Seal(#[from] CannotSeal),
    /// A token could not be signed.
    #[error("the access token could not be signed")]
    Sign(#[from] jsonwebtoken::errors::Error),
    /// The system gave no random bytes, or refused a key.
    #[error("cryptography failed")]
    Crypto(#[from] aws_lc_rs::error::Unspecified),
    /// Keys were stored, but none can be opened or used.
    #[error("there is no usable signing key")]
    NoKey,
    /// What was begun for a request did not come to an end.
    #[error("the session task failed")]
    Task(#[from] tokio::task::JoinError),
}

impl From<IssueError> for Error {
    fn from(error: IssueError) -> Self {
        match error {
            IssueError::Refused(why) => Self::Ended(why),
            IssueError::Unavailable(error) => Self::SessionTokenProvider(error),
        }
    }
}

/// What the default answers say, when a handler passes an error on.
impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::TryRefresh(_) => Self::new(StatusCode::UNAUTHORIZED, "try refresh token"),
            Error::Missing | Error::Ended(_) => Self::new(StatusCode::UNAUTHORIZED, "unauthorised"),
            Error::Theft { .. } => Self::new(StatusCode::UNAUTHORIZED, "token theft detected"),
            Error::UnknownUser => Self::new(StatusCode::NOT_FOUND, error.to_string()),
            Error::InvalidClaims(_) => Self::new(StatusCode::FORBIDDEN, "invalid claim"),
            Error::DuplicateCookies => Self::new(StatusCode::INTERNAL_SERVER_ERROR, DUPLICATE_COOKIES),
            Error::DuplicateCookiesCleared => Self::new(StatusCode::NO_CONTENT, DUPLICATE_COOKIES),
            Error::PayloadTooLarge => Self::bad_request("the access token's payload is too large"),
            Error::Abandoned | Error::Contended | Error::Store(_) | Error::SessionTokenProvider(_) => {
                Self::unavailable(error)
            }
            Error::Settings(_) | Error::Seal(_) | Error::Sign(_) | Error::Crypto(_) | Error::NoKey | Error::Task(_) => {
                Self::internal(error)
            }
        }
    }
}

/// Official test suites look for its first sentence.
pub const DUPLICATE_COOKIES: &str = "The request contains multiple session cookies. This may happen if the cookie domain \
     was changed; set the older one so that its cookies can be removed.";
