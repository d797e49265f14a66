//! Maps paths and methods to operations.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::{Method, Request, Response};
use secrecy::SecretString;

use super::activity::{Activity, Trust};
use super::body::{BodyError, ConnectionBudgets, Received, RequestBody, ResponseBody};
use super::headers;
use super::headers::RequestHeaders;
use super::response::Answering;
use crate::answer::Answer;
use crate::clock::SharedClock;
use crate::engine::{AuthenticatedReply, Engine, Operation};
use crate::settings::Browsers;
use crate::streams::{Fields, Hub};
use crate::{answer, engine, streams};

/// State shared by all requests.
#[derive(Clone)]
pub struct Endpoint {
    pub engine: Engine,
    pub streams: Hub,
    pub clock: SharedClock,
    pub browsers: Browsers,
    /// Time for a request body.
    pub request_body: Duration,
}

/// The connection that a request came by.
#[derive(Clone)]
pub struct Peer {
    pub activity: Arc<Activity>,
    pub budgets: Arc<ConnectionBudgets>,
}

/// The meaning of a path and a method.
enum Route {
    /// This answer, without authentication.
    Immediate(Answer),
    /// This answer, if the secret is valid.
    Authenticated(AuthenticatedReply),
    /// The result of the query in the body.
    Body { may_write: bool, streams: bool },
    /// The result of this query, which may not write.
    Text(String),
}

/// The answer to what is not a request.
const BAD_REQUEST: &str = "{\"error\": \"bad request\"}";

/// Answers one request; failures are answers, too.
pub async fn handle(
    request: Request<Incoming>,
    peer: Peer,
    endpoint: Endpoint,
) -> Result<Response<ResponseBody>, Infallible> {
    let began = Instant::now();
    let in_progress = peer.activity.begin();
    let (request, incoming) = request.into_parts();
    let mut body = RequestBody::new(incoming, Arc::clone(&peer.budgets), endpoint.request_body);
    let is_preflight = request.method == Method::OPTIONS && request.headers.contains_key("origin");
    let headers = headers::read(&request.headers);
    let answer = match &headers {
        _ if is_preflight => None,
        Err(text) => Some(Answer::protocol(400, "bad request", text, None)),
        Ok(headers) => Some(answer(&request, headers, &mut body, &endpoint).await),
    };
    let is_application =
        headers.as_ref().is_ok_and(|headers| endpoint.engine.is_application(headers.secret.as_deref()));
    peer.activity.raise(if is_application { Trust::Application } else { Trust::Answered });
    if !body.is_finished() {
        body.drain().await;
    }
    if !body.is_finished() {
        peer.activity.leave_unread();
    }
    let headers = headers.ok();
    let stream = headers.as_ref().and_then(|headers| stream_request(&request, headers));
    let answering = Answering {
        request: &request,
        budgets: &peer.budgets,
        in_progress,
        browsers: endpoint.browsers,
        closes: !body.is_finished(),
        took: began.elapsed(),
        bytes_in: body.length(),
        last_seen: headers.as_ref().and_then(|headers| headers.last_seen),
        pretty: headers.as_ref().is_some_and(|headers| headers.pretty),
        tags: headers.and_then(|headers| headers.tags),
    };
    Ok(match answer {
        None => answering.preflight(),
        Some(answer) => match answer.stream.clone().zip(stream) {
            None => answering.respond(answer),
            Some((target, stream)) => {
                let (number, events) = endpoint.streams.open(stream.of(target));
                answering.stream(&answer, number, events)
            }
        },
    })
}

/// The answer to a request with valid headers.
async fn answer(request: &Parts, headers: &RequestHeaders, body: &mut RequestBody, endpoint: &Endpoint) -> Answer {
    let run = |operation| {
        let secret = headers.secret.clone();
        let request = engine::Request { operation, secret, version: headers.version, timeout: headers.timeout };
        endpoint.engine.run(request)
    };
    let query = |body, may_write, streams| Operation::Query { body, may_write, streams };
    match route(request, endpoint.clock.now_micros()) {
        Route::Immediate(answer) => answer,
        Route::Authenticated(reply) => run(Operation::Authenticate(reply)).await,
        Route::Text(text) => run(query(text.into_bytes(), false, false)).await,
        Route::Body { may_write, streams } => {
            let refused = match body.begin().await {
                Ok(Received::Whole) => None,
                Ok(Received::Beginning) => {
                    let verified = run(Operation::Authenticate(AuthenticatedReply::Identity)).await;
                    if verified.is_failure() {
                        return verified;
                    }
                    body.finish().await.err()
                }
                Err(error) => Some(error),
            };
            match refused {
                Some(error) => not_received(error),
                None => match event_fields(request) {
                    Err(unknown) if streams => {
                        let verified = run(Operation::Authenticate(AuthenticatedReply::Identity)).await;
                        if verified.is_failure() { verified } else { answer::unknown_fields(&unknown, headers.version) }
                    }
                    _ => run(query(body.take(), may_write, streams)).await,
                },
            }
        }
    }
}

/// The fields that a stream is to show.
fn event_fields(request: &Parts) -> Result<Fields, Vec<String>> {
    parameter(request, "fields").map_or_else(|| Ok(Fields::default()), |names| Fields::parse(&names))
}

/// The options of the stream that a request may open.
fn stream_request(request: &Parts, headers: &RequestHeaders) -> Option<streams::Options> {
    let secret = SecretString::from(headers.secret.clone()?);
    Some(streams::Options { secret, version: headers.version, fields: event_fields(request).ok()? })
}

/// The answer to a request whose body was not received.
fn not_received(error: BodyError) -> Answer {
    match error {
        BodyError::TooLarge => Answer::too_large(),
        BodyError::Broken => Answer::new(400, BAD_REQUEST.to_owned(), None),
        BodyError::TooSlow => Answer::protocol(503, "time out", "Read timed out", None),
        BodyError::Busy => Answer::too_many_requests("Too many bytes of request bodies are being received"),
    }
}

fn route(request: &Parts, now: i64) -> Route {
    let only = |allow: &'static str| Route::Authenticated(AuthenticatedReply::MethodNotAllowed(allow));
    let (path, method) = (request.uri.path(), &request.method);
    match (path, method) {
        ("//", &Method::POST) => Route::Immediate(Answer::new(400, BAD_REQUEST.to_owned(), None)),
        ("/" | "" | "/linearized", &Method::POST) => Route::Body { may_write: true, streams: false },
        ("/" | "", &Method::GET) => Route::Text(parameter(request, "q").unwrap_or_default()),
        ("/" | "", _) => only("GET, POST"),
        ("/stream", &Method::POST) => Route::Body { may_write: false, streams: true },
        ("/linearized" | "/stream", _) => only("POST"),
        ("/ping", &Method::GET | &Method::HEAD) => Route::Immediate(ping(request, now)),
        ("/authorized", &Method::GET | &Method::HEAD) => Route::Authenticated(AuthenticatedReply::Identity),
        ("/error", &Method::GET | &Method::HEAD) => {
            Route::Immediate(Answer::internal("This is a test of the error path."))
        }
        ("/ping" | "/authorized" | "/error", _) => Route::Immediate(Answer::method_not_allowed("GET", Some(now))),
        _ => other(path, method, now),
    }
}

/// Paths of FQL v10 and GraphQL, of the old interface by path, and unknown ones.
fn other(path: &str, method: &Method, now: i64) -> Route {
    let first = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    let refused = |what: &str| {
        let text = format!(
            "{what} is not offered by the embedded Fauna endpoint: see \"Features\" in the README of embedded-fauna."
        );
        Route::Immediate(Answer::protocol(404, "not found", &text, Some(now)))
    };
    match first {
        "query" | "schema" | "feed" | "environment" | "export" | "stream" => return refused("FQL v10"),
        "graphql" | "import" => return refused("GraphQL"),
        _ => {}
    }
    if path.starts_with("//") && *method == Method::GET {
        return Route::Text(String::new());
    }
    match (by_path(path), method) {
        (Some(query), &Method::GET) => Route::Text(query),
        (Some(_), _) => Route::Authenticated(AuthenticatedReply::MethodNotAllowed("GET")),
        (None, _) => Route::Immediate(Answer::protocol(404, "not found", "Not Found", Some(now))),
    }
}

/// The query for an old path: `/COLLECTION/ID` reads a document, `/COLLECTION` lists a native collection.
fn by_path(path: &str) -> Option<String> {
    let path = path.strip_prefix('/')?;
    let parts: Vec<&str> = path.split('/').collect();
    let is_native = |name: &str| {
        matches!(
            name,
            "databases"
                | "collections"
                | "classes"
                | "indexes"
                | "keys"
                | "tokens"
                | "credentials"
                | "functions"
                | "roles"
        )
    };
    let is_plain = |part: &&str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
    };
    match parts.as_slice() {
        [name] if is_native(name) => Some(format!("{{\"paginate\":{{\"@ref\":\"{name}\"}}}}")),
        [name, rest @ ..] if is_native(name) && rest.len() <= 2 && rest.iter().all(is_plain) => {
            Some(format!("{{\"get\":{{\"@ref\":\"{path}\"}}}}"))
        }
        _ => None,
    }
}

fn parameter(request: &Parts, name: &str) -> Option<String> {
    let mut pairs = form_urlencoded::parse(request.uri.query()?.as_bytes());
    pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// The answer to `/ping`: always success, with the scope's canonical name.
fn ping(request: &Parts, now: i64) -> Answer {
    let scope = match parameter(request, "scope").as_deref() {
        None | Some("write" | "global") => "write",
        Some("read" | "local") => "read",
        Some("all") => "all",
        Some(_) => "node",
    };
    Answer::new(200, format!("{{\"resource\":\"Scope {scope} is OK\"}}"), Some(now))
}
