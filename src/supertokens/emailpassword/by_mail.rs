//! Sign-up where nobody is told who has an account (design D10): the answer is the same for every address, and takes as long.
//!
//! A mailed link makes the account, so that only whoever reads the mail learns whether the address was free; it asks for the
//! password that was chosen, so that nobody else than the owner of the address can have chosen it. The owner of an address
//! that has an account is told so by mail instead.

use std::time::Duration;

use actix_web::HttpRequest;

use crate::mail::{Link, Occasion};
use crate::session::Transfer;
use crate::supertokens::emailpassword::{EmailPassword, Error, Form, Outcome, client, filled};
use crate::throttle::{Action, Topic};
use crate::users::{NewPassword, Newcomer, SignUpEnd, SignUpOffer};

/// How long a link works.
const LINK_LIFE: Duration = Duration::from_hours(24);

impl EmailPassword {
    /// Mails a link that makes the account, or tells its owner that there is one. Whoever asks again and again is told the
    /// same; the mailbox is not flooded.
    pub(super) async fn sign_up_by_mail(
        &self,
        request: &HttpRequest,
        new: Newcomer,
        password: NewPassword,
    ) -> Result<(), Error> {
        let mailing = async {
            let occasion = match self.users.offer_sign_up(&new, password, LINK_LIFE).await? {
                SignUpOffer::Offered(token) => {
                    let pages = &self.settings.pages;
                    let url = format!("{pages}/complete-sign-up?token={}", token.expose());
                    Occasion::SignUp(Link { url: url.into(), life: LINK_LIFE })
                }
                SignUpOffer::Taken => Occasion::AccountExists,
            };
            Ok::<_, Error>(self.outbox.put(new.email.as_str(), &occasion).await?)
        };
        let _mailed = self.throttle.mail((Topic::SignUp, new.email.as_str()), &client(request), mailing).await?;
        Ok(())
    }

    /// Makes the account of a mailed link and signs its owner in, if that is the password that was chosen for it.
    /// `transfer` as with [`EmailPassword::sign_up`].
    ///
    /// # Errors
    /// Fauna or SQL does not answer, or the network has to wait.
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
        let attempt = self.throttle.admit(Action::Token, &client(request)).await?;
        match self.users.complete_sign_up(token, &password).await? {
            SignUpEnd::Made(user) => {
                self.throttle.succeeded(attempt).await;
                self.enter(request, user, transfer, None).await
            }
            SignUpEnd::WrongPassword => Ok(Outcome::WrongCredentials),
            SignUpEnd::Invalid => Ok(Outcome::InvalidLink),
        }
    }
}
