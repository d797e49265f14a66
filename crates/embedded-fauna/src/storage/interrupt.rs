//! What ends a transaction early: its deadline, somebody who waits, a revoked token, the end of the endpoint.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::ir::{Fault, Outcome};

/// Why a query was interrupted. A later variant replaces an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Cause {
    None = 0,
    /// It took too much time on this thread: it is to be run again on another one.
    Preempted = 1,
    TimedOut = 2,
    Stopping = 3,
    /// Its token, or the document that the token stands for, has been deleted.
    Revoked = 4,
}

/// Interrupts one query, from any thread.
pub struct Interrupt {
    deadline: Instant,
    cause: AtomicU8,
}

impl Interrupt {
    pub fn new(deadline: Instant) -> Arc<Self> {
        Arc::new(Self { deadline, cause: AtomicU8::new(Cause::None as u8) })
    }

    pub const fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Ends the query at its next check.
    pub fn raise(&self, cause: Cause) {
        self.cause.fetch_max(cause as u8, Ordering::AcqRel);
    }

    pub fn cause(&self) -> Cause {
        let causes = [Cause::None, Cause::Preempted, Cause::TimedOut, Cause::Stopping];
        let cause = self.cause.load(Ordering::Acquire);
        causes.into_iter().find(|known| *known as u8 == cause).unwrap_or(Cause::Revoked)
    }

    /// Lets a query that was preempted run again.
    pub fn resume(&self) {
        let [preempted, none] = [Cause::Preempted, Cause::None].map(|cause| cause as u8);
        let _other_cause = self.cause.compare_exchange(preempted, none, Ordering::AcqRel, Ordering::Acquire);
    }
}

/// When a query has to make room for others.
#[derive(Clone)]
pub enum Slice {
    Unlimited,
    /// At this time.
    Until(Instant),
    /// From this time on, as soon as something waits.
    WhileNobodyWaits {
        until: Instant,
        waiting: Arc<AtomicUsize>,
    },
}

impl Slice {
    fn is_over(&self, now: Instant) -> bool {
        match self {
            Self::Unlimited => false,
            Self::Until(until) => now >= *until,
            Self::WhileNobodyWaits { until, waiting } => now >= *until && waiting.load(Ordering::Relaxed) > 0,
        }
    }
}

/// One run of a query on one thread.
#[derive(Clone)]
pub struct Attempt {
    pub interrupt: Arc<Interrupt>,
    pub slice: Slice,
    /// How much may be read: bytes of rows, and [`ROW`] for each.
    pub read_limit: usize,
}

/// What a row costs beside its bytes, because of what is made of it.
pub const ROW: usize = 128;

impl Attempt {
    /// For work of the endpoint's own, which ends by itself.
    pub fn unlimited() -> Self {
        const YEAR: Duration = Duration::from_secs(365 * 86_400);
        Self { interrupt: Interrupt::new(Instant::now() + YEAR), slice: Slice::Unlimited, read_limit: usize::MAX }
    }

    /// Checks that the query may go on.
    ///
    /// # Errors
    /// [`Fault::TimedOut`] if it may not; [`Interrupt::cause`] says why.
    pub fn in_time(&self) -> Outcome<()> {
        let now = Instant::now();
        if now >= self.interrupt.deadline {
            self.interrupt.raise(Cause::TimedOut);
        } else if self.slice.is_over(now) {
            self.interrupt.raise(Cause::Preempted);
        }
        if self.interrupt.cause() == Cause::None { Ok(()) } else { Err(Fault::TimedOut.into()) }
    }
}
