//! HTTP routes of the e-mail verification recipe.

use actix_web::HttpRequest;
use actix_web::web::{Data, Json};
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

use crate::http::problem::Problem;
use crate::http::routes::{Access, Routes};
use crate::supertokens::emailverification::{EmailVerification, LinkRequest};
use crate::supertokens::fdi_request;
use crate::supertokens::fdi_request::FdiRequest;
use crate::throttle::Client;

/// Below `API_BASE_PATH`, unless verification is off; each also below `/public` and with a slash at its end.
///
/// | method | path                       | who                |
/// |--------|----------------------------|--------------------|
/// | POST   | `/user/email/verify/token` | signed in          |
/// | POST   | `/user/email/verify`       | anyone with a mailed token |
/// | GET    | `/user/email/verify`       | signed in          |
pub fn routes(auth: &mut Routes<'_>) {
    fdi_request::path(auth, "/user/email/verify/token", |path| path.post(Access::SignedIn, request_link));
    fdi_request::path(auth, "/user/email/verify", |path| {
        path.get(Access::SignedIn, is_verified).post(Access::MailedLink, verify)
    });
    auth.describe::<Description>();
}

#[derive(OpenApi)]
#[openapi(paths(request_link, verify, is_verified))]
struct Description;

#[derive(Serialize, ToSchema)]
#[schema(as = EmailVerificationAnswer, example = json!({"status": "OK"}))]
#[serde(tag = "status", rename_all = "SCREAMING_SNAKE_CASE")]
enum Answer {
    Ok {
        /// Only in the answer to GET.
        #[serde(rename = "isVerified", skip_serializing_if = "Option::is_none")]
        is_verified: Option<bool>,
    },
    EmailAlreadyVerifiedError,
    EmailVerificationInvalidTokenError,
}

/// Body of `POST /user/email/verify`, for the OpenAPI document.
#[derive(ToSchema)]
#[schema(example = json!({"method": "token", "token": "…"}))]
#[expect(dead_code, reason = "it is only described")]
struct VerifyBody {
    /// `token`, as SuperTokens frontends send it.
    method: Option<String>,
    token: String,
}

const DONE: Answer = Answer::Ok { is_verified: None };

/// Mails a link that verifies the user's address.
#[utoipa::path(post, path = "/user/email/verify/token", tag = "E-mail verification",
    responses((status = 200, description = "Mailed, or verified already", body = Answer)))]
async fn request_link(
    fdi: FdiRequest,
    client: Client,
    recipe: Data<EmailVerification>,
) -> Result<Json<Answer>, Problem> {
    match recipe.request_link(&fdi.request, &client).await.map_err(|error| fdi.respond(error))? {
        LinkRequest::Mailed => Ok(Json(DONE)),
        LinkRequest::AlreadyVerified => Ok(Json(Answer::EmailAlreadyVerifiedError)),
    }
}

/// Verifies an address with the token of the mailed link.
#[utoipa::path(post, path = "/user/email/verify", tag = "E-mail verification",
    request_body = VerifyBody,
    responses((status = 200, description = "Verified, or an invalid token", body = Answer)))]
async fn verify(fdi: FdiRequest, client: Client, recipe: Data<EmailVerification>) -> Result<Json<Answer>, Problem> {
    let (missing, not_text) =
        ("Please provide the email verification token", "The email verification token must be a string");
    let token = fdi.text("token", missing, not_text)?;
    let verified = recipe.verify(&fdi.request, &client, &token).await.map_err(|error| fdi.respond(error))?;
    Ok(Json(if verified { DONE } else { Answer::EmailVerificationInvalidTokenError }))
}

/// Whether the user's address is verified.
#[utoipa::path(get, path = "/user/email/verify", tag = "E-mail verification",
    responses((status = 200, description = "Whether it is", body = Answer)))]
async fn is_verified(request: HttpRequest, recipe: Data<EmailVerification>) -> Result<Json<Answer>, Problem> {
    let is_verified = recipe.is_verified(&request).await.map_err(|error| fdi_request::respond(&request, error))?;
    Ok(Json(Answer::Ok { is_verified: Some(is_verified) }))
}
