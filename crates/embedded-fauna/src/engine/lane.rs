//! The queue of one identity, and its share of the threads that all callers use.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::Job;
use crate::ir::Ref;

/// A lane whose query was preempted starts its queries on the threads for slow ones for this long,
const SLOW_FOR: Duration = Duration::from_secs(1);
/// and for this many times the time that the query then takes there,
const SLOW_FACTOR: u32 = 20;
/// but not longer than this.
const MAX_SLOW_FOR: Duration = Duration::from_secs(10);
/// Time that a lane may use of the threads for quick reads at once; over a longer time it has a fifth of one thread.
const READS: Allowance = Allowance { burst: Duration::from_millis(200), factor: 5, used_until: None };
/// Time that a lane may use of the writer at once while others write too; over a longer time it has a tenth.
const WRITES: Allowance = Allowance { burst: Duration::from_millis(20), factor: 10, used_until: None };

/// Time of each turn that is not counted: a query that is quick has not used up a share, however many there are.
const FREE: Duration = Duration::from_millis(2);
/// Time after a write in which others count as competing with it for the writer.
const CONTENDED_FOR: Duration = Duration::from_millis(100);

/// Callers that share a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// The application: keys, except those of the role `client` and those used as a document. No turns.
    Application,
    /// A user document, or a key or token that is none.
    Identity(Ref),
}

impl Lane {
    pub const fn is_application(self) -> bool {
        matches!(self, Self::Application)
    }
}

/// The kind of work of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Writer,
    /// Reads for the application.
    Application,
    /// Reads for lanes, each query for a short time.
    Lanes,
    /// Reads for lanes whose queries took more than a short time.
    Slow,
}

impl Role {
    pub const fn index(self) -> usize {
        match self {
            Self::Writer => 0,
            Self::Application => 1,
            Self::Lanes => 2,
            Self::Slow => 3,
        }
    }

    /// The threads that read.
    pub const READERS: [Self; 7] =
        [Self::Application, Self::Application, Self::Lanes, Self::Lanes, Self::Slow, Self::Slow, Self::Slow];
}

/// Time that a thread has spent on a turn of a lane.
#[derive(Clone, Copy, Debug)]
pub struct Spent {
    pub role: Role,
    pub time: Duration,
    /// Whether the lane was slow at the beginning of the turn.
    pub was_slow: bool,
}

/// A share of the time of a thread, of which some may be used in advance.
#[derive(Clone, Copy, Debug)]
struct Allowance {
    burst: Duration,
    /// Each time that is used is earned again in this many times that time.
    factor: u32,
    /// When everything used so far will have been earned again.
    used_until: Option<Instant>,
}

impl Allowance {
    /// Takes note of time that was used.
    fn spend(&mut self, time: Duration, now: Instant) {
        let from = self.used_until.map_or(now, |until| until.max(now));
        self.used_until = Some(from + time.saturating_mul(self.factor).min(MAX_SLOW_FOR));
    }

    /// Leaves nothing to be used in advance.
    fn exhaust(&mut self, now: Instant) {
        let exhausted = now + self.burst.saturating_mul(self.factor);
        self.used_until = Some(self.used_until.map_or(exhausted, |until| until.max(exhausted)));
    }

    /// The time from which on there is something left, if that is in the future.
    fn exhausted_until(&self, now: Instant) -> Option<Instant> {
        let until = self.used_until?.checked_sub(self.burst.saturating_mul(self.factor))?;
        (until > now).then_some(until)
    }

    fn is_untouched(&self, now: Instant) -> bool {
        self.used_until.is_none_or(|until| until <= now)
    }
}

/// The latest writes, by who asked for them: a lane, or the application (`None`).
#[derive(Default)]
pub struct WriteArrivals {
    latest: Option<(Option<Ref>, Instant)>,
    /// The latest of anybody else.
    other: Option<(Option<Ref>, Instant)>,
}

impl WriteArrivals {
    pub fn note(&mut self, from: Option<Ref>, now: Instant) {
        if self.latest.is_some_and(|(latest, _)| latest != from) {
            self.other = self.latest;
        }
        self.latest = Some((from, now));
    }

    /// Whether somebody else has asked for a write a moment ago.
    pub fn is_contended(&self, by: Option<Ref>, now: Instant) -> bool {
        let others = [self.latest, self.other].into_iter().flatten().filter(|(from, _)| *from != by);
        others.into_iter().any(|(_, at)| now.saturating_duration_since(at) < CONTENDED_FOR)
    }
}

pub struct LaneState {
    pub waiting: VecDeque<Job>,
    /// Whether one of its jobs runs, or the lane is in one of the queues of those that are ready.
    pub is_busy: bool,
    slow_until: Option<Instant>,
    reads: Allowance,
    writes: Allowance,
}

impl Default for LaneState {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), is_busy: false, slow_until: None, reads: READS, writes: WRITES }
    }
}

impl LaneState {
    /// Whether its next query starts as a slow one.
    pub fn is_slow(&self, now: Instant) -> bool {
        let is_read = self.waiting.front().is_none_or(|job| !job.writes);
        self.slow_until.is_some_and(|until| until > now) || (is_read && self.reads.exhausted_until(now).is_some())
    }

    /// Until when it has to leave the writer to others that want it.
    pub fn rests_until(&self, now: Instant) -> Option<Instant> {
        self.writes.exhausted_until(now)
    }

    /// Whether nothing has to be remembered of it.
    pub fn is_idle(&self, now: Instant) -> bool {
        let is_rested = self.reads.is_untouched(now) && self.writes.is_untouched(now);
        !self.is_busy && self.waiting.is_empty() && is_rested && self.slow_until.is_none_or(|until| until <= now)
    }

    /// Takes note of a turn that has ended.
    pub fn charge(&mut self, spent: Spent, was_preempted: bool, now: Instant) {
        let allowance = match spent.role {
            Role::Writer => Some(&mut self.writes),
            Role::Lanes => Some(&mut self.reads),
            Role::Application | Role::Slow => None,
        };
        if let Some(allowance) = allowance {
            if was_preempted {
                allowance.exhaust(now);
            }
            allowance.spend(spent.time.saturating_sub(if was_preempted { Duration::ZERO } else { FREE }), now);
        }
        if was_preempted {
            self.be_slow_until(now + SLOW_FOR);
        } else if spent.was_slow || spent.role == Role::Slow {
            self.be_slow_until(now + spent.time.saturating_mul(SLOW_FACTOR).min(MAX_SLOW_FOR));
        }
    }

    fn be_slow_until(&mut self, until: Instant) {
        self.slow_until = Some(self.slow_until.map_or(until, |known| known.max(until)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLI: Duration = Duration::from_millis(1);

    #[test]
    fn an_allowance_is_used_in_advance_and_earned_again() {
        let now = Instant::now();
        let mut allowance = WRITES;
        allowance.spend(20 * MILLI, now);
        assert_eq!(allowance.exhausted_until(now), None);
        allowance.spend(2 * MILLI, now);
        assert_eq!(allowance.exhausted_until(now), Some(now + 20 * MILLI));
        assert_eq!(allowance.exhausted_until(now + 20 * MILLI), None);
        assert!(!allowance.is_untouched(now + 219 * MILLI));
        assert!(allowance.is_untouched(now + 220 * MILLI));
    }

    #[test]
    fn nothing_is_left_to_a_lane_that_was_preempted() {
        let now = Instant::now();
        let mut allowance = WRITES;
        allowance.exhaust(now);
        assert_eq!(allowance.exhausted_until(now), None);
        allowance.spend(3 * MILLI, now);
        assert_eq!(allowance.exhausted_until(now), Some(now + 30 * MILLI));
    }

    #[test]
    fn a_lane_that_reads_all_the_time_becomes_slow_without_being_preempted() {
        let mut lane = LaneState::default();
        let turn = Spent { role: Role::Lanes, time: 45 * MILLI, was_slow: false };
        let quick = Spent { time: FREE, ..turn };
        let now = Instant::now();
        for _ in 0..1000 {
            lane.charge(quick, false, now);
        }
        assert!(lane.is_idle(now), "quick queries cost nothing");
        let mut turns = 0;
        while !lane.is_slow(now) {
            lane.charge(turn, false, now);
            turns += 1;
        }
        assert_eq!(turns, 5);
        assert!(lane.rests_until(now).is_none(), "it may still write");
    }

    #[test]
    fn writes_compete_if_somebody_else_wrote_a_moment_ago() {
        let now = Instant::now();
        let [one, other] = [1, 2].map(|id| Some(Ref::to_collection(0, id)));
        let mut arrivals = WriteArrivals::default();
        arrivals.note(one, now);
        arrivals.note(one, now + MILLI);
        assert!(!arrivals.is_contended(one, now + MILLI));
        assert!(arrivals.is_contended(other, now + MILLI));
        arrivals.note(other, now + 2 * MILLI);
        assert!(arrivals.is_contended(one, now + 3 * MILLI));
        assert!(arrivals.is_contended(other, now + 3 * MILLI));
        assert!(!arrivals.is_contended(one, now + 3 * MILLI + CONTENDED_FOR));
    }
}
