//! Which request asks for what.

use std::time::Instant;

use actix_web::http::Method;
use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse, web};

use super::body::Refused;
use super::headers::Said;
use super::response::{Measured, preflight, response};
use super::{body, headers};
use crate::answer::Answer;
use crate::clock::SharedClock;
use crate::engine::{Asked, Engine, Reply, Request};

/// What every handler needs.
#[derive(Clone)]
pub struct Endpoint {
    /// Runs queries.
    pub engine: Engine,
    /// What time it is.
    pub clock: SharedClock,
}

/// What a request turns out to ask for.
enum Route {
    /// An answer that needs nothing else.
    Ready(Answer),
    /// Something for the engine.
    Ask(Asked),
}

/// Answers every request.
pub async fn handle(request: HttpRequest, payload: Payload, endpoint: web::Data<Endpoint>) -> HttpResponse {
    let began = Instant::now();
    if *request.method() == Method::OPTIONS && request.headers().contains_key("origin") {
        return preflight(&request);
    }
    let body = body::read(payload).await;
    let mut measured = Measured { bytes_in: body.as_ref().map_or(0, Vec::len), ..Measured::default() };
    let said = match headers::read(&request) {
        Ok(said) => said,
        Err(text) => return response(&request, Answer::protocol(400, "bad request", &text, None), &measured),
    };
    measured.tags.clone_from(&said.tags);
    measured.pretty = said.pretty;
    measured.last_seen = said.last_seen;
    let body = match body {
        Ok(body) => body,
        Err(Refused::TooLarge) => {
            let answer = Answer::protocol(413, "request too large", "Request entity is too large", None);
            return response(&request, answer, &measured);
        }
        Err(Refused::Broken) => return response(&request, Answer::new(400, BAD_REQUEST.to_owned(), None), &measured),
    };
    let now = endpoint.clock.now_micros();
    let answer = match route(&request, body, now) {
        Route::Ready(answer) => answer,
        Route::Ask(asked) => endpoint.engine.run(asking(asked, said)).await,
    };
    measured.took = began.elapsed();
    response(&request, answer, &measured)
}

/// What is answered to what is no request.
const BAD_REQUEST: &str = "{\"error\": \"bad request\"}";

/// A request for the engine.
fn asking(asked: Asked, said: Said) -> Request {
    Request { asked, secret: said.secret, version: said.version, timeout: said.timeout }
}

/// What a request asks for.
fn route(request: &HttpRequest, body: Vec<u8>, now: i64) -> Route {
    let method = request.method();
    let query = |body: Vec<u8>, may_write: bool| Route::Ask(Asked::Query { body, may_write, streams: false });
    let only = |allow: &'static str| Route::Ask(Asked::Login(Reply::MethodNotAllowed(allow)));
    let path = request.path();
    match (path, method) {
        ("//", &Method::POST) => Route::Ready(Answer::new(400, BAD_REQUEST.to_owned(), None)),
        ("/" | "" | "/linearized", &Method::POST) => query(body, true),
        ("/" | "", &Method::GET) => query(parameter(request, "q").unwrap_or_default().into_bytes(), false),
        ("/" | "", _) => only("GET, POST"),
        ("/stream", &Method::POST) => Route::Ask(Asked::Query { body, may_write: false, streams: true }),
        ("/linearized" | "/stream", _) => only("POST"),
        ("/ping", &Method::GET | &Method::HEAD) => Route::Ready(ping(request, now)),
        ("/authorized", &Method::GET | &Method::HEAD) => Route::Ask(Asked::Login(Reply::Authorized)),
        ("/error", &Method::GET | &Method::HEAD) => Route::Ready(Answer::internal("This is a test of the error path.")),
        ("/ping" | "/authorized" | "/error", _) => Route::Ready(Answer::method_not_allowed("GET", Some(now))),
        _ => other(path, method, now),
    }
}

/// A path of another interface, of the old one by path, or of none.
fn other(path: &str, method: &Method, now: i64) -> Route {
    let first = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    let refused = |what: &str| {
        let text = format!("{what} is not offered by the embedded Fauna endpoint.");
        Route::Ready(Answer::protocol(404, "not found", &text, Some(now)))
    };
    match first {
        "query" | "schema" | "feed" | "environment" | "export" | "stream" => return refused("FQL v10"),
        "graphql" | "import" => return refused("GraphQL"),
        _ => {}
    }
    if path.starts_with("//") && *method == Method::GET {
        return Route::Ask(Asked::Query { body: Vec::new(), may_write: false, streams: false });
    }
    match (by_path(path), method) {
        (Some(query), &Method::GET) => {
            Route::Ask(Asked::Query { body: query.into_bytes(), may_write: false, streams: false })
        }
        (Some(_), _) => Route::Ask(Asked::Login(Reply::MethodNotAllowed("GET"))),
        (None, _) => Route::Ready(Answer::protocol(404, "not found", "Not Found", Some(now))),
    }
}

/// The query that reads what an old path names: a document or a native collection.
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

/// A parameter of the query string, decoded.
fn parameter(request: &HttpRequest, name: &str) -> Option<String> {
    let query = web::Query::<Vec<(String, String)>>::from_query(request.query_string()).ok()?;
    query.into_inner().into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
}

/// That the endpoint is there: it has no other scope than itself.
fn ping(request: &HttpRequest, now: i64) -> Answer {
    let scope = match parameter(request, "scope").as_deref() {
        None | Some("write" | "global") => "write",
        Some("read" | "local") => "read",
        Some("all") => "all",
        Some(_) => "node",
    };
    Answer::new(200, format!("{{\"resource\":\"Scope {scope} is OK\"}}"), Some(now))
}
