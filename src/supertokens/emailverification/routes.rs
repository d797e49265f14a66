//! The recipe over HTTP: SuperTokens' frontend interface.

use actix_web::HttpRequest;
use actix_web::web::{Data, Json};
use serde::Serialize;
use serde_json::Value;

use crate::http::problem::Problem;
use crate::http::routes::{Access, Routes};
use crate::supertokens::emailverification::{Asked, EmailVerification, Error};
use crate::supertokens::fdi_request;
use crate::supertokens::fdi_request::FdiRequest;
use crate::throttle::Client;

/// Below the base path of the recipes, where verification is not off; each also below `/public` and with a slash at its end.
///
/// | method | path                       | who                |
/// |--------|----------------------------|--------------------|
/// | POST   | `/user/email/verify/token` | signed in          |
/// | POST   | `/user/email/verify`       | who holds the link |
/// | GET    | `/user/email/verify`       | signed in          |
pub fn routes(auth: &mut Routes<'_>) {
    fdi_request::path(auth, "/user/email/verify/token", |path| path.post(Access::SignedIn, ask));
    fdi_request::path(auth, "/user/email/verify", |path| {
        path.get(Access::SignedIn, is_verified).post(Access::MailedLink, verify)
    });
}

/// An answer of the interface.
#[derive(Serialize)]
#[serde(tag = "status", rename_all = "SCREAMING_SNAKE_CASE", rename_all_fields = "camelCase")]
enum Answer {
    /// Done, or asked.
    Ok {
        /// Whether the address is verified, where that was the question.
        #[serde(skip_serializing_if = "Option::is_none")]
        is_verified: Option<bool>,
    },
    /// There is nothing to verify.
    EmailAlreadyVerifiedError,
    /// The link does nothing any more.
    EmailVerificationInvalidTokenError,
}

/// Nothing more to say.
const DONE: Answer = Answer::Ok { is_verified: None };

/// Mails a link to whoever is signed in.
async fn ask(call: FdiRequest, client: Client, recipe: Data<EmailVerification>) -> Result<Json<Answer>, Problem> {
    match recipe.ask(&call.request, &client).await.map_err(|error| call.respond(error))? {
        Asked::Mailed => Ok(Json(DONE)),
        Asked::VerifiedBefore => Ok(Json(Answer::EmailAlreadyVerifiedError)),
    }
}

/// Uses a link.
async fn verify(call: FdiRequest, client: Client, recipe: Data<EmailVerification>) -> Result<Json<Answer>, Problem> {
    let token = token(&call)?;
    let verified = recipe.verify(&call.request, &client, &token).await.map_err(|error| call.respond(error))?;
    Ok(Json(if verified { DONE } else { Answer::EmailVerificationInvalidTokenError }))
}

/// Whether the address of whoever is signed in is verified.
async fn is_verified(request: HttpRequest, recipe: Data<EmailVerification>) -> Result<Json<Answer>, Problem> {
    let is_verified = recipe.is_verified(&request).await.map_err(|error| fdi_request::respond(&request, error))?;
    Ok(Json(Answer::Ok { is_verified: Some(is_verified) }))
}

/// The token of a body.
fn token(call: &FdiRequest) -> Result<String, Error> {
    let body = call.json().ok_or(Error::Malformed(fdi_request::NOT_JSON))?;
    match body.get("token") {
        None => Err(Error::Malformed("Please provide the email verification token")),
        Some(Value::String(token)) => Ok(token.clone()),
        Some(_) => Err(Error::Malformed("The email verification token must be a string")),
    }
}
