//! Exports the span of each request to an OpenTelemetry collector, as protobuf over HTTP. Only with the feature `otel`.
//!
//! Spans are collected in memory (at most 2048; more are dropped) and sent by a thread of their own, so that a collector that
//! does not answer stops no request.

use std::sync::OnceLock;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header::HeaderMap;
use actix_web::http::{StatusCode, Uri};
use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::{Status, TraceContextExt as _, TracerProvider as _};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tracing::Span;
use tracing_opentelemetry::{OpenTelemetryLayer, OpenTelemetrySpanExt as _};
use tracing_subscriber::registry::LookupSpan;

use crate::telemetry::Error;

/// Name of the service in traces.
const SERVICE: &str = env!("CARGO_PKG_NAME");
/// Longest time for one request to the collector.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest wait for the last spans when the process ends.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

static PROVIDER: OnceLock<SdkTracerProvider> = OnceLock::new();

/// Sends the spans of this process to a collector such as `http://localhost:4318`. Call it before the log is started. Of the
/// environment, `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_TRACES_SAMPLER` and `OTEL_RESOURCE_ATTRIBUTES` apply.
///
/// # Errors
/// The address is not valid.
pub fn export_spans(collector: &str) -> Result<(), Error> {
    let refused = |cause: &dyn std::error::Error| Error::Collector(cause.to_string());
    check_address(collector)?;
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(format!("{}/v1/traces", collector.trim_end_matches('/')))
        .with_timeout(EXPORT_TIMEOUT)
        .build()
        .map_err(|cause| refused(&cause))?;
    let resource = Resource::builder().with_service_name(SERVICE).build();
    let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build();
    let _first = PROVIDER.set(provider);
    Ok(())
}

/// Whether the exporter can be built for this address. It is not built, because its client brings a runtime of its own.
pub fn check_address(collector: &str) -> Result<(), Error> {
    collector.parse::<Uri>().map(|_address| ()).map_err(|cause| Error::Collector(format!("{collector}: {cause}")))
}

/// The layer that hands spans to the exporter, once [`export_spans`] was called.
pub(super) fn layer<S>() -> Option<OpenTelemetryLayer<S, SdkTracer>>
where
    S: tracing::Subscriber + for<'span> LookupSpan<'span>,
{
    let tracer = PROVIDER.get()?.tracer(SERVICE);
    // Not the lines of the log: they stay where they are.
    Some(tracing_opentelemetry::layer().with_tracer(tracer).with_location(false).with_threads(false))
}

/// Sends what has not been sent yet.
pub(super) fn flush() {
    if let Some(provider) = PROVIDER.get() {
        let _collector_may_be_gone = provider.shutdown_with_timeout(FLUSH_TIMEOUT);
    }
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(actix_web::http::header::HeaderName::as_str).collect()
    }
}

/// Makes the span a part of the trace that `traceparent` names.
pub(super) fn continue_trace(span: &Span, headers: &HeaderMap) {
    if PROVIDER.get().is_some() {
        let _disabled_span = span.set_parent(TraceContextPropagator::new().extract(&Headers(headers)));
    }
}

/// What a span says about a request: method, route pattern and status, never a path.
pub(super) fn end_span(span: &Span, request: &HttpRequest, method: &str, status: StatusCode) {
    if PROVIDER.get().is_none() {
        return;
    }
    let route = request.match_pattern().unwrap_or_default();
    // A span that has been entered takes no new name by recording `otel.name`.
    span.context().span().update_name(format!("{method} {route}").trim_end().to_owned());
    span.set_attribute("http.request.method", method.to_owned());
    span.set_attribute("http.route", route);
    span.set_attribute("http.response.status_code", i64::from(status.as_u16()));
    if status.is_server_error() {
        span.set_status(Status::error(""));
    }
}
