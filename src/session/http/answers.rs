//! What a refused client is told: the one place to change it.
//!
//! The bodies and statuses are those that SuperTokens' frontends know (session.md 3.2). By the time an answer is made, what
//! had to be ended has been ended and cookies that had to be cleared are being cleared; an answer decides nothing.

use actix_web::HttpResponse;
use actix_web::ResponseError as _;
use actix_web::http::StatusCode;
use serde::Serialize;

use crate::http::problem::Problem;
use crate::session::Error;
use crate::session::claims::ClaimFailure;

/// How refusals are answered. Implement what shall be different.
pub trait Answers: Send + Sync {
    /// The client is to refresh and come again. Must have the status that frontends take for an expired session.
    fn try_refresh(&self) -> HttpResponse {
        told(StatusCode::UNAUTHORIZED, "try refresh token")
    }

    /// There is no session.
    fn unauthorised(&self) -> HttpResponse {
        told(StatusCode::UNAUTHORIZED, "unauthorised")
    }

    /// A refresh token was used twice; the session has been ended.
    fn theft(&self) -> HttpResponse {
        told(StatusCode::UNAUTHORIZED, "token theft detected")
    }

    /// The session does not say what the route asks for.
    fn invalid_claims(&self, failures: &[ClaimFailure]) -> HttpResponse {
        let body = InvalidClaims { message: "invalid claim", claim_validation_errors: failures };
        HttpResponse::Forbidden().json(body)
    }

    /// Cookies of an older domain were removed. Not 200, which frontends would take for a refresh without tokens.
    fn duplicate_cookies_cleared(&self) -> HttpResponse {
        HttpResponse::NoContent().finish()
    }
}

/// The answers of SuperTokens' own backends.
pub struct DefaultAnswers;

impl Answers for DefaultAnswers {}

/// The answer to an error.
pub fn answer(answers: &dyn Answers, error: Error) -> HttpResponse {
    match error {
        Error::TryRefresh(_) => answers.try_refresh(),
        Error::Missing | Error::Ended(_) => answers.unauthorised(),
        Error::Theft { .. } => answers.theft(),
        Error::InvalidClaims(failures) => answers.invalid_claims(&failures),
        Error::DuplicateCookiesCleared => answers.duplicate_cookies_cleared(),
        other @ (Error::Settings(_)
        | Error::DuplicateCookies
        | Error::PayloadTooLarge
        | Error::Abandoned
        | Error::Contended
        | Error::Store(_)
        | Error::SessionTokenProvider(_)
        | Error::Seal(_)
        | Error::Sign(_)
        | Error::Crypto(_)
        | Error::NoKey
        | Error::Task(_)) => Problem::from(other).error_response(),
    }
}

/// `{"message": …}`.
fn told(status: StatusCode, message: &'static str) -> HttpResponse {
    Problem::new(status, message).error_response()
}

/// The body of a 403 about claims.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InvalidClaims<'a> {
    /// Always `invalid claim`.
    message: &'static str,
    /// Each validator that refused.
    claim_validation_errors: &'a [ClaimFailure],
}
