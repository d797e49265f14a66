//! Time.
//!
//! Functions take the current time as a [`Timestamp`]; a [`Clock`] supplies it, and background tasks sleep on it. Tests advance the
//! clock instead of waiting.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;
use tokio::sync::Notify;

/// A point in time, in milliseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Timestamp(i64);

impl Timestamp {
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The time `span` later; saturates.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(millis_of(span)))
    }

    /// The time `span` earlier; saturates.
    #[must_use]
    pub fn before(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(millis_of(span)))
    }

    /// The time from `self` to `later`; zero if `later` is earlier.
    pub fn until(self, later: Self) -> Duration {
        Duration::from_millis(u64::try_from(later.0.saturating_sub(self.0)).unwrap_or(0))
    }
}

fn millis_of(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

fn micros_of(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

/// The system's clock, which tests can move. Clones share the offset.
#[derive(Clone, Debug)]
pub struct Clock {
    offset: Arc<Offset>,
}

#[derive(Debug, Default)]
struct Offset {
    /// Offset to the system's clock in microseconds.
    micros: AtomicI64,
    /// Wakes tasks in [`Clock::sleep`] when the clock is moved.
    changed: Notify,
}

impl Clock {
    /// A clock without an offset.
    pub fn system() -> Self {
        Self { offset: Arc::default() }
    }

    pub fn now(&self) -> Timestamp {
        Timestamp(self.now_micros().div_euclid(1000))
    }

    /// Microseconds since 1970, the unit of Fauna's timestamps.
    pub fn now_micros(&self) -> i64 {
        let system = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(i64::MAX));
        system.saturating_add(self.offset.micros.load(Ordering::SeqCst))
    }

    /// Sleeps until `span` has passed on this clock, by real time or by [`Clock::advance`].
    pub async fn sleep(&self, span: Duration) {
        let end = self.now().after(span);
        loop {
            let moved = self.offset.changed.notified();
            let left = self.now().until(end);
            if left.is_zero() {
                return;
            }
            tokio::select! {
                () = moved => {}
                () = tokio::time::sleep(left) => {}
            }
        }
    }

    /// Moves this clock and its clones forward, and wakes tasks whose sleep is over. For tests.
    pub fn advance(&self, span: Duration) {
        self.offset.micros.fetch_add(micros_of(span), Ordering::SeqCst);
        self.offset.changed.notify_waiters();
    }

    /// Moves this clock and its clones back, as if the system's clock was set. For tests.
    pub fn move_back(&self, span: Duration) {
        self.offset.micros.fetch_sub(micros_of(span), Ordering::SeqCst);
    }
}

#[cfg(feature = "embedded-fauna")]
impl embedded_fauna::Clock for Clock {
    fn now_micros(&self) -> i64 {
        Self::now_micros(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_move_together() {
        let clock = Clock::system();
        let twin = clock.clone();
        let before = twin.now();
        clock.advance(Duration::from_secs(60));
        assert!(twin.now() >= before.after(Duration::from_secs(60)));
        clock.move_back(Duration::from_hours(1));
        assert!(twin.now() < before);
    }

    #[actix_rt::test]
    async fn sleepers_wake_when_the_clock_is_moved() {
        let (clock, hour) = (Clock::system(), Duration::from_hours(1));
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep(hour).await }
        });
        tokio::task::yield_now().await;
        clock.advance(hour / 2);
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        clock.advance(hour / 2);
        tokio::time::timeout(Duration::from_secs(10), sleeper).await.unwrap().unwrap();
    }

    #[test]
    fn seconds_round_down_before_1970_too() {
        assert_eq!(Timestamp::from_millis(-1).seconds(), -1);
        assert_eq!(Timestamp::from_millis(1999).seconds(), 1);
    }
}
