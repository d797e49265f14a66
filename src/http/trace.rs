//! W3C Trace Context: the `traceparent` of a request is sent to Fauna with the queries that the request causes.

use actix_web::http::header::HeaderMap;
use fauna_client::TraceParent;
use tokio::task::JoinHandle;

const TRACEPARENT: &str = "traceparent";

/// The trace that a request belongs to. Malformed values and several of them count for nothing (W3C Trace Context, 3.2).
pub fn of_request(headers: &HeaderMap) -> Option<TraceParent> {
    let mut values = headers.get_all(TRACEPARENT);
    match (values.next(), values.next()) {
        (Some(value), None) => TraceParent::parse(value.as_bytes()),
        _ => None,
    }
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
