//! The error responses that operations have in common: which statuses, in which shape, with which headers.

use actix_web::http::{Method, StatusCode};
use serde_json::{Value, json};
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{ArrayBuilder, Object, ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::{ComponentsBuilder, Content, ContentBuilder, Ref, RefOr, Response, ResponseBuilder};

use crate::http::problem::NO_SUCH_ADDRESS;
use crate::http::problem::{ProblemDetails, Refusal, UNAVAILABLE};
use crate::http::routes::{Access, Route};
use crate::http::same_origin::CROSS_SITE;

/// The kind of client that reads the error responses of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Clients of this site's own API: `application/problem+json` (RFC 9457).
    Api,
    /// Clients of SuperTokens, which read `message` of an `application/json` body.
    SuperTokens,
}

struct KnownError {
    status: StatusCode,
    description: &'static str,
    /// Message of the example.
    message: &'static str,
}

const fn known(status: StatusCode, description: &'static str, message: &'static str) -> KnownError {
    KnownError { status, description, message }
}

const KNOWN_ERRORS: [KnownError; 12] = [
    known(
        StatusCode::BAD_REQUEST,
        "The request is malformed; the message names the field, never its value",
        "text: must be a string",
    ),
    known(
        StatusCode::UNAUTHORIZED,
        "No session, or one that must be refreshed; for programs: no key, or a wrong one. `WWW-Authenticate` has the reason",
        "try refresh token",
    ),
    known(StatusCode::FORBIDDEN, "Another origin, a claim that does not hold, or not yours", CROSS_SITE),
    known(StatusCode::NOT_FOUND, "Not found", NO_SUCH_ADDRESS),
    known(
        StatusCode::METHOD_NOT_ALLOWED,
        "The path is not used with this method; `Allow` names those it is used with",
        "method not allowed",
    ),
    known(StatusCode::REQUEST_TIMEOUT, "The request did not arrive in time", "the request took too long"),
    known(
        StatusCode::CONFLICT,
        "It contradicts what is stored, such as an address that another account has",
        "this address belongs to another account",
    ),
    known(
        StatusCode::PAYLOAD_TOO_LARGE,
        "The body is too large; the message names the limit",
        "the request body is larger than 65536 bytes",
    ),
    known(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "The body has another content type than expected",
        "content type must be application/json",
    ),
    known(
        StatusCode::TOO_MANY_REQUESTS,
        "Too many requests; `Retry-After` says when to repeat",
        "Too many attempts. Try again in 30 seconds.",
    ),
    known(StatusCode::INTERNAL_SERVER_ERROR, "A defect of the server; the log has the cause", "internal error"),
    known(
        StatusCode::SERVICE_UNAVAILABLE,
        "A database or Fauna does not answer; nothing has changed, cookies neither",
        UNAVAILABLE,
    ),
];

/// Adds the error responses that follow from the method, the input and the access of a route, where the handler's own
/// description does not have them.
pub fn add(operation: &mut Operation, route: &Route, audience: Audience) {
    let refusals: &[u16] = match route.access {
        // A visitor may send a session that is refused.
        Access::Public | Access::MaybeSignedIn | Access::MailedLink => &[401],
        Access::RefreshToken | Access::SignedIn | Access::SignedInPage => &[401, 403],
        // All of them are 404 while there is no such key.
        Access::AdminKey | Access::MetricsToken => &[401, 404],
    };
    let is_for_programs = matches!(route.access, Access::AdminKey | Access::MetricsToken);
    let is_unsafe = route.method != Method::GET;
    let takes_input = operation.parameters.as_ref().is_some_and(|parameters| !parameters.is_empty());
    let mut statuses = vec![400, 405, 408, 429, 500, 503];
    statuses.extend(refusals);
    if is_unsafe {
        statuses.extend([403, 409, 413, 415]);
    }
    if takes_input || is_unsafe {
        statuses.push(404);
    }
    for status in statuses {
        let name = if is_for_programs && status == 401 { KEY_REFUSED.to_owned() } else { component(status, audience) };
        let answer = RefOr::Ref(Ref::from_response_name(name));
        operation.responses.responses.entry(status.to_string()).or_insert(answer);
    }
    if audience == Audience::Api {
        add_common_form(operation);
    }
}

/// Operations with an error body of their own also answer errors of that status in the common form.
fn add_common_form(operation: &mut Operation) {
    for (status, response) in &mut operation.responses.responses {
        let known = KNOWN_ERRORS.iter().find(|error| error.status.as_str() == status);
        if let (Some(error), RefOr::T(response)) = (known, response) {
            let content = problem_content(error.status, error.message);
            response.content.entry(PROBLEM_JSON.to_owned()).or_insert(content.into());
        }
    }
}

/// Name of the 401 response of routes for programs, in the shape of all other errors.
const KEY_REFUSED: &str = "KeyError401";

fn component(status: u16, audience: Audience) -> String {
    match audience {
        Audience::Api => format!("Error{status}"),
        Audience::SuperTokens => format!("SuperTokensError{status}"),
    }
}

/// Adds the responses and schemas that [`add`] refers to.
pub fn components(mut components: ComponentsBuilder) -> ComponentsBuilder {
    components = components.schema("Problem", problem_schema()).schema("SuperTokensError", supertokens_schema());
    for error in &KNOWN_ERRORS {
        for audience in [Audience::Api, Audience::SuperTokens] {
            components = components.response(component(error.status.as_u16(), audience), response(error, audience));
        }
    }
    components.response(KEY_REFUSED, key_refused())
}

fn key_refused() -> Response {
    let example = Refusal::missing("missing: send an administration key as `Authorization: Bearer`").challenge();
    let status = StatusCode::UNAUTHORIZED;
    ResponseBuilder::new()
        .description("The key is missing or wrong; `WWW-Authenticate` has the reason")
        .header("X-Request-Id", request_id_header())
        .header("WWW-Authenticate", header(Type::String, "The reason (RFC 6750): missing or wrong", json!(example)))
        .content(PROBLEM_JSON, problem_content(status, "an API key is needed"))
        .build()
}

fn problem_content(status: StatusCode, message: &'static str) -> Content {
    let example = ProblemDetails::new(status, message).to_json(Some(REQUEST_ID_EXAMPLE.to_owned()));
    content("Problem", serde_json::from_str(&example).unwrap_or_default())
}

fn content(schema: &str, example: Value) -> Content {
    ContentBuilder::new().schema(Some(Ref::from_schema_name(schema))).example(Some(example)).build()
}

pub(super) fn header(kind: Type, description: &str, example: Value) -> Header {
    HeaderBuilder::new()
        .schema(Some(Object::with_type(kind)))
        .description(Some(description))
        .example(Some(example))
        .build()
}

fn request_id_header() -> Header {
    header(Type::String, "Id of the request in the log", json!(REQUEST_ID_EXAMPLE))
}

fn response(error: &KnownError, audience: Audience) -> Response {
    let mut response = ResponseBuilder::new().description(error.description);
    for (name, header) in headers(error.status) {
        response = response.header(name, header);
    }
    let for_api = audience == Audience::Api && error.status != StatusCode::UNAUTHORIZED;
    if for_api {
        response = response.content(PROBLEM_JSON, problem_content(error.status, error.message));
    }
    // The session's own refusals are read by SuperTokens' clients wherever they occur.
    if !for_api || error.status == StatusCode::FORBIDDEN {
        response = response.content("application/json", content("SuperTokensError", supertokens_example(error)));
    }
    response.build()
}

const PROBLEM_JSON: &str = "application/problem+json";
const REQUEST_ID_EXAMPLE: &str = "0193a6c2-7f0e-7d6b-9d3c-2f6f0c1f4c55";

fn supertokens_example(error: &KnownError) -> Value {
    match error.status {
        StatusCode::FORBIDDEN => json!({"message": "invalid claim", "claimValidationErrors": [
            {"id": "st-ev", "reason": {"message": "wrong value", "expectedValue": true, "actualValue": false}}]}),
        StatusCode::BAD_REQUEST => json!({"message": "Missing input param: formFields"}),
        _ => json!({"message": error.message}),
    }
}

fn headers(status: StatusCode) -> Vec<(&'static str, Header)> {
    let mut headers = vec![("X-Request-Id", request_id_header())];
    match status {
        StatusCode::UNAUTHORIZED => {
            let example = Refusal::invalid("expired: refresh the session").challenge();
            let why = "The reason (RFC 6750): missing, malformed, expired or revoked";
            headers.push(("WWW-Authenticate", header(Type::String, why, json!(example))));
        }
        StatusCode::METHOD_NOT_ALLOWED => {
            headers.push(("Allow", header(Type::String, "The methods of the path", json!("GET, POST, HEAD"))));
        }
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            let wait = header(Type::Integer, "Seconds to wait before the request is repeated", json!(30));
            headers.push(("Retry-After", wait));
        }
        _ => {}
    }
    headers
}

fn text(description: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::new(Type::String)).description(Some(description))
}

/// RFC 9457, and `message`.
fn problem_schema() -> Schema {
    let status = ObjectBuilder::new().schema_type(SchemaType::new(Type::Integer));
    ObjectBuilder::new()
        .property("type", text("Always `about:blank`: the status says what kind of error it is"))
        .property("title", text("The standard phrase of the status"))
        .property("status", status)
        .property("detail", text("The same as `message`"))
        .property("message", text("For people"))
        .property("requestId", text("Id of the request in the log"))
        .required("type")
        .required("title")
        .required("status")
        .required("detail")
        .required("message")
        .into()
}

fn supertokens_schema() -> Schema {
    let general = text("Only for clients that show the message to the user").enum_values(Some(["GENERAL_ERROR"]));
    let failures = ArrayBuilder::new().description(Some("The claims that do not hold"));
    ObjectBuilder::new()
        .property("message", text("For people"))
        .property("status", general)
        .property("claimValidationErrors", failures)
        .required("message")
        .into()
}
