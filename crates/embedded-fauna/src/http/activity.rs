//! What a connection is doing, so that an idle or a stuck one can be told from one that works.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::limits::{ANSWER_WITHIN, IDLE};

struct State {
    /// Deadlines of the requests in progress, by number; `None` for one without.
    requests: HashMap<u64, Option<Instant>>,
    /// When a request ended last, or bytes of an answer were sent.
    active_at: Instant,
    /// Since when bytes of answers wait to be sent.
    blocked_since: Option<Instant>,
}

/// The activity of one connection.
pub struct Activity {
    state: Mutex<State>,
    next: AtomicU64,
}

impl Activity {
    pub fn new() -> Arc<Self> {
        let state = State { requests: HashMap::new(), active_at: Instant::now(), blocked_since: None };
        Arc::new(Self { state: Mutex::new(state), next: AtomicU64::new(0) })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a request has begun.
    pub fn begin(self: &Arc<Self>) -> InProgress {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.lock().requests.insert(number, None);
        InProgress { activity: Arc::clone(self), number }
    }

    /// Notes that bytes wait for the client to read.
    pub fn blocked(&self) {
        let mut state = self.lock();
        if state.blocked_since.is_none() {
            state.blocked_since = Some(Instant::now());
        }
    }

    /// Notes that bytes have been sent.
    pub fn sent(&self) {
        self.lock().active_at = Instant::now();
    }

    /// Notes that no bytes wait to be sent.
    pub fn flushed(&self) {
        self.lock().blocked_since = None;
    }

    /// Since when the connection has been idle: no request in progress, no bytes waiting.
    pub fn idle_since(&self) -> Option<Instant> {
        let state = self.lock();
        (state.requests.is_empty() && state.blocked_since.is_none()).then_some(state.active_at)
    }

    /// When the connection is to be looked at again, or `None` if it is to be closed: idle, or a client that does not read.
    pub fn next_check(&self, now: Instant) -> Option<Instant> {
        let state = self.lock();
        let idle_ends = state.requests.is_empty().then(|| state.active_at + IDLE);
        let read_ends = state.blocked_since.map(|since| since + ANSWER_WITHIN);
        let ends = state.requests.values().copied().flatten().chain(idle_ends.filter(|_| read_ends.is_none()));
        let first = ends.chain(read_ends).min().unwrap_or(now + IDLE);
        (first > now).then_some(first.min(now + IDLE))
    }
}

/// A request in progress, until this is dropped.
pub struct InProgress {
    activity: Arc<Activity>,
    number: u64,
}

impl InProgress {
    /// Closes the connection unless the request ends in time.
    pub fn ends_within(&self, time: Duration) {
        self.activity.lock().requests.insert(self.number, Some(Instant::now() + time));
    }
}

impl Drop for InProgress {
    fn drop(&mut self) {
        let mut state = self.activity.lock();
        state.requests.remove(&self.number);
        state.active_at = Instant::now();
    }
}
