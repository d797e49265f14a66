//! Accepts connections and supervises them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::Interest;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::{oneshot, watch};

use super::activity::Activity;
use super::body::Budgets;
use super::connection::Connection;
use super::limits::{CONNECTION_WINDOW, HEAD, HEADERS, SEND_BUFFER, STREAM_WINDOW, STREAMS};
use super::route::{Endpoint, Peer, handle};
use super::slots::{Connections, Slot};
use crate::settings::Limits;

/// Threads of the HTTP server.
const WORKERS: usize = 2;
/// Pause after a connection could not be accepted, for instance for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Pause between looks at an incomplete connection preface.
const PREFACE_PAUSE: Duration = Duration::from_millis(5);
/// The first bytes of an HTTP/2 connection (RFC 9113, 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A server that runs on threads of its own. Dropping this stops it as [`Listening::stop`] does, without waiting.
pub struct Listening {
    pub address: SocketAddr,
    stop: oneshot::Sender<()>,
    stopped: oneshot::Receiver<()>,
}

impl Listening {
    /// Closes idle connections, lets requests in progress end within [`Limits::stop`], and closes the others.
    pub async fn stop(self) {
        let _gone = self.stop.send(());
        let _stopped = self.stopped.await;
    }
}

/// Serves on an address from threads of its own.
///
/// # Errors
/// If the address cannot be bound or a thread cannot be started.
pub fn serve(address: SocketAddr, endpoint: Endpoint, limits: &Limits) -> std::io::Result<Listening> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .thread_name("fauna-http")
        .enable_io()
        .enable_time()
        .build()?;
    let listener = {
        let _entered = runtime.enter();
        TcpListener::from_std(listener)?
    };
    let (stop, to_stop) = oneshot::channel();
    let (tell, stopped) = oneshot::channel();
    let server = Server {
        endpoint,
        budgets: Budgets::shared(limits),
        idle: limits.idle,
        stop_within: limits.stop,
        connections: Connections::new(limits),
    };
    std::thread::Builder::new().name("fauna-http".to_owned()).spawn(move || {
        run(runtime, &server, listener, to_stop);
        let _nobody_waits = tell.send(());
    })?;
    Ok(Listening { address, stop, stopped })
}

/// Runs a server until it is told to stop.
fn run(runtime: Runtime, server: &Server, listener: TcpListener, to_stop: oneshot::Receiver<()>) {
    runtime.block_on(async {
        let (tell, stopping) = watch::channel(false);
        tokio::select! {
            // Also if the handle was dropped.
            _stop_or_dropped = to_stop => {}
            () = server.accept(listener, stopping) => {}
        }
        let _no_connection = tell.send(true);
        let until = Instant::now() + server.stop_within;
        while !server.connections.is_empty() && Instant::now() < until {
            tokio::time::sleep(PREFACE_PAUSE).await;
        }
    });
    runtime.shutdown_background();
}

#[derive(Clone)]
struct Server {
    endpoint: Endpoint,
    budgets: Arc<Budgets>,
    connections: Arc<Connections>,
    /// Time that a connection may be idle, and for a request head.
    idle: Duration,
    stop_within: Duration,
}

impl Server {
    /// Accepts connections for ever.
    async fn accept(&self, listener: TcpListener, stopping: watch::Receiver<bool>) {
        loop {
            let Ok((stream, peer)) = listener.accept().await else {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            let activity = Activity::new();
            let Some(slot) = self.connections.slot(peer.ip(), &activity) else { continue };
            let number = slot.number();
            let serving = self.clone().connection(stream, activity, slot, stopping.clone());
            self.connections.set_abort(number, tokio::spawn(serving).abort_handle());
        }
    }

    /// Serves one connection until it ends, idles, stalls, or the server stops.
    async fn connection(self, stream: TcpStream, activity: Arc<Activity>, slot: Slot, stopping: watch::Receiver<bool>) {
        let _no_delay = stream.set_nodelay(true);
        let mut told = stopping.clone();
        let protocol = tokio::select! {
            protocol = tokio::time::timeout(self.idle, is_http2(&stream)) => protocol,
            _ = told.wait_for(|stopping| *stopping) => return,
        };
        let Ok(Ok(is_http2)) = protocol else { return };
        let peer = Peer { activity: Arc::clone(&activity), budgets: self.budgets.for_connection() };
        let endpoint = self.endpoint;
        let service = service_fn(move |request| handle(request, peer.clone(), endpoint.clone()));
        let io = TokioIo::new(Connection::new(stream, Arc::clone(&activity), slot));
        if is_http2 {
            let mut builder = http2::Builder::new(TokioExecutor::new());
            builder
                .timer(TokioTimer::new())
                .auto_date_header(false)
                .max_concurrent_streams(STREAMS)
                .initial_stream_window_size(STREAM_WINDOW)
                .initial_connection_window_size(CONNECTION_WINDOW)
                .max_send_buf_size(SEND_BUFFER)
                .max_header_list_size(u32::try_from(HEAD).unwrap_or(u32::MAX));
            let mut serving = std::pin::pin!(builder.serve_connection(io, service));
            supervise!(serving, activity, self.idle, stopping);
        } else {
            let mut builder = http1::Builder::new();
            builder.timer(TokioTimer::new()).auto_date_header(false).max_buf_size(HEAD).max_headers(HEADERS);
            builder.header_read_timeout(self.idle);
            let mut serving = std::pin::pin!(builder.serve_connection(io, service));
            supervise!(serving, activity, self.idle, stopping);
        }
    }
}

/// Polls a connection until it ends or its activity says that it is to be closed.
macro_rules! supervise {
    ($serving:ident, $activity:ident, $idle:expr, $stopping:ident) => {{
        let mut stopping = $stopping;
        let mut is_stopping = false;
        loop {
            let Some(check) = $activity.next_check(Instant::now(), $idle) else { return };
            tokio::select! {
                _ = $serving.as_mut() => return,
                () = tokio::time::sleep_until(check.into()) => {}
                () = $activity.deadline_changed() => {}
                _ = stopping.wait_for(|stopping| *stopping), if !is_stopping => {
                    is_stopping = true;
                    $serving.as_mut().graceful_shutdown();
                }
            }
        }
    }};
}
use supervise;

/// Whether a connection begins as HTTP/2 with prior knowledge does.
async fn is_http2(stream: &TcpStream) -> std::io::Result<bool> {
    let mut first = [0; PREFACE.len()];
    loop {
        let length = stream.peek(&mut first).await?;
        let begun = first.get(..length).unwrap_or_default();
        if length == 0 || !PREFACE.starts_with(begun) {
            return Ok(false);
        }
        if length == PREFACE.len() {
            return Ok(true);
        }
        if stream.ready(Interest::READABLE).await?.is_read_closed() {
            return Ok(false);
        }
        tokio::time::sleep(PREFACE_PAUSE).await;
    }
}
