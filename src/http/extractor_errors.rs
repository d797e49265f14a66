//! Limits of request bodies, and answers to input that no extractor accepts.

use actix_web::error::{InternalError, JsonPayloadError, QueryPayloadError};
use actix_web::http::StatusCode;
use actix_web::web::ServiceConfig;
use actix_web::{HttpRequest, ResponseError as _, web};

use crate::http::finish_response;
use crate::http::finish_response::BODY_BYTES_MAX;
use crate::http::json_body;
use crate::http::problem::{Problem, ProblemPage, wants_page};

pub fn configure(site: &mut ServiceConfig) {
    site.app_data(web::PayloadConfig::new(BODY_BYTES_MAX))
        .app_data(web::JsonConfig::default().limit(BODY_BYTES_MAX).error_handler(|error, _| bad_json(&error)))
        .app_data(
            web::FormConfig::default().limit(BODY_BYTES_MAX).error_handler(|error, _| bad_form(error.status_code())),
        )
        .app_data(web::QueryConfig::default().error_handler(|error, request| bad_query(&error, request)))
        .app_data(web::PathConfig::default().error_handler(|_, _| refuse(StatusCode::NOT_FOUND)));
}

fn bad_json(error: &JsonPayloadError) -> actix_web::Error {
    let problem = match error {
        JsonPayloadError::OverflowKnownLength { limit, .. } | JsonPayloadError::Overflow { limit } => {
            Problem::body_too_large(*limit)
        }
        JsonPayloadError::ContentType => Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, json_body::CONTENT_TYPE),
        JsonPayloadError::Deserialize(error) => Problem::bad_request(json_body::describe_syntax(error)),
        _ => Problem::bad_request("the body could not be read"),
    };
    problem.into()
}

fn bad_query(error: &QueryPayloadError, request: &HttpRequest) -> actix_web::Error {
    let message = match error {
        QueryPayloadError::Deserialize(error) => error.to_string(),
        _ => String::new(),
    };
    let described = if message.contains(" field `") {
        json_body::describe("", &message).replace("field \"", "query parameter \"")
    } else {
        "a query parameter is not valid".to_owned()
    };
    let problem = Problem::bad_request(described);
    if wants_page(request.head()) { ProblemPage::from(problem).into() } else { problem.into() }
}

/// Only pages have forms, so the answer is a page.
fn bad_form(status: StatusCode) -> actix_web::Error {
    let problem = match status {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::body_too_large(BODY_BYTES_MAX),
        status => Problem::new(status, finish_response::reason(status)),
    };
    ProblemPage::from(problem).into()
}

/// A refusal without body, which [`finish_response::finish_response`] completes.
fn refuse(status: StatusCode) -> actix_web::Error {
    InternalError::new("refused", status).into()
}
