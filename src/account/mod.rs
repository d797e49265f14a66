//! What people do with their own account: another password, another address, the end.
//!
//! Each of these asks for the current password, which counts as a sign-in to whoever counts guesses (S-P-22), and asks SQL
//! whether the session still exists. Sessions are ended before the change and once more after it: whatever breaks in
//! between, nobody who was let in by what is no longer true stays in for longer than that moment. What was begun is carried
//! through even if the client goes away.

mod routes;

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web::Data;
use fauna_client::DocumentId;
use secrecy::SecretString;

use crate::http::problem::Problem;
use crate::mail::{Link, Occasion, Outbox};
use crate::session::{RevokeReason, Sessions, SignedIn};
use crate::throttle::{Action, Client, Throttle, Topic};
use crate::users::{ChangeOffer, Email, EmailChange, NewPassword, Proven, User, Users};
use crate::{mail, session, throttle, users};

pub use routes::routes;

/// How long a link works that confirms an address.
const LINK_LIFE: Duration = Duration::from_hours(24);

/// Changes accounts for their owners. Clones share everything.
#[derive(Clone)]
pub struct Accounts {
    /// Who has one.
    users: Users,
    /// Who is signed in.
    sessions: Data<Sessions>,
    /// Takes mail.
    outbox: Outbox,
    /// Slows guessing down.
    throttle: Throttle,
    /// How it is done here.
    settings: Settings,
}

/// What can be set about it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where links in mails lead to, without the path of the page, like `https://example.com/auth`.
    pub pages: String,
    /// Whether nobody is told that an address has an account (design D10).
    pub hide_existing_accounts: bool,
}

/// Why something about an account was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// That is not the password of the account.
    #[error("the current password is wrong")]
    WrongPassword,
    /// That cannot be a password.
    #[error("{0}")]
    BadPassword(&'static str),
    /// That is no address.
    #[error("this is not an e-mail address")]
    BadEmail,
    /// The account has it.
    #[error("this is the address of the account already")]
    SameEmail,
    /// Somebody has it.
    #[error("this address belongs to another account")]
    EmailTaken,
    /// The link does not work.
    #[error("this link was used, has expired, or was replaced by a newer one")]
    InvalidLink,
    /// The password was changed by somebody else at this moment.
    #[error("the password has just been changed elsewhere")]
    ChangedMeanwhile,
    /// The attempt has to wait, or cannot be counted.
    #[error(transparent)]
    Throttle(#[from] throttle::Error),
    /// There is no session, or it cannot be looked at.
    #[error(transparent)]
    Session(#[from] session::Error),
    /// The account cannot be looked at.
    #[error(transparent)]
    Users(#[from] users::Error),
    /// Nothing can be mailed.
    #[error(transparent)]
    Mail(#[from] mail::Error),
    /// What was begun did not come to an end.
    #[error("the change of an account did not come to an end")]
    Task(#[from] tokio::task::JoinError),
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::WrongPassword => Self::new(StatusCode::FORBIDDEN, error.to_string()),
            Error::BadPassword(_) | Error::BadEmail | Error::SameEmail | Error::InvalidLink => {
                Self::bad_request(error.to_string())
            }
            Error::EmailTaken | Error::ChangedMeanwhile => Self::new(StatusCode::CONFLICT, error.to_string()),
            Error::Throttle(error) => Self::from(error),
            Error::Session(error) => Self::from(error),
            Error::Users(error) => Self::from(error),
            Error::Mail(error) => Self::from(error),
            Error::Task(_) => Self::internal(error),
        }
    }
}

impl Accounts {
    /// Over these rooms.
    pub fn new(users: Users, sessions: Data<Sessions>, outbox: Outbox, throttle: Throttle, settings: Settings) -> Self {
        Self { users, sessions, outbox, throttle, settings }
    }

    /// Another password. All other sessions end, links for a new password become void, and the owner is told by mail.
    pub async fn change_password(
        &self,
        owner: SignedIn,
        client: &Client,
        current: SecretString,
        new: String,
    ) -> Result<(), Error> {
        let new = NewPassword::parse(new).map_err(Error::BadPassword)?;
        let proven = self.prove(&owner, client, &current).await?;
        let this = self.clone();
        let changing = async move {
            this.sessions.revoke_others(&owner, RevokeReason::PasswordChanged).await?;
            let changed = this.users.change_password(&proven, new).await;
            this.sessions.revoke_at_last(owner.user(), Some(owner.handle()), RevokeReason::PasswordChanged).await;
            match changed {
                Ok(true) => this.tell(&proven.user.email, &Occasion::PasswordChanged).await,
                Ok(false) => return Err(Error::ChangedMeanwhile),
                Err(error) => {
                    if let users::Error::Unsettled { hash, .. } = &error {
                        tokio::spawn(this.clone().follow(owner, proven.user, hash.clone()));
                    }
                    return Err(error.into());
                }
            }
            Ok(())
        };
        tokio::spawn(changing).await?
    }

    /// Does what follows a change of which it was not known whether it would be made, once it is.
    async fn follow(self, owner: SignedIn, user: User, hash: String) {
        if let Some(email) = self.users.settles(&user.id, &hash).await {
            self.sessions.revoke_at_last(owner.user(), Some(owner.handle()), RevokeReason::PasswordChanged).await;
            self.tell(&email, &Occasion::PasswordChanged).await;
        }
    }

    /// Another address, as soon as the link that is mailed there is used. Whoever asks again and again is told the same; the
    /// mailbox, which may be a stranger's, is not flooded.
    pub async fn ask_for_email(
        &self,
        owner: &SignedIn,
        client: &Client,
        current: SecretString,
        new: &str,
    ) -> Result<(), Error> {
        let new = Email::parse(new).ok_or(Error::BadEmail)?;
        let proven = self.prove(owner, client, &current).await?;
        if proven.user.email == new {
            return Err(Error::SameEmail);
        }
        let _counted = self.throttle.admit(Action::AskForMail, client).await?;
        let mailing = async {
            let occasion = match self.users.offer_change(&proven.user.id, &new, LINK_LIFE).await? {
                ChangeOffer::Offered(token) => {
                    let url = format!("{}/verify-email?token={}&tenantId=public", self.settings.pages, token.expose());
                    Occasion::ConfirmEmail(Link { url: url.into(), life: LINK_LIFE })
                }
                ChangeOffer::Taken if self.settings.hide_existing_accounts => Occasion::AccountExists,
                ChangeOffer::Taken => return Err(Error::EmailTaken),
                ChangeOffer::NoUser => return Err(session::Error::Missing.into()),
            };
            Ok(self.outbox.put(new.as_str(), &occasion).await?)
        };
        let _mailed = self.throttle.mail((Topic::Change, new.as_str()), client, mailing).await?;
        Ok(())
    }

    /// Uses a link that was mailed to a new address, which counts as an attempt.
    pub async fn confirm_email(&self, client: &Client, token: String) -> Result<(), Error> {
        let attempt = self.throttle.admit(Action::Token, client).await?;
        match self.change_email(token).await? {
            EmailChange::Done(_) => self.throttle.succeeded(attempt).await,
            EmailChange::Taken => return Err(Error::EmailTaken),
            EmailChange::Invalid => return Err(Error::InvalidLink),
        }
        Ok(())
    }

    /// The same for an attempt that was counted before. The former address is told.
    pub async fn change_email(&self, token: String) -> Result<EmailChange, Error> {
        let this = self.clone();
        let changing = async move {
            let change = this.users.change_email(&token).await?;
            if let EmailChange::Done(used) = &change {
                this.tell(&used.email, &Occasion::EmailChanged).await;
            }
            Ok(change)
        };
        tokio::spawn(changing).await?
    }

    /// The end of an account: its sessions, tokens, links and documents go; the design says what happens to comments.
    pub async fn delete(&self, owner: SignedIn, client: &Client, current: SecretString) -> Result<(), Error> {
        let proven = self.prove(&owner, client, &current).await?;
        let this = self.clone();
        let deleting = async move {
            this.sessions.revoke_all(owner.user(), RevokeReason::AccountDeleted).await?;
            let deleted = this.users.delete(&proven.user.id).await;
            this.sessions.revoke_all(owner.user(), RevokeReason::AccountDeleted).await?;
            deleted?;
            owner.revoke().await?;
            this.tell(&proven.user.email, &Occasion::AccountDeleted).await;
            Ok(())
        };
        tokio::spawn(deleting).await?
    }

    /// The owner of a session, if that is their password.
    async fn prove(&self, owner: &SignedIn, client: &Client, current: &SecretString) -> Result<Proven, Error> {
        let id = DocumentId::parse(owner.user().as_str()).ok_or(session::Error::Missing)?;
        let contact = self.users.contact(&id).await?.ok_or(session::Error::Missing)?;
        let attempt = self.throttle.admit(Action::Password(contact.email.as_str()), client).await?;
        let proven = self.users.check_password(&id, current).await?.ok_or(Error::WrongPassword)?;
        self.throttle.succeeded(attempt).await;
        Ok(proven)
    }

    /// Tells somebody what was done. It was done: that they cannot be told does not undo it.
    async fn tell(&self, whom: &Email, what: &Occasion) {
        if let Err(error) = self.outbox.put(whom.as_str(), what).await {
            tracing::error!(%error, "somebody is not told what was done with their account");
        }
    }
}
