//! Errors of sessions and their default responses.

use actix_web::http::StatusCode;

use crate::http::problem::{Problem, Refusal};
use crate::seal::CannotSeal;
use crate::session::claims::ClaimFailure;
use crate::session::{IssueError, SessionHandle, Unavailable, UserId};

/// Reason of [`Error::Ended`], for a token whose signature has been verified.
pub(in crate::session) const REVOKED: &str = "revoked: the session has ended";
pub(in crate::session) const SESSION_EXPIRED: &str = "expired: the session was not used for too long";

/// Errors of sessions. The responses to them are in [`ErrorResponses`](crate::session::ErrorResponses).
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The settings contradict each other, or no browser would accept the cookies; the site does not start.
    #[error("{0}")]
    Settings(&'static str),
    /// The access token is not valid any more, or failed the anti-CSRF check; the client should refresh and repeat the request.
    #[error("the access token must be renewed: {0}")]
    TryRefresh(&'static str),
    /// The request has no token. The response clears nothing, because a parallel request may be setting tokens.
    #[error("there is no session")]
    Missing,
    /// The session of the request's token does not exist or has expired.
    #[error("the session has ended: {0}")]
    Ended(&'static str),
    /// A session was to be created for a user who does not exist.
    #[error("no user has this id")]
    UnknownUser,
    /// All sessions of the user were revoked, or a token of a provider was cancelled, while tokens were being issued. None were
    /// handed out; a retry is safe.
    #[error("the session was ended before it had begun")]
    RevokedMeanwhile,
    /// A refresh token was used again after its successor was used. The session has been revoked.
    #[error("session {handle} was ended, because a refresh token of it was used twice")]
    Theft {
        /// The session that was revoked.
        handle: SessionHandle,
        user: UserId,
    },
    /// The session exists, but a claim validator of the route failed.
    #[error("the session's claims do not suffice")]
    InvalidClaims(Vec<ClaimFailure>),
    /// The browser has session cookies of two domains, and `OLDER_COOKIE_DOMAIN` does not name the older one.
    #[error("session cookies came twice")]
    DuplicateCookies,
    /// The cookies of `OLDER_COOKIE_DOMAIN` are being removed; the client should repeat the request.
    #[error("session cookies of an older domain were removed")]
    DuplicateCookiesCleared,
    /// The payload of an access token would not fit into a cookie.
    #[error("the access token's payload is too large")]
    PayloadTooLarge,
    /// Other requests changed the session concurrently at every attempt.
    #[error("the session was changed by others again and again")]
    Contended,
    #[error("the session database failed")]
    Store(#[from] sqlx::Error),
    #[error(transparent)]
    SessionTokenProvider(#[from] Unavailable),
    /// A new signing key could not be sealed.
    #[error(transparent)]
    Seal(#[from] CannotSeal),
    #[error("the access token could not be signed")]
    Sign(#[from] jsonwebtoken::errors::Error),
    /// No random bytes are available, or a key was rejected.
    #[error("cryptography failed")]
    Crypto(#[from] aws_lc_rs::error::Unspecified),
    /// No signing key could be read or made.
    #[error("there is no usable signing key")]
    NoKey,
    /// Signing keys with these names are stored, and none can be unsealed; the site does not start. See [`KeyPolicy`].
    ///
    /// [`KeyPolicy`]: crate::session::KeyPolicy
    #[error(
        "SEAL_KEYS: none of the stored keys ({0}) can be opened; add the key that was used before, behind the new one, or, if it \
         is lost, delete the rows of session_key, which signs everybody out"
    )]
    NoKeyOpens(String),
    /// The task of a refresh or sign-in panicked or was cancelled.
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

/// The default response, if a handler returns the error with `?`.
impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::TryRefresh(why) => Self::unauthorized("try refresh token", Refusal::invalid(why)),
            Error::Ended(why) => Self::unauthorized("unauthorised", Refusal::invalid(why)),
            Error::Missing => Self::unauthorized("unauthorised", Refusal::MISSING),
            Error::Theft { .. } => Self::unauthorized("token theft detected", Refusal::invalid(STOLEN)),
            Error::UnknownUser => Self::new(StatusCode::NOT_FOUND, error.to_string()),
            Error::InvalidClaims(_) => Self::new(StatusCode::FORBIDDEN, "invalid claim"),
            Error::DuplicateCookies => Self::new(StatusCode::INTERNAL_SERVER_ERROR, DUPLICATE_COOKIES),
            Error::DuplicateCookiesCleared => Self::new(StatusCode::NO_CONTENT, DUPLICATE_COOKIES),
            Error::PayloadTooLarge => Self::bad_request("the access token's payload is too large"),
            Error::RevokedMeanwhile | Error::Contended | Error::Store(_) | Error::SessionTokenProvider(_) => {
                Self::unavailable(error)
            }
            Error::Settings(_)
            | Error::Seal(_)
            | Error::Sign(_)
            | Error::Crypto(_)
            | Error::NoKey
            | Error::NoKeyOpens(_)
            | Error::Task(_) => Self::internal(error),
        }
    }
}

const STOLEN: &str = "revoked: the refresh token was used again after its successor";

impl Error {
    /// The reason of a 401 response, sent to the client in `WWW-Authenticate`. [`Error::TryRefresh`] and [`Error::Ended`] hold
    /// it: their texts must not tell whether a session exists before the signature of the token has been verified.
    pub(in crate::session) fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::TryRefresh(why) | Self::Ended(why) => Some(Refusal::invalid(why)),
            Self::Missing => Some(Refusal::MISSING),
            Self::Theft { .. } => Some(Refusal::invalid(STOLEN)),
            _ => None,
        }
    }
}

/// SuperTokens' official test suites expect the first sentence.
pub const DUPLICATE_COOKIES: &str = "The request contains multiple session cookies. This may happen if the cookie domain \
     was changed; set the older one so that its cookies can be removed.";
