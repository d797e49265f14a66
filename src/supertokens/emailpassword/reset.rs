//! A new password by mail: a link is asked for, and used.
//!
//! Asking is answered the same, and takes the same, whether or not there is an account. Whoever uses a link has shown that the
//! mailbox is theirs; all sessions of the account end then, and their Fauna tokens with them.

use std::time::Duration;

use actix_web::HttpRequest;
use secrecy::SecretString;

use crate::mail::{Link, Occasion};
use crate::session::{RevokeReason, UserId};
use crate::supertokens::emailpassword::{EmailPassword, Error, FieldProblem, Form, address, client, new_password};
use crate::throttle::{Action, Topic};
use crate::users;
use crate::users::Email;

/// How long a link works.
const LINK_LIFE: Duration = Duration::from_hours(1);

/// What became of an attempt to set a new password.
#[derive(Debug)]
pub enum Reset {
    /// It is set; nobody is signed in any more.
    Done,
    /// The password cannot be taken; the link still works.
    Refused(Vec<FieldProblem>),
    /// The link is unknown, used, expired, or of a former address.
    InvalidToken,
}

impl EmailPassword {
    /// Mails a link to the owner of an address, if it has an account. Everything about it is the same where it has none.
    ///
    /// # Errors
    /// Fauna or SQL does not answer, or the network has to wait.
    pub async fn ask_for_reset(&self, request: &HttpRequest, form: &Form) -> Result<Result<(), FieldProblem>, Error> {
        let typed = match address(form) {
            Ok(typed) => typed,
            Err(problem) => return Ok(Err(problem)),
        };
        let _counted = self.throttle.admit(Action::AskForMail, &client(request)).await?;
        // Whoever asks again and again is told the same; the mailbox is not flooded.
        let _mailed =
            self.throttle.mail((Topic::Reset, typed.as_str()), &client(request), self.mail_link(&typed)).await?;
        Ok(Ok(()))
    }

    /// Sets a new password with the token of a link, and ends all sessions of the account.
    ///
    /// # Errors
    /// Fauna or SQL does not answer, or the network has to wait.
    pub async fn reset(&self, request: &HttpRequest, form: &Form, token: &str) -> Result<Reset, Error> {
        let password = match new_password(form) {
            Ok(password) => password,
            Err(problem) => return Ok(Reset::Refused(vec![problem])),
        };
        let attempt = self.throttle.admit(Action::Token, &client(request)).await?;
        let Some(id) = self.users.reset_link(token).await? else { return Ok(Reset::InvalidToken) };
        let owner = UserId::parse(id.as_str()).ok_or(users::Error::Unreadable("id"))?;
        let (this, token) = (self.clone(), token.to_owned());
        // A client that goes away must not stop this halfway (security.md F7).
        let resetting = async move {
            // Before the change as well as after it, whatever became of it: nobody stays signed in by the old password.
            this.sessions.revoke_all(&owner, RevokeReason::PasswordChanged).await?;
            let used = this.users.reset_password(&token, &id, password).await;
            this.sessions.revoke_at_last(&owner, None, RevokeReason::PasswordChanged).await;
            if let Err(users::Error::Unsettled { hash, .. }) = &used {
                let (this, hash) = (this.clone(), hash.clone());
                tokio::spawn(async move {
                    if let Some(email) = this.users.settles(&id, &hash).await {
                        this.sessions.revoke_at_last(&owner, None, RevokeReason::PasswordChanged).await;
                        this.tell(&email).await;
                    }
                });
            }
            let Some(used) = used? else { return Ok(Reset::InvalidToken) };
            this.throttle.succeeded(attempt).await;
            this.tell(&used.email).await;
            Ok(Reset::Done)
        };
        tokio::spawn(resetting).await?
    }

    /// Tells the owner. The password was changed: that they cannot be told does not undo it.
    async fn tell(&self, owner: &Email) {
        if let Err(error) = self.outbox.put(owner.as_str(), &Occasion::PasswordChanged).await {
            tracing::error!(%error, "somebody is not respond that their password was changed");
        }
    }

    /// Mails a link to an address; to the stored form of it, which is its owner's (`spec/emailpassword.md` T-12).
    async fn mail_link(&self, email: &Email) -> Result<(), Error> {
        let occasion = |token: &str| Occasion::ResetPassword(Link { url: self.reset_page(token), life: LINK_LIFE });
        match self.users.offer_reset(email, LINK_LIFE).await? {
            Some(offer) => self.outbox.put(offer.to.as_str(), &occasion(offer.token.expose())).await?,
            None => self.outbox.put_nothing(email.as_str(), &occasion("")).await?,
        }
        Ok(())
    }

    /// The page that a link opens. Its host is configured: whoever asks for the mail has no say in it.
    fn reset_page(&self, token: &str) -> SecretString {
        format!("{}/reset-password?token={token}&tenantId=public", self.settings.pages).into()
    }
}
