//! The recipe e-mail verification, as SuperTokens' frontends speak it: a link to the account's address, and the claim
//! `st-ev` in every session that says whether it was followed.
//!
//! A link works for whoever holds it, with or without a session, because mail is read on other devices; it verifies the
//! address it was sent to, as long as that is the account's. The same page and path confirm a new address. Where
//! verification is off there is no claim and no path.

mod claim;
mod routes;

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::web::Data;
use fauna_client::DocumentId;
use serde_json::Value;

use crate::account::Accounts;
use crate::http::problem::Problem;
use crate::mail::{Link, Occasion, Outbox};
use crate::session::Claim as _;
use crate::session::{Requirements, Sessions, SignedIn};
use crate::throttle::{Action, Client, Throttle, Topic};
use crate::users::{EmailChange, Users, Verification};
use crate::{account, mail, session, throttle, users};

pub use claim::{Verified, known};
pub use routes::routes;

/// How long a link works.
const LINK_LIFE: Duration = Duration::from_hours(24);

/// Verifies addresses.
pub struct EmailVerification {
    /// Whose addresses.
    users: Users,
    /// Who is signed in.
    sessions: Data<Sessions>,
    /// Gives them another address.
    accounts: Accounts,
    /// Takes mail.
    outbox: Outbox,
    /// Slows guessing and mailing down.
    throttle: Throttle,
    /// What sessions say of it.
    claim: Verified,
    /// Where links in mails lead to, without the path of the page.
    pages: String,
}

/// What became of a wish for a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// It is being sent; or one was sent a moment ago.
    Mailed,
    /// The address is verified; the session says so now.
    VerifiedBefore,
}

/// Why an address was neither verified nor refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The frontend sent what it must not send.
    #[error("{0}")]
    Malformed(&'static str),
    /// Accounts cannot be looked at.
    #[error(transparent)]
    Users(#[from] users::Error),
    /// There is no session, or it cannot be looked at.
    #[error(transparent)]
    Session(#[from] session::Error),
    /// The attempt has to wait, or cannot be counted.
    #[error(transparent)]
    Throttle(#[from] throttle::Error),
    /// Nothing can be mailed.
    #[error(transparent)]
    Mail(#[from] mail::Error),
    /// An account cannot be changed.
    #[error(transparent)]
    Account(#[from] account::Error),
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Malformed(why) => Self::bad_request(why),
            Error::Users(error) => Self::from(error).into_general_error(),
            Error::Session(error) => Self::from(error).into_general_error(),
            Error::Throttle(error) => Self::from(error).into_general_error(),
            Error::Mail(error) => Self::from(error).into_general_error(),
            Error::Account(error) => Self::from(error).into_general_error(),
        }
    }
}

impl EmailVerification {
    /// Over these rooms; `pages` is where links in mails lead to, like `https://example.com/auth`.
    pub fn new(
        (users, accounts): (Users, Accounts),
        sessions: Data<Sessions>,
        outbox: Outbox,
        throttle: Throttle,
        pages: String,
    ) -> Self {
        let claim = Verified::new(users.clone());
        Self { users, sessions, accounts, outbox, throttle, claim, pages }
    }

    /// Mails a link to the address of whoever is signed in, unless that was done a moment ago: frontends ask whenever their
    /// page is opened (`spec/emailpassword.md` T-15).
    pub async fn ask(&self, request: &HttpRequest, client: &Client) -> Result<Asked, Error> {
        let mut session = self.signed_in(request).await?.ok_or(session::Error::Missing)?;
        let id = DocumentId::parse(session.user().as_str()).ok_or(session::Error::Missing)?;
        match self.throttle.mail((Topic::Verification, id.as_str()), client, self.mail_link(&id)).await? {
            Some(Asked::Mailed) => Ok(Asked::Mailed),
            Some(Asked::VerifiedBefore) => self.say_verified(&mut session).await,
            None => self.say_if_verified(&mut session, &id).await,
        }
    }

    /// Mails a link to whoever has not shown yet that the address is theirs.
    async fn mail_link(&self, id: &DocumentId) -> Result<Asked, Error> {
        match self.users.offer_verification(id, LINK_LIFE).await? {
            Verification::Offered(offer) => {
                let url = format!("{}/verify-email?token={}&tenantId=public", self.pages, offer.token.expose());
                let link = Link { url: url.into(), life: LINK_LIFE };
                self.outbox.put(offer.to.as_str(), &Occasion::VerifyEmail(link)).await?;
                Ok(Asked::Mailed)
            }
            Verification::Done => Ok(Asked::VerifiedBefore),
            Verification::NoUser => Err(session::Error::Missing.into()),
        }
    }

    /// Uses a link. False: it does not work. Where the request comes with a session of the same user, that says so at once.
    pub async fn verify(&self, request: &HttpRequest, client: &Client, token: &str) -> Result<bool, Error> {
        let session = match self.signed_in(request).await {
            Ok(session) => session,
            // The client renews its access token and comes again: then the session can be told.
            Err(Error::Session(stale @ session::Error::TryRefresh(_))) => return Err(stale.into()),
            Err(_) => None,
        };
        let attempt = self.throttle.admit(Action::Token, client).await?;
        let verified = match self.users.verify_email(token).await? {
            Some(user) => Some(user),
            None => match self.accounts.change_email(token.to_owned()).await? {
                EmailChange::Done(used) => Some(used.user),
                EmailChange::Taken | EmailChange::Invalid => None,
            },
        };
        let Some(user) = verified else { return Ok(false) };
        self.throttle.succeeded(attempt).await;
        if let Some(mut session) = session.filter(|session| session.user().as_str() == user.as_str())
            && let Err(error) = session.set_claim_value(&self.claim, Value::Bool(true)).await
        {
            tracing::warn!(%error, "an address was verified, which the session does not say yet");
        }
        Ok(true)
    }

    /// Whether whoever is signed in has a verified address; the session says the same from then on.
    pub async fn is_verified(&self, request: &HttpRequest) -> Result<bool, Error> {
        let mut session = self.signed_in(request).await?.ok_or(session::Error::Missing)?;
        let fetched = self.claim.fetch(session.user(), session.payload()).await.map_err(session::Error::from)?;
        let value = fetched.ok_or(session::Error::Missing)?;
        let is_verified = value == Value::Bool(true);
        session.set_claim_value(&self.claim, value).await?;
        Ok(is_verified)
    }

    /// The session of a request, whatever its claims say. No header against cross-site requests is asked for, because forms
    /// cannot send one: a link is secret in itself, and another site's wish for one at most sends its owner a mail.
    async fn signed_in(&self, request: &HttpRequest) -> Result<Option<SignedIn>, Error> {
        let requirements = Requirements { check_database: false, anti_csrf: Some(false), validators: Some(Vec::new()) };
        Ok(self.sessions.get_session(request, &requirements).await?)
    }

    /// The answer to somebody to whom a link was mailed a moment ago.
    async fn say_if_verified(&self, session: &mut SignedIn, id: &DocumentId) -> Result<Asked, Error> {
        match self.users.contact(id).await? {
            Some(contact) if contact.is_verified => self.say_verified(session).await,
            Some(_) => Ok(Asked::Mailed),
            None => Err(session::Error::Missing.into()),
        }
    }

    /// Lets the session say that its owner is verified.
    async fn say_verified(&self, session: &mut SignedIn) -> Result<Asked, Error> {
        session.set_claim_value(&self.claim, Value::Bool(true)).await?;
        Ok(Asked::VerifiedBefore)
    }
}
