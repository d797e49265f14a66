//! What a connection is doing, so that an idle or a stuck one can be told from one that works.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::limits::ANSWER_WITHIN;

struct State {
    /// Deadlines of the requests in progress, by number; `None` for one without.
    requests: HashMap<u64, Option<Instant>>,
    /// When a request ended last, or bytes of an answer were sent.
    active_at: Instant,
    /// Since when bytes of answers wait to be sent.
    blocked_since: Option<Instant>,
    trust: Trust,
}

/// What a client has shown so far. Connections of a lower trust are closed first when there are too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trust {
    /// No request has been answered.
    Unknown,
    Answered,
    /// It has sent a query with a key of the application.
    Application,
}

/// The activity of one connection.
pub struct Activity {
    state: Mutex<State>,
    next: AtomicU64,
    /// Whether a part of a request was not read.
    has_unread: AtomicBool,
    deadline_changed: Notify,
}

impl Activity {
    pub fn new() -> Arc<Self> {
        let state =
            State { requests: HashMap::new(), active_at: Instant::now(), blocked_since: None, trust: Trust::Unknown };
        Arc::new(Self {
            state: Mutex::new(state),
            next: AtomicU64::new(0),
            has_unread: AtomicBool::new(false),
            deadline_changed: Notify::new(),
        })
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

    /// Closes the connection unless this request ends in time.
    fn ends_within(&self, number: u64, time: Duration) {
        if let Some(deadline) = self.lock().requests.get_mut(&number) {
            *deadline = Some(Instant::now() + time);
            self.deadline_changed.notify_one();
        }
    }

    /// Waits until a request gets a deadline.
    pub async fn deadline_changed(&self) {
        self.deadline_changed.notified().await;
    }

    /// Notes that a part of a request was not read, so that the client may still be sending it.
    pub fn leave_unread(&self) {
        self.has_unread.store(true, Ordering::Release);
    }

    pub fn has_unread(&self) -> bool {
        self.has_unread.load(Ordering::Acquire)
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

    /// Raises the trust of the client.
    pub fn raise(&self, trust: Trust) {
        let mut state = self.lock();
        state.trust = state.trust.max(trust);
    }

    /// If the connection is idle (no request in progress, no bytes waiting), the trust of the client and since when.
    pub fn idle_since(&self) -> Option<(Trust, Instant)> {
        let state = self.lock();
        let is_idle = state.requests.is_empty() && state.blocked_since.is_none();
        is_idle.then_some((state.trust, state.active_at))
    }

    /// When the connection is to be looked at again, or `None` if it is to be closed: idle, or a client that does not read.
    pub fn next_check(&self, now: Instant, idle: Duration) -> Option<Instant> {
        let state = self.lock();
        let idle_ends = state.requests.is_empty().then(|| state.active_at + idle);
        let read_ends = state.blocked_since.map(|since| since + ANSWER_WITHIN);
        let ends = state.requests.values().copied().flatten().chain(idle_ends.filter(|_| read_ends.is_none()));
        let first = ends.chain(read_ends).min().unwrap_or(now + idle);
        (first > now).then_some(first.min(now + idle))
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
        self.activity.ends_within(self.number, time);
    }

    /// Does the same later, and nothing if the request has ended by then.
    pub fn ends_later(&self, time: Duration) -> impl FnOnce() + Send + Sync + use<> {
        let (activity, number) = (Arc::clone(&self.activity), self.number);
        move || activity.ends_within(number, time)
    }
}

impl Drop for InProgress {
    fn drop(&mut self) {
        let mut state = self.activity.lock();
        state.requests.remove(&self.number);
        state.active_at = Instant::now();
    }
}
