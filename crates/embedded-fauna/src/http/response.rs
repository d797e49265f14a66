//! Answers with FaunaDB's headers.

use std::fmt::Write;
use std::time::Duration;

use actix_web::http::{Method, StatusCode, Version};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use aws_lc_rs::rand;

use super::headers;
use super::pretty::pretty;
use super::stream::BODILESS;
use crate::answer::Answer;

/// What the endpoint calls its build.
const BUILD: &str = concat!("embedded-", env!("CARGO_PKG_VERSION"));
/// The headers that a preflight says a browser may send.
const ALLOWED_HEADERS: &str = "accept-encoding, authorization, content-type, x-driver-env, x-faunadb-api-version, x-fauna-driver, \
x-fauna-source, x-fauna-tags, x-format, x-last-seen-txn, x-last-txn-ts, x-linearized, x-max-contention-retries, \
x-max-retries-on-contention, x-query-tags, x-query-timeout, x-query-timeout-ms, x-runtime-environment, x-runtime-environment-os, \
x-nodejs-version, traceparent, x-typecheck, x-performance-hints";

/// What an answer has beside its body.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// How long it took.
    pub took: Duration,
    /// How many bytes were read.
    pub bytes_in: usize,
    /// The latest transaction that the client has seen.
    pub last_seen: Option<i64>,
    /// Tags to repeat.
    pub tags: Option<String>,
    /// Whether the body is laid out for people.
    pub pretty: bool,
}

/// The headers that every answer has: CORS for those who sent an origin, the trace, the build.
fn common(builder: &mut HttpResponseBuilder, request: &HttpRequest, exposed: &[&str]) {
    if let Some(origin) = request.headers().get("origin") {
        builder.insert_header(("access-control-allow-origin", origin.clone()));
        builder.insert_header(("access-control-allow-credentials", "true"));
        builder.insert_header(("access-control-expose-headers", exposed.join(", ")));
    }
    builder.insert_header(("x-faunadb-build", BUILD));
    builder.insert_header(("traceparent", traceparent(request)));
    let closes =
        request.headers().get("connection").is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"close"));
    if request.version() < Version::HTTP_2 {
        if closes {
            builder.force_close();
        }
        if *request.method() == Method::HEAD {
            builder.insert_header((BODILESS, "1"));
        }
    }
}

/// The trace of the request with a span of our own; a new one where it has none.
fn traceparent(request: &HttpRequest) -> String {
    let mut random = [0_u8; 24];
    let _no_randomness = rand::fill(&mut random);
    let hex = random.iter().fold(String::new(), |mut hex, byte| {
        let _infallible = write!(hex, "{byte:02x}");
        hex
    });
    let (fresh, span) = hex.split_at(32);
    let trace = headers::trace_of(request).unwrap_or_else(|| fresh.to_owned());
    format!("00-{trace}-{span}-00")
}

/// The answer to a browser that asks what it may send.
pub fn preflight(request: &HttpRequest) -> HttpResponse {
    let mut builder = HttpResponse::Ok();
    common(&mut builder, request, &[]);
    builder.insert_header(("access-control-max-age", "86400"));
    builder.insert_header(("access-control-allow-methods", "GET, POST, PUT, PATCH, DELETE"));
    builder.insert_header(("access-control-allow-headers", ALLOWED_HEADERS));
    builder.finish()
}

/// An answer.
pub fn response(request: &HttpRequest, answer: Answer, measured: &Measured) -> HttpResponse {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut builder = HttpResponse::build(status);
    let body = if measured.pretty { pretty(&answer.body) } else { answer.body };
    let mut shown: Vec<(&str, String)> = Vec::new();
    if let Some(now) = answer.txn_time {
        shown.push(("x-txn-time", now.max(measured.last_seen.unwrap_or(now)).to_string()));
        if !matches!(answer.status, 401 | 500) {
            shown.extend([
                ("x-compute-ops", "1".to_owned()),
                ("x-byte-read-ops", "0".to_owned()),
                ("x-byte-write-ops", "0".to_owned()),
                ("x-query-time", measured.took.as_millis().to_string()),
                ("x-query-bytes-in", measured.bytes_in.to_string()),
                ("x-query-bytes-out", body.len().to_string()),
                ("x-storage-bytes-read", "0".to_owned()),
                ("x-storage-bytes-write", "0".to_owned()),
                ("x-txn-retries", "0".to_owned()),
            ]);
        }
    }
    let exposed: Vec<&str> = shown.iter().map(|(name, _)| *name).collect();
    common(&mut builder, request, &exposed);
    for (name, value) in shown {
        builder.insert_header((name, value));
    }
    if let Some(tags) = &measured.tags {
        builder.insert_header(("x-fauna-tags", tags.as_str()));
    }
    if let Some(allow) = answer.allow {
        builder.insert_header(("allow", allow));
    }
    if answer.status == 401 {
        builder.insert_header(("www-authenticate", "Basic realm=\"Unauthorized\""));
    }
    if *request.method() != Method::HEAD || matches!(answer.status, 404 | 405 | 500) {
        builder.insert_header(("content-type", "application/json;charset=utf-8"));
    }
    builder.body(body)
}
