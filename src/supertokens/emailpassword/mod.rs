//! SuperTokens' e-mail + password recipe, as its frontends speak it: sign-up, sign-in, whether an address is taken, and
//! password reset.
//!
//! A refusal that the user can correct is an [`Outcome`], answered with 200 and a status; an [`Error`] is a failure. Sign-up
//! also signs in, unless `HIDE_EXISTING_ACCOUNTS` is on ([`sign_up_by_mail`]). The rules of passwords and addresses are in
//! [`crate::users`]; this module knows no hash and no query.

mod described;
mod fields;
mod form;
mod reset;
mod routes;
mod sign_up_by_mail;
mod user_format;

use std::borrow::Cow;

use actix_web::FromRequest as _;
use actix_web::HttpRequest;
use actix_web::dev::Payload;
use actix_web::http::header;
use secrecy::SecretString;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::account::AccountServices;
use crate::hooks::Hook;
use crate::http::metrics::SIGN_INS;
use crate::session::{ClaimCheck, NewSession, Requirements, RevokeReason, SessionLife, Transfer, UserId};
use crate::supertokens::emailverification;
use crate::throttle::{Action, Client};
use crate::users::{Email, NewAccount, NewPassword, PasswordRule, Profile, SignUp, User};
use crate::{session, throttle, users};

pub use crate::account::Error;
pub use crate::users::{Check, SignUpField};
pub use fields::{Admission, anybody};
pub use form::Form;
pub use reset::Reset;
pub use routes::routes;
pub use user_format::UserFormat;

use fields::SignUpValues;

/// How often a sign-in creates a session again because all sessions of the user were revoked meanwhile.
const SESSION_TRIES: u32 = 4;
/// Fields of the sign-in form.
const FIELDS: usize = 2;
/// Longer names of browsers are cut, in characters.
const USER_AGENT_CHARS_MAX: usize = 300;

/// Signs users up and in. Clones share everything.
#[derive(Clone)]
pub struct EmailPassword {
    services: AccountServices,
    settings: Settings,
}

#[derive(Clone, Debug)]
pub struct Settings {
    /// Fields of the sign-up form besides address and password.
    pub fields: Vec<SignUpField>,
    pub admits: Admission,
    /// Whether sessions have the claim about verified addresses. False where verification is off: users are then shown as not
    /// verified, as SuperTokens does.
    pub verifies: bool,
    /// Runs after an account was made.
    pub signed_up: Option<Hook<Profile>>,
    /// Runs after a sign-in.
    pub signed_in: Option<Hook<User>>,
}

/// Options of the session that a sign-up or sign-in creates.
struct SessionOptions {
    transfer: Option<Transfer>,
    life: SessionLife,
    /// Hash of the password that was right.
    proof: Option<SecretString>,
}

/// Result of a sign-up or sign-in.
#[derive(Debug)]
pub enum Outcome {
    /// The response to this request carries the session's tokens.
    SignedIn(User),
    /// A mail was sent to the address; the answer does not depend on what it says.
    Mailed,
    Refused(Vec<FieldProblem>),
    /// No account has that address and password; the answer does not say which of the two is wrong.
    WrongCredentials,
    /// The link is unknown, used or expired, or its address has an account by now.
    InvalidLink,
}

/// A refused form field, with a text for the user.
#[derive(Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct FieldProblem {
    pub id: Cow<'static, str>,
    pub error: &'static str,
}

impl EmailPassword {
    pub fn new(services: AccountServices, settings: Settings) -> Self {
        Self { services, settings }
    }

    /// Creates an account and signs the user in. `transfer` overrides the client's choice of cookies or headers: a plain HTML
    /// form cannot send the header that expresses it.
    pub async fn sign_up(
        &self,
        request: &HttpRequest,
        form: &Form,
        transfer: Option<Transfer>,
    ) -> Result<Outcome, Error> {
        let (new, password) = match new_account(form, &self.settings, self.services.password_rule) {
            Ok(account) => account,
            Err(problems) => return Ok(Outcome::Refused(problems)),
        };
        let _counted = self.services.throttle.admit(Action::SignUp, &client(request)).await?;
        if self.services.hide_existing_accounts {
            return self.sign_up_by_mail(request, new, password).await.map(|()| Outcome::Mailed);
        }
        let fields = new.profile.clone();
        match self.services.users.sign_up(new, password).await? {
            SignUp::Created(user) => {
                if let Some(hook) = &self.settings.signed_up {
                    hook.notify("signed_up", Profile { user: user.clone(), fields }).await;
                }
                self.create_session(request, user, SessionOptions { transfer, life: form.life(), proof: None }).await
            }
            SignUp::EmailTaken => Ok(Outcome::Refused(vec![FieldProblem {
                id: "email".into(),
                error: "This email already exists. Please sign in instead.",
            }])),
        }
    }

    /// Signs a user in. `transfer` as in [`EmailPassword::sign_up`].
    pub async fn sign_in(
        &self,
        request: &HttpRequest,
        form: &Form,
        transfer: Option<Transfer>,
    ) -> Result<Outcome, Error> {
        let outcome = self.try_sign_in(request, form, transfer).await;
        if let (Ok(Outcome::SignedIn(user)), Some(hook)) = (&outcome, &self.settings.signed_in) {
            hook.notify("signed_in", user.clone()).await;
        }
        let label = match &outcome {
            Ok(Outcome::SignedIn(_)) => Some("ok"),
            Ok(Outcome::WrongCredentials) => Some("wrong_credentials"),
            Ok(Outcome::Mailed | Outcome::Refused(_) | Outcome::InvalidLink) => None,
            Err(Error::Throttle(throttle::Error::TooMany { .. })) => Some("throttled"),
            Err(_) => Some("failed"),
        };
        if let Some(label) = label {
            metrics::counter!(SIGN_INS, "outcome" => label).increment(1);
        }
        outcome
    }

    async fn try_sign_in(
        &self,
        request: &HttpRequest,
        form: &Form,
        transfer: Option<Transfer>,
    ) -> Result<Outcome, Error> {
        let (password, email) = (filled(form, "password"), address(form));
        let (Ok(password), Ok(email)) = (&password, &email) else {
            return Ok(Outcome::Refused([password.err(), email.err()].into_iter().flatten().collect()));
        };
        let attempt = self.services.throttle.admit(Action::Password(email.as_str()), &client(request)).await?;
        let Some(authenticated) = self.services.users.sign_in(email, &(*password).into()).await? else {
            return Ok(Outcome::WrongCredentials);
        };
        self.services.throttle.succeeded(attempt).await;
        let proof = Some(authenticated.proof());
        for _ in 0..SESSION_TRIES {
            let options = SessionOptions { transfer, life: form.life(), proof: proof.clone() };
            match self.create_session(request, authenticated.user.clone(), options).await {
                // All sessions of the user were revoked, for whatever reason; the proof is checked once more.
                Err(Error::Session(session::Error::RevokedMeanwhile)) => {}
                // The password was changed while it was being checked.
                Err(Error::Session(session::Error::Ended(_))) => return Ok(Outcome::WrongCredentials),
                created => return created,
            }
        }
        Err(session::Error::RevokedMeanwhile.into())
    }

    /// Fields of the sign-up form besides address and password.
    pub fn fields(&self) -> &[SignUpField] {
        &self.settings.fields
    }

    /// Whether an address has an account. Always false where existing accounts are hidden.
    pub async fn has_account(&self, request: &HttpRequest, email: &str) -> Result<bool, Error> {
        let _counted = self.services.throttle.admit(Action::EmailExists, &client(request)).await?;
        match Email::parse(email) {
            Some(email) if !self.services.hide_existing_accounts => Ok(self.services.users.has_account(&email).await?),
            Some(_) | None => Ok(false),
        }
    }

    /// Fails without a session. Claims are not checked: an account whose address is not verified could not be linked either.
    async fn require_session(&self, request: &HttpRequest) -> Result<(), Error> {
        let requirements = Requirements { claims: ClaimCheck::Skip, ..Requirements::default() };
        let session = self.services.sessions.get_session(request, &requirements).await?;
        session.map(|_| ()).ok_or(Error::Session(session::Error::Missing))
    }

    /// Creates a session, and revokes the one whose tokens the response replaces.
    async fn create_session(
        &self,
        request: &HttpRequest,
        user: User,
        options: SessionOptions,
    ) -> Result<Outcome, Error> {
        let sessions = &self.services.sessions;
        let id = UserId::parse(user.id.as_str()).ok_or(users::Error::Unreadable("id"))?;
        let replaced = sessions.get_session(request, &Requirements::ANY_SESSION).await;
        let user = User { email_verified: user.email_verified && self.settings.verifies, ..user };
        // The user was just read, so the claim need not be fetched.
        let known = if self.settings.verifies { emailverification::claim_of(&user) } else { Map::new() };
        let data = device_of(request);
        let SessionOptions { transfer, life, proof } = options;
        let new = NewSession { data, known, transfer, life, proof, ..NewSession::of(id) };
        sessions.create_with(request, new).await?;
        if let Ok(Some(replaced)) = replaced {
            sessions.revoke(replaced.handle(), RevokeReason::SignedOut).await?;
        }
        Ok(Outcome::SignedIn(user))
    }
}

fn client(request: &HttpRequest) -> Client {
    match Client::from_request(request, &mut Payload::None).into_inner() {
        Ok(client) => client,
        Err(never) => match never {},
    }
}

/// The browser that a session begins in, kept with the session for the list of devices.
fn device_of(request: &HttpRequest) -> Map<String, Value> {
    let user_agent = request.headers().get(header::USER_AGENT).and_then(|name| name.to_str().ok());
    let name: Option<String> = user_agent.map(|name| name.chars().take(USER_AGENT_CHARS_MAX).collect());
    name.map(|name| ("userAgent".to_owned(), Value::from(name))).into_iter().collect()
}

/// Reads the sign-up form; the problems are in SuperTokens' order: extra fields, password, address.
fn new_account(
    form: &Form,
    settings: &Settings,
    rule: PasswordRule,
) -> Result<(NewAccount, NewPassword), Vec<FieldProblem>> {
    let admitted = address(form).and_then(|email| match (settings.admits)(email.as_str()) {
        Ok(()) => Ok(email),
        Err(error) => Err(FieldProblem { id: "email".into(), error }),
    });
    match (fields::read(&settings.fields, form), new_password(form, rule), admitted) {
        (Ok(SignUpValues { profile, name }), Ok(password), Ok(email)) => {
            let name = name.unwrap_or_else(|| email.local_part().chars().take(users::NAME_CHARS_MAX).collect());
            Ok((NewAccount { email, name, profile }, password))
        }
        (profile, password, email) => {
            let others = [password.err(), email.err()].into_iter().flatten();
            Err(profile.err().unwrap_or_default().into_iter().chain(others).collect())
        }
    }
}

fn new_password(form: &Form, rule: PasswordRule) -> Result<NewPassword, FieldProblem> {
    let typed = filled(form, "password")?;
    NewPassword::parse_with(typed.to_owned(), rule).map_err(|error| FieldProblem { id: "password".into(), error })
}

fn address(form: &Form) -> Result<Email, FieldProblem> {
    let typed = filled(form, "email")?;
    Email::parse(typed).ok_or(FieldProblem { id: "email".into(), error: "Email is invalid" })
}

fn filled<'a>(form: &'a Form, id: &'static str) -> Result<&'a str, FieldProblem> {
    let text = form.text(id);
    if text.is_empty() { Err(FieldProblem { id: id.into(), error: form::NOT_OPTIONAL }) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(email: &str, password: &str) -> Vec<String> {
        let form = Form::of([("email", email), ("password", password)]);
        let settings = Settings {
            fields: Vec::new(),
            verifies: true,
            signed_up: None,
            signed_in: None,
            admits: |address| if address.ends_with("@x.io") { Ok(()) } else { Err("Members only") },
        };
        let rule = |typed: &str| if typed == "password1" { Err("Password is too common") } else { Ok(()) };
        new_account(&form, &settings, rule)
            .err()
            .unwrap_or_default()
            .into_iter()
            .map(|problem| format!("{}: {}", problem.id, problem.error))
            .collect()
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        assert_eq!(problems("a@x.io", "abcdefg1"), Vec::<String>::new());
        assert_eq!(problems("a@x.io", "password1"), ["password: Password is too common"]);
        assert_eq!(problems("", ""), ["password: Field is not optional", "email: Field is not optional"]);
        assert_eq!(problems("a@y.io", "abcdefg1"), ["email: Members only"]);
        assert_eq!(
            problems("nope", "short"),
            ["password: Password must contain at least 8 characters, including a number", "email: Email is invalid"]
        );
    }
}
