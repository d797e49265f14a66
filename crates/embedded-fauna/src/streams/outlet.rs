//! The bounded queue between a stream and its client.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

/// Maximum number of events that wait for one client.
const MAX_EVENTS: usize = 1024;
/// Maximum bytes that wait for one client; an event of any size is accepted if nothing else waits.
const MAX_BYTES: usize = 4 << 20;
/// Maximum bytes that wait for all clients together.
const MAX_TOTAL: usize = 64 << 20;

/// Events and bytes that have been sent to a queue and not been read.
#[derive(Default)]
struct Waiting {
    events: AtomicUsize,
    bytes: AtomicUsize,
}

/// The sending end. The stream ends when it is dropped.
pub struct Outlet {
    sender: UnboundedSender<String>,
    waiting: Arc<Waiting>,
    total: Arc<AtomicUsize>,
}

/// The body of a stream's response. Dropping it closes the stream.
pub struct Events {
    receiver: UnboundedReceiver<String>,
    waiting: Arc<Waiting>,
    total: Arc<AtomicUsize>,
    on_close: Option<Box<dyn FnOnce() + Send + Sync>>,
}

/// A queue; `total` counts the bytes of all queues, `on_close` is called when the client has gone.
pub fn queue(total: &Arc<AtomicUsize>, on_close: Option<Box<dyn FnOnce() + Send + Sync>>) -> (Outlet, Events) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let waiting = Arc::<Waiting>::default();
    let outlet = Outlet { sender, waiting: Arc::clone(&waiting), total: Arc::clone(total) };
    (outlet, Events { receiver, waiting, total: Arc::clone(total), on_close })
}

impl Outlet {
    /// Sends an event; `false` if too much waits already.
    #[must_use]
    pub fn send(&self, line: String) -> bool {
        let (events, bytes) = (self.waiting.events.load(Ordering::Relaxed), self.waiting.bytes.load(Ordering::Relaxed));
        let is_full = events >= MAX_EVENTS || events > 0 && bytes + line.len() > MAX_BYTES;
        if is_full || self.total.load(Ordering::Relaxed) + line.len() > MAX_TOTAL {
            return false;
        }
        self.send_last(line);
        true
    }

    /// Sends a short event without regard to the limits: the reason of the end.
    pub fn send_last(&self, line: String) {
        let bytes = line.len();
        self.waiting.events.fetch_add(1, Ordering::Relaxed);
        self.waiting.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.total.fetch_add(bytes, Ordering::Relaxed);
        // Where the client has gone, dropping `Events` has counted what waited before; this line is counted back here.
        if self.sender.send(line).is_err() {
            self.total.fetch_sub(bytes, Ordering::Relaxed);
        }
    }
}

impl Events {
    fn read(&self, line: &str) {
        self.waiting.events.fetch_sub(1, Ordering::Relaxed);
        self.waiting.bytes.fetch_sub(line.len(), Ordering::Relaxed);
        self.total.fetch_sub(line.len(), Ordering::Relaxed);
    }
}

impl Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.receiver.poll_recv(context).map(|line| {
            line.map(|line| {
                self.read(&line);
                Ok(Frame::data(Bytes::from(line)))
            })
        })
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.receiver.close();
        while let Ok(line) = self.receiver.try_recv() {
            self.read(&line);
        }
        if let Some(on_close) = self.on_close.take() {
            on_close();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_does_not_read_is_bounded() {
        let total = Arc::default();
        let (outlet, mut events) = queue(&total, None);
        let large = "x".repeat(MAX_BYTES + 1);
        assert!(outlet.send(large), "one event of any size");
        assert!(!outlet.send("x".to_owned()));
        let next = |events: &mut Events| {
            let mut context = Context::from_waker(std::task::Waker::noop());
            matches!(Pin::new(events).poll_frame(&mut context), Poll::Ready(Some(Ok(_))))
        };
        assert!(next(&mut events));
        assert_eq!((0..=MAX_EVENTS).filter(|_| outlet.send("x".to_owned())).count(), MAX_EVENTS);
        assert_eq!(total.load(Ordering::Relaxed), MAX_EVENTS);
        drop(events);
        assert_eq!(total.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn what_all_clients_do_not_read_is_bounded() {
        let total = Arc::default();
        let queues: Vec<_> = (0..100).map(|_| queue(&total, None)).collect();
        let sent = queues.iter().filter(|(outlet, _)| outlet.send("x".repeat(MAX_BYTES))).count();
        assert_eq!(sent, MAX_TOTAL / MAX_BYTES);
    }
}
