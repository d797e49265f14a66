//! The jobs that are running, and the lanes of secrets.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use aws_lc_rs::digest;

use super::lane::{Lane, Role, Spent};
use super::worker;
use super::worker::Shared;
use crate::evaluator::{Caller, Permissions, Source};
use crate::ir::Ref;
use crate::storage::{Cause, Interrupt};

/// Interval between checks of the running jobs.
const WATCH_EVERY: Duration = Duration::from_millis(50);
/// A thread whose query is overdue by this is replaced.
const ABANDON_AFTER: Duration = Duration::from_secs(1);
/// The most threads that are replaced before one of them has ended.
const MAX_ABANDONED: usize = 8;
/// The most secrets whose lanes are remembered.
const MAX_LANES: usize = 8192;

/// A job that is running.
pub struct Entry {
    pub role: Role,
    pub lane: Option<Lane>,
    pub interrupt: Arc<Interrupt>,
    /// Interrupts the statement that runs.
    pub statement: rusqlite::InterruptHandle,
    /// Whether another thread has taken its place.
    pub is_abandoned: Arc<AtomicBool>,
    /// `None` until the secret has been verified.
    pub caller: Option<Arc<Caller>>,
    /// Whether documents were deleted before the secret was verified: it may have been verified with what was there before.
    pub is_outdated: bool,
}

/// The jobs that are running, by number.
#[derive(Default)]
pub struct Running {
    entries: Mutex<HashMap<u64, Entry>>,
    next: AtomicU64,
}

impl Running {
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a job; its number.
    pub fn add(&self, entry: Entry) -> u64 {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.lock().insert(number, entry);
        number
    }

    /// Notes the caller of a running job. Whether it has to be run again, because documents were deleted since it began.
    pub fn identify(&self, number: u64, caller: &Arc<Caller>) -> bool {
        let mut entries = self.lock();
        let Some(entry) = entries.get_mut(&number) else { return false };
        entry.caller = Some(Arc::clone(caller));
        entry.is_outdated
    }

    /// Interrupts queries whose token, or the document it stands for, is among these, whose deletion is durable.
    pub fn revoke(&self, documents: &[Ref]) {
        if documents.is_empty() {
            return;
        }
        for entry in self.lock().values_mut() {
            match &entry.caller {
                Some(caller) if caller.documents().any(|document| documents.contains(&document)) => {
                    entry.interrupt.raise(Cause::Revoked);
                }
                Some(_) => {}
                None => entry.is_outdated = true,
            }
        }
    }

    /// Removes a job that has ended; `false` if its thread was replaced, so that its lane is free already.
    pub fn remove(&self, number: u64) -> bool {
        let entry = self.lock().remove(&number);
        entry.is_some_and(|entry| !entry.is_abandoned.load(Ordering::Acquire))
    }

    /// The callers of all jobs but one, without those of the application.
    pub fn callers(&self, except: u64) -> Vec<(Arc<Caller>, Arc<Interrupt>)> {
        let entries = self.lock();
        let others = entries.iter().filter(|(number, _)| **number != except);
        others
            .filter_map(|(_, entry)| Some((Arc::clone(entry.caller.as_ref()?), Arc::clone(&entry.interrupt))))
            .collect()
    }

    /// Ends all jobs at their next check.
    pub fn interrupt_all(&self) {
        for entry in self.lock().values() {
            entry.interrupt.raise(Cause::Stopping);
            entry.statement.interrupt();
        }
    }

    /// Interrupts statements whose queries are over time; the entries whose threads are to be replaced.
    fn overdue(&self) -> Vec<(Role, Option<Lane>)> {
        let now = Instant::now();
        let mut replaced = Vec::new();
        let entries = self.lock();
        let mut abandoned = entries.values().filter(|entry| entry.is_abandoned.load(Ordering::Acquire)).count();
        for entry in entries.values() {
            if now > entry.interrupt.deadline() {
                entry.interrupt.raise(Cause::TimedOut);
            }
            // The cause stays: a query that was preempted is run again, and freeing what it has made can take a while.
            if entry.interrupt.cause() != Cause::None {
                entry.statement.interrupt();
            }
            // The writer cannot be replaced: the file stays locked until its transaction ends.
            let is_stuck = now > entry.interrupt.deadline() + ABANDON_AFTER && entry.role != Role::Writer;
            if is_stuck && abandoned < MAX_ABANDONED && !entry.is_abandoned.swap(true, Ordering::AcqRel) {
                abandoned += 1;
                replaced.push((entry.role, entry.lane));
            }
        }
        replaced
    }
}

/// Starts the thread that watches deadlines of running jobs, for those that do not watch their own.
///
/// # Errors
/// If the thread cannot be started.
pub fn watch(shared: Arc<Shared>) -> Result<(), std::io::Error> {
    thread::Builder::new().name("fauna-watch".to_owned()).spawn(move || {
        while !shared.scheduler.is_closed_within(WATCH_EVERY) {
            for (role, lane) in shared.running.overdue() {
                tracing::warn!("a query does not end: its thread is replaced");
                if let Err(error) = worker::start(&shared, role, None) {
                    tracing::error!(%error, "a thread of the embedded Fauna endpoint cannot be replaced");
                }
                let spent = Spent { role, time: ABANDON_AFTER, was_slow: true };
                shared.scheduler.release(lane, Some(spent), None);
            }
            shared.scheduler.end_rests();
        }
    })?;
    Ok(())
}

/// The lanes of secrets that were verified, by hash of the secret.
#[derive(Default)]
pub struct Lanes(Mutex<HashMap<Vec<u8>, Lane>>);

impl Lanes {
    fn lock(&self) -> MutexGuard<'_, HashMap<Vec<u8>, Lane>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lane of a secret, if it was verified before. It has to be verified again all the same.
    pub fn of(&self, secret: &str) -> Option<Lane> {
        self.lock().get(&hash(secret)).copied()
    }

    /// Notes the lane of a secret that was verified.
    pub fn note(&self, secret: &str, caller: &Caller) {
        let mut lanes = self.lock();
        if lanes.len() >= MAX_LANES {
            lanes.clear();
        }
        lanes.insert(hash(secret), lane_of(caller));
    }

    pub fn forget(&self, secret: &str) {
        self.lock().remove(&hash(secret));
    }
}

fn hash(secret: &str) -> Vec<u8> {
    digest::digest(&digest::SHA256, secret.as_bytes()).as_ref().to_vec()
}

fn lane_of(caller: &Caller) -> Lane {
    let document = match caller.source {
        Source::Key(document) | Source::Token(document) => document,
        Source::Root => Ref::to_collection(caller.database, 0),
    };
    let is_token = matches!(caller.source, Source::Token(_));
    match (caller.identity, &caller.permissions) {
        (Some(identity), _) => Lane::Identity(identity),
        // A key for browsers.
        (None, Permissions::Client) => Lane::Identity(document),
        (None, _) if is_token => Lane::Identity(document),
        (None, _) => Lane::Application,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: Ref = Ref::to_collection(0, 1);
    const OTHER: Ref = Ref::to_collection(0, 2);

    fn begin(running: &Running) -> (u64, Arc<Interrupt>) {
        begin_until(running, Instant::now())
    }

    fn begin_until(running: &Running, deadline: Instant) -> (u64, Arc<Interrupt>) {
        let statement = rusqlite::Connection::open_in_memory().unwrap().get_interrupt_handle();
        let interrupt = Interrupt::new(deadline);
        let entry = Entry {
            role: Role::Lanes,
            lane: None,
            interrupt: Arc::clone(&interrupt),
            statement,
            is_abandoned: Arc::default(),
            caller: None,
            is_outdated: false,
        };
        (running.add(entry), interrupt)
    }

    #[test]
    fn only_a_query_that_is_over_time_times_out() {
        let running = Running::default();
        let minute = Duration::from_secs(60);
        let (_, late) = begin_until(&running, Instant::now());
        let (_, preempted) = begin_until(&running, Instant::now() + minute);
        let (_, quick) = begin_until(&running, Instant::now() + minute);
        preempted.raise(Cause::Preempted);
        running.overdue();
        assert_eq!([late, preempted, quick].map(|one| one.cause()), [Cause::TimedOut, Cause::Preempted, Cause::None]);
    }

    #[test]
    fn a_query_that_began_before_its_token_was_deleted_does_not_go_on() {
        let running = Running::default();
        let permissions = Permissions::Client;
        let caller = Arc::new(Caller { database: 0, source: Source::Token(TOKEN), identity: None, permissions });
        let (known, interrupt) = begin(&running);
        assert!(!running.identify(known, &caller));
        let (unknown, _) = begin(&running);
        running.revoke(&[OTHER]);
        assert_eq!(interrupt.cause(), Cause::None);
        assert!(running.identify(unknown, &caller), "what it has read of its secret may be outdated");
        running.revoke(&[TOKEN]);
        assert_eq!(interrupt.cause(), Cause::Revoked);
        let (later, _) = begin(&running);
        assert!(!running.identify(later, &caller));
    }
}
