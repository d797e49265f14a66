//! Password reset by mail.
//!
//! Requesting a link is answered the same, and takes as long, whether or not the address has an account. Following a link
//! proves that the user reads mail at that address; it revokes all sessions of the account and their Fauna tokens.

use std::time::Duration;

use actix_web::HttpRequest;

use crate::account::LinkPages;
use crate::http::trace;
use crate::mail::Occasion;
use crate::session::{RevokeReason, UserId};
use crate::supertokens::emailpassword::{EmailPassword, Error, FieldProblem, Form, address, client, new_password};
use crate::throttle::{Action, Topic};
use crate::users;
use crate::users::Email;

/// Lifetime of a link.
const LINK_LIFE: Duration = Duration::from_hours(1);

#[derive(Debug)]
pub enum Reset {
    /// The password is set and all sessions are revoked.
    Done,
    /// The password breaks the rule; the link still works.
    Refused(Vec<FieldProblem>),
    /// The link is unknown, used, expired, or was sent to a former address.
    InvalidToken,
}

impl EmailPassword {
    /// Mails a reset link if the address has an account. The inner error is a form that names no address.
    ///
    /// # Errors
    /// Fauna or SQL does not answer, or there were too many attempts.
    pub async fn request_reset(&self, request: &HttpRequest, form: &Form) -> Result<Result<(), FieldProblem>, Error> {
        let email = match address(form) {
            Ok(email) => email,
            Err(problem) => return Ok(Err(problem)),
        };
        let pages = self.services.link_pages(request);
        let (throttle, client) = (&self.services.throttle, client(request));
        let _counted = throttle.admit(Action::AskForMail, &client).await?;
        // Asking again within a minute answers the same without another mail.
        let _mailed = throttle.mail(Topic::Reset, email.as_str(), &client, self.mail_link(&email, &pages)).await?;
        Ok(Ok(()))
    }

    /// Whether a link would work now; does not use it up.
    ///
    /// # Errors
    /// Fauna does not answer.
    pub async fn is_reset_link(&self, token: &str) -> Result<bool, Error> {
        Ok(self.services.users.reset_link(token).await?.is_some())
    }

    /// Sets a new password with the token of a link and revokes all sessions of the account.
    ///
    /// # Errors
    /// Fauna or SQL does not answer, or there were too many attempts.
    pub async fn reset(&self, request: &HttpRequest, form: &Form, token: &str) -> Result<Reset, Error> {
        let password = match new_password(form, self.services.password_rule) {
            Ok(password) => password,
            Err(problem) => return Ok(Reset::Refused(vec![problem])),
        };
        let attempt = self.services.throttle.admit(Action::Token, &client(request)).await?;
        let Some(id) = self.services.users.reset_link(token).await? else { return Ok(Reset::InvalidToken) };
        let user = UserId::parse(id.as_str()).ok_or(users::Error::Unreadable("id"))?;
        let (services, token) = (self.services.clone(), token.to_owned());
        // A task of its own: a client that disconnects must not stop this halfway.
        let resetting = async move {
            // Before and after the change, whatever its outcome: no session of the old password may remain.
            services.sessions.revoke_all(&user, RevokeReason::PasswordChanged).await?;
            let used = services.users.reset_password(&token, &id, password).await;
            services.sessions.revoke_at_last(&user, None, RevokeReason::PasswordChanged).await;
            if let Err(users::Error::Unsettled { hash, .. }) = &used {
                trace::spawn(services.clone().await_password_change(user, None, id, hash.clone()));
            }
            let Some(used) = used? else { return Ok(Reset::InvalidToken) };
            services.throttle.succeeded(attempt).await;
            services.notify(used.email.as_ref(), &Occasion::PasswordChanged).await;
            Ok(Reset::Done)
        };
        trace::spawn(resetting).await?
    }

    /// Mails a link to the stored form of the address, never to the one that was typed. Does as much work where there is no
    /// account.
    async fn mail_link(&self, email: &Email, pages: &LinkPages) -> Result<(), Error> {
        let link = |token| Occasion::ResetPassword(pages.link("reset-password", token, LINK_LIFE));
        match self.services.users.create_reset_link(email, LINK_LIFE).await? {
            Some(offer) => self.services.outbox.put(offer.to.as_str(), &link(offer.token.expose())).await?,
            None => self.services.outbox.put_decoy(email.as_str(), &link("")).await?,
        }
        Ok(())
    }
}
