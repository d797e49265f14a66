//! HTTP routes of the e-mail + password recipe.

use actix_web::HttpRequest;
use actix_web::web::{Data, Json, Query};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::{OpenApi, ToSchema};

use crate::http::problem::Problem;
use crate::http::routes::{Access, Routes};
use crate::supertokens::emailpassword::described::{FormBody, TokenForm};
use crate::supertokens::emailpassword::{EmailPassword, FIELDS, FieldProblem, Form, Outcome, Reset, UserFormat};
use crate::supertokens::fdi_request;
use crate::supertokens::fdi_request::FdiRequest;

/// Below `API_BASE_PATH`; each also below `/public`, the only tenant, and with a slash at its end.
///
/// | method | path                           | who                                  |
/// |--------|--------------------------------|--------------------------------------|
/// | POST   | `/signup`                      | anyone                               |
/// | POST   | `/signup/complete` (our own)   | a mailed token and its password      |
/// | POST   | `/signin`                      | anyone                               |
/// | GET    | `/emailpassword/email/exists`  | anyone                               |
/// | GET    | `/signup/email/exists` (older) | anyone                               |
/// | POST   | `/user/password/reset/token`   | anyone                               |
/// | POST   | `/user/password/reset`         | anyone with a mailed token           |
/// | GET    | `/loginmethods`                | anyone                               |
pub fn routes(auth: &mut Routes<'_>) {
    fdi_request::path(auth, "/signup", |path| path.post(Access::Public, sign_up));
    fdi_request::path(auth, "/signup/complete", |path| path.post(Access::MailedLink, complete_sign_up));
    fdi_request::path(auth, "/signin", |path| path.post(Access::Public, sign_in));
    fdi_request::path(auth, "/emailpassword/email/exists", |path| {
        path.query(&["email"]).get(Access::Public, email_exists)
    });
    fdi_request::path(auth, "/signup/email/exists", |path| {
        path.query(&["email"]).get(Access::Public, email_exists_older)
    });
    fdi_request::path(auth, "/user/password/reset/token", |path| path.post(Access::Public, request_reset));
    fdi_request::path(auth, "/user/password/reset", |path| path.post(Access::MailedLink, reset));
    fdi_request::path(auth, "/loginmethods", |path| path.query(&["clientType"]).get(Access::Public, login_methods));
    auth.describe::<Description>();
}

#[derive(OpenApi)]
#[openapi(paths(
    sign_up,
    complete_sign_up,
    sign_in,
    email_exists,
    email_exists_older,
    request_reset,
    reset,
    login_methods
))]
struct Description;

#[derive(Serialize, ToSchema)]
#[schema(as = EmailPasswordAnswer, example = json!({"status": "OK"}))]
#[serde(tag = "status", rename_all = "SCREAMING_SNAKE_CASE")]
enum Answer {
    Ok {
        /// Its form is that of the frontend's version of the interface (header `fdi-version`).
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(value_type = Option<Object>)]
        user: Option<Value>,
    },
    FieldError {
        #[serde(rename = "formFields")]
        form_fields: Vec<FieldProblem>,
    },
    /// The frontend shows the message as it is.
    GeneralError {
        message: &'static str,
    },
    WrongCredentialsError,
    ResetPasswordInvalidTokenError,
    EmailVerificationInvalidTokenError,
    SignUpNotAllowed {
        reason: &'static str,
    },
    SignInNotAllowed {
        reason: &'static str,
    },
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({"status": "OK", "exists": true}))]
struct Exists {
    status: &'static str,
    exists: bool,
}

const NO_LINKING: &str = "Accounts cannot be linked.";

/// The answer to every sign-up where existing accounts are hidden.
const MAILED: &str = "Almost done: we have sent a mail to this address. The link in it completes the sign-up.";

/// Creates an account and a session. The form may have the further fields of the site.
#[utoipa::path(post, path = "/signup", tag = "E-mail and password",
    params(("st-auth-mode" = Option<String>, Header, description = "`cookie`, or `header` for the tokens in headers")),
    request_body = FormBody,
    responses((status = 200, description = "A status; failures of the form are answered with 200, too", body = Answer)))]
async fn sign_up(fdi: FdiRequest, recipe: Data<EmailPassword>) -> Result<Json<Answer>, Problem> {
    let answered = async {
        let form = Form::parse(&fdi.body, FIELDS + recipe.settings.fields.len())?;
        if wants_linking(&recipe, &fdi).await? {
            return Ok(Answer::SignUpNotAllowed { reason: NO_LINKING });
        }
        Ok(answer_of(&fdi, recipe.sign_up(&fdi.request, &form, None).await?))
    };
    answered.await.map(Json).map_err(|problem: Problem| fdi.respond(problem))
}

/// Creates the account of a mailed sign-up, where existing accounts are hidden.
#[utoipa::path(post, path = "/signup/complete", tag = "E-mail and password",
    params(("st-auth-mode" = Option<String>, Header, description = "`cookie`, or `header` for the tokens in headers")),
    request_body = TokenForm,
    responses((status = 200, description = "A status; failures of the form are answered with 200, too", body = Answer)))]
async fn complete_sign_up(fdi: FdiRequest, recipe: Data<EmailPassword>) -> Result<Json<Answer>, Problem> {
    let answered = async {
        let form = Form::parse(&fdi.body, 1)?;
        let token = fdi.text("token", "Please provide the sign-up token", "The sign-up token must be a string")?;
        Ok(answer_of(&fdi, recipe.complete_sign_up(&fdi.request, &form, &token, None).await?))
    };
    answered.await.map(Json).map_err(|problem: Problem| fdi.respond(problem))
}

/// Signs in: the tokens of the session are in cookies, or in headers with `st-auth-mode: header`.
#[utoipa::path(post, path = "/signin", tag = "E-mail and password",
    params(("st-auth-mode" = Option<String>, Header, description = "`cookie`, or `header` for the tokens in headers")),
    request_body = FormBody,
    responses((status = 200, description = "A status; failures of the form are answered with 200, too", body = Answer)))]
async fn sign_in(fdi: FdiRequest, recipe: Data<EmailPassword>) -> Result<Json<Answer>, Problem> {
    let answered = async {
        let form = Form::parse(&fdi.body, FIELDS)?;
        if wants_linking(&recipe, &fdi).await? {
            return Ok(Answer::SignInNotAllowed { reason: NO_LINKING });
        }
        Ok(answer_of(&fdi, recipe.sign_in(&fdi.request, &form, None).await?))
    };
    answered.await.map(Json).map_err(|problem: Problem| fdi.respond(problem))
}

/// Whether an address has an account.
///
/// Too many questions are answered 429 to all clients: frontends take any status but 200 for "unknown".
#[utoipa::path(get, path = "/emailpassword/email/exists", tag = "E-mail and password", params(("email" = String, Query)),
    responses((status = 200, description = "Whether it has", body = Exists)))]
async fn email_exists(
    request: HttpRequest,
    recipe: Data<EmailPassword>,
    Query(query): Query<Vec<(String, String)>>,
) -> Result<Json<Exists>, Problem> {
    let mut addresses = query.iter().filter(|(name, _)| name == "email").map(|(_, value)| value);
    let (Some(address), None) = (addresses.next(), addresses.next()) else {
        return Err(Problem::bad_request("Please provide the email as a GET param"));
    };
    let exists = recipe.has_account(&request, address).await;
    Ok(Json(Exists { status: "OK", exists: exists.map_err(|error| Problem::from(error).into_general_error())? }))
}

/// The same at the address that frontends before FDI 2.0 use.
#[utoipa::path(get, path = "/signup/email/exists", tag = "E-mail and password", params(("email" = String, Query)),
    responses((status = 200, description = "Whether it has", body = Exists)))]
async fn email_exists_older(
    request: HttpRequest,
    recipe: Data<EmailPassword>,
    query: Query<Vec<(String, String)>>,
) -> Result<Json<Exists>, Problem> {
    email_exists(request, recipe, query).await
}

/// Mails a link to choose a new password. The answer is the same whether there is an account or not.
#[utoipa::path(post, path = "/user/password/reset/token", tag = "E-mail and password",
    request_body(content = FormBody, example = json!({"formFields": [{"id": "email", "value": "ann@example.com"}]})),
    responses((status = 200, description = "A status; failures of the form are answered with 200, too", body = Answer)))]
async fn request_reset(fdi: FdiRequest, recipe: Data<EmailPassword>) -> Result<Json<Answer>, Problem> {
    let answered = async {
        let form = Form::parse(&fdi.body, 1)?;
        Ok(match recipe.request_reset(&fdi.request, &form).await? {
            Ok(()) => Answer::Ok { user: None },
            Err(problem) => Answer::FieldError { form_fields: vec![problem] },
        })
    };
    answered.await.map(Json).map_err(|problem: Problem| fdi.respond(problem))
}

/// Sets a new password with the token of the mailed link; all sessions of the user are revoked.
#[utoipa::path(post, path = "/user/password/reset", tag = "E-mail and password",
    request_body = TokenForm,
    responses((status = 200, description = "A status; failures of the form are answered with 200, too", body = Answer)))]
async fn reset(fdi: FdiRequest, recipe: Data<EmailPassword>) -> Result<Json<Answer>, Problem> {
    let answered = async {
        let form = Form::parse(&fdi.body, 1)?;
        let (missing, not_text) =
            ("Please provide the password reset token", "The password reset token must be a string");
        let token = fdi.text("token", missing, not_text)?;
        Ok(match recipe.reset(&fdi.request, &form, &token).await? {
            Reset::Done => Answer::Ok { user: None },
            Reset::Refused(form_fields) => Answer::FieldError { form_fields },
            Reset::InvalidToken => Answer::ResetPasswordInvalidTokenError,
        })
    };
    answered.await.map(Json).map_err(|problem: Problem| fdi.respond(problem))
}

/// The ways to sign in, for SuperTokens frontends.
#[utoipa::path(get, path = "/loginmethods", tag = "E-mail and password",
    params(("clientType" = Option<String>, Query, description = "Sent by SuperTokens frontends; changes nothing")),
    responses((status = 200, description = "E-mail and password only", body = Object,
        example = json!({"status": "OK", "emailPassword": {"enabled": true}, "firstFactors": ["emailpassword"]}))))]
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

fn answer_of(fdi: &FdiRequest, outcome: Outcome) -> Answer {
    match outcome {
        Outcome::SignedIn(user) => Answer::Ok { user: Some(UserFormat::of(&fdi.request).user(&user)) },
        Outcome::Mailed => Answer::GeneralError { message: MAILED },
        Outcome::Refused(form_fields) => Answer::FieldError { form_fields },
        Outcome::WrongCredentials => Answer::WrongCredentialsError,
        Outcome::InvalidLink => Answer::EmailVerificationInvalidTokenError,
    }
}

/// Whether a signed-in user asks to link another sign-in method to the account. Only then must the session be valid:
/// otherwise a new session replaces it.
async fn wants_linking(recipe: &EmailPassword, fdi: &FdiRequest) -> Result<bool, Problem> {
    let asks = fdi.json()?.get("shouldTryLinkingWithSessionUser") == Some(&Value::Bool(true));
    if asks {
        recipe.require_session(&fdi.request).await?;
    }
    Ok(asks)
}
