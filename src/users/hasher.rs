//! Where passwords are hashed: on threads of their own, one a core, each in memory of its own that is used again. More at once
//! would only take gigabytes and hold everybody up; a bounded number waits, the rest come again.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use argon2::Block;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::oneshot;

use crate::users::stored_hash::StoredHash;
use crate::users::{Error, NewPassword, stored_hash};

/// How many may wait for a thread.
const WAITING_MAX: usize = 256;
/// How long they wait at most until they have their answer.
const WAIT_MAX: Duration = Duration::from_secs(12);
/// How much the threads give way to everybody else, as `nice` counts: a request that hashes nothing is answered at once.
#[cfg(target_os = "linux")]
const NICE: i32 = 5;

/// Something to do in the memory of a thread.
type Job = Box<dyn FnOnce(&mut Vec<Block>) + Send>;

/// Hashes and checks passwords. Clones share the threads, which end with the last of them.
#[derive(Clone)]
pub struct Hasher {
    /// Where jobs are put in.
    jobs: SyncSender<Job>,
}

/// What became of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Not the password.
    Wrong,
    /// The password.
    Right,
    /// The password, and it should be hashed anew.
    RightButOutdated,
}

impl Hasher {
    /// A hasher that uses every core. Fails only where the system has no more threads.
    pub fn new() -> Result<Self, Error> {
        let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let (jobs, waiting) = sync_channel(WAITING_MAX);
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..cores {
            let waiting = Arc::clone(&waiting);
            let thread = thread::Builder::new().name("password-hash".to_owned());
            thread.spawn(move || work_until_closed(&waiting)).map_err(|_no_thread| Error::Hashing)?;
        }
        Ok(Self { jobs })
    }

    /// Hashes a new password.
    pub async fn hash(&self, password: NewPassword) -> Result<String, Error> {
        self.run(move |memory| stored_hash::hash(password.expose(), memory)).await?.ok_or(Error::Hashing)
    }

    /// Hashes a password anew that was right a moment ago, whatever today's rule for new ones is.
    pub async fn rehash(&self, password: &SecretString) -> Result<String, Error> {
        let password = password.clone();
        self.run(move |memory| stored_hash::hash(password.expose_secret(), memory)).await?.ok_or(Error::Hashing)
    }

    /// Checks a password against a stored hash; without one, or with one that cannot be read, as long in vain.
    pub async fn verify(&self, password: &SecretString, stored: Option<&str>) -> Result<Verdict, Error> {
        let password = password.clone();
        let readable = stored.and_then(StoredHash::parse);
        if stored.is_some() && readable.is_none() {
            tracing::warn!("a stored password hash has no known form: nobody can sign in with it");
        }
        self.run(move |memory| {
            let Some(stored) = readable else {
                stored_hash::equalize_timing(stored_hash::WORK_KIB, memory);
                return Verdict::Wrong;
            };
            match (stored.verify(password.expose_secret(), memory), stored.is_outdated()) {
                (true, true) => Verdict::RightButOutdated,
                (true, false) => Verdict::Right,
                (false, _) => {
                    // What is checked faster than today's hashes would tell that there is an account.
                    stored_hash::equalize_timing(stored.shortfall(), memory);
                    Verdict::Wrong
                }
            }
        })
        .await
    }

    /// Does it on one of the threads.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Vec<Block>) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        let job = move |memory: &mut Vec<Block>| {
            // Nobody works for those who went away while they waited.
            if !reply.is_closed() {
                let _gone_meanwhile = reply.send(work(memory));
            }
        };
        self.jobs.try_send(Box::new(job)).map_err(|_full| Error::Busy)?;
        let answer = tokio::time::timeout(WAIT_MAX, answer).await.map_err(|_late| Error::Busy)?;
        answer.map_err(|_panicked| Error::Hashing)
    }
}

/// What a thread does: one job after the other.
fn work_until_closed(waiting: &Mutex<Receiver<Job>>) {
    give_way();
    let mut memory = Vec::new();
    loop {
        // The lock is released before the work begins.
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else { return };
        if catch_unwind(AssertUnwindSafe(|| job(&mut memory))).is_err() {
            tracing::error!("a password could not be hashed: the code panicked");
        }
        memory.truncate(stored_hash::MEMORY_BLOCKS);
        memory.shrink_to(stored_hash::MEMORY_BLOCKS);
    }
}

/// Lets other threads go first. The kernel minds a thread's niceness on Linux only.
fn give_way() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        tracing::debug!(%error, "hashing passwords is not given a lower priority");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hash_is_checked_and_memory_is_used_again() {
        let hasher = Hasher::new().unwrap();
        let text = hasher.hash(NewPassword::parse("abcdefg1".to_owned()).unwrap()).await.unwrap();
        for (password, stored, expected) in [
            ("abcdefg1", Some(text.as_str()), Verdict::Right),
            ("abcdefg2", Some(text.as_str()), Verdict::Wrong),
            ("abcdefg1", None, Verdict::Wrong),
            ("abcdefg1", Some("$nonsense$"), Verdict::Wrong),
            (
                "testPass123",
                Some("$argon2id$v=19$m=16,t=2,p=1$VG1Oa1lMbzZLbzk5azQ2Qg$kjcNNtZ/b0t/8HgXUiQ76A"),
                Verdict::RightButOutdated,
            ),
        ] {
            assert_eq!(hasher.verify(&password.to_owned().into(), stored).await.unwrap(), expected, "{stored:?}");
        }
    }

    /// A job for which the thread waits until it is told to go on.
    fn blocked(hasher: &Hasher) -> std::sync::mpsc::Sender<()> {
        let (go_on, told) = std::sync::mpsc::channel();
        hasher.jobs.send(Box::new(move |_| while told.recv().is_ok() {})).unwrap();
        go_on
    }

    #[tokio::test]
    async fn those_who_are_too_many_are_turned_away_and_those_who_left_are_not_worked_for() {
        let hasher = Hasher::new().unwrap();
        let cores = thread::available_parallelism().unwrap().get();
        let at_work: Vec<_> = (0..cores).map(|_| blocked(&hasher)).collect();
        let (done, counted) = std::sync::mpsc::channel();
        let job = || {
            let done = done.clone();
            hasher.run(move |_| done.send(()).unwrap())
        };
        let left = tokio::time::timeout(Duration::ZERO, job()).await;
        assert!(left.is_err(), "it waits");
        while hasher.jobs.try_send(Box::new(|_| {})).is_ok() {}
        assert!(matches!(job().await, Err(Error::Busy)));
        drop(at_work);
        while matches!(job().await, Err(Error::Busy)) {
            tokio::task::yield_now().await;
        }
        assert_eq!(counted.try_iter().count(), 1, "only the last one was worked for");
    }

    #[tokio::test]
    async fn a_panic_costs_one_answer_and_no_thread() {
        let hasher = Hasher::new().unwrap();
        for _ in 0..=thread::available_parallelism().unwrap().get() {
            assert!(matches!(hasher.run(|_| panic!("as it should")).await, Err::<(), _>(Error::Hashing)));
        }
        assert_eq!(hasher.run(|_| 7).await.unwrap(), 7);
    }
}
