//! Error responses.
//!
//! Each module converts its own error enum to a [`Problem`]. It is rendered here: as JSON, or as a page by [`ProblemPage`]. Outside
//! of the SuperTokens interface, whose clients expect `{"message": …}`, the JSON is that of RFC 9457 ([`ProblemDetails`]). Causes
//! are logged, once, and never sent to the client (ASVS 16.5.1).

mod page;

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use actix_web::dev::RequestHead;
use actix_web::http::header::HeaderValue;
use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use tokio::task::JoinError;

pub use page::{Brand, ErrorPage, ProblemPage, TypedField, TypedForm};

/// An error response, rendered as JSON or as a page.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    message: Cow<'static, str>,
    /// The field of the request that `message` is about. Only JSON names it: pages show the message beside the field.
    field: Option<&'static str>,
    retry_after: Option<Duration>,
    /// Why the credentials of a request are refused, for the header `WWW-Authenticate`.
    refusal: Option<Box<Refusal>>,
    /// Whether the credentials are a program's key: SuperTokens' clients do not read this answer.
    is_about_key: bool,
    /// The status of SuperTokens' frontend interface, for clients that show the message of a `GENERAL_ERROR`.
    code: Option<&'static str>,
    /// The error with its sources, for the log only.
    cause: Option<String>,
}

/// Message of a 503 whose cause is only logged: Fauna or SQL does not answer.
pub const UNAVAILABLE: &str = "temporarily unavailable; try again in a few seconds";
/// Message of a 404 for a path that no route has, and for routes that the settings close.
pub const NO_SUCH_ADDRESS: &str = "there is nothing at this address";

impl Problem {
    pub fn new(status: StatusCode, message: impl Into<Cow<'static, str>>) -> Self {
        let message = message.into();
        Self {
            status,
            message,
            field: None,
            retry_after: None,
            refusal: None,
            is_about_key: false,
            code: None,
            cause: None,
        }
    }

    pub fn bad_request(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// 404: no route has this path, or the settings close it.
    pub fn no_such_address() -> Self {
        Self::new(StatusCode::NOT_FOUND, NO_SUCH_ADDRESS)
    }

    /// The same about one field of the request body or query, which the JSON names: `text: must not be empty`.
    #[must_use]
    pub fn in_field(self, name: &'static str) -> Self {
        Self { field: Some(name), ..self }
    }

    /// 413, with the limit in bytes.
    pub fn body_too_large(bytes_max: usize) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the request body is larger than {bytes_max} bytes"))
    }

    /// 401, with the reason in `WWW-Authenticate`.
    pub fn unauthorized(message: &'static str, refusal: Refusal) -> Self {
        Self { refusal: Some(Box::new(refusal)), ..Self::new(StatusCode::UNAUTHORIZED, message) }
    }

    /// The same about the key of a program, which has no session.
    pub fn key_refused(message: &'static str, refusal: Refusal) -> Self {
        Self { is_about_key: true, ..Self::unauthorized(message, refusal) }
    }

    /// 500: a defect. The cause is logged and not sent.
    pub fn internal(cause: impl StdError) -> Self {
        Self { cause: Some(chain(&cause)), ..Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal error") }
    }

    /// 503: a database or Fauna does not answer. Sessions and cookies stay as they are.
    pub fn unavailable(cause: impl StdError) -> Self {
        Self { cause: Some(chain(&cause)), ..Self::still_unavailable() }
    }

    /// The same where the cause has been logged before.
    pub fn still_unavailable() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, UNAVAILABLE).retry_after(Duration::from_secs(2))
    }

    /// The same, with a `Retry-After` header in whole seconds (RFC 9110, 10.2.3).
    #[must_use]
    pub fn retry_after(self, wait: Duration) -> Self {
        Self { retry_after: Some(wait), ..self }
    }

    /// The same, with `"status": "GENERAL_ERROR"` in the body of a failure that is not the client's: SuperTokens' frontends
    /// show the message of such an answer to the user.
    #[must_use]
    pub fn into_general_error(self) -> Self {
        let is_general = self.status.is_server_error() || self.status == StatusCode::TOO_MANY_REQUESTS;
        Self { code: is_general.then_some("GENERAL_ERROR"), ..self }
    }

    /// The same with status 200 where a user has to wait: those frontends show no message of any other status.
    #[must_use]
    pub fn into_frontend_error(self) -> Self {
        let general = self.into_general_error();
        let status = if general.status == StatusCode::TOO_MANY_REQUESTS { StatusCode::OK } else { general.status };
        Self { status, ..general }
    }

    /// The HTTP status it will be answered with.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    pub fn message(&self) -> &str {
        &self.message
    }

    /// The message as a sentence to people.
    pub fn sentence(&self) -> String {
        if self.message == UNAVAILABLE {
            return "The database is not answering right now. Try again in a few seconds.".to_owned();
        }
        let mut letters = self.message.chars();
        let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
        format!("{first}{}.", letters.as_str().trim_end_matches('.'))
    }

    /// The response with the caller's own page, for instance a form with the submitted text.
    pub fn respond_with(&self, html: String) -> HttpResponse {
        self.log();
        self.head().content_type("text/html; charset=utf-8").body(html)
    }

    /// The response as the client expects it: a page for browser navigation, otherwise JSON.
    pub fn respond_to(self, request: &RequestHead) -> HttpResponse {
        if wants_page(request) { ProblemPage::from(self).error_response() } else { self.error_response() }
    }

    /// Logs the failure where it becomes an answer, and only there.
    pub fn log(&self) {
        if let Some(cause) = &self.cause {
            tracing::error!(status = self.status.as_u16(), cause, "request failed");
        }
    }

    /// Status and headers without a body.
    fn head(&self) -> actix_web::HttpResponseBuilder {
        let mut response = HttpResponse::build(self.status);
        if let Some(wait) = self.retry_after {
            response.insert_header((header::RETRY_AFTER, wait.as_secs().max(1)));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = self.refusal.as_deref().map_or_else(|| "Bearer".to_owned(), |refusal| refusal.challenge());
            response.insert_header((header::WWW_AUTHENTICATE, challenge));
        }
        response.insert_header((header::CACHE_CONTROL, "no-store"));
        response
    }
}

/// Whether an error is told on a page: the request accepts HTML, as a browser's navigation does. Below `/api` errors are JSON,
/// whatever the client accepts.
pub fn wants_page(request: &RequestHead) -> bool {
    let path = request.uri.path();
    let is_api = path.strip_prefix("/api").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let accept = request.headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    !is_api && accept.is_some_and(|accept| accept.contains("text/html"))
}

/// The error and all its sources in one line.
fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    text
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        self.log();
        let message = match self.field {
            Some(field) => Cow::Owned(format!("{field}: {}", self.message)),
            None => self.message.clone(),
        };
        let mut response = self.head().json(Body { status: self.code, message: &message });
        // SuperTokens' clients see 401 from every route, in the form of their backends; its reason is in the header.
        let is_of_session = self.status == StatusCode::UNAUTHORIZED && !self.is_about_key;
        if self.code.is_none() && !is_of_session {
            response.extensions_mut().insert(ProblemDetails::new(self.status, message));
        }
        response
    }
}

/// Why credentials are refused. The texts are for developers of clients: they say nothing about a session before the signature
/// of its token has been verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The error code of RFC 6750, section 3.1; none for a request without credentials.
    code: Option<&'static str>,
    description: &'static str,
}

impl Refusal {
    /// The request has no credentials.
    pub const MISSING: Self =
        Self::missing("missing: send an access token as `Authorization: Bearer` or in the session's cookie");
    /// The request has credentials that nobody has issued in this form.
    pub const MALFORMED: Self = Self::invalid("malformed: the token does not have the form of an access token");

    /// No token was sent.
    pub const fn missing(description: &'static str) -> Self {
        Self { code: None, description }
    }

    /// A token was sent and is refused.
    pub const fn invalid(description: &'static str) -> Self {
        Self { code: Some("invalid_token"), description }
    }

    /// Writes the reason into a 401 response.
    pub fn attach(self, response: &mut HttpResponse) {
        if response.status() != StatusCode::UNAUTHORIZED {
            return;
        }
        if let Ok(challenge) = HeaderValue::from_str(&self.challenge()) {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
    }

    /// Value of `WWW-Authenticate`.
    pub fn challenge(self) -> String {
        // The descriptions are constants without quotes or backslashes.
        let code = self.code.map_or_else(String::new, |code| format!("error=\"{code}\", "));
        format!("Bearer {code}error_description=\"{}\"", self.description)
    }
}

/// Travels with the response of a [`Problem`] to the layer that knows the request, which renders it again as
/// `application/problem+json` where no SuperTokens client reads it.
#[derive(Clone, Debug)]
pub struct ProblemDetails {
    status: StatusCode,
    message: Cow<'static, str>,
}

impl ProblemDetails {
    pub fn new(status: StatusCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, message: message.into() }
    }

    /// RFC 9457, with `message` as well, for clients that read one member everywhere.
    pub fn to_json(&self, request_id: Option<String>) -> String {
        let title = self.status.canonical_reason().unwrap_or("Error");
        let mut json = serde_json::json!({
            "type": "about:blank", "title": title, "status": self.status.as_u16(), "detail": self.message,
            "message": self.message,
        });
        if let (Some(id), Some(members)) = (request_id, json.as_object_mut()) {
            members.insert("requestId".to_owned(), id.into());
        }
        json.to_string()
    }
}

/// The body for SuperTokens' clients.
#[derive(Serialize)]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    message: &'a str,
}

/// A task has panicked.
impl From<JoinError> for Problem {
    fn from(error: JoinError) -> Self {
        Self::internal(error)
    }
}

impl From<fauna_client::Error> for Problem {
    fn from(error: fauna_client::Error) -> Self {
        use fauna_client::Error;
        match error {
            // The schema or the role of a key lacks a privilege that one of our own queries needs.
            Error::PermissionDenied(_) => Self::internal(error),
            Error::Unauthorized
            | Error::NotFound
            | Error::NotUnique
            | Error::AlreadyExists
            | Error::Aborted(_)
            | Error::TooLarge
            | Error::Refused { .. }
            | Error::Contended
            | Error::Unavailable(_)
            | Error::Unanswered(_)
            | Error::AnswerTooLarge
            | Error::Protocol(_)
            | Error::DeclaredTwice(_)
            | Error::OtherIndex(_)
            | Error::Endpoint(_)
            | Error::Certificates(_) => Self::unavailable(error),
        }
    }
}
