//! Sign-up where `HIDE_EXISTING_ACCOUNTS` is on: the answer is the same for every address, and takes as long.
//!
//! A mailed link creates the account, so that only the recipient of the mail learns whether the address was free. The link
//! requires the password that was chosen at sign-up: an attacker who signs up with another user's address gets no access to
//! the account that the recipient creates. If the address has an account, the mail says so instead.

use std::time::Duration;

use actix_web::HttpRequest;
use serde_json::Map;

use crate::mail::Occasion;
use crate::session::Transfer;
use crate::supertokens::emailpassword::{EmailPassword, Error, Form, Outcome, SessionOptions, client, filled};
use crate::throttle::{Action, Topic};
use crate::users::{NewAccount, NewPassword, Profile, SignUpCompletion, SignUpLink};

/// Lifetime of a link.
const LINK_LIFE: Duration = Duration::from_hours(24);

impl EmailPassword {
    /// Mails a link that creates the account, or a notice that there is one. Asking again within a minute answers the same
    /// without another mail.
    pub(super) async fn sign_up_by_mail(
        &self,
        request: &HttpRequest,
        new: NewAccount,
        password: NewPassword,
    ) -> Result<(), Error> {
        let mailing = async {
            let occasion = match self.services.users.create_sign_up_link(&new, password, LINK_LIFE).await? {
                SignUpLink::Created(token) => Occasion::SignUp(self.services.link_pages(request).link(
                    "complete-sign-up",
                    token.expose(),
                    LINK_LIFE,
                )),
                SignUpLink::Taken => Occasion::AccountExists,
            };
            Ok::<_, Error>(self.services.outbox.put(new.email.as_str(), &occasion).await?)
        };
        let _mailed = self.services.throttle.mail(Topic::SignUp, new.email.as_str(), &client(request), mailing).await?;
        Ok(())
    }

    /// Creates the account of a mailed link and signs the user in, if that is the password chosen at sign-up.
    /// `transfer` as in [`EmailPassword::sign_up`].
    ///
    /// # Errors
    /// Fauna or SQL does not answer, or there were too many attempts.
    pub async fn complete_sign_up(
        &self,
        request: &HttpRequest,
        form: &Form,
        token: &str,
        transfer: Option<Transfer>,
    ) -> Result<Outcome, Error> {
        let password = match filled(form, "password") {
            Ok(password) => password.into(),
            Err(problem) => return Ok(Outcome::Refused(vec![problem])),
        };
        let attempt = self.services.throttle.admit(Action::Token, &client(request)).await?;
        match self.services.users.complete_sign_up(token, &password).await? {
            SignUpCompletion::Created(user) => {
                self.services.throttle.succeeded(attempt).await;
                if let Some(hook) = &self.settings.signed_up {
                    let known = self.services.users.profile(&user.id).await.ok().flatten();
                    let profile = known.unwrap_or_else(|| Profile { user: user.clone(), fields: Map::new() });
                    hook.notify("signed_up", profile).await;
                }
                self.create_session(request, user, SessionOptions { transfer, life: form.life(), proof: None }).await
            }
            SignUpCompletion::WrongPassword => Ok(Outcome::WrongCredentials),
            SignUpCompletion::InvalidLink => Ok(Outcome::InvalidLink),
        }
    }
}
