//! Repeats transactions that failed only because of others: serialization failures, deadlocks, lock time-outs.

use std::error::Error;
use std::time::{Duration, Instant};

use aws_lc_rs::rand;

use crate::database::dialect::Dialect;

/// Counter of repeated transactions.
pub const RETRIES: &str = "database_retries_total";

/// No attempt begins later than this after the first. A request has 20 seconds in all.
const REPEAT_FOR: Duration = Duration::from_secs(5);

/// Bounds of the pause before the first repetition and before late ones; the pause is random below them, because those who
/// met would otherwise meet again.
const FIRST_PAUSE_MICROS: u64 = 1_000;
const LONGEST_PAUSE_MICROS: u64 = 64_000;

/// Runs `work`, a whole transaction, until it does not fail with a conflict.
///
/// # Errors
/// That of the last attempt.
pub async fn repeat<T, E, F>(dialect: &dyn Dialect, mut work: impl FnMut() -> F) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
    E: Error + 'static,
{
    let began = Instant::now();
    let mut bound = FIRST_PAUSE_MICROS;
    loop {
        match work().await {
            Err(error) if is_conflict(dialect, &error) && began.elapsed() < REPEAT_FOR => {
                metrics::counter!(RETRIES).increment(1);
                tracing::debug!(%error, "a transaction is repeated because of another one");
                tokio::time::sleep(random_below(bound)).await;
                bound = bound.saturating_mul(2).min(LONGEST_PAUSE_MICROS);
            }
            done => return done,
        }
    }
}

/// Whether a conflict is the cause of this error.
fn is_conflict(dialect: &dyn Dialect, error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(sqlx::Error::Database(error)) = error.downcast_ref::<sqlx::Error>() {
            return dialect.is_conflict(error.as_ref());
        }
        next = error.source();
    }
    false
}

fn random_below(micros: u64) -> Duration {
    let mut bytes = [0; 8];
    // Without random bytes the pause is zero.
    let _ = rand::fill(&mut bytes);
    Duration::from_micros(u64::from_le_bytes(bytes).checked_rem(micros).unwrap_or_default())
}
