//! Limits of request bodies, and answers to input that no extractor accepts.

use actix_web::error::{InternalError, JsonPayloadError};
use actix_web::http::StatusCode;
use actix_web::web::ServiceConfig;
use actix_web::{ResponseError as _, web};

use crate::http::finish_response;
use crate::http::finish_response::BODY_BYTES_MAX;
use crate::http::problem::{Problem, ProblemPage};

pub fn configure(site: &mut ServiceConfig) {
    site.app_data(web::PayloadConfig::new(BODY_BYTES_MAX))
        .app_data(web::JsonConfig::default().limit(BODY_BYTES_MAX).error_handler(|error, _| bad_json(&error)))
        .app_data(
            web::FormConfig::default().limit(BODY_BYTES_MAX).error_handler(|error, _| bad_form(error.status_code())),
        )
        .app_data(web::QueryConfig::default().error_handler(|_, _| refuse(StatusCode::BAD_REQUEST)))
        .app_data(web::PathConfig::default().error_handler(|_, _| refuse(StatusCode::NOT_FOUND)));
}

/// Says nothing that the parser says: its messages quote the body.
fn bad_json(error: &JsonPayloadError) -> actix_web::Error {
    let problem = match error {
        JsonPayloadError::OverflowKnownLength { .. } | JsonPayloadError::Overflow { .. } => {
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "request body is too large")
        }
        JsonPayloadError::ContentType => {
            Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content type must be application/json")
        }
        _ => Problem::bad_request("the body is not the JSON that is expected here"),
    };
    problem.into()
}

/// Only pages have forms, so the answer is a page.
fn bad_form(status: StatusCode) -> actix_web::Error {
    ProblemPage::from(Problem::new(status, finish_response::reason(status))).into()
}

/// A refusal without body, which [`finish_response::finish_response`] completes.
fn refuse(status: StatusCode) -> actix_web::Error {
    InternalError::new("refused", status).into()
}
