//! The handles that e-mail + password, verification and account changes share, and the one error of all three.

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use actix_web::web::Data;
use fauna_client::DocumentId;

use crate::http::problem::Problem;
use crate::http::same_origin::Trusted;
use crate::mail::{Link, Occasion, Outbox};
use crate::session::{RevokeReason, RevokedSessions, SessionHandle, Sessions, SignedIn, UserId};
use crate::throttle::{Throttle, WriteLimit};
use crate::users::{Email, PasswordRule, Users};
use crate::{mail, session, throttle, users};

/// Clones share the same services.
#[derive(Clone)]
pub struct AccountServices {
    pub users: Users,
    pub sessions: Data<Sessions>,
    pub outbox: Outbox,
    pub throttle: Throttle,
    /// Decides on which origin a mailed link opens.
    pub trusted: Trusted,
    /// Path of the pages that mailed links open, `/auth`.
    pub pages_path: String,
    /// Sign-up and change of address answer the same for every address; only a mail tells its owner that it has an account.
    pub hide_existing_accounts: bool,
    /// Rule for new passwords besides the built-in one.
    pub password_rule: PasswordRule,
    pub writes: WriteLimit,
}

/// Why something about an account was not done: first what the user can correct, then failures.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the current password is wrong")]
    WrongPassword,
    /// The new password breaks the rule; the text says how.
    #[error("{0}")]
    BadPassword(&'static str),
    /// A change of the profile; the text names the field.
    #[error("{0}")]
    BadProfile(String),
    #[error("must be an e-mail address")]
    BadEmail,
    #[error("this is already the address of the account")]
    SameEmail,
    #[error("this address belongs to another account")]
    EmailTaken,
    #[error("this link was used, has expired, or was replaced by a newer one")]
    InvalidLink,
    /// Another request changed the password while this one was being checked.
    #[error("the password has just been changed elsewhere")]
    ChangedMeanwhile,
    /// Too many attempts, or attempts cannot be counted.
    #[error(transparent)]
    Throttle(#[from] throttle::Error),
    #[error(transparent)]
    Session(#[from] session::Error),
    #[error(transparent)]
    Users(#[from] users::Error),
    #[error(transparent)]
    Mail(#[from] mail::Error),
    /// The task that carries out a change panicked, or the server is stopping.
    #[error("the change of an account did not finish")]
    Task(#[from] tokio::task::JoinError),
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::WrongPassword => Self::new(StatusCode::FORBIDDEN, error.to_string()),
            Error::BadPassword(_) => Self::bad_request(error.to_string()).in_field("newPassword"),
            Error::BadEmail | Error::SameEmail => Self::bad_request(error.to_string()).in_field("email"),
            // The text of a change of the profile names the field itself.
            Error::BadProfile(_) | Error::InvalidLink => Self::bad_request(error.to_string()),
            Error::EmailTaken | Error::ChangedMeanwhile => Self::new(StatusCode::CONFLICT, error.to_string()),
            Error::Throttle(error) => Self::from(error),
            Error::Session(error) => Self::from(error),
            Error::Users(error) => Self::from(error),
            Error::Mail(error) => Self::from(error),
            Error::Task(_) => Self::internal(error),
        }
    }
}

/// Base URL of the pages that a mailed link opens, without a slash at its end: `https://example.com/auth`.
#[derive(Clone, Debug)]
pub struct LinkPages(String);

impl LinkPages {
    /// The link that opens one of the pages with a token.
    pub fn link(&self, page: &str, token: &str, life: Duration) -> Link {
        Link { url: format!("{}/{page}?token={token}&tenantId=public", self.0).into(), life }
    }
}

impl AccountServices {
    /// Sends a notice about a change that has been made. A failure is logged only: it does not undo the change.
    /// Without an address nothing is sent.
    pub async fn notify(&self, to: Option<&Email>, notice: &Occasion) {
        let Some(to) = to else { return };
        if let Err(error) = self.outbox.put(to.as_str(), notice).await {
            tracing::error!(%error, "a user is not notified of a change to their account");
        }
    }

    /// Waits for a password change whose answer was lost. If it turns out to have been made, revokes the sessions that began
    /// before it, except `but`, and notifies the user.
    pub async fn await_password_change(self, user: UserId, but: Option<SessionHandle>, id: DocumentId, hash: String) {
        let Some(change) = self.users.await_password_change(&id, &hash).await else { return };
        let revoked = RevokedSessions { user, but, begun_by: change.made_at };
        self.sessions.revoke_after_change(revoked, RevokeReason::PasswordChanged).await;
        self.notify(change.email.as_ref(), &Occasion::PasswordChanged).await;
    }

    /// Where links lead that this request causes to be mailed: to the website, or to the origin that asked if `ALLOWED_ORIGINS`
    /// has it, so that a site with one sign-in per sub domain needs nothing else.
    pub fn link_pages(&self, request: &HttpRequest) -> LinkPages {
        LinkPages(format!("{}{}", self.trusted.link_origin(request.headers()), self.pages_path))
    }
}

/// The id in Fauna of the session's user.
///
/// # Errors
/// [`session::Error::Missing`] where the session is for something that is no document id.
pub fn document_id(session: &SignedIn) -> Result<DocumentId, Error> {
    Ok(DocumentId::parse(session.user().as_str()).ok_or(session::Error::Missing)?)
}
