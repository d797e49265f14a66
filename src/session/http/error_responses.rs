//! Responses to refused requests. An application replaces some of them by implementing [`ErrorResponses`].
//!
//! Statuses and bodies of the defaults are those that SuperTokens' frontends expect. A response has no effect on the session: when
//! it is made, the session has been revoked and the cookies are queued for removal already.

use actix_web::HttpResponse;
use actix_web::ResponseError as _;
use actix_web::http::StatusCode;
use serde::Serialize;

use crate::http::problem::Problem;
use crate::session::Error;
use crate::session::claims::ClaimFailure;

/// Responses to refused requests. Override the methods whose response should differ from SuperTokens'.
pub trait ErrorResponses: Send + Sync {
    /// The client should refresh and repeat the request. Frontends recognise this by its status, 401.
    fn try_refresh(&self) -> HttpResponse {
        message(StatusCode::UNAUTHORIZED, "try refresh token")
    }

    fn unauthorised(&self) -> HttpResponse {
        message(StatusCode::UNAUTHORIZED, "unauthorised")
    }

    /// A refresh token was used twice, and the session has been revoked.
    fn theft(&self) -> HttpResponse {
        message(StatusCode::UNAUTHORIZED, "token theft detected")
    }

    fn invalid_claims(&self, failures: &[ClaimFailure]) -> HttpResponse {
        let body = InvalidClaims { message: "invalid claim", claim_validation_errors: failures };
        HttpResponse::Forbidden().json(body)
    }

    /// Cookies of an older domain are being removed. The status is not 200, which frontends would take for a refresh without
    /// tokens.
    fn duplicate_cookies_cleared(&self) -> HttpResponse {
        HttpResponse::NoContent().finish()
    }
}

/// The responses of SuperTokens' own backends.
pub struct DefaultErrorResponses;

impl ErrorResponses for DefaultErrorResponses {}

pub fn response(responses: &dyn ErrorResponses, error: Error) -> HttpResponse {
    match error {
        Error::TryRefresh(_) => responses.try_refresh(),
        Error::Missing | Error::Ended(_) => responses.unauthorised(),
        Error::Theft { .. } => responses.theft(),
        Error::InvalidClaims(failures) => responses.invalid_claims(&failures),
        Error::DuplicateCookiesCleared => responses.duplicate_cookies_cleared(),
        other @ (Error::UnknownUser
        | Error::Settings(_)
        | Error::DuplicateCookies
        | Error::PayloadTooLarge
        | Error::RevokedMeanwhile
        | Error::Contended
        | Error::Store(_)
        | Error::SessionTokenProvider(_)
        | Error::Seal(_)
        | Error::Sign(_)
        | Error::Crypto(_)
        | Error::NoKey
        | Error::NoKeyOpens(_)
        | Error::Task(_)) => Problem::from(other).error_response(),
    }
}

fn message(status: StatusCode, text: &'static str) -> HttpResponse {
    Problem::new(status, text).error_response()
}

/// Body of the 403 response to a failed claim validation.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InvalidClaims<'a> {
    message: &'static str,
    claim_validation_errors: &'a [ClaimFailure],
}
