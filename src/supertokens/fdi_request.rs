//! What all recipes of SuperTokens' frontend interface have in common: how a path is matched, how a body is read, and how a
//! failure is told to frontends that show the message of no status but 200.

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::web::Bytes;
use actix_web::{FromRequest, HttpRequest, web};
use futures_util::future::LocalBoxFuture;
use serde_json::Value;

use crate::http::problem::Problem;
use crate::http::routes::{Resource, Routes};

/// What a frontend is told whose body cannot be read.
pub const NOT_JSON: &str = "API input error: Please make sure to pass a valid JSON input in the request body";

/// Registers a path of the interface: also below `/public`, the one tenant, and with a trailing slash. Wrong methods are answered
/// with 404, as by SuperTokens' backends.
pub fn path(auth: &mut Routes<'_>, path: &str, methods: impl Fn(Resource) -> Resource) {
    let resource = |prefix: &str, suffix: &str| {
        let resource = Resource::at(&format!("{prefix}{path}{suffix}"));
        methods(resource.default_service(web::to(not_found)))
    };
    auth.add(resource("", ""));
    for (prefix, suffix) in [("", "/"), ("/public", ""), ("/public", "/")] {
        auth.add_unlisted(resource(prefix, suffix));
    }
}

/// What the interface does not know.
async fn not_found() -> Result<(), Problem> {
    Err(Problem::new(StatusCode::NOT_FOUND, "not found"))
}

/// A request of the interface with its body, read whatever its content type says.
pub struct FdiRequest {
    /// The request.
    pub request: HttpRequest,
    /// Its body.
    pub body: Bytes,
}

impl FromRequest for FdiRequest {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, body) = (request.clone(), Bytes::from_request(request, payload));
        Box::pin(async move {
            let body = body.await.map_err(|error| match error.as_response_error().status_code() {
                StatusCode::PAYLOAD_TOO_LARGE => {
                    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "the request body is too large")
                }
                _ => Problem::bad_request("the request body did not arrive"),
            })?;
            Ok(Self { request, body })
        })
    }
}

impl FdiRequest {
    /// The whole body; none at all counts as `{}`. Nothing where it is no JSON.
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(if self.body.is_empty() { b"{}" } else { &self.body }).ok()
    }

    /// A member of the body.
    pub fn member(&self, name: &str) -> Option<Value> {
        self.json()?.get_mut(name).map(Value::take)
    }

    /// A failure as this client wants it told.
    pub fn respond(&self, failure: impl Into<Problem>) -> Problem {
        respond(&self.request, failure)
    }
}

/// A failure as the client wants it told.
pub fn respond(request: &HttpRequest, failure: impl Into<Problem>) -> Problem {
    let (headers, problem) = (request.headers(), failure.into());
    let is_frontend = headers.contains_key("fdi-version") || headers.contains_key("rid");
    if is_frontend { problem.into_frontend_answer() } else { problem }
}
