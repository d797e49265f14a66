//! What the recipes of SuperTokens' frontend driver interface (FDI) share: matching paths, reading bodies, and answering
//! failures to frontends that only show messages of responses with status 200.

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::web::Bytes;
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::LocalBoxFuture;
use serde_json::Value;

use crate::http::finish_response::BODY_BYTES_MAX;
use crate::http::problem::Problem;
use crate::http::routes::{Resource, Routes};

pub const NOT_JSON: &str = "API input error: Please make sure to pass a valid JSON input in the request body";

/// Registers a path of the interface: also below `/public`, the one tenant, and with a trailing slash.
pub fn path(auth: &mut Routes<'_>, path: &str, methods: impl Fn(Resource) -> Resource) {
    let resource = |prefix: &str, suffix: &str| methods(Resource::at(&format!("{prefix}{path}{suffix}")));
    auth.add(resource("", ""));
    for (prefix, suffix) in [("", "/"), ("/public", ""), ("/public", "/")] {
        auth.add_unlisted(resource(prefix, suffix));
    }
}

/// A request with its body, whatever its content type.
pub struct FdiRequest {
    pub request: HttpRequest,
    pub body: Bytes,
}

impl FromRequest for FdiRequest {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, body) = (request.clone(), Bytes::from_request(request, payload));
        Box::pin(async move {
            let body = body.await.map_err(|error| match error.as_response_error().status_code() {
                StatusCode::PAYLOAD_TOO_LARGE => Problem::body_too_large(BODY_BYTES_MAX),
                _ => Problem::bad_request("the request body did not arrive"),
            })?;
            Ok(Self { request, body })
        })
    }
}

/// A body that the interface does not allow. The text is for developers of frontends; answered with 400.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub &'static str);

impl From<Malformed> for Problem {
    fn from(malformed: Malformed) -> Self {
        Self::bad_request(malformed.0)
    }
}

impl FdiRequest {
    /// The body; an empty one counts as `{}`.
    pub fn json(&self) -> Result<Value, Malformed> {
        let body: &[u8] = if self.body.is_empty() { b"{}" } else { &self.body };
        serde_json::from_slice(body).map_err(|_why| Malformed(NOT_JSON))
    }

    /// A member of the body that must be text; the two messages are for when it is missing, and when it is no text.
    pub fn text(&self, member: &str, missing: &'static str, not_text: &'static str) -> Result<String, Malformed> {
        match self.json()?.get_mut(member).map(Value::take) {
            None => Err(Malformed(missing)),
            Some(Value::String(text)) => Ok(text),
            Some(_) => Err(Malformed(not_text)),
        }
    }

    /// [`respond`] for this request.
    pub fn respond(&self, failure: impl Into<Problem>) -> Problem {
        respond(&self.request, failure)
    }
}

/// A failure as this client understands it: SuperTokens' frontends get `GENERAL_ERROR`, with status 200 where the user has to
/// wait.
pub fn respond(request: &HttpRequest, failure: impl Into<Problem>) -> Problem {
    let (headers, problem) = (request.headers(), failure.into());
    let is_frontend = headers.contains_key("fdi-version") || headers.contains_key("rid");
    if is_frontend { problem.into_frontend_error() } else { problem.into_general_error() }
}
