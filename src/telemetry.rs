//! What is written to the log, and how.
//!
//! One line per request: method, route pattern, status, duration, request id. Never a path (it may hold an id or a link's
//! token), a header, a body or an address of a person. The span is our own small one: the default of the crate costs as
//! much as three bare requests (measured; design D20).

use std::fmt;
use std::io::IsTerminal as _;
use std::time::Instant;

use actix_web::Error;
use actix_web::HttpMessage;
use actix_web::body::MessageBody;
use actix_web::dev::ServiceRequest;
use actix_web::dev::ServiceResponse;
use tracing::Event;
use tracing::Span;
use tracing::Subscriber;
use tracing_actix_web::RequestId;
use tracing_actix_web::RootSpanBuilder;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::FormatEvent;
use tracing_subscriber::fmt::format;
use tracing_subscriber::fmt::format::Format;
use tracing_subscriber::fmt::format::Json;
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::registry::LookupSpan;

/// The target of the line that ends a request.
const ACCESS: &str = "access";

/// Sends events to standard output. A second call changes nothing, so tests may call it as often as they like.
///
/// # Errors
/// Where `filter` is not in the syntax of `tracing` filters.
pub fn start(filter: &str, json: bool) -> Result<(), tracing_subscriber::filter::ParseError> {
    let filter = EnvFilter::builder().parse(filter)?;
    let colours = std::io::stdout().is_terminal();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours);
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

/// When a request arrived.
struct Arrived(Instant);

impl Arrived {
    /// How many microseconds ago that was.
    fn micros_ago(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

impl RootSpanBuilder for AccessLog {
    fn on_request_start(request: &ServiceRequest) -> Span {
        request.extensions_mut().insert(Arrived(Instant::now()));
        let id = request.extensions().get::<RequestId>().map(RequestId::to_string);
        tracing::info_span!("request", id)
    }

    fn on_request_end<B: MessageBody>(span: Span, outcome: &Result<ServiceResponse<B>, Error>) {
        let _inside = span.enter();
        match outcome {
            Ok(response) => {
                let request = response.request();
                let duration_us = request.extensions().get::<Arrived>().map_or(0, Arrived::micros_ago);
                let route = request.match_pattern();
                let route = route.as_deref().unwrap_or("-");
                let status = response.status().as_u16();
                let method = request.method().as_str();
                let id = request.extensions().get::<RequestId>().copied().map(tracing::field::display);
                tracing::info!(target: ACCESS, id, method, route, status, duration_us, "answered");
            }
            Err(error) => tracing::error!(%error, "failed outside of every handler"),
        }
    }
}
