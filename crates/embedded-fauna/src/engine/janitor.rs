//! Removes what can no longer be read, a little at a time, between requests that write.

use std::time::Duration;

use crate::clock::SharedClock;
use crate::documents;
use crate::storage::{Attempt, Connection};

const EVERY: Duration = Duration::from_secs(60);
/// Pause for waiting writes while there is more to remove.
const PAUSE: Duration = Duration::from_millis(50);

pub struct Janitor {
    clock: SharedClock,
    /// Time of the next search, in microseconds.
    next: i64,
}

impl Janitor {
    pub const fn new(clock: SharedClock) -> Self {
        Self { clock, next: 0 }
    }

    /// Removes a batch; returns the time until it is to be called again.
    pub fn tidy(&mut self, connection: &mut Connection) -> Duration {
        let now = self.clock.now_micros();
        if now < self.next {
            return EVERY;
        }
        let pruned = connection.write(Attempt::unlimited(), |transaction| Ok((documents::prune(transaction)?, true)));
        let pause = match pruned {
            Ok(true) => PAUSE,
            Ok(false) => EVERY,
            Err(halt) => {
                tracing::warn!(?halt, "the past of the embedded Fauna endpoint could not be pruned");
                EVERY
            }
        };
        if let Err(error) = connection.cut_log() {
            tracing::debug!(%error, "the write-ahead log of the embedded Fauna endpoint could not be cut");
        }
        self.next = now.saturating_add(i64::try_from(pause.as_micros()).unwrap_or(i64::MAX));
        pause
    }
}
