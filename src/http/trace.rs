//! W3C Trace Context: the `traceparent` and `tracestate` of a request are sent to Fauna with the queries that the request causes.
//! Where spans are exported (feature `otel`), `traceparent` names the span of the request instead, which is a part of the same
//! trace.

use actix_web::HttpMessage as _;
use actix_web::dev::ServiceRequest;
use actix_web::http::header::{HeaderMap, HeaderValue};
use fauna_client::TraceParent;
use tokio::task::JoinHandle;

const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";

/// The trace that a request belongs to, which is also kept in its extensions for the access log.
pub fn of_request(request: &ServiceRequest) -> Option<TraceParent> {
    let trace = find(request.headers())?;
    request.extensions_mut().insert(trace.clone());
    Some(trace)
}

/// Malformed values and several of them count for nothing (W3C Trace Context, 3.2).
fn find(headers: &HeaderMap) -> Option<TraceParent> {
    #[cfg(feature = "otel")]
    if let Some(trace) = of_span() {
        return Some(trace);
    }
    let mut values = headers.get_all(TRACEPARENT);
    match (values.next(), values.next()) {
        (Some(value), None) => {
            let trace = TraceParent::parse(value.as_bytes())?;
            Some(trace.with_state(headers.get_all(TRACESTATE).map(HeaderValue::as_bytes)))
        }
        _ => None,
    }
}

/// The span of the request, if it is exported.
#[cfg(feature = "otel")]
fn of_span() -> Option<TraceParent> {
    use opentelemetry::trace::TraceContextExt as _;
    use tracing_opentelemetry::OpenTelemetrySpanExt as _;
    let context = tracing::Span::current().context();
    let span = context.span().span_context().clone();
    let (trace, id, flags) = (span.trace_id(), span.span_id(), span.trace_flags().to_u8());
    if !span.is_valid() {
        return None;
    }
    let parent = TraceParent::parse(format!("00-{trace}-{id}-{flags:02x}").as_bytes())?;
    Some(parent.with_state([span.trace_state().header().as_bytes()].into_iter()))
}

/// Spawns a task that goes on when the client has gone, and that belongs to the trace of the running task.
pub fn spawn<F>(work: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    match TraceParent::current() {
        Some(trace) => tokio::spawn(trace.scope(work)),
        None => tokio::spawn(work),
    }
}
