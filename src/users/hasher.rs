//! Hashes passwords on dedicated threads, one per core, each of which reuses its memory: more at once would take gigabytes and
//! delay everything else. The queue is bounded; beyond it requests are refused and can be retried.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use argon2::Block;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::oneshot;

use crate::users::stored_hash::{HashCost, StoredHash};
use crate::users::{Error, NewPassword, stored_hash};

const WAITING_MAX: usize = 256;
const WAIT_MAX: Duration = Duration::from_secs(12);
/// Niceness of the threads, so that requests without hashing are answered without delay.
#[cfg(target_os = "linux")]
const NICE: i32 = 5;

/// A job, run with the thread's reusable memory.
type Job = Box<dyn FnOnce(&mut Vec<Block>) + Send>;

/// Hashes and checks passwords. Clones share the threads, which end with the last of them.
#[derive(Clone)]
pub struct Hasher {
    jobs: SyncSender<Job>,
    cost: HashCost,
    /// Number of jobs that no thread has begun.
    waiting: Arc<AtomicUsize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Wrong,
    Right,
    /// The password is right and its hash should be replaced.
    RightButOutdated,
}

impl Hasher {
    /// Starts one thread per core. `cost` is that of new hashes.
    ///
    /// # Errors
    /// The system cannot create threads.
    pub fn new(cost: HashCost) -> Result<Self, Error> {
        let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let (jobs, waiting) = sync_channel(WAITING_MAX);
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..cores {
            let waiting = Arc::clone(&waiting);
            let thread = thread::Builder::new().name("password-hash".to_owned());
            thread.spawn(move || work_until_closed(&waiting, cost)).map_err(|_no_thread| Error::Hashing)?;
        }
        Ok(Self { jobs, cost, waiting: Arc::default() })
    }

    /// Number of passwords that wait for a thread.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    pub async fn hash(&self, password: NewPassword) -> Result<String, Error> {
        let cost = self.cost;
        self.run(move |memory| stored_hash::hash(password.expose(), cost, memory)).await?.ok_or(Error::Hashing)
    }

    /// Hashes a password that was just verified; it need not satisfy the rule for new ones.
    pub async fn rehash(&self, password: &SecretString) -> Result<String, Error> {
        let (password, cost) = (password.clone(), self.cost);
        self.run(move |memory| stored_hash::hash(password.expose_secret(), cost, memory)).await?.ok_or(Error::Hashing)
    }

    /// Checks a password against a stored hash. Without a readable hash it is wrong, after as much time.
    pub async fn verify(&self, password: &SecretString, stored: Option<&str>) -> Result<Verdict, Error> {
        let (password, new) = (password.clone(), self.cost);
        let readable = stored.and_then(StoredHash::parse);
        if stored.is_some() && readable.is_none() {
            tracing::warn!("a stored password hash has no known form: nobody can sign in with it");
        }
        self.run(move |memory| {
            let Some(stored) = readable else {
                stored_hash::equalize_timing(new.work_kib(), memory);
                return Verdict::Wrong;
            };
            match (stored.verify(password.expose_secret(), memory), stored.is_outdated(new)) {
                (true, true) => Verdict::RightButOutdated,
                (true, false) => Verdict::Right,
                (false, _) => {
                    // A cheaper hash would otherwise reveal by its time that there is an account.
                    stored_hash::equalize_timing(stored.shortfall(new), memory);
                    Verdict::Wrong
                }
            }
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Vec<Block>) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        let waiting = Arc::clone(&self.waiting);
        let job = move |memory: &mut Vec<Block>| {
            waiting.fetch_sub(1, Ordering::Relaxed);
            // The request was cancelled while it waited.
            if !reply.is_closed() {
                let _gone_meanwhile = reply.send(work(memory));
            }
        };
        self.waiting.fetch_add(1, Ordering::Relaxed);
        if self.jobs.try_send(Box::new(job)).is_err() {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(Error::Busy);
        }
        let answer = tokio::time::timeout(WAIT_MAX, answer).await.map_err(|_late| Error::Busy)?;
        answer.map_err(|_panicked| Error::Hashing)
    }
}

fn work_until_closed(waiting: &Mutex<Receiver<Job>>, cost: HashCost) {
    lower_priority();
    let mut memory = Vec::new();
    loop {
        // The lock is released before the work begins.
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else { return };
        if catch_unwind(AssertUnwindSafe(|| job(&mut memory))).is_err() {
            tracing::error!("a password could not be hashed: the code panicked");
        }
        memory.truncate(cost.memory_blocks());
        memory.shrink_to(cost.memory_blocks());
    }
}

/// Lowers the priority of this thread; niceness is per thread on Linux only.
fn lower_priority() {
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
        let hasher = Hasher::new(HashCost::with_memory_kib(8)).unwrap();
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

    /// A job that blocks its thread until the returned sender is dropped.
    fn blocked(hasher: &Hasher) -> std::sync::mpsc::Sender<()> {
        let (go_on, signal) = std::sync::mpsc::channel();
        hasher.jobs.send(Box::new(move |_| while signal.recv().is_ok() {})).unwrap();
        go_on
    }

    #[tokio::test]
    async fn those_who_are_too_many_are_turned_away_and_those_who_left_are_not_worked_for() {
        let hasher = Hasher::new(HashCost::with_memory_kib(8)).unwrap();
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
        let hasher = Hasher::new(HashCost::with_memory_kib(8)).unwrap();
        for _ in 0..=thread::available_parallelism().unwrap().get() {
            assert!(matches!(hasher.run(|_| panic!("as it should")).await, Err::<(), _>(Error::Hashing)));
        }
        assert_eq!(hasher.run(|_| 7).await.unwrap(), 7);
    }
}
