//! What is written to the log, and how.
//!
//! One line per request: method, route pattern, status, duration, request id. Never a path (it may hold an id or a link's
//! token), a header, a body or an address of a person. The span is our own small one: the default of the crate costs as
//! much as three bare requests (measured; design D20).

use std::io::IsTerminal as _;
use std::time::Instant;
use std::{fmt, io};

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::{Error, HttpMessage};
use tracing::{Event, Span, Subscriber};
use tracing_actix_web::{RequestId, RootSpanBuilder};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::format::{Format, Json, JsonFields};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, MakeWriter, format};
use tracing_subscriber::registry::LookupSpan;

use crate::http::metrics;

/// The target of the line that ends a request.
const ACCESS: &str = "access";

/// Sends events to standard output. A second call changes nothing, so tests may call it as often as they like.
///
/// # Errors
/// Where `filter` is not in the syntax of `tracing` filters.
pub fn start(filter: &str, json: bool) -> Result<(), ParseError> {
    subscribe(filter, json, io::stdout, io::stdout().is_terminal())
}

/// The same to standard error, for commands: what they have to say is on standard output, and may be kept in a file.
///
/// # Errors
/// As [`start`].
pub fn start_for_command(filter: &str, json: bool) -> Result<(), ParseError> {
    subscribe(filter, json, io::stderr, io::stderr().is_terminal())
}

/// Sends events to `writer`.
fn subscribe<W>(filter: &str, json: bool, writer: W, colours: bool) -> Result<(), ParseError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = EnvFilter::builder().parse(filter)?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(writer);
    // The only error is that a subscriber is already there.
    let _already_started =
        if json { log.fmt_fields(JsonFields::new()).event_format(Lines::new()).try_init() } else { log.try_init() };
    Ok(())
}

/// Lines of JSON, each with the span of its request. The access log says by itself what the span would say, and is spared the
/// price of reading the span's fields again, which is that of half a bare request.
struct Lines {
    /// For the line that ends a request.
    access: Format<Json>,
    /// For all others.
    other: Format<Json>,
}

impl Lines {
    /// The two forms.
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

/// When a request arrived, and its method as it was sent: `HEAD` is answered by what answers `GET`.
struct Arrived(Instant, Method);

impl Arrived {
    /// How many microseconds ago that was.
    fn micros_ago(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

impl RootSpanBuilder for AccessLog {
    fn on_request_start(request: &ServiceRequest) -> Span {
        request.extensions_mut().insert(Arrived(Instant::now(), request.method().clone()));
        let id = request.extensions().get::<RequestId>().map(RequestId::to_string);
        tracing::info_span!("request", id)
    }

    fn on_request_end<B: MessageBody>(span: Span, outcome: &Result<ServiceResponse<B>, Error>) {
        let _inside = span.enter();
        match outcome {
            Ok(response) => {
                let request = response.request();
                let extensions = request.extensions();
                let arrived = extensions.get::<Arrived>();
                let duration_us = arrived.map_or(0, Arrived::micros_ago);
                let method = arrived.map_or(request.method(), |arrived| &arrived.1).as_str();
                let route = request.match_pattern();
                let route = route.as_deref().unwrap_or("-");
                let status = response.status().as_u16();
                let id = extensions.get::<RequestId>().map(tracing::field::display);
                if let Some(arrived) = arrived {
                    metrics::request_ended(
                        method,
                        request.match_pattern().as_deref(),
                        response.status(),
                        arrived.0.elapsed(),
                    );
                }
                tracing::info!(target: ACCESS, id, method, route, status, duration_us, "answered");
            }
            Err(error) => tracing::error!(%error, "failed outside of every handler"),
        }
    }
}
