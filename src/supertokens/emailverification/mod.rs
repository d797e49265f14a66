//! SuperTokens' e-mail verification recipe, as its frontends speak it: a link to the account's address, and the session claim
//! `st-ev` that says whether it was followed.
//!
//! A link works for anyone who holds it, with or without a session, because mail is often read on another device. It verifies
//! the address it was sent to, as long as that is still the account's. The same page and path confirm a new address. Where
//! `EMAIL_VERIFICATION` is `OFF` there is no claim and no route.

mod claim;
mod routes;

use std::time::Duration;

use actix_web::HttpRequest;
use fauna_client::DocumentId;
use serde_json::Value;

use crate::account::{AccountServices, Accounts, LinkPages, document_id};
use crate::mail::Occasion;
use crate::session;
use crate::session::Claim as _;
use crate::session::{Requirements, SignedIn};
use crate::throttle::{Action, Client, Topic};
use crate::users::{EmailChange, Verification};

pub use crate::account::Error;
pub use claim::{Verified, claim_of};
pub use routes::routes;

/// Lifetime of a link.
const LINK_LIFE: Duration = Duration::from_hours(24);

pub struct EmailVerification {
    services: AccountServices,
    /// For links that confirm a new address.
    accounts: Accounts,
    claim: Verified,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkRequest {
    /// A mail was put into the outbox, now or less than a minute ago.
    Mailed,
    /// The address is verified already; the session's claim now says so.
    AlreadyVerified,
}

impl EmailVerification {
    pub fn new(services: AccountServices, accounts: Accounts) -> Self {
        Self { claim: Verified::new(services.users.clone()), services, accounts }
    }

    /// Mails a link to the address of the signed-in user, at most once a minute: frontends ask whenever their page is opened.
    pub async fn request_link(&self, request: &HttpRequest, client: &Client) -> Result<LinkRequest, Error> {
        let mut session = self.session(request).await?.ok_or(session::Error::Missing)?;
        let id = document_id(&session)?;
        let pages = self.services.link_pages(request);
        match self.services.throttle.mail(Topic::Verification, id.as_str(), client, self.mail_link(&id, &pages)).await?
        {
            Some(LinkRequest::Mailed) => Ok(LinkRequest::Mailed),
            Some(LinkRequest::AlreadyVerified) => self.set_verified(&mut session).await,
            None => match self.services.users.contact(&id).await?.ok_or(session::Error::Missing)? {
                contact if contact.is_verified => self.set_verified(&mut session).await,
                _ => Ok(LinkRequest::Mailed),
            },
        }
    }

    async fn mail_link(&self, id: &DocumentId, pages: &LinkPages) -> Result<LinkRequest, Error> {
        match self.services.users.create_verification_link(id, LINK_LIFE).await? {
            Verification::Created(offer) => {
                let link = pages.link("verify-email", offer.token.expose(), LINK_LIFE);
                self.services.outbox.put(offer.to.as_str(), &Occasion::VerifyEmail(link)).await?;
                Ok(LinkRequest::Mailed)
            }
            Verification::Done => Ok(LinkRequest::AlreadyVerified),
            Verification::NoUser => Err(session::Error::Missing.into()),
        }
    }

    /// Follows a link; false where it does not work. If the request has a session of the same user, its claim is updated.
    ///
    /// # Errors
    /// [`session::Error::TryRefresh`] before the link is used up, so that the client can refresh and come again; or a service
    /// does not answer.
    pub async fn verify(&self, request: &HttpRequest, client: &Client, token: &str) -> Result<bool, Error> {
        let session = match self.session(request).await {
            Ok(session) => session,
            Err(Error::Session(stale @ session::Error::TryRefresh(_))) => return Err(stale.into()),
            Err(_) => None,
        };
        let attempt = self.services.throttle.admit(Action::Token, client).await?;
        let verified = match self.services.users.verify_email(token).await? {
            Some(user) => Some(user),
            None => match self.accounts.change_email(token.to_owned()).await? {
                EmailChange::Done(used) => Some(used.user),
                EmailChange::Taken | EmailChange::InvalidLink => None,
            },
        };
        let Some(user) = verified else { return Ok(false) };
        self.services.throttle.succeeded(attempt).await;
        if let Some(mut session) = session.filter(|session| session.user().as_str() == user.as_str())
            && let Err(error) = session.set_claim_value(&self.claim, Value::Bool(true)).await
        {
            tracing::warn!(%error, "an address was verified, but the session's claim does not say so yet");
        }
        Ok(true)
    }

    /// Whether the signed-in user's address is verified; also updates the session's claim.
    pub async fn is_verified(&self, request: &HttpRequest) -> Result<bool, Error> {
        let mut session = self.session(request).await?.ok_or(session::Error::Missing)?;
        let fetched = self.claim.fetch(session.user(), session.payload()).await.map_err(session::Error::from)?;
        let value = fetched.ok_or(session::Error::Missing)?;
        let is_verified = value == Value::Bool(true);
        session.set_claim_value(&self.claim, value).await?;
        Ok(is_verified)
    }

    /// The session of a request, whatever its claims say. No anti-CSRF header is required, because HTML forms cannot send one:
    /// a link is secret in itself, and a forged request for one can at most send the user a mail.
    async fn session(&self, request: &HttpRequest) -> Result<Option<SignedIn>, Error> {
        Ok(self.services.sessions.get_session(request, &Requirements::ANY_SESSION).await?)
    }

    async fn set_verified(&self, session: &mut SignedIn) -> Result<LinkRequest, Error> {
        session.set_claim_value(&self.claim, Value::Bool(true)).await?;
        Ok(LinkRequest::AlreadyVerified)
    }
}
