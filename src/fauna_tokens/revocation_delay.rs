//! Measures the time from the revocation of a session until Fauna has confirmed the deletion of its tokens.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Timestamp;

/// Number of the latest sessions from which percentiles are computed.
const SAMPLES_MAX: usize = 1000;
/// Maximum number of sessions that are measured at the same time; further ones are not measured.
const PENDING_MAX: usize = 10_000;

/// Records delays. Clones share everything.
#[derive(Clone, Debug, Default)]
pub struct RevocationDelays(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    pending: HashMap<String, Timestamp>,
    samples: VecDeque<Duration>,
}

/// Delays since the process started, of sessions that this process revoked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RevocationDelay {
    /// Median of the latest 1000 sessions; `None` before the first.
    pub p50: Option<Duration>,
    /// 99th percentile of the same.
    pub p99: Option<Duration>,
    /// Number of revoked sessions whose tokens Fauna has not confirmed to be deleted.
    pub pending: usize,
    /// Time since the revocation of the oldest of them.
    pub oldest: Option<Duration>,
}

impl RevocationDelays {
    /// Records that a session was revoked. If that was recorded before, the earlier time stays.
    pub fn begin(&self, session: &str, now: Timestamp) {
        let mut inner = self.lock();
        if inner.pending.len() < PENDING_MAX {
            inner.pending.entry(session.to_owned()).or_insert(now);
        }
    }

    /// Records that Fauna has confirmed the deletion of the session's tokens. Returns the delay if this process revoked the
    /// session.
    pub fn finish(&self, session: &str, now: Timestamp) -> Option<Duration> {
        let mut inner = self.lock();
        let delay = inner.pending.remove(session)?.until(now);
        inner.samples.push_back(delay);
        if inner.samples.len() > SAMPLES_MAX {
            inner.samples.pop_front();
        }
        Some(delay)
    }

    /// Stops measuring a session that had no tokens, or whose tokens another process deleted.
    pub fn cancel(&self, session: &str) {
        self.lock().pending.remove(session);
    }

    /// Stops measuring sessions that were revoked before `moment`, of which nothing was left to delete.
    pub fn cancel_before(&self, moment: Timestamp) {
        self.lock().pending.retain(|_, ended_at| *ended_at >= moment);
    }

    pub fn summary(&self, now: Timestamp) -> RevocationDelay {
        let inner = self.lock();
        let mut sorted: Vec<Duration> = inner.samples.iter().copied().collect();
        sorted.sort_unstable();
        // Nearest rank: the smallest sample that so many percent do not exceed.
        let percentile = |percent: usize| sorted.get((sorted.len() * percent).div_ceil(100).checked_sub(1)?).copied();
        RevocationDelay {
            p50: percentile(50),
            p99: percentile(99),
            pending: inner.pending.len(),
            oldest: inner.pending.values().min().map(|ended_at| ended_at.until(now)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_millis(1_000_000);

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn delays_run_from_the_first_end_to_the_confirmation() {
        let delays = RevocationDelays::default();
        assert_eq!(delays.summary(START), RevocationDelay::default());
        delays.begin("a", START);
        delays.begin("a", START.after(millis(50)));
        delays.begin("b", START.after(millis(20)));
        let waiting = delays.summary(START.after(millis(100)));
        assert_eq!((waiting.pending, waiting.oldest, waiting.p50), (2, Some(millis(100)), None));
        assert_eq!(delays.finish("a", START.after(millis(84))), Some(millis(84)));
        assert_eq!(delays.finish("a", START.after(millis(90))), None);
        delays.cancel("b");
        let done = delays.summary(START.after(millis(100)));
        assert_eq!((done.pending, done.oldest, done.p50, done.p99), (0, None, Some(millis(84)), Some(millis(84))));
    }

    #[test]
    fn percentiles_are_of_the_latest_samples() {
        let delays = RevocationDelays::default();
        for delay in (1..=100).chain(1..=1000) {
            delays.begin("a", START);
            delays.finish("a", START.after(millis(delay)));
        }
        let summary = delays.summary(START);
        assert_eq!((summary.p50, summary.p99), (Some(millis(500)), Some(millis(990))));
    }

    #[test]
    fn what_is_pending_is_bounded_and_can_be_given_up() {
        let delays = RevocationDelays::default();
        for session in 0..=PENDING_MAX {
            delays.begin(&session.to_string(), START);
        }
        delays.cancel_before(START);
        assert_eq!(delays.summary(START).pending, PENDING_MAX);
        delays.cancel_before(START.after(millis(1)));
        assert_eq!(delays.summary(START).pending, 0);
    }
}
