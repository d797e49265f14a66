//! Decides by a seed what goes wrong in one process.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tokio::sync::{Notify, mpsc, oneshot};

use crate::database::faults::{Faults, Point};

/// `SplitMix64`: a small generator, so that a seed means the same on every machine and in every version.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound).unwrap()).unwrap()
    }

    pub fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// Outcome of a point outside the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Pass,
    /// An error: what was asked for was not done, or its result is lost.
    Fail,
    /// The process stops without an answer.
    Crash,
    /// Another process does something first.
    Overtaken,
}

/// The faults of one process.
pub struct Script {
    seed: AtomicU64,
    /// One point in so many has a fault.
    rarity: AtomicU64,
    steps: AtomicU64,
    /// Nothing goes wrong while it is above zero.
    calm: AtomicU32,
    crashed: AtomicBool,
    stopped: Notify,
    overtakers: mpsc::UnboundedSender<oneshot::Sender<()>>,
    /// The faults so far, for the message of a violation.
    log: Arc<Mutex<Vec<String>>>,
    faults: AtomicU64,
}

impl Script {
    pub fn new(overtakers: mpsc::UnboundedSender<oneshot::Sender<()>>, log: Arc<Mutex<Vec<String>>>) -> Self {
        Self {
            seed: AtomicU64::new(0),
            rarity: AtomicU64::new(1),
            steps: AtomicU64::new(0),
            calm: AtomicU32::new(1),
            crashed: AtomicBool::new(false),
            stopped: Notify::new(),
            overtakers,
            log,
            faults: AtomicU64::new(0),
        }
    }

    /// From now on faults are those of this seed.
    pub fn begin(&self, seed: u64, rarity: u64) {
        self.seed.store(seed, Ordering::SeqCst);
        self.rarity.store(rarity, Ordering::SeqCst);
        self.steps.store(0, Ordering::SeqCst);
    }

    /// Nothing goes wrong until [`Script::resume`] was called as often.
    pub fn pause(&self) {
        self.calm.fetch_add(1, Ordering::SeqCst);
    }

    pub fn resume(&self) {
        self.calm.fetch_sub(1, Ordering::SeqCst);
    }

    pub fn has_crashed(&self) -> bool {
        self.crashed.load(Ordering::SeqCst)
    }

    /// Number of faults so far.
    pub fn faults(&self) -> u64 {
        self.faults.load(Ordering::SeqCst)
    }

    pub fn crash(&self) {
        self.crashed.store(true, Ordering::SeqCst);
        self.stopped.notify_waiters();
    }

    /// Returns when the process has crashed.
    pub async fn crashed(&self) {
        let stopped = self.stopped.notified();
        if !self.has_crashed() {
            stopped.await;
        }
    }

    fn fate(&self, alone: bool) -> Fate {
        if self.calm.load(Ordering::SeqCst) > 0 {
            return Fate::Pass;
        }
        let step = self.steps.fetch_add(1, Ordering::SeqCst);
        let mut random = Random::new(self.seed.load(Ordering::SeqCst) ^ step.wrapping_mul(0x2545_F491_4F6C_DD1D));
        if !random.next().is_multiple_of(self.rarity.load(Ordering::SeqCst)) {
            return Fate::Pass;
        }
        match random.below(8) {
            0..3 => Fate::Fail,
            3..5 => Fate::Crash,
            _ if alone => Fate::Overtaken,
            _ => Fate::Pass,
        }
    }

    /// False: it fails. Does not return if the process has stopped.
    pub async fn at(&self, what: &str, alone: bool) -> bool {
        let fate = if self.has_crashed() { Fate::Crash } else { self.fate(alone) };
        if fate != Fate::Pass {
            self.faults.fetch_add(1, Ordering::SeqCst);
            self.log.lock().unwrap_or_else(PoisonError::into_inner).push(format!("  {what}: {fate:?}"));
        }
        match fate {
            Fate::Pass => true,
            Fate::Fail => false,
            Fate::Crash => {
                self.crash();
                std::future::pending().await
            }
            Fate::Overtaken => {
                let (done, waiting) = oneshot::channel();
                if self.overtakers.send(done).is_ok() {
                    let _done_or_refused = waiting.await;
                }
                true
            }
        }
    }
}

#[async_trait]
impl Faults for Script {
    async fn passes(&self, point: Point, alone: bool) -> bool {
        self.at(if point == Point::Before { "before SQL" } else { "after SQL" }, alone).await
    }
}
