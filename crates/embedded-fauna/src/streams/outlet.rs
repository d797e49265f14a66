//! The bounded queues between streams and their clients.
//!
//! What waits is counted until the HTTP server has written it to the socket, not only until it has taken it over: over HTTP/2 it takes
//! over more than the client asks for.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use hyper::body::{Body, Bytes, Frame};

/// Maximum number of events that wait for one client.
const MAX_EVENTS: usize = 1024;
/// Maximum bytes that wait for one client; an event of any size is accepted if nothing else waits.
const MAX_BYTES: usize = 4 << 20;
/// Maximum bytes that wait for all clients together; for more, the queue that holds most is cut.
const MAX_TOTAL: usize = 64 << 20;
/// Maximum bytes that are handed over at once; the rest of an event can still be dropped.
const PIECE: usize = 16 << 10;

/// Called once, when the stream or the client has gone.
pub type Callback = Box<dyn FnOnce() + Send + Sync>;

/// The response ends although a part of an event has been sent.
#[derive(Debug, thiserror::Error)]
#[error("the client did not read the events of its stream")]
pub struct Aborted;

/// The queues of an endpoint.
#[derive(Default)]
pub struct Queues {
    open: Mutex<Vec<Weak<Queue>>>,
    bytes: Arc<AtomicUsize>,
}

struct Queue {
    state: Mutex<State>,
    /// Bytes of all queues that have not been written.
    total: Arc<AtomicUsize>,
}

#[derive(Default)]
struct State {
    /// What has not been handed over, in pieces of at most [`PIECE`] bytes.
    pieces: VecDeque<Vec<u8>>,
    /// For each event that has not been written completely: since when, and how many bytes are left.
    unwritten: VecDeque<(Instant, usize)>,
    bytes: usize,
    /// The end of an event whose beginning has been handed over is in `pieces`.
    is_inside_event: bool,
    is_ended: bool,
    /// Events were dropped because the client did not take them.
    is_cut: bool,
    waker: Option<Waker>,
    on_end: Option<Callback>,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, line: String) {
        let mut state = self.lock();
        state.unwritten.push_back((Instant::now(), line.len()));
        state.bytes += line.len();
        self.total.fetch_add(line.len(), Ordering::Relaxed);
        if line.len() <= PIECE {
            state.pieces.push_back(line.into_bytes());
        } else {
            state.pieces.extend(line.as_bytes().chunks(PIECE).map(<[u8]>::to_vec));
        }
        state.wake();
    }

    /// Notes that a piece has been written, or dropped after it was handed over.
    fn written(&self, bytes: usize) {
        self.total.fetch_sub(bytes, Ordering::Relaxed);
        let mut state = self.lock();
        state.bytes -= bytes;
        let mut count = bytes;
        while let Some((_, left)) = state.unwritten.front_mut().filter(|_| count > 0) {
            let written = count.min(*left);
            (count, *left) = (count - written, *left - written);
            if *left == 0 {
                state.unwritten.pop_front();
            }
        }
    }

    /// Drops what has not been handed over.
    fn cut(&self) {
        let mut state = self.lock();
        let mut count = state.queued();
        self.total.fetch_sub(count, Ordering::Relaxed);
        state.pieces.clear();
        state.bytes -= count;
        while let Some((_, left)) = state.unwritten.back_mut().filter(|_| count > 0) {
            let dropped = count.min(*left);
            (count, *left) = (count - dropped, *left - dropped);
            if *left == 0 {
                state.unwritten.pop_back();
            }
        }
        state.is_cut = true;
        state.wake();
    }
}

impl State {
    /// Bytes that have not been handed over.
    fn queued(&self) -> usize {
        self.pieces.iter().map(Vec::len).sum()
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl Queues {
    /// A new queue. `on_close` is called when the client has gone.
    pub fn open(self: &Arc<Self>, on_close: Option<Callback>) -> (Outlet, Events) {
        let queue = Arc::new(Queue { state: Mutex::default(), total: Arc::clone(&self.bytes) });
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|queue| queue.strong_count() > 0);
        open.push(Arc::downgrade(&queue));
        drop(open);
        (Outlet { queue: Arc::clone(&queue), queues: Arc::clone(self) }, Events { queue, on_close })
    }

    /// Cuts the queues that hold most until so many bytes more fit.
    fn make_room(&self, bytes: usize) {
        while self.bytes.load(Ordering::Relaxed) + bytes > MAX_TOTAL {
            let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            let open: Vec<_> = open.iter().filter_map(Weak::upgrade).collect();
            let largest = open.iter().map(|queue| (queue.lock().queued(), queue)).max_by_key(|(bytes, _)| *bytes);
            let Some((1.., queue)) = largest else { return };
            queue.cut();
        }
    }
}

/// The sending end. The stream ends when it is dropped.
pub struct Outlet {
    queue: Arc<Queue>,
    queues: Arc<Queues>,
}

/// An event cannot be sent, because so many wait already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full {
    pub events: usize,
}

impl Outlet {
    /// Sends an event.
    ///
    /// # Errors
    /// If too much waits for this client already.
    pub fn send(&self, line: String) -> Result<(), Full> {
        self.queues.make_room(line.len());
        let (events, bytes, is_cut) = {
            let state = self.queue.lock();
            (state.unwritten.len(), state.bytes, state.is_cut)
        };
        if is_cut || events >= MAX_EVENTS || events > 0 && bytes + line.len() > MAX_BYTES {
            return Err(Full { events });
        }
        self.queue.push(line);
        Ok(())
    }

    /// Sends a short event without regard to the limits: the start, or the reason of the end.
    pub fn send_last(&self, line: String) {
        self.queue.push(line);
    }

    /// Whether an event waits for longer than this, or events were dropped to make room for other clients.
    pub fn is_stalled(&self, now: Instant, limit: Duration) -> bool {
        let state = self.queue.lock();
        state.is_cut || state.unwritten.front().is_some_and(|(since, _)| now.duration_since(*since) > limit)
    }

    /// Drops all events that have not been handed over to the HTTP server. Returns how many waited.
    pub fn cut(&self) -> usize {
        let events = self.queue.lock().unwritten.len();
        self.queue.cut();
        events
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        let mut state = self.queue.lock();
        state.is_ended = true;
        state.wake();
        let on_end = state.on_end.take();
        drop(state);
        if let Some(on_end) = on_end {
            on_end();
        }
    }
}

/// The body of a stream's response. Dropping it closes the stream.
pub struct Events {
    queue: Arc<Queue>,
    on_close: Option<Callback>,
}

impl Events {
    /// Calls `on_end` when the stream has ended and only what waits is left to be read.
    pub fn on_end(&self, on_end: Callback) {
        let mut state = self.queue.lock();
        if state.is_ended {
            drop(state);
            on_end();
        } else {
            state.on_end = Some(on_end);
        }
    }
}

impl Body for Events {
    type Data = Bytes;
    type Error = Aborted;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Aborted>>> {
        let mut state = self.queue.lock();
        if state.is_cut && state.is_inside_event {
            return Poll::Ready(Some(Err(Aborted)));
        }
        if let Some(bytes) = state.pieces.pop_front() {
            state.is_inside_event = !bytes.ends_with(b"\n");
            let piece = Piece { bytes, queue: Arc::clone(&self.queue) };
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from_owner(piece)))));
        }
        if state.is_ended {
            return Poll::Ready(None);
        }
        state.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.queue.cut();
        if let Some(on_close) = self.on_close.take() {
            on_close();
        }
    }
}

/// A part of an event that has been handed over.
struct Piece {
    bytes: Vec<u8>,
    queue: Arc<Queue>,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.queue.written(self.bytes.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads all that is there; `Err` where the response is broken off.
    fn read(events: &mut Events) -> Result<usize, Aborted> {
        let (mut context, mut bytes) = (Context::from_waker(Waker::noop()), 0);
        while let Poll::Ready(Some(frame)) = Pin::new(&mut *events).poll_frame(&mut context) {
            bytes += frame?.into_data().unwrap().len();
        }
        Ok(bytes)
    }

    fn event(bytes: usize) -> String {
        "x".repeat(bytes - 1) + "\n"
    }

    #[test]
    fn what_a_client_does_not_read_is_bounded() {
        let queues = Arc::<Queues>::default();
        let (outlet, mut events) = queues.open(None);
        assert_eq!(outlet.send(event(MAX_BYTES + 1)), Ok(()), "one event of any size");
        assert_eq!(outlet.send(event(1)), Err(Full { events: 1 }));
        assert_eq!(read(&mut events).unwrap(), MAX_BYTES + 1);
        assert_eq!((0..=MAX_EVENTS).filter(|_| outlet.send(event(1)).is_ok()).count(), MAX_EVENTS);
        assert_eq!(queues.bytes.load(Ordering::Relaxed), MAX_EVENTS);
        drop(events);
        assert_eq!(queues.bytes.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn what_all_clients_do_not_read_is_bounded_at_the_cost_of_those_that_hold_most() {
        let queues = Arc::<Queues>::default();
        let lazy: Vec<_> = (0..100).map(|_| queues.open(None)).collect();
        let (good, mut events) = queues.open(None);
        for (outlet, _) in &lazy {
            assert_eq!(good.send(event(100)), Ok(()));
            assert_eq!(outlet.send(event(MAX_BYTES)), Ok(()));
            assert!(queues.bytes.load(Ordering::Relaxed) <= MAX_TOTAL);
        }
        assert_eq!(read(&mut events).unwrap(), 100 * 100, "a small queue is left alone");
        let cut = lazy.iter().filter(|(outlet, _)| outlet.is_stalled(Instant::now(), Duration::MAX)).count();
        assert_eq!(cut, 100 - (MAX_TOTAL - 1) / MAX_BYTES);
    }

    #[test]
    fn an_event_that_is_handed_over_counts_until_it_is_written() {
        let queues = Arc::<Queues>::default();
        let (outlet, mut events) = queues.open(None);
        assert_eq!(outlet.send(event(2 * PIECE)), Ok(()));
        let mut context = Context::from_waker(Waker::noop());
        let Poll::Ready(Some(Ok(first))) = Pin::new(&mut events).poll_frame(&mut context) else { panic!() };
        let later = Instant::now() + Duration::from_secs(2);
        assert!(outlet.is_stalled(later, Duration::from_secs(1)));
        outlet.cut();
        assert_eq!(queues.bytes.load(Ordering::Relaxed), PIECE, "the rest has been dropped");
        assert!(read(&mut events).is_err(), "what follows would not be an event");
        drop(first);
        assert_eq!(queues.bytes.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_client_that_reads_does_not_stall() {
        let queues = Arc::<Queues>::default();
        let (outlet, mut events) = queues.open(None);
        let later = Instant::now() + Duration::from_secs(2);
        assert_eq!(outlet.send(event(2 * PIECE)), Ok(()));
        assert_eq!(read(&mut events).unwrap(), 2 * PIECE);
        assert!(!outlet.is_stalled(later, Duration::from_secs(1)));
    }
}
