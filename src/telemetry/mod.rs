//! The log: one line per request, with method, route pattern, status, duration and request id. Never a path (which may contain
//! an id or a mailed token), a header, a body or an e-mail address.
//!
//! The span of a request has our own builder, because the default one of `tracing-actix-web` costs as much as three bare
//! requests (measured). Lines are written by a thread of their own ([`log_writer`]).

mod access_line;
mod log_writer;
#[cfg(feature = "otel")]
mod spans;

use std::io::IsTerminal as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;
use std::{fmt, io};

use actix_web::HttpMessage as _;
use actix_web::HttpRequest;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::HeaderMap;
use actix_web::http::{Method, StatusCode};
use fauna_client::TraceParent;
use tracing::{Event, Span, Subscriber};
use tracing_actix_web::{RequestId, RootSpanBuilder};
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::format::{Format, Json, JsonFields};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, format};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};
use tracing_subscriber::{EnvFilter, reload};

use crate::http::metrics;
use log_writer::LogWriter;

pub use log_writer::dropped_lines;
#[cfg(feature = "otel")]
pub use spans::export_spans;

/// The target of the line that ends a request.
const ACCESS: &str = "access";

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("LOG: {0}")]
    Filter(#[from] ParseError),
    #[error("the thread that writes the log: {0}")]
    Thread(#[from] io::Error),
    #[error("OTEL_EXPORTER_OTLP_ENDPOINT: {0}")]
    Collector(String),
}

/// Sends nothing: this build has no feature `otel`.
///
/// # Errors
/// Always.
#[cfg(not(feature = "otel"))]
pub fn export_spans(collector: &str) -> Result<(), Error> {
    check_collector(collector)
}

/// Whether spans can be sent to a collector at this address.
///
/// # Errors
/// This build has no feature `otel`, or the address is not valid.
#[cfg_attr(
    not(feature = "otel"),
    expect(unused_variables, reason = "no collector is right for a build without the feature")
)]
pub fn check_collector(collector: &str) -> Result<(), Error> {
    #[cfg(feature = "otel")]
    return spans::check_address(collector);
    #[cfg(not(feature = "otel"))]
    Err(Error::Collector("this build cannot export spans; build it with --features otel".to_owned()))
}

/// Waits, for a bounded time, until what was logged so far is written and spans are sent.
pub fn flush() {
    #[cfg(feature = "otel")]
    spans::flush();
    log_writer::flush();
}

/// Sends events to standard output. A second call changes nothing, so that tests may call it as often as they like.
pub fn start(filter: &str, json: bool) -> Result<(), Error> {
    let is_terminal = io::stdout().is_terminal();
    #[cfg(unix)]
    let output = duplicate(&io::stdout())?;
    #[cfg(not(unix))]
    let output = io::stdout();
    subscribe(filter, json, output, is_terminal)
}

/// A log that says no more than warnings until the site has started, so that what a person reads first on a terminal is what
/// the site says about itself.
pub struct QuietStart(Box<dyn Fn() -> Result<(), reload::Error>>);

impl QuietStart {
    /// Sends text to standard output: warnings at first, and after [`QuietStart::end`] what `filter` lets through.
    pub fn begin(filter: &str) -> Result<Self, Error> {
        let later = EnvFilter::builder().parse(filter)?;
        #[cfg(unix)]
        let output = duplicate(&io::stdout())?;
        #[cfg(not(unix))]
        let output = io::stdout();
        let writer = LogWriter::start(output, log_writer::Format::Text)?;
        let log = tracing_subscriber::fmt()
            .with_env_filter(EnvFilter::new("warn"))
            .with_ansi(true)
            .with_writer(writer.clone())
            .log_internal_errors(false)
            .with_filter_reloading();
        let handle = log.reload_handle();
        if log.try_init().is_ok() {
            writer.install();
        }
        Ok(Self(Box::new(move || handle.reload(later.clone()))))
    }

    pub fn end(self) {
        if let Err(error) = (self.0)() {
            tracing::warn!(%error, "the log stays at warnings");
        }
    }
}

/// Sends events to standard error, because the output of a command may be kept in a file.
pub fn start_for_command(filter: &str, json: bool) -> Result<(), Error> {
    let is_terminal = io::stderr().is_terminal();
    #[cfg(unix)]
    let output = duplicate(&io::stderr())?;
    #[cfg(not(unix))]
    let output = io::stderr();
    subscribe(filter, json, output, is_terminal)
}

/// The standard library's streams have a lock and a buffer, which a write that hangs would hold.
#[cfg(unix)]
fn duplicate(stream: &impl std::os::fd::AsFd) -> io::Result<std::fs::File> {
    Ok(stream.as_fd().try_clone_to_owned()?.into())
}

fn subscribe(filter: &str, json: bool, output: impl io::Write + Send + 'static, colours: bool) -> Result<(), Error> {
    let filter = EnvFilter::builder().parse(filter)?;
    let writer = LogWriter::start(output, if json { log_writer::Format::Json } else { log_writer::Format::Text })?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(colours)
        .with_writer(writer.clone())
        // They would be printed to standard error with a macro that panics if it is closed.
        .log_internal_errors(false);
    let started = if json {
        start_log(log.fmt_fields(JsonFields::new()).event_format(Lines::new()).finish())
    } else {
        start_log(log.finish())
    };
    if started.is_ok() {
        writer.install();
    }
    Ok(())
}

#[cfg(not(feature = "otel"))]
fn start_log(log: impl Into<tracing::Dispatch>) -> Result<(), TryInitError> {
    log.try_init()
}

#[cfg(feature = "otel")]
fn start_log<S>(log: S) -> Result<(), TryInitError>
where
    S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync + 'static,
{
    use tracing_subscriber::layer::SubscriberExt as _;
    log.with(spans::layer()).try_init()
}

/// Lines of JSON, each with the span of its request. The line that ends a request contains what the span would say.
struct Lines(Format<Json>);

impl Lines {
    fn new() -> Self {
        Self(Format::default().json().flatten_event(true).with_span_list(false))
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> FormatEvent<S, JsonFields> for Lines {
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        mut writer: format::Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        if event.metadata().target() == ACCESS {
            return access_line::write(&mut writer, event);
        }
        self.0.format_event(context, writer, event)
    }
}

/// The span of a request, and the line that ends it.
pub struct AccessLog;

/// When a request arrived, and its method as sent: `HEAD` is routed as `GET`.
struct RequestStart {
    arrived: Instant,
    method: Method,
}

impl RootSpanBuilder for AccessLog {
    fn on_request_start(request: &ServiceRequest) -> Span {
        let mut extensions = request.extensions_mut();
        extensions.insert(RequestStart { arrived: Instant::now(), method: request.method().clone() });
        request_span(extensions.get::<RequestId>(), request.headers())
    }

    fn on_request_end<B: MessageBody>(span: Span, outcome: &Result<ServiceResponse<B>, actix_web::Error>) {
        // This runs outside of the layer that answers panics: one here would cut the connection without an answer.
        let logged = catch_unwind(AssertUnwindSafe(|| {
            span.in_scope(|| match outcome {
                Ok(response) => log_end_of_request(response.request(), response.status()),
                Err(error) => tracing::error!(%error, "failed outside of every handler"),
            });
        }));
        drop(logged);
    }
}

#[cfg(not(feature = "otel"))]
fn request_span(id: Option<&RequestId>, _headers: &HeaderMap) -> Span {
    tracing::info_span!("request", id = id.map(tracing::field::display))
}

#[cfg(feature = "otel")]
fn request_span(id: Option<&RequestId>, headers: &HeaderMap) -> Span {
    let id = id.map(tracing::field::display);
    let span = tracing::info_span!("request", id, otel.kind = "server");
    spans::continue_trace(&span, headers);
    span
}

fn log_end_of_request(request: &HttpRequest, status: StatusCode) {
    let extensions = request.extensions();
    let Some(RequestStart { arrived, method }) = extensions.get() else { return };
    let (elapsed, method) = (arrived.elapsed(), method.as_str());
    let pattern = request.match_pattern();
    #[cfg(feature = "otel")]
    spans::end_span(&Span::current(), request, method, status);
    let route = pattern.as_deref().unwrap_or(metrics::NO_ROUTE);
    metrics::request_ended(method, route, status, elapsed);
    let status = status.as_u16();
    let duration_us = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
    let id = extensions.get::<RequestId>().map(tracing::field::display);
    let trace_id = extensions.get().map(TraceParent::trace_id);
    tracing::info!(target: ACCESS, id, method, route, status, duration_us, trace_id, "answered");
}
