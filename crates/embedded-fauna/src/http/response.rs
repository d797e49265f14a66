//! Responses with FaunaDB's headers.

use std::time::Duration;

use aws_lc_rs::rand;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ALLOW, CONNECTION,
    CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue, ORIGIN, WWW_AUTHENTICATE,
};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode, Version};

use super::activity::InProgress;
use super::body::{ConnectionBudgets, ResponseBody, small};
use super::headers;
use super::pretty::pretty;
use crate::answer::Answer;
use crate::settings::Browsers;
use crate::streams::Events;

/// The largest body that is laid out for people, in bytes: laying out takes time for every level of nesting.
const MAX_PRETTY: usize = 128 << 10;
const JSON: &str = "application/json;charset=utf-8";
/// Headers that most responses have, and some more: a map that grows is filled again.
const HEADERS: usize = 24;
/// Headers of the answer to a query.
const STATISTICS: [&str; 10] = [
    "x-txn-time",
    "x-compute-ops",
    "x-byte-read-ops",
    "x-byte-write-ops",
    "x-query-time",
    "x-query-bytes-in",
    "x-query-bytes-out",
    "x-storage-bytes-read",
    "x-storage-bytes-write",
    "x-txn-retries",
];
/// Value of the header `x-faunadb-build`.
const BUILD: &str = concat!("embedded-", env!("CARGO_PKG_VERSION"));
/// `access-control-allow-headers` of a preflight answer.
const ALLOWED_HEADERS: &str = "accept-encoding, authorization, content-type, x-driver-env, x-faunadb-api-version, x-fauna-driver, \
x-fauna-source, x-fauna-tags, x-format, x-last-seen-txn, x-last-txn-ts, x-linearized, x-max-contention-retries, \
x-max-retries-on-contention, x-query-tags, x-query-timeout, x-query-timeout-ms, x-runtime-environment, x-runtime-environment-os, \
x-nodejs-version, traceparent, x-typecheck, x-performance-hints";

/// A request that is being answered.
pub struct Answering<'r> {
    pub request: &'r Parts,
    pub budgets: &'r ConnectionBudgets,
    pub in_progress: InProgress,
    pub browsers: Browsers,
    /// Whether the connection is closed afterwards, because a part of the request body was not read.
    pub closes: bool,
    pub took: Duration,
    /// Bytes of the request body.
    pub bytes_in: usize,
    /// The latest transaction that the client has seen, in microseconds.
    pub last_seen: Option<i64>,
    pub tags: Option<String>,
    /// Whether the body is laid out for people.
    pub pretty: bool,
}

impl Answering<'_> {
    /// Headers of every response: CORS if the request has an origin, the trace, the build, and over HTTP/1.1 `connection`.
    fn common(&self, exposed: &[&str]) -> HeaderMap {
        let request = self.request;
        let mut headers = HeaderMap::with_capacity(HEADERS);
        if let Some(origin) = request.headers.get(ORIGIN) {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            if self.browsers == Browsers::AsFaunaDb {
                headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
            }
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, value(&exposed.join(", ")));
        }
        headers.insert("x-faunadb-build", HeaderValue::from_static(BUILD));
        headers.insert("traceparent", traceparent(request));
        if request.version < Version::HTTP_2 {
            let asked = request.headers.get(CONNECTION);
            let asked = asked.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"close"));
            let connection = if self.closes || asked { "close" } else { "keep-alive" };
            headers.insert(CONNECTION, HeaderValue::from_static(connection));
        }
        headers
    }

    /// The response to a browser that asks what it may send.
    pub fn preflight(self) -> Response<ResponseBody> {
        let mut headers = self.common(&[]);
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
        let methods = HeaderValue::from_static("GET, POST, PUT, PATCH, DELETE");
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(ALLOWED_HEADERS));
        self.finish(StatusCode::OK, headers, String::new())
    }

    /// The response with this answer.
    pub fn respond(self, answer: Answer) -> Response<ResponseBody> {
        let is_laid_out = self.pretty && answer.body.len() <= MAX_PRETTY;
        let body = if is_laid_out { pretty(&answer.body) } else { answer.body };
        let shown = match (answer.txn_time, answer.status) {
            (None, _) => 0,
            (Some(_), 401 | 500) => 1,
            (Some(_), _) => STATISTICS.len(),
        };
        let mut headers = self.common(STATISTICS.get(..shown).unwrap_or_default());
        for name in STATISTICS.into_iter().take(shown) {
            let value = match name {
                "x-txn-time" => answer.txn_time.max(self.last_seen).unwrap_or_default().into(),
                "x-query-time" => u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX).into(),
                "x-query-bytes-in" => self.bytes_in.into(),
                "x-query-bytes-out" => body.len().into(),
                "x-compute-ops" => HeaderValue::from_static("1"),
                _ => HeaderValue::from_static("0"),
            };
            headers.insert(name, value);
        }
        if let Some(tags) = &self.tags {
            headers.insert("x-fauna-tags", value(tags));
        }
        if let Some(allow) = answer.allow {
            headers.insert(ALLOW, HeaderValue::from_static(allow));
        }
        // A browser would ask its user for a password.
        if answer.status == 401 && !headers::is_from_browser(&self.request.headers) {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"Unauthorized\""));
        }
        if self.request.method != Method::HEAD || matches!(answer.status, 404 | 405 | 500) {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
        }
        self.finish(status(answer.status), headers, body)
    }

    /// The response with the events of a stream and its number; `answer` is that of the query.
    pub fn stream(self, answer: &Answer, number: u64, events: Events) -> Response<ResponseBody> {
        let mut headers = self.common(&["x-txn-time", "x-fauna-stream-id"]);
        if let Some(now) = answer.txn_time {
            headers.insert("x-txn-time", now.max(self.last_seen.unwrap_or(now)).into());
        }
        headers.insert("x-fauna-stream-id", number.into());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
        response(status(answer.status), headers, self.budgets.stream(events, self.in_progress))
    }

    fn finish(self, status: StatusCode, mut headers: HeaderMap, body: String) -> Response<ResponseBody> {
        let length = body.len();
        if let Some(body) = self.budgets.answer(body, self.in_progress) {
            headers.insert(CONTENT_LENGTH, length.into());
            return response(status, headers, body);
        }
        let busy = Answer::too_many_requests("Too many bytes of answers wait to be read");
        let headers = HeaderMap::from_iter([(CONTENT_LENGTH, busy.body.len().into())]);
        response(self::status(busy.status), headers, small(busy.body))
    }
}

fn response(status: StatusCode, headers: HeaderMap, body: ResponseBody) -> Response<ResponseBody> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// A header's value; empty if it has bytes that no header may have.
fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
}

/// The trace of the request with a span of our own; a new one if it has none.
fn traceparent(request: &Parts) -> HeaderValue {
    let span = u64::from_ne_bytes(random());
    let text = match headers::trace_of(&request.headers) {
        Some(trace) => format!("00-{trace}-{span:016x}-00"),
        None => format!("00-{:032x}-{span:016x}-00", u128::from_ne_bytes(random())),
    };
    value(&text)
}

/// Random bytes; zeros if the operating system provides no randomness.
fn random<const LENGTH: usize>() -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    let _no_randomness = rand::fill(&mut bytes);
    bytes
}
