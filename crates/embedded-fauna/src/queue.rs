//! Jobs that wait for one of several threads.
//!
//! Putting one in wakes one thread at most, and none where all are busy: they look for the next themselves.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// What waits, and who waits for it.
struct Waiting<J> {
    /// Jobs, the oldest first.
    jobs: VecDeque<J>,
    /// How many threads have nothing to do.
    idle: usize,
    /// Whether nothing more will come.
    is_closed: bool,
}

/// Both ends share it.
struct Shared<J> {
    /// What waits.
    waiting: Mutex<Waiting<J>>,
    /// Told that something has come.
    arrived: Condvar,
}

impl<J> Shared<J> {
    /// What waits. Nothing that holds the lock can panic.
    fn lock(&self) -> MutexGuard<'_, Waiting<J>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where jobs are put in. The queue is closed when this is dropped.
pub struct Entrance<J>(Arc<Shared<J>>);

/// Where jobs are taken out.
pub struct Exit<J>(Arc<Shared<J>>);

/// A queue.
pub fn queue<J>() -> (Entrance<J>, Exit<J>) {
    let waiting = Mutex::new(Waiting { jobs: VecDeque::new(), idle: 0, is_closed: false });
    let shared = Arc::new(Shared { waiting, arrived: Condvar::new() });
    (Entrance(Arc::clone(&shared)), Exit(shared))
}

impl<J> Entrance<J> {
    /// Puts a job in.
    pub fn put(&self, job: J) {
        let mut waiting = self.0.lock();
        waiting.jobs.push_back(job);
        let somebody_waits = waiting.idle > 0;
        drop(waiting);
        if somebody_waits {
            self.0.arrived.notify_one();
        }
    }
}

impl<J> Drop for Entrance<J> {
    fn drop(&mut self) {
        self.0.lock().is_closed = true;
        self.0.arrived.notify_all();
    }
}

impl<J> Clone for Exit<J> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<J> Exit<J> {
    /// The next job, waiting for it; `None` when the queue is closed and empty.
    pub fn next(&self) -> Option<J> {
        let mut waiting = self.0.lock();
        loop {
            if let Some(job) = waiting.jobs.pop_front() {
                return Some(job);
            }
            if waiting.is_closed {
                return None;
            }
            waiting.idle += 1;
            waiting = self.0.arrived.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            waiting.idle -= 1;
        }
    }
}
