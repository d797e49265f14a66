//! What ends a transaction early: its deadline, somebody who waits, a revoked token, the end of the endpoint.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::ir::{Fault, Outcome};
use crate::storage::transaction::pace::Pace;

/// Why a query was interrupted. A later variant replaces an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    None,
    /// It took too much time on this thread: it is to be run again on another one.
    Preempted,
    TimedOut,
    Stopping,
    /// Its token, or the document that the token stands for, has been deleted.
    Revoked,
}

impl Cause {
    const fn number(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Preempted => 1,
            Self::TimedOut => 2,
            Self::Stopping => 3,
            Self::Revoked => 4,
        }
    }
}

/// Interrupts one query, from any thread.
pub struct Interrupt {
    deadline: Instant,
    /// A number of [`Cause::number`].
    cause: AtomicU8,
}

impl Interrupt {
    pub fn new(deadline: Instant) -> Arc<Self> {
        Arc::new(Self { deadline, cause: AtomicU8::new(Cause::None.number()) })
    }

    pub const fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Ends the query at its next check.
    pub fn raise(&self, cause: Cause) {
        self.cause.fetch_max(cause.number(), Ordering::AcqRel);
    }

    pub fn cause(&self) -> Cause {
        match self.cause.load(Ordering::Acquire) {
            0 => Cause::None,
            1 => Cause::Preempted,
            2 => Cause::TimedOut,
            3 => Cause::Stopping,
            _ => Cause::Revoked,
        }
    }

    /// Lets a query that was preempted run again.
    pub fn resume(&self) {
        let [preempted, none] = [Cause::Preempted, Cause::None].map(Cause::number);
        let _other_cause = self.cause.compare_exchange(preempted, none, Ordering::AcqRel, Ordering::Acquire);
    }
}

/// When a query has to make room for others.
#[derive(Clone)]
pub enum Slice {
    Unlimited,
    Until(Instant),
    /// From this time on, as soon as something waits.
    WhileNobodyWaits {
        until: Instant,
        waiting: Arc<AtomicUsize>,
    },
    /// Never, but it pauses while quick queries run.
    BesideOthers(Rc<Pace>),
}

impl Slice {
    fn is_over(&self, now: Instant) -> bool {
        match self {
            Self::Unlimited | Self::BesideOthers(_) => false,
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
    /// Bytes of rows that may be read, with [`ROW`] added for each row.
    pub read_limit: usize,
    /// Bytes of versions and index entries that may be written, including those that move into the history.
    pub write_limit: usize,
}

/// What a row costs beside its bytes, because of what is made of it.
pub const ROW: usize = 128;

impl Attempt {
    /// For work of the endpoint's own, which ends by itself.
    pub fn unlimited() -> Self {
        const YEAR: Duration = Duration::from_secs(365 * 86_400);
        Self {
            interrupt: Interrupt::new(Instant::now() + YEAR),
            slice: Slice::Unlimited,
            read_limit: usize::MAX,
            write_limit: usize::MAX,
        }
    }

    /// Checks that the query may go on.
    ///
    /// # Errors
    /// [`Fault::TimedOut`] if it may not; [`Interrupt::cause`] says why.
    pub fn in_time(&self) -> Outcome<()> {
        let now = Instant::now();
        if let Slice::BesideOthers(pace) = &self.slice {
            pace.keep(now);
        }
        if now >= self.interrupt.deadline {
            self.interrupt.raise(Cause::TimedOut);
        } else if self.slice.is_over(now) {
            self.interrupt.raise(Cause::Preempted);
        }
        if self.interrupt.cause() == Cause::None { Ok(()) } else { Err(Fault::TimedOut.into()) }
    }
}
