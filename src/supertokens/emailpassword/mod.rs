//! The recipe e-mail + password, as SuperTokens' frontends speak it: sign-up, sign-in, whether an address is taken, and a new
//! password by mail.
//!
//! What a person is refused is an [`Outcome`], answered with 200 and a status; an [`Error`] is a mistake of a frontend or a
//! failure. Whoever signs up is signed in, unless accounts are hidden ([`by_mail`]). The rules of passwords and addresses
//! are in [`crate::users`]; this room knows no hash and no query.

mod by_mail;
mod dialect;
mod fields;
mod form;
mod reset;
mod routes;

use std::borrow::Cow;

use actix_web::FromRequest as _;
use actix_web::HttpRequest;
use actix_web::dev::Payload;
use actix_web::web::Data;
use secrecy::SecretString;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::http::problem::Problem;
use crate::mail::Outbox;
use crate::session::{NewSession, Requirements, RevokeReason, Sessions, Transfer, UserId};
use crate::throttle::{Action, Client, Throttle};
use crate::users::{Email, NewPassword, Newcomer, SignUp, User, Users};
use crate::{mail, session, throttle, users};

pub use dialect::Dialect;
pub use fields::{Admission, Check, SignUpField, anybody};
pub use form::{Form, Malformed};
pub use reset::Reset;
pub use routes::routes;

use fields::Typed;

/// How often a sign-in begins a session while all are being ended.
const ENTRIES: u32 = 4;
/// The fields of both forms.
const FIELDS: usize = 2;

/// Signs people up and in. Clones share everything.
#[derive(Clone)]
pub struct EmailPassword {
    /// Who has an account.
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

/// What can be set about the recipe.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where links in mails lead to, without the path of the page: `http://localhost:3000/auth`.
    pub pages: String,
    /// Whether nobody is told that an address has an account, and a mailed link makes one (design D10).
    pub hide_existing_accounts: bool,
    /// What the sign-up form asks for besides address and password.
    pub fields: Vec<SignUpField>,
    /// Who may sign up.
    pub admits: Admission,
    /// What the account says for the claims of its owner's sessions, by their keys: it need not be looked up once more.
    pub known: fn(&User) -> Map<String, Value>,
    /// Whether anybody is asked to show that their address is theirs.
    pub verifies: bool,
}

/// What became of an attempt to get in.
#[derive(Debug)]
pub enum Outcome {
    /// The person is signed in; the answer to the request brings the session's tokens.
    SignedIn(User),
    /// A mail was sent to the address; nobody but its owner learns what it says.
    Mailed,
    /// The person typed something that cannot be taken.
    Refused(Vec<FieldProblem>),
    /// There is no account with that address and password; which of the two it is stays unsaid.
    WrongCredentials,
    /// The link is unknown, used or expired, or its address has an account by now.
    InvalidLink,
}

/// What is wrong with a field, for the person who typed it.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct FieldProblem {
    /// Which field.
    pub id: Cow<'static, str>,
    /// What is wrong with it.
    pub error: &'static str,
}

/// Why nobody got in.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The frontend sent what it must not send.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// Accounts cannot be looked at.
    #[error(transparent)]
    Users(#[from] users::Error),
    /// The session cannot be made.
    #[error(transparent)]
    Session(#[from] session::Error),
    /// The attempt has to wait, or cannot be counted.
    #[error(transparent)]
    Throttle(#[from] throttle::Error),
    /// Nothing can be mailed.
    #[error(transparent)]
    Mail(#[from] mail::Error),
    /// What was begun did not come to an end.
    #[error("a password was not set to the end")]
    Task(#[from] tokio::task::JoinError),
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Malformed(why) => Self::bad_request(why.to_string()),
            Error::Users(error) => Self::from(error).into_general_error(),
            Error::Session(error) => Self::from(error).into_general_error(),
            Error::Throttle(error) => Self::from(error).into_general_error(),
            Error::Mail(error) => Self::from(error).into_general_error(),
            Error::Task(_) => Self::internal(error).into_general_error(),
        }
    }
}

impl EmailPassword {
    /// The recipe over these users and sessions.
    pub fn new(users: Users, sessions: Data<Sessions>, outbox: Outbox, throttle: Throttle, settings: Settings) -> Self {
        Self { users, sessions, outbox, throttle, settings }
    }

    /// Makes an account and signs its owner in. How the session's tokens travel is the client's wish, unless `transfer` says it:
    /// a form on a page can wish for nothing.
    pub async fn sign_up(
        &self,
        request: &HttpRequest,
        form: &Form,
        transfer: Option<Transfer>,
    ) -> Result<Outcome, Error> {
        let (newcomer, password) = match new_account(form, &self.settings) {
            Ok(account) => account,
            Err(problems) => return Ok(Outcome::Refused(problems)),
        };
        let _counted = self.throttle.admit(Action::SignUp, &client(request)).await?;
        if self.settings.hide_existing_accounts {
            return self.sign_up_by_mail(request, newcomer, password).await.map(|()| Outcome::Mailed);
        }
        match self.users.sign_up(newcomer, password).await? {
            SignUp::Made(user) => self.enter(request, user, transfer, None).await,
            SignUp::EmailTaken => Ok(Outcome::Refused(vec![FieldProblem {
                id: "email".into(),
                error: "This email already exists. Please sign in instead.",
            }])),
        }
    }

    /// Signs the owner of an account in. `transfer` as with [`EmailPassword::sign_up`].
    pub async fn sign_in(
        &self,
        request: &HttpRequest,
        form: &Form,
        transfer: Option<Transfer>,
    ) -> Result<Outcome, Error> {
        let (password, email) = (filled(form, "password"), address(form));
        let (Ok(password), Ok(email)) = (&password, &email) else {
            return Ok(Outcome::Refused([password.err(), email.err()].into_iter().flatten().collect()));
        };
        let attempt = self.throttle.admit(Action::Password(email.as_str()), &client(request)).await?;
        let Some(proven) = self.users.sign_in(email, &(*password).into()).await? else {
            return Ok(Outcome::WrongCredentials);
        };
        self.throttle.succeeded(attempt).await;
        let proof = Some(proven.proof());
        for _ in 0..ENTRIES {
            match self.enter(request, proven.user.clone(), transfer, proof.clone()).await {
                // All sessions of its owner were ended, for whatever reason: what this one is for is asked once more.
                Err(Error::Session(session::Error::Abandoned)) => {}
                // The password was changed while it was checked.
                Err(Error::Session(session::Error::Ended(_))) => return Ok(Outcome::WrongCredentials),
                entered => return entered,
            }
        }
        Err(session::Error::Abandoned.into())
    }

    /// What the sign-up form asks for besides address and password.
    pub fn fields(&self) -> &[SignUpField] {
        &self.settings.fields
    }

    /// Whether an address has an account; what is no address has none, and where accounts are hidden none has.
    pub async fn has_account(&self, request: &HttpRequest, typed: &str) -> Result<bool, Error> {
        let _counted = self.throttle.admit(Action::EmailExists, &client(request)).await?;
        match Email::parse(typed) {
            Some(email) if !self.settings.hide_existing_accounts => Ok(self.users.has_account(&email).await?),
            Some(_) | None => Ok(false),
        }
    }

    /// Refuses whoever is not signed in.
    async fn demand_session(&self, request: &HttpRequest) -> Result<(), Error> {
        // Whatever its claims say: an account that is not verified yet could not be linked either.
        let requirements = Requirements { validators: Some(Vec::new()), ..Requirements::default() };
        let person = self.sessions.get_session(request, &requirements).await?;
        person.map(|_| ()).ok_or(Error::Session(session::Error::Missing))
    }

    /// Begins a session, and ends the one whose tokens are replaced by its own (`spec/emailpassword.md` T-31).
    async fn enter(
        &self,
        request: &HttpRequest,
        user: User,
        transfer: Option<Transfer>,
        proof: Option<SecretString>,
    ) -> Result<Outcome, Error> {
        let id = UserId::parse(user.id.as_str()).ok_or(users::Error::Unreadable("id"))?;
        let anything = Requirements { check_database: false, anti_csrf: Some(false), validators: Some(Vec::new()) };
        let replaced = self.sessions.get_session(request, &anything).await;
        // Who was shown to have an address counts only where that is asked (`spec/emailpassword.md` 1.5).
        let user = User { email_verified: user.email_verified && self.settings.verifies, ..user };
        let new = NewSession { known: (self.settings.known)(&user), transfer, proof, ..NewSession::of(id) };
        self.sessions.create_with(request, new).await?;
        if let Ok(Some(replaced)) = replaced {
            self.sessions.revoke(replaced.handle(), RevokeReason::SignedOut).await?;
        }
        Ok(Outcome::SignedIn(user))
    }
}

/// Whoever sent a request, as far as their network tells.
fn client(request: &HttpRequest) -> Client {
    match Client::from_request(request, &mut Payload::None).into_inner() {
        Ok(client) => client,
        Err(never) => match never {},
    }
}

/// Who wants an account, and with which password; or everything that is wrong with the form, in the order of SuperTokens.
fn new_account(form: &Form, settings: &Settings) -> Result<(Newcomer, NewPassword), Vec<FieldProblem>> {
    let admitted = address(form).and_then(|email| match (settings.admits)(email.as_str()) {
        Ok(()) => Ok(email),
        Err(error) => Err(FieldProblem { id: "email".into(), error }),
    });
    match (fields::read(&settings.fields, form), new_password(form), admitted) {
        (Ok(Typed { profile, name }), Ok(password), Ok(email)) => {
            let name = name.unwrap_or_else(|| email.local_part().chars().take(fields::NAME_CHARS_MAX).collect());
            Ok((Newcomer { email, name, profile }, password))
        }
        (profile, password, email) => {
            let others = [password.err(), email.err()].into_iter().flatten();
            Err(profile.err().unwrap_or_default().into_iter().chain(others).collect())
        }
    }
}

/// The new password of a form.
fn new_password(form: &Form) -> Result<NewPassword, FieldProblem> {
    let typed = filled(form, "password")?;
    NewPassword::parse(typed.to_owned()).map_err(|error| FieldProblem { id: "password".into(), error })
}

/// The address of a form.
fn address(form: &Form) -> Result<Email, FieldProblem> {
    let typed = filled(form, "email")?;
    Email::parse(typed).ok_or(FieldProblem { id: "email".into(), error: "Email is invalid" })
}

/// The text of a field that must have one.
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
            pages: String::new(),
            hide_existing_accounts: false,
            fields: Vec::new(),
            known: |_| Map::new(),
            verifies: true,
            admits: |address| if address.ends_with("@x.io") { Ok(()) } else { Err("Members only") },
        };
        new_account(&form, &settings)
            .err()
            .unwrap_or_default()
            .into_iter()
            .map(|problem| format!("{}: {}", problem.id, problem.error))
            .collect()
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        assert_eq!(problems("a@x.io", "abcdefg1"), Vec::<String>::new());
        assert_eq!(problems("", ""), ["password: Field is not optional", "email: Field is not optional"]);
        assert_eq!(problems("a@y.io", "abcdefg1"), ["email: Members only"]);
        assert_eq!(
            problems("nope", "short"),
            ["password: Password must contain at least 8 characters, including a number", "email: Email is invalid"]
        );
    }
}
