//! The growth of waits: pure functions of one counter and the time.

use std::time::Duration;

use crate::clock::Timestamp;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    pub free: i64,
    /// The first wait; each further one is twice as long.
    pub first: Duration,
    pub longest: Duration,
    /// The counter expires after this long without an attempt, counted from the end of the last wait.
    pub forget: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    pub attempts: i64,
    pub open_at: Timestamp,
    pub forget_at: Timestamp,
}

/// Whether an attempt may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    Admit(Count),
    Wait(Duration),
}

impl Rule {
    pub fn times(self, factor: i64) -> Self {
        Self { free: self.free.saturating_mul(factor), ..self }
    }

    pub fn decide(&self, before: Option<Count>, now: Timestamp) -> Decision {
        let before = before.filter(|count| count.forget_at > now);
        // Free attempts never wait, not even those whose clock was read just before another one was counted.
        if let Some(count) = before
            && count.attempts >= self.free
            && count.open_at > now
        {
            return Decision::Wait(now.until(count.open_at));
        }
        let attempts = before.map_or(0, |count| count.attempts).saturating_add(1);
        let wait = self.wait_after(attempts);
        // Not `now`: a concurrent attempt may have read the clock slightly earlier.
        let open_at = if wait.is_zero() { Timestamp::from_millis(0) } else { now.after(wait) };
        Decision::Admit(Count { attempts, open_at, forget_at: now.after(wait).after(self.forget) })
    }

    fn wait_after(&self, attempts: i64) -> Duration {
        match u32::try_from(attempts.saturating_sub(self.free)) {
            Ok(beyond) => self.first.saturating_mul(2_u32.saturating_pow(beyond)).min(self.longest),
            Err(_still_free) => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Rule = Rule {
        free: 3,
        first: Duration::from_secs(10),
        longest: Duration::from_secs(60),
        forget: Duration::from_hours(1),
    };

    /// The waits in seconds if each attempt is made as early as possible.
    fn waits(count: usize) -> Vec<u64> {
        let (mut now, mut before) = (Timestamp::from_millis(0), None);
        let mut waits = Vec::new();
        for _ in 0..count {
            let waited = match RULE.decide(before, now) {
                Decision::Wait(wait) => wait,
                Decision::Admit(_) => Duration::ZERO,
            };
            now = now.after(waited);
            let Decision::Admit(count) = RULE.decide(before, now) else { panic!("after the wait it is open") };
            before = Some(count);
            waits.push(waited.as_secs());
        }
        waits
    }

    #[test]
    fn waits_double_up_to_the_longest() {
        assert_eq!(waits(8), [0, 0, 0, 10, 20, 40, 60, 60]);
    }

    #[test]
    fn free_attempts_of_the_same_moment_do_not_wait_for_each_other() {
        let Decision::Admit(first) = RULE.decide(None, Timestamp::from_millis(100)) else { panic!("the first") };
        assert!(matches!(RULE.decide(Some(first), Timestamp::from_millis(99)), Decision::Admit(_)));
    }

    #[test]
    fn what_is_old_is_forgotten() {
        let now = Timestamp::from_millis(0);
        let many = Count { attempts: 1_000_000, open_at: now, forget_at: now };
        assert!(matches!(RULE.decide(Some(many), now), Decision::Admit(Count { attempts: 1, .. })));
        let alive = Count { forget_at: now.after(Duration::from_millis(1)), ..many };
        let Decision::Admit(next) = RULE.decide(Some(alive), now) else { panic!("it is open") };
        assert_eq!((next.attempts, next.open_at), (1_000_001, now.after(Duration::from_secs(60))));
    }

    #[test]
    fn free_attempts_at_the_same_moment_do_not_wait_for_each_other() {
        let now = Timestamp::from_millis(1_000);
        let Decision::Admit(count) = RULE.decide(None, now) else { panic!("it is free") };
        let a_little_earlier = now.before(Duration::from_millis(5));
        assert!(matches!(RULE.decide(Some(count), a_little_earlier), Decision::Admit(_)));
    }

    #[test]
    fn no_number_is_too_large() {
        let now = Timestamp::from_millis(0);
        let count = Count { attempts: i64::MAX, open_at: now, forget_at: Timestamp::from_millis(i64::MAX) };
        assert!(matches!(RULE.decide(Some(count), now), Decision::Admit(_)));
    }
}
