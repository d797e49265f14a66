//! `GET /api/session/events`: the timeline of the signed-in user's sessions as server-sent events.
//!
//! A process sends what it did itself; with several processes each shows its own part. The stream ends with the session it
//! was opened by, once the deletion of that session's Fauna tokens was sent, and begins after `Last-Event-ID` when a browser
//! reconnects.

use std::time::Duration;

use actix_web::http::{StatusCode, header};
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::stream;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::time::Instant;

use crate::events::{Event, EventBus, EventKind, Subscription};
use crate::http::problem::Problem;
use crate::pages::panel::timeline::Entry;
use crate::session::SignedInNow;

/// A comment is sent after this much silence, so that proxies keep the connection and a lost one is noticed.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// A stream is closed after this time and reopened by the browser, so that a server that stops waits for none.
const STREAM_LIFE: Duration = Duration::from_secs(25);
/// Longest time that a stream stays open after the end of its session, to tell that the session's Fauna tokens are deleted.
const AFTERMATH: Duration = Duration::from_secs(5);
/// Proxies that buffer by size pass on what comes first only after some kilobytes.
const PADDING_BYTES: usize = 2048;

/// A stream that is being sent.
struct Stream {
    /// Handle of the session that opened it.
    session: String,
    pending: Vec<Bytes>,
    subscription: Subscription,
    closes_at: Instant,
    stop: StopSignal,
    /// Fingerprints of the session's tokens that were issued and not deleted.
    tokens: Vec<String>,
    session_ended: bool,
    is_over: bool,
}

/// Hears that the process is told to stop: a server waits for its open answers, and this one would not end by itself.
#[cfg(unix)]
struct StopSignal(Vec<tokio::signal::unix::Signal>);
#[cfg(not(unix))]
struct StopSignal;

/// What happens to the user's own sessions, as server-sent events.
///
/// The stream ends with the session that opened it, after the deletion of its Fauna tokens; a browser that reconnects continues
/// after `Last-Event-ID`.
#[utoipa::path(get, path = "/session/events", tag = "Sessions",
    params(("Last-Event-ID" = Option<u64>, Header, description = "`id` of the last event that was received")),
    responses((status = 200, description = "Events without any secret", content_type = "text/event-stream", body = String,
        example = "id: 7\ndata: {}\n\n")))]
pub async fn open(
    SignedInNow(session): SignedInNow,
    request: HttpRequest,
    bus: Data<EventBus>,
) -> Result<HttpResponse, Problem> {
    let last_id = request.headers().get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok()).unwrap_or(0);
    let Some(mut subscription) = bus.subscribe(session.user().as_str(), last_id) else {
        let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too many event streams are open");
        return Err(problem.retry_after(Duration::from_secs(10)));
    };
    let history = std::mem::take(&mut subscription.history);
    let mut stream = Stream {
        session: session.handle().to_string(),
        pending: vec![preamble()],
        subscription,
        closes_at: Instant::now() + STREAM_LIFE,
        stop: StopSignal::new(),
        tokens: Vec::new(),
        session_ended: false,
        is_over: false,
    };
    for event in bus.history(session.user().as_str(), 0).iter().filter(|event| event.id <= last_id) {
        stream.follow(event);
    }
    for event in &history {
        stream.push(event);
    }
    stream.pending.reverse();
    let body = stream::unfold(stream, |mut stream| async {
        let chunk = stream.next().await?;
        Some((Ok::<_, actix_web::Error>(chunk), stream))
    });
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/event-stream; charset=utf-8"))
        .insert_header((header::CACHE_CONTROL, "no-store, no-transform"))
        .insert_header(("x-accel-buffering", "no"))
        .streaming(Box::pin(body)))
}

/// Padding, and how soon to reconnect.
fn preamble() -> Bytes {
    Bytes::from(format!(":{}\nretry: 1000\n\n", " ".repeat(PADDING_BYTES)))
}

impl Stream {
    /// The next chunk; none at the end.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(chunk) = self.pending.pop() {
                return Some(chunk);
            }
            if self.is_over {
                return None;
            }
            match self.subscription.events.try_recv() {
                Ok(event) => self.push(&event),
                Err(TryRecvError::Disconnected) => return None,
                Err(TryRecvError::Empty) => tokio::select! {
                    event = self.subscription.events.recv() => self.push(&event?),
                    () = tokio::time::sleep(HEARTBEAT) => return Some(Bytes::from_static(b":\n\n")),
                    () = tokio::time::sleep_until(self.closes_at) => return None,
                    () = self.stop.received() => return None,
                },
            }
        }
    }

    /// Appends an event. After the end of the session that opened the stream, only those of that session.
    fn push(&mut self, event: &Event) {
        if self.is_over || (self.session_ended && *event.session != *self.session) {
            return;
        }
        let entry = Entry::new(event, &self.session);
        let data = serde_json::to_string(&entry).unwrap_or_default();
        self.pending.push(Bytes::from(format!("id: {}\ndata: {data}\n\n", event.id)));
        self.follow(event);
    }

    /// Keeps track of the session and its tokens.
    fn follow(&mut self, event: &Event) {
        if *event.session != *self.session {
            return;
        }
        match &event.kind {
            EventKind::TokenIssued { fingerprint, .. } => self.tokens.push(fingerprint.clone()),
            EventKind::TokenDeleted { fingerprint, .. } => {
                self.tokens.retain(|known| Some(known) != fingerprint.as_ref());
                self.is_over = self.session_ended && self.tokens.is_empty();
            }
            EventKind::SessionEnded { .. } => {
                self.session_ended = true;
                self.closes_at = self.closes_at.min(Instant::now() + AFTERMATH);
            }
            _ => {}
        }
    }
}

#[cfg(unix)]
impl StopSignal {
    fn new() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        let kinds = [SignalKind::interrupt(), SignalKind::terminate()];
        Self(kinds.into_iter().filter_map(|kind| signal(kind).ok()).collect())
    }

    async fn received(&mut self) {
        if self.0.is_empty() {
            return std::future::pending().await;
        }
        let received = self.0.iter_mut().map(|signal| Box::pin(signal.recv()));
        futures_util::future::select_all(received).await;
    }
}

#[cfg(not(unix))]
impl StopSignal {
    fn new() -> Self {
        Self
    }

    async fn received(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    }
}
