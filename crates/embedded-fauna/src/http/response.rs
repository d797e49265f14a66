//! Responses with FaunaDB's headers.

use std::fmt::Write;
use std::time::Duration;

use aws_lc_rs::rand;
use hyper::header::{CONNECTION, CONTENT_LENGTH, HeaderValue};
use hyper::http::request::Parts;
use hyper::http::response::Builder;
use hyper::{Method, Response, Version};

use super::activity::InProgress;
use super::body::{ConnectionBudgets, ResponseBody, small};
use super::headers;
use super::pretty::pretty;
use crate::answer::Answer;
use crate::settings::Browsers;
use crate::streams::Events;

/// The largest body that is laid out for people, in bytes: laying out takes time for every level of nesting.
const MAX_PRETTY: usize = 128 << 10;
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
    fn common(&self, exposed: &[&str]) -> Builder {
        let request = self.request;
        let mut builder = Response::builder();
        if let Some(origin) = request.headers.get("origin") {
            builder = builder.header("access-control-allow-origin", origin.clone());
            if self.browsers == Browsers::AsFaunaDb {
                builder = builder.header("access-control-allow-credentials", "true");
            }
            builder = builder.header("access-control-expose-headers", exposed.join(", "));
        }
        builder = builder.header("x-faunadb-build", BUILD).header("traceparent", traceparent(request));
        if request.version < Version::HTTP_2 {
            let asked = request.headers.get(CONNECTION);
            let asked = asked.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"close"));
            builder = builder.header(CONNECTION, if self.closes || asked { "close" } else { "keep-alive" });
        }
        builder
    }

    /// The response to a browser that asks what it may send.
    pub fn preflight(self) -> Response<ResponseBody> {
        let builder = self
            .common(&[])
            .header("access-control-max-age", "86400")
            .header("access-control-allow-methods", "GET, POST, PUT, PATCH, DELETE")
            .header("access-control-allow-headers", ALLOWED_HEADERS);
        self.finish(builder, String::new())
    }

    /// The response with this answer.
    pub fn respond(self, answer: Answer) -> Response<ResponseBody> {
        let is_laid_out = self.pretty && answer.body.len() <= MAX_PRETTY;
        let body = if is_laid_out { pretty(&answer.body) } else { answer.body };
        let mut shown: Vec<(&str, String)> = Vec::new();
        if let Some(now) = answer.txn_time {
            shown.push(("x-txn-time", now.max(self.last_seen.unwrap_or(now)).to_string()));
            if !matches!(answer.status, 401 | 500) {
                shown.extend([
                    ("x-compute-ops", "1".to_owned()),
                    ("x-byte-read-ops", "0".to_owned()),
                    ("x-byte-write-ops", "0".to_owned()),
                    ("x-query-time", self.took.as_millis().to_string()),
                    ("x-query-bytes-in", self.bytes_in.to_string()),
                    ("x-query-bytes-out", body.len().to_string()),
                    ("x-storage-bytes-read", "0".to_owned()),
                    ("x-storage-bytes-write", "0".to_owned()),
                    ("x-txn-retries", "0".to_owned()),
                ]);
            }
        }
        let exposed: Vec<&str> = shown.iter().map(|(name, _)| *name).collect();
        let mut builder = self.common(&exposed).status(answer.status);
        for (name, value) in shown {
            builder = builder.header(name, value);
        }
        if let Some(tags) = &self.tags {
            builder = builder.header("x-fauna-tags", tags.as_str());
        }
        if let Some(allow) = answer.allow {
            builder = builder.header("allow", allow);
        }
        // A browser would ask its user for a password.
        if answer.status == 401 && !headers::is_from_browser(&self.request.headers) {
            builder = builder.header("www-authenticate", "Basic realm=\"Unauthorized\"");
        }
        if self.request.method != Method::HEAD || matches!(answer.status, 404 | 405 | 500) {
            builder = builder.header("content-type", "application/json;charset=utf-8");
        }
        self.finish(builder, body)
    }

    /// The response with the events of a stream and its number; `answer` is that of the query.
    pub fn stream(self, answer: &Answer, number: u64, events: Events) -> Response<ResponseBody> {
        let mut builder = self.common(&["x-txn-time", "x-fauna-stream-id"]).status(answer.status);
        if let Some(now) = answer.txn_time {
            builder = builder.header("x-txn-time", now.max(self.last_seen.unwrap_or(now)));
        }
        builder = builder.header("x-fauna-stream-id", number).header("content-type", "application/json;charset=utf-8");
        let body = self.budgets.stream(events, self.in_progress);
        builder.body(body).unwrap_or_else(|_invalid| Response::new(small(String::new())))
    }

    fn finish(self, builder: Builder, body: String) -> Response<ResponseBody> {
        let length = body.len();
        let response = if let Some(body) = self.budgets.answer(body, self.in_progress) {
            builder.header(CONTENT_LENGTH, length).body(body)
        } else {
            let busy = Answer::too_many_requests("Too many bytes of answers wait to be read");
            Response::builder().status(busy.status).header(CONTENT_LENGTH, busy.body.len()).body(small(busy.body))
        };
        response.unwrap_or_else(|_invalid| Response::new(small(String::new())))
    }
}

/// The trace of the request with a span of our own; a new one if it has none.
fn traceparent(request: &Parts) -> HeaderValue {
    let mut random = [0_u8; 24];
    let _no_randomness = rand::fill(&mut random);
    let hex = random.iter().fold(String::new(), |mut hex, byte| {
        let _infallible = write!(hex, "{byte:02x}");
        hex
    });
    let (fresh, span) = hex.split_at(32);
    let trace = headers::trace_of(&request.headers).unwrap_or_else(|| fresh.to_owned());
    HeaderValue::from_str(&format!("00-{trace}-{span}-00")).unwrap_or_else(|_never| HeaderValue::from_static(""))
}
