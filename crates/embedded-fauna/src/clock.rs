//! The time that documents, expiry and history go by.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Source of the current time. Tests pass one that they can move.
pub trait Clock: Send + Sync {
    /// The current time in microseconds since 1970-01-01 UTC, which is the unit of Fauna's transaction times.
    fn now_micros(&self) -> i64;
}

/// The clock of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_micros(&self) -> i64 {
        let elapsed = SystemTime::now().duration_since(UNIX_EPOCH);
        elapsed.map_or(0, |elapsed| i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX))
    }
}

/// A clock shared by the threads of an endpoint.
pub(crate) type SharedClock = Arc<dyn Clock>;
