//! The recipe over HTTP: SuperTokens' frontend interface.

use actix_web::HttpRequest;
use actix_web::web::{Data, Json, Query};
use serde::Serialize;
use serde_json::{Value, json};

use crate::http::problem::Problem;
use crate::http::routes::{Access, Routes};
use crate::supertokens::emailpassword::dialect::Dialect;
use crate::supertokens::emailpassword::{EmailPassword, Error, FIELDS, FieldProblem, Form, Malformed, Outcome, Reset};
use crate::supertokens::fdi_request;
use crate::supertokens::fdi_request::FdiRequest;

/// Below the base path of the recipes; each also below `/public`, the one tenant, and with a slash at its end.
///
/// | method | path                           | who                                  |
/// |--------|--------------------------------|--------------------------------------|
/// | POST   | `/signup`                      | anyone                               |
/// | POST   | `/signup/complete` (our own)   | who holds a link, with its password  |
/// | POST   | `/signin`                      | anyone                               |
/// | GET    | `/emailpassword/email/exists`  | anyone                               |
/// | GET    | `/signup/email/exists` (older) | anyone                               |
/// | POST   | `/user/password/reset/token`   | anyone                               |
/// | POST   | `/user/password/reset`         | who holds a link                     |
/// | GET    | `/loginmethods`                | anyone                               |
pub fn routes(auth: &mut Routes<'_>) {
    fdi_request::path(auth, "/signup", |path| path.post(Access::Public, sign_up));
    fdi_request::path(auth, "/signup/complete", |path| path.post(Access::MailedLink, complete_sign_up));
    fdi_request::path(auth, "/signin", |path| path.post(Access::Public, sign_in));
    fdi_request::path(auth, "/emailpassword/email/exists", |path| path.get(Access::Public, email_exists));
    fdi_request::path(auth, "/signup/email/exists", |path| path.get(Access::Public, email_exists));
    fdi_request::path(auth, "/user/password/reset/token", |path| path.post(Access::Public, ask_for_reset));
    fdi_request::path(auth, "/user/password/reset", |path| path.post(Access::MailedLink, reset));
    fdi_request::path(auth, "/loginmethods", |path| path.get(Access::Public, login_methods));
}

/// An answer of the interface.
#[derive(Serialize)]
#[serde(tag = "status", rename_all = "SCREAMING_SNAKE_CASE", rename_all_fields = "camelCase")]
enum Answer {
    /// Done. After signing in: who that is.
    Ok {
        /// Who is signed in.
        #[serde(skip_serializing_if = "Option::is_none")]
        user: Option<Value>,
    },
    /// What was typed cannot be taken.
    FieldError {
        /// What is wrong.
        form_fields: Vec<FieldProblem>,
    },
    /// Something that is to be told to the person as it is.
    GeneralError {
        /// For the person.
        message: &'static str,
    },
    /// No such account, or not its password.
    WrongCredentialsError,
    /// The link of a mail does nothing any more.
    ResetPasswordInvalidTokenError,
    /// The same of a link that makes an account.
    EmailVerificationInvalidTokenError,
    /// Accounts cannot be linked here.
    SignUpNotAllowed {
        /// For the person.
        reason: &'static str,
    },
    /// The same at sign-in.
    SignInNotAllowed {
        /// For the person.
        reason: &'static str,
    },
}

/// Whether an address is taken.
#[derive(Serialize)]
struct Exists {
    /// Always `OK`.
    status: &'static str,
    /// Whether it is.
    exists: bool,
}

/// What somebody is told who wants to add a way of signing in to the account they are signed in to.
const NO_LINKING: &str = "Accounts cannot be linked.";

/// What everybody is told who signs up where accounts are hidden.
const MAILED: &str = "Almost done: we have sent a mail to this address. The link in it completes the sign-up.";

/// The fields of a body, so many at most.
fn form(call: &FdiRequest, fields_max: usize) -> Result<Form, Malformed> {
    Form::parse(&call.body, fields_max)
}

/// Makes an account and signs its owner in.
async fn sign_up(call: FdiRequest, recipe: Data<EmailPassword>) -> Result<Json<Answer>, Problem> {
    let answered = async {
        let fields = form(&call, FIELDS + recipe.settings.fields.len())?;
        if wants_linking(&recipe, &call).await? {
            return Ok(Answer::SignUpNotAllowed { reason: NO_LINKING });
        }
        Ok(entered(&call, recipe.sign_up(&call.request, &fields, None).await?))
    };
    answered.await.map(Json).map_err(|error: Error| call.respond(error))
}

/// Makes the account of a mailed link and signs its owner in.
async fn complete_sign_up(call: FdiRequest, recipe: Data<EmailPassword>) -> Result<Json<Answer>, Problem> {
    let answered = async {
        let fields = form(&call, 1)?;
        let token = call.member("token").ok_or(Malformed("Please provide the sign-up token"))?;
        let token = token.as_str().ok_or(Malformed("The sign-up token must be a string"))?;
        Ok(entered(&call, recipe.complete_sign_up(&call.request, &fields, token, None).await?))
    };
    answered.await.map(Json).map_err(|error: Error| call.respond(error))
}

/// Signs the owner of an account in.
async fn sign_in(call: FdiRequest, recipe: Data<EmailPassword>) -> Result<Json<Answer>, Problem> {
    let answered = async {
        let fields = form(&call, FIELDS)?;
        if wants_linking(&recipe, &call).await? {
            return Ok(Answer::SignInNotAllowed { reason: NO_LINKING });
        }
        Ok(entered(&call, recipe.sign_in(&call.request, &fields, None).await?))
    };
    answered.await.map(Json).map_err(|error: Error| call.respond(error))
}

/// Whether an address has an account. Frontends take any status but 200 for "unknown", so waiting needs no other form.
async fn email_exists(
    request: HttpRequest,
    recipe: Data<EmailPassword>,
    Query(asked): Query<Vec<(String, String)>>,
) -> Result<Json<Exists>, Problem> {
    let mut addresses = asked.iter().filter(|(name, _)| name == "email").map(|(_, value)| value);
    let (Some(address), None) = (addresses.next(), addresses.next()) else {
        return Err(Problem::bad_request("Please provide the email as a GET param"));
    };
    Ok(Json(Exists { status: "OK", exists: recipe.has_account(&request, address).await? }))
}

/// Mails a link for a new password, if there is an account.
async fn ask_for_reset(call: FdiRequest, recipe: Data<EmailPassword>) -> Result<Json<Answer>, Problem> {
    let answered = async { recipe.ask_for_reset(&call.request, &form(&call, 1)?).await };
    let asked = answered.await.map_err(|error| call.respond(error))?;
    Ok(Json(match asked {
        Ok(()) => Answer::Ok { user: None },
        Err(problem) => Answer::FieldError { form_fields: vec![problem] },
    }))
}

/// Sets a new password with the token of a link.
async fn reset(call: FdiRequest, recipe: Data<EmailPassword>) -> Result<Json<Answer>, Problem> {
    let answered = async {
        let fields = form(&call, 1)?;
        let token = call.member("token").ok_or(Malformed("Please provide the password reset token"))?;
        let token = token.as_str().ok_or(Malformed("The password reset token must be a string"))?;
        recipe.reset(&call.request, &fields, token).await
    };
    let done = answered.await.map_err(|error| call.respond(error))?;
    Ok(Json(match done {
        Reset::Done => Answer::Ok { user: None },
        Reset::Refused(form_fields) => Answer::FieldError { form_fields },
        Reset::InvalidToken => Answer::ResetPasswordInvalidTokenError,
    }))
}

/// How people can sign in here.
async fn login_methods() -> Json<Value> {
    Json(json!({
        "status": "OK",
        "emailPassword": {"enabled": true},
        "thirdParty": {"enabled": false, "providers": []},
        "webauthn": {"enabled": false},
        "passwordless": {"enabled": false},
        "firstFactors": ["emailpassword"],
    }))
}

/// An outcome in the client's dialect.
fn entered(call: &FdiRequest, outcome: Outcome) -> Answer {
    match outcome {
        Outcome::SignedIn(user) => Answer::Ok { user: Some(Dialect::of(&call.request).user(&user)) },
        Outcome::Mailed => Answer::GeneralError { message: MAILED },
        Outcome::Refused(form_fields) => Answer::FieldError { form_fields },
        Outcome::WrongCredentials => Answer::WrongCredentialsError,
        Outcome::InvalidLink => Answer::EmailVerificationInvalidTokenError,
    }
}

/// Whether the person, signed in already, asks for another way into the same account. Only then does it matter whether the
/// tokens that came along are good: otherwise a new session replaces whatever there was.
async fn wants_linking(recipe: &EmailPassword, call: &FdiRequest) -> Result<bool, Error> {
    if call.member("shouldTryLinkingWithSessionUser") != Some(Value::Bool(true)) {
        return Ok(false);
    }
    recipe.demand_session(&call.request).await.map(|()| true)
}
