//! What is written to the log, and how.
//!
//! One line per request: method, route pattern, status, duration, request id. Never a path (it may hold an id or a link's
//! token), a header, a body or an address of a person. The span is our own small one: the default of the crate costs as
//! much as three bare requests (measured; design D20).

use std::io::IsTerminal as _;
use std::time::Instant;

use actix_web::Error;
use actix_web::HttpMessage;
use actix_web::body::MessageBody;
use actix_web::dev::ServiceRequest;
use actix_web::dev::ServiceResponse;
use tracing::Span;
use tracing_actix_web::RequestId;
use tracing_actix_web::RootSpanBuilder;
use tracing_subscriber::EnvFilter;

/// Sends events to standard output. A second call changes nothing, so tests may call it as often as they like.
///
/// # Errors
/// Where `filter` is not in the syntax of `tracing` filters.
pub fn start(filter: &str, json: bool) -> Result<(), tracing_subscriber::filter::ParseError> {
    let filter = EnvFilter::builder().parse(filter)?;
    let colours = std::io::stdout().is_terminal();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours);
    // The only error is that a subscriber is already there.
    // A list of spans would say the one span of a request a second time, at the price of formatting it again.
    let _already_started =
        if json { log.json().flatten_event(true).with_span_list(false).try_init() } else { log.try_init() };
    Ok(())
}

/// The span of a request, and the line that ends it.
pub struct AccessLog;

/// When a request arrived.
struct Arrived(Instant);

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
                let duration_us = request.extensions().get::<Arrived>().map_or(0, |at| at.0.elapsed().as_micros());
                let route = request.match_pattern();
                let route = route.as_deref().unwrap_or("-");
                let status = response.status().as_u16();
                tracing::info!(method = request.method().as_str(), route, status, duration_us, "answered");
            }
            Err(error) => tracing::error!(%error, "failed outside of every handler"),
        }
    }
}
