//! Times at which dynamic signing keys are created, published, used and deleted, as pure functions.

use std::time::Duration;

use crate::clock::Timestamp;

/// The longest time between the publication of a key and its first signature.
const OVERLAP: Duration = Duration::from_mins(1);

/// Schedule of dynamic keys.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    interval: Duration,
    /// Time between the publication of a key and its first signature.
    overlap: Duration,
    /// Time from the creation of a key until it no longer verifies.
    verify_for: Duration,
}

impl Schedule {
    /// Keys sign for `interval`; the tokens they sign are valid for `token_lifetime`.
    pub fn new(interval: Duration, token_lifetime: Duration) -> Self {
        let overlap = OVERLAP.min(interval / 5);
        Self { interval, overlap, verify_for: interval.saturating_add(token_lifetime.saturating_mul(2)) }
    }

    pub fn verifies_until(&self, created_at: Timestamp) -> Timestamp {
        created_at.after(self.verify_for)
    }

    /// Keys created before the result no longer verify.
    pub fn expired_before(&self, now: Timestamp) -> Timestamp {
        now.before(self.verify_for)
    }

    pub fn is_next_due(&self, newest: Option<Timestamp>, now: Timestamp) -> bool {
        newest.is_none_or(|created_at| now.after(self.overlap) > created_at.after(self.interval))
    }

    /// Whether the older of two keys signs: the newer one is only published yet, and the interval of the older one has not ended.
    pub fn older_signs(&self, newest: Timestamp, older: Timestamp, now: Timestamp) -> bool {
        newest.after(self.overlap) > now && now < older.after(self.interval)
    }

    /// Time until the next key is published; at least a second.
    pub fn complete_for(&self, newest: Option<Timestamp>, now: Timestamp) -> Duration {
        let next = newest.map_or(now, |created_at| created_at.after(self.interval).before(self.overlap));
        now.until(next).max(Duration::from_secs(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEEK: Duration = Duration::from_hours(168);
    const TOKEN: Duration = Duration::from_mins(15);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn the_next_key_is_made_one_overlap_before_it_signs() {
        let schedule = Schedule::new(WEEK, TOKEN);
        let week = 7 * 24 * 3600;
        assert!(schedule.is_next_due(None, at(0)));
        assert!(!schedule.is_next_due(Some(at(0)), at(week - 60)));
        assert!(schedule.is_next_due(Some(at(0)), at(week - 59)));

        let (older, newest) = (at(0), at(week - 59));
        assert!(schedule.older_signs(newest, older, at(week - 58)));
        assert!(!schedule.older_signs(newest, older, at(week)), "the older one has signed for its week");
        assert!(!schedule.older_signs(newest, at(-3600), at(week + 1)));
    }

    #[test]
    fn a_key_verifies_until_the_last_token_it_signed_has_ended() {
        let schedule = Schedule::new(WEEK, TOKEN);
        let last_signature = at(0).after(WEEK);
        assert!(schedule.verifies_until(at(0)) > last_signature.after(TOKEN));
        assert_eq!(schedule.expired_before(schedule.verifies_until(at(0))), at(0));
    }

    #[test]
    fn tiny_intervals_have_tiny_overlaps() {
        let schedule = Schedule::new(Duration::from_millis(7200), Duration::from_secs(100));
        assert!(!schedule.is_next_due(Some(at(0)), at(5)));
        assert!(schedule.is_next_due(Some(at(0)), at(6)));
        assert_eq!(schedule.complete_for(Some(at(0)), at(100)), Duration::from_secs(1));
    }
}
