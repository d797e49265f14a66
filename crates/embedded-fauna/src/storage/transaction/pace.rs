//! The pace of slow queries while quick ones run.
//!
//! A low priority of the thread is not enough: the system lets it finish its time slice although a quick query has become ready, and
//! milliseconds add up for queries that take microseconds. A still lower priority (`SCHED_IDLE`) is worse: a thread that holds a lock
//! would get no time on a busy machine, and everybody would wait for it. So a slow query pauses by itself, where it holds no lock.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Time after a quick query has begun in which slow ones pause.
const BUSY_FOR: Duration = Duration::from_millis(20);
/// Time that a slow query runs between two pauses.
const RUN: Duration = Duration::from_millis(1);
/// A pause is so many times as long as the query has run since the last one, for each slow query that runs.
const PAUSE_FACTOR: u32 = 3;
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

/// Queries that run on the other threads.
#[derive(Debug)]
pub struct Traffic {
    began: Instant,
    /// When the latest quick query began, in microseconds after `began`; 0 before the first.
    latest: AtomicU64,
    slow: AtomicUsize,
}

impl Default for Traffic {
    fn default() -> Self {
        Self { began: Instant::now(), latest: AtomicU64::new(0), slow: AtomicUsize::new(0) }
    }
}

impl Traffic {
    /// Notes that a quick query begins.
    pub fn note(&self) {
        self.latest.store(self.micros(Instant::now()), Ordering::Relaxed);
    }

    /// Begins a slow query.
    pub fn slow_query(self: &Arc<Self>) -> Pace {
        self.slow.fetch_add(1, Ordering::Relaxed);
        Pace { traffic: Arc::clone(self), since: Cell::new(Instant::now()) }
    }

    fn is_busy(&self, now: Instant) -> bool {
        let latest = self.latest.load(Ordering::Relaxed);
        latest != 0 && self.micros(now).saturating_sub(latest) < micros(BUSY_FOR)
    }

    fn micros(&self, now: Instant) -> u64 {
        micros(now.saturating_duration_since(self.began))
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// The pace of one slow query, which ends when this is dropped.
#[derive(Debug)]
pub struct Pace {
    traffic: Arc<Traffic>,
    /// Since when it has run without a pause.
    since: Cell<Instant>,
}

impl Pace {
    /// Pauses if it is time to.
    pub fn keep(&self, now: Instant) {
        let ran = now.saturating_duration_since(self.since.get());
        if ran < RUN {
            return;
        }
        if self.traffic.is_busy(now) {
            thread::sleep(pause(ran, self.traffic.slow.load(Ordering::Relaxed)));
        }
        self.since.set(Instant::now());
    }
}

impl Drop for Pace {
    fn drop(&mut self) {
        self.traffic.slow.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The pause of one of several slow queries after it has run for some time.
fn pause(ran: Duration, slow: usize) -> Duration {
    let slow = u32::try_from(slow).unwrap_or(u32::MAX).max(1);
    ran.saturating_mul(PAUSE_FACTOR.saturating_mul(slow)).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLI: Duration = Duration::from_millis(1);

    #[test]
    fn several_slow_queries_share_the_time_of_one() {
        assert_eq!(pause(MILLI, 1), 3 * MILLI);
        assert_eq!(pause(MILLI, 2), 6 * MILLI);
        assert_eq!(pause(MILLI, 0), 3 * MILLI);
        assert_eq!(pause(100 * MILLI, 1), LONGEST_PAUSE);
    }

    #[test]
    fn others_are_busy_for_a_while_after_a_query_has_begun() {
        let traffic = Arc::new(Traffic::default());
        let now = traffic.began + 5 * MILLI;
        assert!(!traffic.is_busy(now), "there was none");
        traffic.latest.store(traffic.micros(now), Ordering::Relaxed);
        assert!(traffic.is_busy(now + 19 * MILLI));
        assert!(!traffic.is_busy(now + 20 * MILLI));
    }

    #[test]
    fn slow_queries_are_counted_while_they_run() {
        let traffic = Arc::new(Traffic::default());
        let slow = || traffic.slow.load(Ordering::Relaxed);
        let [one, other] = [traffic.slow_query(), traffic.slow_query()];
        assert_eq!(slow(), 2);
        drop(one);
        assert_eq!(slow(), 1);
        drop(other);
        assert_eq!(slow(), 0);
    }
}
