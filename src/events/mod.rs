//! Events of a user's sessions and Fauna tokens, for pages that show them live.
//!
//! Events are kept in memory, per process and in bounded number, and may be lost, so that nothing but a page may depend on them. No
//! event contains a secret: a Fauna token appears as its [`fingerprint`], a query with its values masked.
//!
//! Queries are by far the most frequent events. Where nobody listens to them ([`Queries::OfListeners`]) one costs an atomic
//! read, half a nanosecond; `docs/pages.md` has the figures.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest;
use serde::Serialize;
use tokio::sync::mpsc;

use crate::clock::Timestamp;
use crate::http::metrics as names;

/// Events kept per user; older ones are dropped.
const HISTORY_MAX: usize = 60;
/// Users whose events are kept; beyond that, those of the user with the oldest latest event are dropped.
const USERS_MAX: usize = 200;
/// Maximum subscribers per user; a further one replaces the oldest.
const SUBSCRIBERS_PER_USER_MAX: usize = 8;
/// Maximum subscribers in all; further ones are refused.
const SUBSCRIBERS_MAX: usize = 1000;
/// Events that are queued for one subscriber. A subscriber that falls further behind is dropped and finds the rest in the history.
const BACKLOG_MAX: usize = 64;
/// Ids of a process begin at its start in milliseconds times this, so that they increase across restarts and stay below 2^53, the
/// largest integer that JavaScript represents exactly.
const IDS_PER_MILLISECOND: u64 = 1000;

/// Distributes events of users to subscribers. Clones share everything.
#[derive(Clone, Debug, Default)]
pub struct EventBus {
    queries: Queries,
    inner: Arc<Mutex<Inner>>,
    /// Subscriptions that are held.
    listening: Arc<AtomicUsize>,
}

/// Users whose queries are published as events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Queries {
    #[default]
    OfEverybody,
    /// Of users with a subscription.
    OfListeners,
}

#[derive(Debug, Default)]
struct Inner {
    last_id: u64,
    histories: HashMap<Arc<str>, VecDeque<Event>>,
    subscribers: HashMap<Arc<str>, VecDeque<mpsc::Sender<Event>>>,
}

/// An event of one session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Increases with time, also across restarts of the process.
    pub id: u64,
    #[serde(skip)]
    pub user: Arc<str>,
    /// Handle of the session.
    pub session: Arc<str>,
    pub at: Timestamp,
    #[serde(flatten)]
    pub kind: EventKind,
}

/// The kind of an event. Tokens are identified by their [`fingerprint`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum EventKind {
    SessionCreated {
        /// The end of the session unless it is refreshed.
        expires_at: Timestamp,
    },
    /// A new pair of tokens was issued; the previous ones stay valid until the new ones are first used.
    SessionRefreshed,
    /// The tokens of the latest refresh were used for the first time.
    SessionPromoted {
        /// The end of the period in which the previous tokens are accepted.
        grace_until: Timestamp,
    },
    SessionEnded {
        reason: RevokeReason,
    },
    TokenIssued {
        fingerprint: String,
        /// The `ttl` of the token in Fauna.
        expires_at: Timestamp,
        /// Whether it was issued by a refresh.
        at_refresh: bool,
    },
    TokenUsed {
        fingerprint: String,
        /// FQL with its values masked, cut after about a thousand characters.
        query: String,
        /// File and line of the code that has built the query.
        built_at: String,
        /// HTTP status of Fauna's response; `None` without one.
        status: Option<u16>,
        duration_micros: u64,
    },
    /// The token is superseded, and accepted until the grace period ends.
    TokenInGrace {
        fingerprint: String,
        until: Timestamp,
    },
    /// Fauna has confirmed that the token does not exist.
    TokenDeleted {
        fingerprint: Option<String>,
        /// Time since the revocation of the session; `None` if the session continues, or if another process revoked it.
        delay_millis: Option<u64>,
    },
    /// Fauna did not accept the token of a live session; it is replaced.
    TokenRefused {
        fingerprint: String,
    },
}

/// Reasons for the end of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RevokeReason {
    /// The user signed out with this session.
    SignedOut,
    /// The user revoked it with another session.
    EndedFromAnotherDevice,
    /// A refresh token was used again after its successor was used.
    StolenRefreshToken,
    /// The user has signed in more often than sessions are allowed, and this was the oldest.
    TooManySessions,
    PasswordChanged,
    AccountDeleted,
    /// It was not refreshed in time, or reached its absolute lifetime.
    Expired,
    /// Revoked by an administrator, or by application code without another reason.
    Administrator,
}

/// The events of a user from some id on.
#[derive(Debug)]
pub struct Subscription {
    /// The kept events with a greater id than the one requested, oldest first.
    pub history: Vec<Event>,
    /// Later events. The channel is closed if the subscriber fell too far behind or was replaced; then subscribe again.
    pub events: mpsc::Receiver<Event>,
    _counted: Listening,
}

/// Counts a subscription until it is dropped.
#[derive(Debug)]
struct Listening(Arc<AtomicUsize>);

impl Listening {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl EventBus {
    /// A bus whose event ids begin at `now`, the start of the process.
    pub fn with_first_id_at(now: Timestamp, queries: Queries) -> Self {
        let millis = u64::try_from(now.millis()).unwrap_or(0);
        let inner = Inner { last_id: millis.saturating_mul(IDS_PER_MILLISECOND), ..Inner::default() };
        Self { queries, inner: Arc::new(Mutex::new(inner)), listening: Arc::default() }
    }

    /// Whether [`EventKind::TokenUsed`] is to be published for this user.
    pub fn wants_queries(&self, user: &str) -> bool {
        match self.queries {
            Queries::OfEverybody => true,
            Queries::OfListeners => {
                self.listening.load(Ordering::Relaxed) > 0 && self.lock().subscribers.contains_key(user)
            }
        }
    }

    /// Keeps an event and sends it to the user's subscribers. Never waits for a subscriber. A deletion that two tasks have
    /// confirmed is one event.
    pub fn publish(&self, user: &str, session: &str, at: Timestamp, kind: EventKind) {
        count(&kind);
        let mut inner = self.lock();
        if inner.knows_deletion(user, &kind) {
            return;
        }
        let user = inner.histories.get_key_value(user).map_or_else(|| Arc::from(user), |(user, _)| Arc::clone(user));
        inner.last_id += 1;
        let event = Event { id: inner.last_id, user: Arc::clone(&user), session: session.into(), at, kind };
        if let Some(subscribers) = inner.subscribers.get_mut(&user) {
            subscribers.retain(|subscriber| subscriber.try_send(event.clone()).is_ok());
            if subscribers.is_empty() {
                inner.subscribers.remove(&user);
            }
        }
        let history = inner.histories.entry(user).or_default();
        history.push_back(event);
        if history.len() > HISTORY_MAX {
            history.pop_front();
        }
        if inner.histories.len() > USERS_MAX {
            inner.drop_least_recent_user();
        }
    }

    /// Subscribes to the events of a user after `after_id`; `None` if there are too many subscribers.
    pub fn subscribe(&self, user: &str, after_id: u64) -> Option<Subscription> {
        let mut inner = self.lock();
        inner.subscribers.retain(|_, of_user| {
            of_user.retain(|subscriber| !subscriber.is_closed());
            !of_user.is_empty()
        });
        if inner.subscribers.values().map(VecDeque::len).sum::<usize>() >= SUBSCRIBERS_MAX {
            return None;
        }
        let (sender, events) = mpsc::channel(BACKLOG_MAX);
        let of_user = inner.subscribers.entry(user.into()).or_default();
        of_user.push_back(sender);
        if of_user.len() > SUBSCRIBERS_PER_USER_MAX {
            of_user.pop_front();
        }
        let history = inner.since(user, after_id);
        Some(Subscription { history, events, _counted: Listening::new(&self.listening) })
    }

    /// The kept events of a user after `after_id`, oldest first.
    pub fn history(&self, user: &str, after_id: u64) -> Vec<Event> {
        self.lock().since(user, after_id)
    }

    /// Drops the events of a deleted user and closes their subscriptions.
    pub fn forget(&self, user: &str) {
        let mut inner = self.lock();
        inner.histories.remove(user);
        inner.subscribers.remove(user);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Updates the metrics of sessions and tokens, which are counted by their events.
fn count(kind: &EventKind) {
    match kind {
        EventKind::SessionRefreshed => metrics::counter!(names::REFRESHES, "outcome" => "ok").increment(1),
        EventKind::SessionEnded { reason: RevokeReason::StolenRefreshToken } => {
            metrics::counter!(names::REFRESHES, "outcome" => "theft").increment(1);
            metrics::counter!(names::THEFTS).increment(1);
        }
        EventKind::TokenIssued { .. } => metrics::counter!(names::TOKENS_ISSUED).increment(1),
        EventKind::TokenDeleted { delay_millis, .. } => {
            metrics::counter!(names::TOKENS_DELETED).increment(1);
            if let Some(delay) = delay_millis {
                metrics::histogram!(names::REVOCATION_DELAY).record(Duration::from_millis(*delay).as_secs_f64());
            }
        }
        EventKind::SessionCreated { .. }
        // Counted by `count_query`, also where nobody listens.
        | EventKind::TokenUsed { .. }
        | EventKind::SessionPromoted { .. }
        | EventKind::SessionEnded { .. }
        | EventKind::TokenInGrace { .. }
        | EventKind::TokenRefused { .. } => {}
    }
}

/// Updates the metrics of queries with the tokens of users. `status` is none where Fauna did not answer.
pub fn count_query(status: Option<u16>, duration: Duration) {
    let outcome = match status {
        Some(200..300) => "ok",
        Some(409) => "contended",
        Some(400..500) => "refused",
        Some(_) => "unavailable",
        None => "unanswered",
    };
    metrics::counter!(names::FAUNA_QUERIES, "outcome" => outcome).increment(1);
    metrics::histogram!(names::FAUNA_QUERY_DURATION).record(duration.as_secs_f64());
}

impl Inner {
    /// Whether this is the deletion of a token that is known to be deleted.
    fn knows_deletion(&self, user: &str, kind: &EventKind) -> bool {
        let EventKind::TokenDeleted { fingerprint: Some(deleted), .. } = kind else { return false };
        let known = self.histories.get(user).into_iter().flatten();
        known.rev().any(|event| match &event.kind {
            EventKind::TokenDeleted { fingerprint, .. } => fingerprint.as_ref() == Some(deleted),
            _ => false,
        })
    }

    fn since(&self, user: &str, after_id: u64) -> Vec<Event> {
        let kept = self.histories.get(user).into_iter().flatten();
        kept.filter(|event| event.id > after_id).cloned().collect()
    }

    fn drop_least_recent_user(&mut self) {
        let latest = |history: &VecDeque<Event>| history.back().map_or(0, |event| event.id);
        let quietest = self.histories.iter().min_by_key(|(_, history)| latest(history));
        if let Some(user) = quietest.map(|(user, _)| Arc::clone(user)) {
            self.histories.remove(&user);
        }
    }
}

/// The last six hexadecimal digits of a secret's SHA-256: enough to distinguish tokens, and useless to reconstruct one.
pub fn fingerprint(secret: &str) -> String {
    let digest = digest::digest(&digest::SHA256, secret.as_bytes());
    let digits = hex::encode(digest.as_ref());
    digits.get(digits.len().saturating_sub(6)..).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
