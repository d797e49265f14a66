//! The log: one line per request, with method, route pattern, status, duration and request id. Never a path (which may contain
//! an id or a mailed token), a header, a body or an e-mail address.
//!
//! The span of a request has our own builder, because the default one of `tracing-actix-web` costs as much as three bare
//! requests (measured). Lines are written by a thread of their own ([`log_writer`]).

mod log_writer;

use std::io::IsTerminal as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;
use std::{fmt, io};

use actix_web::HttpMessage;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use tracing::{Event, Span, Subscriber};
use tracing_actix_web::{RequestId, RootSpanBuilder};
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::format::{Format, Json, JsonFields};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, format};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{EnvFilter, reload};

use crate::http::metrics;
use log_writer::LogWriter;

pub use log_writer::{dropped_lines, flush};

/// The target of the line that ends a request.
const ACCESS: &str = "access";

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("LOG: {0}")]
    Filter(#[from] ParseError),
    #[error("the thread that writes the log: {0}")]
    Thread(#[from] io::Error),
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
    let started =
        if json { log.fmt_fields(JsonFields::new()).event_format(Lines::new()).try_init() } else { log.try_init() };
    if started.is_ok() {
        writer.install();
    }
    Ok(())
}

/// Lines of JSON, each with the span of its request. The line that ends a request contains what the span would say; leaving
/// the span out there saves half the time of a bare request.
struct Lines {
    access: Format<Json>,
    other: Format<Json>,
}

impl Lines {
    fn new() -> Self {
        let other = Format::default().json().flatten_event(true).with_span_list(false);
        Self { access: other.clone().with_current_span(false), other }
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> FormatEvent<S, JsonFields> for Lines {
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        writer: format::Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let lines = if event.metadata().target() == ACCESS { &self.access } else { &self.other };
        lines.format_event(context, writer, event)
    }
}

/// The span of a request, and the line that ends it.
pub struct AccessLog;

/// When a request arrived, and its method as sent: `HEAD` is routed as `GET`.
struct RequestStart(Instant, Method);

impl RequestStart {
    fn micros_ago(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

impl RootSpanBuilder for AccessLog {
    fn on_request_start(request: &ServiceRequest) -> Span {
        request.extensions_mut().insert(RequestStart(Instant::now(), request.method().clone()));
        let id = request.extensions().get::<RequestId>().map(RequestId::to_string);
        tracing::info_span!("request", id)
    }

    fn on_request_end<B: MessageBody>(span: Span, outcome: &Result<ServiceResponse<B>, actix_web::Error>) {
        // This runs outside of the layer that answers panics: one here would cut the connection without an answer.
        let logged = catch_unwind(AssertUnwindSafe(|| span.in_scope(|| log_end_of_request(outcome))));
        drop(logged);
    }
}

fn log_end_of_request<B: MessageBody>(outcome: &Result<ServiceResponse<B>, actix_web::Error>) {
    match outcome {
        Ok(response) => {
            let request = response.request();
            let extensions = request.extensions();
            let arrived = extensions.get::<RequestStart>();
            let duration_us = arrived.map_or(0, RequestStart::micros_ago);
            let method = arrived.map_or(request.method(), |arrived| &arrived.1).as_str();
            let pattern = request.match_pattern();
            let status = response.status().as_u16();
            let id = extensions.get::<RequestId>().map(tracing::field::display);
            if let Some(arrived) = arrived {
                metrics::request_ended(method, pattern.as_deref(), response.status(), arrived.0.elapsed());
            }
            let route = pattern.as_deref().unwrap_or("-");
            tracing::info!(target: ACCESS, id, method, route, status, duration_us, "answered");
        }
        Err(error) => tracing::error!(%error, "failed outside of every handler"),
    }
}
