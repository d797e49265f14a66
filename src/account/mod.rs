//! Changes that users make to their own account: profile, another password, another e-mail address, deletion.
//!
//! Each of them but the profile asks for the current password, which is throttled like a sign-in, and checks in SQL that the session still
//! exists. Other sessions are revoked before the change and again after it, so that an interruption in between leaves nobody
//! signed in by credentials that are no longer valid. A change that has begun is completed even if the client disconnects.

mod profile;
mod routes;
mod services;

use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpRequest;
use secrecy::SecretString;

use crate::http::trace;
use crate::mail::Occasion;
use crate::session::{RevokeReason, SignedIn};
use crate::throttle::{Action, Client, Topic};
use crate::users::{AuthenticatedUser, ChangeLink, Email, EmailChange, NewPassword, SignUpField};
use crate::{session, users};

pub use profile::OwnProfile;
pub use routes::routes;
pub use services::{AccountServices, Error, LinkPages, document_id};

/// Life of the link that confirms a new address.
const LINK_LIFE: Duration = Duration::from_hours(24);

/// Changes accounts on behalf of their users. Clones share everything.
#[derive(Clone)]
pub struct Accounts {
    services: AccountServices,
    /// Fields of the sign-up form, which users may change later.
    fields: Arc<[SignUpField]>,
}

/// A change of address that a user asks for.
pub struct NewEmail {
    /// Must be the current password.
    pub current: SecretString,
    pub email: String,
    /// Origin and path that the mailed link leads to ([`Accounts::link_pages`]).
    pub pages: LinkPages,
}

impl Accounts {
    /// `fields` are those of the sign-up form.
    pub fn new(services: AccountServices, fields: Arc<[SignUpField]>) -> Self {
        Self { services, fields }
    }

    /// The argument of [`AccountServices::link_pages`].
    pub fn link_pages(&self, request: &HttpRequest) -> LinkPages {
        self.services.link_pages(request)
    }

    pub fn fields(&self) -> &[SignUpField] {
        &self.fields
    }

    /// Sets another password, revokes all other sessions, invalidates reset links, and notifies the user by mail.
    ///
    /// # Errors
    /// [`Error::WrongPassword`], [`Error::BadPassword`], [`Error::ChangedMeanwhile`]; or a service does not answer.
    pub async fn change_password(
        &self,
        session: SignedIn,
        client: &Client,
        current: SecretString,
        new: String,
    ) -> Result<(), Error> {
        let new = NewPassword::parse_with(new, self.services.password_rule).map_err(Error::BadPassword)?;
        let authenticated = self.authenticate(&session, client, &current).await?;
        let this = self.clone();
        let changing = async move {
            let AccountServices { users, sessions, .. } = &this.services;
            sessions.revoke_others(&session, RevokeReason::PasswordChanged).await?;
            let changed = users.change_password(&authenticated, new).await;
            sessions.revoke_at_last(session.user(), Some(session.handle()), RevokeReason::PasswordChanged).await;
            match changed {
                Ok(true) => this.services.notify(authenticated.user.email.as_ref(), &Occasion::PasswordChanged).await,
                Ok(false) => return Err(Error::ChangedMeanwhile),
                Err(error) => {
                    if let users::Error::Unsettled { hash, .. } = &error {
                        let (user, but) = (session.user().clone(), Some(session.handle().clone()));
                        let services = this.services.clone();
                        trace::spawn(services.await_password_change(user, but, authenticated.user.id, hash.clone()));
                    }
                    return Err(error.into());
                }
            }
            Ok(())
        };
        trace::spawn(changing).await?
    }

    /// Mails a link to a new address; following it changes the address. Asking again within a minute answers the same without
    /// another mail, because the mailbox may be a stranger's.
    ///
    /// # Errors
    /// [`Error::WrongPassword`], [`Error::BadEmail`], [`Error::SameEmail`], [`Error::EmailTaken`]; or a service does not answer.
    pub async fn request_email_change(&self, session: &SignedIn, client: &Client, wish: NewEmail) -> Result<(), Error> {
        let NewEmail { current, email: new, pages } = wish;
        let AccountServices { users, throttle, outbox, .. } = &self.services;
        let new = Email::parse(&new).ok_or(Error::BadEmail)?;
        let authenticated = self.authenticate(session, client, &current).await?;
        if authenticated.user.email.as_ref() == Some(&new) {
            return Err(Error::SameEmail);
        }
        let _counted = throttle.admit(Action::AskForMail, client).await?;
        let mailing = async {
            let occasion = match users.create_change_link(&authenticated.user.id, &new, LINK_LIFE).await? {
                ChangeLink::Created(token) => {
                    Occasion::ConfirmEmail(pages.link("verify-email", token.expose(), LINK_LIFE))
                }
                ChangeLink::Taken if self.services.hide_existing_accounts => Occasion::AccountExists,
                ChangeLink::Taken => return Err(Error::EmailTaken),
                ChangeLink::NoUser => return Err(session::Error::Missing.into()),
            };
            Ok(outbox.put(new.as_str(), &occasion).await?)
        };
        let _mailed = throttle.mail(Topic::Change, new.as_str(), client, mailing).await?;
        Ok(())
    }

    /// Follows a link that was mailed to a new address. A failure counts as a wrong token.
    ///
    /// # Errors
    /// [`Error::InvalidLink`], [`Error::EmailTaken`]; or a service does not answer.
    pub async fn confirm_email(&self, client: &Client, token: String) -> Result<(), Error> {
        let attempt = self.services.throttle.admit(Action::Token, client).await?;
        match self.change_email(token).await? {
            EmailChange::Done(_) => self.services.throttle.succeeded(attempt).await,
            EmailChange::Taken => return Err(Error::EmailTaken),
            EmailChange::InvalidLink => return Err(Error::InvalidLink),
        }
        Ok(())
    }

    /// As [`Accounts::confirm_email`], for callers that have counted the attempt. The former address is notified.
    pub async fn change_email(&self, token: String) -> Result<EmailChange, Error> {
        let services = self.services.clone();
        let changing = async move {
            let change = services.users.change_email(&token).await?;
            if let EmailChange::Done(used) = &change {
                services.notify(used.email.as_ref(), &Occasion::EmailChanged).await;
            }
            Ok(change)
        };
        trace::spawn(changing).await?
    }

    /// Deletes the account with its sessions, tokens, links and documents; comments stay without author or go, as
    /// `DELETED_ACCOUNT_COMMENTS` says.
    ///
    /// # Errors
    /// [`Error::WrongPassword`]; or a service does not answer.
    pub async fn delete(&self, session: SignedIn, client: &Client, current: SecretString) -> Result<(), Error> {
        let authenticated = self.authenticate(&session, client, &current).await?;
        let services = self.services.clone();
        let deleting = async move {
            services.sessions.revoke_all(session.user(), RevokeReason::AccountDeleted).await?;
            let deleted = services.users.delete(&authenticated.user.id).await;
            services.sessions.revoke_at_last(session.user(), None, RevokeReason::AccountDeleted).await;
            deleted?;
            session.revoke().await?;
            services.notify(authenticated.user.email.as_ref(), &Occasion::AccountDeleted).await;
            Ok(())
        };
        trace::spawn(deleting).await?
    }

    /// The session's user, if that is their password.
    async fn authenticate(
        &self,
        session: &SignedIn,
        client: &Client,
        current: &SecretString,
    ) -> Result<AuthenticatedUser, Error> {
        let AccountServices { users, throttle, .. } = &self.services;
        let id = document_id(session)?;
        let contact = users.contact(&id).await?.ok_or(session::Error::Missing)?;
        let account = contact.email.as_ref().map_or(id.as_str(), Email::as_str);
        let attempt = throttle.admit(Action::Password(account), client).await?;
        let authenticated = users.check_password(&id, current).await?.ok_or(Error::WrongPassword)?;
        throttle.succeeded(attempt).await;
        Ok(authenticated)
    }
}
