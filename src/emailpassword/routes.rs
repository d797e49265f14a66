//! The recipe over HTTP: SuperTokens' frontend interface.

use actix_web::HttpRequest;
use actix_web::Route;
use actix_web::http::StatusCode;
use actix_web::web;
use actix_web::web::Bytes;
use actix_web::web::Data;
use actix_web::web::Json;
use actix_web::web::Query;
use serde::Serialize;
use serde_json::Value;

use crate::emailpassword::EmailPassword;
use crate::emailpassword::FIELDS;
use crate::emailpassword::FieldProblem;
use crate::emailpassword::Form;
use crate::emailpassword::Outcome;
use crate::emailpassword::dialect::Dialect;
use crate::problem::Problem;

/// Below the base path of the recipes; each also below `/public`, the one tenant, and with a slash at its end.
///
/// | method | path                           | who    |
/// |--------|--------------------------------|--------|
/// | POST   | `/signup`                      | anyone |
/// | POST   | `/signin`                      | anyone |
/// | GET    | `/emailpassword/email/exists`  | anyone |
/// | GET    | `/signup/email/exists` (older) | anyone |
pub fn routes(auth: &mut web::ServiceConfig) {
    recipe(auth, "/signup", || web::post().to(sign_up));
    recipe(auth, "/signin", || web::post().to(sign_in));
    recipe(auth, "/emailpassword/email/exists", || web::get().to(email_exists));
    recipe(auth, "/signup/email/exists", || web::get().to(email_exists));
}

/// A path of the interface. What it does not know is not found, wrong methods included.
fn recipe(auth: &mut web::ServiceConfig, path: &str, route: fn() -> Route) {
    for prefix in ["", "/public"] {
        for suffix in ["", "/"] {
            let resource = web::resource(format!("{prefix}{path}{suffix}")).route(route());
            auth.service(resource.default_service(web::to(not_found)));
        }
    }
}

/// What the interface does not know.
async fn not_found() -> Result<(), Problem> {
    Err(Problem::new(StatusCode::NOT_FOUND, "not found"))
}

/// An answer of the interface.
#[derive(Serialize)]
#[serde(tag = "status", rename_all = "SCREAMING_SNAKE_CASE", rename_all_fields = "camelCase")]
enum Answer {
    /// The person is signed in.
    Ok {
        /// Who that is.
        user: Value,
    },
    /// What was typed cannot be taken.
    FieldError {
        /// What is wrong.
        form_fields: Vec<FieldProblem>,
    },
    /// No such account, or not its password.
    WrongCredentialsError,
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

/// Makes an account and signs its owner in.
async fn sign_up(
    request: HttpRequest,
    recipe: Data<EmailPassword>,
    body: Result<Bytes, actix_web::Error>,
) -> Result<Json<Answer>, Problem> {
    let body = body.map_err(|error| unreadable(&error))?;
    let form = parse(&body)?;
    if wants_linking(&recipe, &request, &body).await? {
        return Ok(Json(Answer::SignUpNotAllowed { reason: NO_LINKING }));
    }
    Ok(answer(&request, recipe.sign_up(&request, &form, None).await?))
}

/// Signs the owner of an account in.
async fn sign_in(
    request: HttpRequest,
    recipe: Data<EmailPassword>,
    body: Result<Bytes, actix_web::Error>,
) -> Result<Json<Answer>, Problem> {
    let body = body.map_err(|error| unreadable(&error))?;
    let form = parse(&body)?;
    if wants_linking(&recipe, &request, &body).await? {
        return Ok(Json(Answer::SignInNotAllowed { reason: NO_LINKING }));
    }
    Ok(answer(&request, recipe.sign_in(&request, &form, None).await?))
}

/// Whether an address has an account.
async fn email_exists(
    recipe: Data<EmailPassword>,
    Query(asked): Query<Vec<(String, String)>>,
) -> Result<Json<Exists>, Problem> {
    let mut addresses = asked.iter().filter(|(name, _)| name == "email").map(|(_, value)| value);
    let (Some(address), None) = (addresses.next(), addresses.next()) else {
        return Err(Problem::bad_request("Please provide the email as a GET param"));
    };
    Ok(Json(Exists { status: "OK", exists: recipe.has_account(address).await? }))
}

/// The fields of a body.
fn parse(body: &[u8]) -> Result<Form, Problem> {
    Form::parse(body, FIELDS).map_err(|why| Problem::bad_request(why.to_string()))
}

/// An outcome in the client's dialect.
fn answer(request: &HttpRequest, outcome: Outcome) -> Json<Answer> {
    Json(match outcome {
        Outcome::SignedIn(user) => Answer::Ok { user: Dialect::of(request).user(&user) },
        Outcome::Refused(form_fields) => Answer::FieldError { form_fields },
        Outcome::WrongCredentials => Answer::WrongCredentialsError,
    })
}

/// Whether the person, signed in already, asks for another way into the same account. Only then does it matter whether the
/// tokens that came along are good: otherwise a new session replaces whatever there was.
async fn wants_linking(recipe: &EmailPassword, request: &HttpRequest, body: &[u8]) -> Result<bool, Problem> {
    let flag = serde_json::from_slice::<Value>(body).ok();
    let flag = flag.as_ref().and_then(|json| json.get("shouldTryLinkingWithSessionUser")).and_then(Value::as_bool);
    if flag != Some(true) {
        return Ok(false);
    }
    Ok(recipe.demand_session(request).await.map(|()| true)?)
}

/// A body that did not arrive, most often because it is too large.
fn unreadable(error: &actix_web::Error) -> Problem {
    match error.as_response_error().status_code() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "the request body is too large"),
        _ => Problem::bad_request("the request body did not arrive"),
    }
}
