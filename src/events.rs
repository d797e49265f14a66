//! Events of a user's sessions and Fauna tokens, for pages that show them live.
//!
//! Events are kept in memory, per process and in bounded number, and may be lost, so that nothing but a page may depend on them. No
//! event contains a secret: a Fauna token appears as its [`fingerprint`], a query with its values masked.

use std::collections::{HashMap, VecDeque};
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
pub struct EventBus(Arc<Mutex<Inner>>);

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
    },
    TokenUsed {
        fingerprint: String,
        /// FQL with its values masked, cut after about a thousand characters.
        query: String,
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
}

impl EventBus {
    /// A bus whose event ids begin at `now`, the start of the process.
    pub fn with_first_id_at(now: Timestamp) -> Self {
        let millis = u64::try_from(now.millis()).unwrap_or(0);
        let inner = Inner { last_id: millis.saturating_mul(IDS_PER_MILLISECOND), ..Inner::default() };
        Self(Arc::new(Mutex::new(inner)))
    }

    /// Keeps an event and sends it to the user's subscribers. Never waits for a subscriber.
    pub fn publish(&self, user: &str, session: &str, at: Timestamp, kind: EventKind) {
        count(&kind);
        let mut inner = self.lock();
        inner.last_id += 1;
        let user = inner.histories.get_key_value(user).map_or_else(|| Arc::from(user), |(user, _)| Arc::clone(user));
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
        Some(Subscription { history, events })
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
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
        EventKind::TokenUsed { status, duration_micros, .. } => {
            let outcome = match status {
                Some(200..300) => "ok",
                Some(409) => "contended",
                Some(400..500) => "refused",
                Some(_) => "unavailable",
                None => "unanswered",
            };
            metrics::counter!(names::FAUNA_QUERIES, "outcome" => outcome).increment(1);
            let duration = Duration::from_micros(*duration_micros).as_secs_f64();
            metrics::histogram!(names::FAUNA_QUERY_DURATION).record(duration);
        }
        EventKind::SessionCreated { .. }
        | EventKind::SessionPromoted { .. }
        | EventKind::SessionEnded { .. }
        | EventKind::TokenInGrace { .. }
        | EventKind::TokenRefused { .. } => {}
    }
}

impl Inner {
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
mod tests {
    use super::*;

    const AT: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn publish(bus: &EventBus, user: &str) {
        bus.publish(user, "session", AT, EventKind::SessionRefreshed);
    }

    #[tokio::test]
    async fn a_subscriber_gets_what_it_missed_and_what_follows_and_nothing_of_others() {
        let bus = EventBus::with_first_id_at(AT);
        publish(&bus, "ann");
        publish(&bus, "bob");
        publish(&bus, "ann");
        let all = bus.subscribe("ann", 0).unwrap().history;
        assert_eq!(all.len(), 2);
        let mut since = bus.subscribe("ann", all[0].id).unwrap();
        assert_eq!(since.history, all[1..]);
        publish(&bus, "bob");
        publish(&bus, "ann");
        let next = since.events.recv().await.unwrap();
        assert!(next.id > all[1].id && &*next.user == "ann");
        assert!(since.events.try_recv().is_err());
    }

    #[test]
    fn ids_grow_across_restarts_and_are_exact_in_javascript() {
        let ids = |started| {
            let bus = EventBus::with_first_id_at(started);
            publish(&bus, "ann");
            bus.history("ann", 0)[0].id
        };
        let (first, second) = (ids(AT), ids(AT.after(Duration::from_secs(1))));
        assert!(first < second && second < 1 << 53);
    }

    #[test]
    fn histories_are_bounded_per_user_and_in_all() {
        let bus = EventBus::default();
        for _ in 0..=HISTORY_MAX {
            publish(&bus, "ann");
        }
        assert_eq!(bus.history("ann", 0).len(), HISTORY_MAX);
        assert_eq!(bus.history("ann", 0)[0].id, 2);
        publish(&bus, "bob");
        publish(&bus, "ann");
        for number in 0..USERS_MAX - 1 {
            publish(&bus, &format!("user {number}"));
        }
        assert!(bus.history("bob", 0).is_empty(), "the quietest user is forgotten");
        assert_eq!(bus.history("ann", 0).len(), HISTORY_MAX);
    }

    #[test]
    fn a_subscriber_that_does_not_read_is_dropped_and_holds_nobody_up() {
        let bus = EventBus::default();
        let mut slow = bus.subscribe("ann", 0).unwrap().events;
        for _ in 0..=BACKLOG_MAX {
            publish(&bus, "ann");
        }
        for _ in 0..BACKLOG_MAX {
            slow.try_recv().unwrap();
        }
        assert_eq!(slow.try_recv(), Err(mpsc::error::TryRecvError::Disconnected));
        assert!(bus.lock().subscribers.is_empty());
    }

    #[test]
    fn subscribers_are_bounded_per_user_and_in_all() {
        let bus = EventBus::default();
        let mut first = bus.subscribe("ann", 0).unwrap().events;
        let mut kept = Vec::new();
        for _ in 0..SUBSCRIBERS_PER_USER_MAX {
            kept.push(bus.subscribe("ann", 0).unwrap());
        }
        assert_eq!(first.try_recv(), Err(mpsc::error::TryRecvError::Disconnected));
        for number in SUBSCRIBERS_PER_USER_MAX..SUBSCRIBERS_MAX {
            kept.push(bus.subscribe(&format!("user {number}"), 0).unwrap());
        }
        assert!(bus.subscribe("bob", 0).is_none());
        drop(kept);
        assert!(bus.subscribe("bob", 0).is_some());
    }

    #[test]
    fn an_event_is_flat_json_without_its_user() {
        let bus = EventBus::default();
        bus.publish("ann", "s-1", AT, EventKind::SessionEnded { reason: RevokeReason::StolenRefreshToken });
        let json = serde_json::to_value(&bus.history("ann", 0)[0]).unwrap();
        let expected = serde_json::json!({
            "id": 1, "session": "s-1", "at": AT, "kind": "session-ended", "reason": "stolen-refresh-token",
        });
        assert_eq!(json, expected);
        let fields = EventKind::SessionPromoted { grace_until: AT };
        assert_eq!(serde_json::to_value(fields).unwrap()["graceUntil"], serde_json::json!(AT));
    }

    #[test]
    fn a_fingerprint_is_the_tail_of_the_digest() {
        // SHA-256 of "abc" ends with f20015ad.
        assert_eq!(fingerprint("abc"), "0015ad");
    }
}
