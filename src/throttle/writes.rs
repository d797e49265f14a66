//! How much one user may write: so many changes a minute, wherever they come from.

use std::time::Duration;

use crate::throttle::escalation::Rule;
use crate::throttle::{Counter, Error, Role, Throttle, key};

/// Writes are counted from the beginning of each minute; two adjoining minutes can be used up one right after the other.
const MINUTE_MS: i64 = 60_000;

/// Counts what users write, such as comments and likes. Clones share everything.
#[derive(Clone, Debug)]
pub struct WriteLimit {
    throttle: Throttle,
    /// The value of `WRITES_PER_USER_MINUTE`.
    per_minute: u32,
}

impl WriteLimit {
    pub fn new(throttle: Throttle, per_minute: u32) -> Self {
        Self { throttle, per_minute }
    }

    /// Counts a write that the user of this id is about to make.
    ///
    /// # Errors
    /// The user has written too much this minute, or it cannot be counted.
    pub async fn admit(&self, user: &str) -> Result<(), Error> {
        let now = self.throttle.clock.now().millis();
        let left = MINUTE_MS.saturating_sub(now.rem_euclid(MINUTE_MS));
        let rest = Duration::from_millis(u64::try_from(left).unwrap_or_default());
        // The key names the minute, so no counter is carried over into the next one.
        let key = key("write", &format!("{user} {}", now.div_euclid(MINUTE_MS)));
        let rule = Rule { free: i64::from(self.per_minute), first: rest, longest: rest, forget: rest };
        let _counted = self.throttle.admit_counters(vec![Counter { key, rule, role: Role::Other }]).await?;
        Ok(())
    }
}
