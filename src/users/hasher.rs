//! Where passwords are hashed: off the server's workers, as many at once as there are cores, each in memory of its own that
//! is used again. More at once would only take gigabytes and hold everybody up; a bounded number waits, the rest come again.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;

use argon2::Block;
use secrecy::ExposeSecret;
use secrecy::SecretString;
use tokio::sync::Semaphore;

use crate::users::Error;
use crate::users::NewPassword;
use crate::users::stored_hash;
use crate::users::stored_hash::StoredHash;

/// How many may wait for a core.
const WAITING_MAX: usize = 256;
/// How long they wait at most.
const WAIT_MAX: Duration = Duration::from_secs(12);

/// Hashes and checks passwords. Clones share cores and memory.
#[derive(Clone)]
pub struct Hasher {
    /// One permit a core.
    cores: Arc<Semaphore>,
    /// The memory of the permits that are free.
    memory: Arc<Mutex<Vec<Vec<Block>>>>,
    /// How many wait or work.
    present: Arc<AtomicUsize>,
    /// How many may.
    present_max: usize,
    /// Checked where there is no account.
    decoy: Arc<StoredHash>,
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
    /// A hasher that uses every core. Fails only where the system has no randomness.
    pub fn new() -> Result<Self, Error> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Ok(Self {
            cores: Arc::new(Semaphore::new(cores)),
            memory: Arc::new(Mutex::new(Vec::new())),
            present: Arc::new(AtomicUsize::new(0)),
            present_max: cores.saturating_add(WAITING_MAX),
            decoy: Arc::new(stored_hash::decoy().ok_or(Error::Hashing)?),
        })
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
        let decoy = Arc::clone(&self.decoy);
        self.run(move |memory| match readable {
            Some(stored) if stored.verify(password.expose_secret(), memory) => {
                if stored.is_outdated() {
                    Verdict::RightButOutdated
                } else {
                    Verdict::Right
                }
            }
            Some(stored) => {
                // What is checked faster than today's hashes would tell that there is an account.
                if stored.is_cheap() {
                    decoy.verify(password.expose_secret(), memory);
                }
                Verdict::Wrong
            }
            None => {
                decoy.verify(password.expose_secret(), memory);
                Verdict::Wrong
            }
        })
        .await
    }

    /// Waits for a core and works there.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Vec<Block>) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let _present = Present::enter(&self.present, self.present_max).ok_or(Error::Busy)?;
        let waiting = tokio::time::timeout(WAIT_MAX, Arc::clone(&self.cores).acquire_owned());
        let permit = waiting.await.map_err(|_late| Error::Busy)?.map_err(|_closed| Error::Busy)?;
        let pool = Arc::clone(&self.memory);
        let worked = tokio::task::spawn_blocking(move || {
            let mut memory = pool.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
            let result = work(&mut memory);
            memory.truncate(stored_hash::MEMORY_BLOCKS);
            memory.shrink_to(stored_hash::MEMORY_BLOCKS);
            pool.lock().unwrap_or_else(PoisonError::into_inner).push(memory);
            drop(permit);
            result
        });
        worked.await.map_err(|_gone| Error::Hashing)
    }
}

/// Counts somebody who waits or works.
struct Present<'a>(&'a AtomicUsize);

impl<'a> Present<'a> {
    /// Counts one more, unless that is too many.
    fn enter(count: &'a AtomicUsize, max: usize) -> Option<Self> {
        let present = Self(count);
        (count.fetch_add(1, Ordering::SeqCst) < max).then_some(present)
    }
}

impl Drop for Present<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
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
        assert_eq!(hasher.memory.lock().unwrap().len(), 1);
    }

    #[test]
    fn those_who_are_too_many_are_turned_away() {
        let count = AtomicUsize::new(0);
        let first = Present::enter(&count, 2);
        let second = Present::enter(&count, 2);
        assert!(first.is_some() && second.is_some() && Present::enter(&count, 2).is_none());
        drop(first);
        assert!(Present::enter(&count, 2).is_some());
    }
}
