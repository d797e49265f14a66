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
pub async fn repeat<T, E, F>(dialect: &dyn Dialect, work: impl FnMut() -> F) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
    E: Error + 'static,
{
    repeat_for(REPEAT_FOR, dialect, work).await
}

async fn repeat_for<T, E, F>(span: Duration, dialect: &dyn Dialect, mut work: impl FnMut() -> F) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
    E: Error + 'static,
{
    let began = Instant::now();
    let mut bound = FIRST_PAUSE_MICROS;
    loop {
        match work().await {
            Err(error) if is_conflict(dialect, &error) && began.elapsed() < span => {
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

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::fmt;

    use metrics_exporter_prometheus::PrometheusBuilder;
    use sqlx::error::{DatabaseError, ErrorKind};

    use super::{Duration, repeat, repeat_for};
    use crate::database::postgres::Postgres;

    /// An error of PostgreSQL with this SQLSTATE.
    #[derive(Debug)]
    struct Refused(&'static str);

    impl fmt::Display for Refused {
        fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
            out.write_str(self.0)
        }
    }

    impl std::error::Error for Refused {}

    impl DatabaseError for Refused {
        fn message(&self) -> &str {
            self.0
        }

        fn code(&self) -> Option<Cow<'_, str>> {
            Some(self.0.into())
        }

        fn as_error(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
            self
        }

        fn as_error_mut(&mut self) -> &mut (dyn std::error::Error + Send + Sync + 'static) {
            self
        }

        fn into_error(self: Box<Self>) -> Box<dyn std::error::Error + Send + Sync + 'static> {
            self
        }

        fn kind(&self) -> ErrorKind {
            ErrorKind::Other
        }
    }

    /// An error of a feature, as they all wrap those of SQL.
    #[derive(Debug, thiserror::Error)]
    #[error("the store failed")]
    struct Failed(#[from] sqlx::Error);

    /// Runs work that is refused so many times; returns its outcome, the attempts, and the metrics.
    fn run(code: &'static str, refusals: u32) -> (Result<(), Failed>, u32, String) {
        let recorder = PrometheusBuilder::new().build_recorder();
        let metrics = recorder.handle();
        let mut attempts = 0;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let done = metrics::with_local_recorder(&recorder, || {
            runtime.block_on(repeat(&Postgres, || {
                attempts += 1;
                let is_refused = attempts <= refusals;
                async move { if is_refused { Err(sqlx::Error::Database(Box::new(Refused(code))).into()) } else { Ok(()) } }
            }))
        });
        (done, attempts, metrics.render())
    }

    #[test]
    fn conflicts_are_repeated_and_counted() {
        for code in ["40001", "40P01"] {
            let (done, attempts, metrics) = run(code, 7);
            assert!(done.is_ok());
            assert_eq!(attempts, 8);
            assert!(metrics.contains("database_retries_total 7"), "{metrics}");
        }
    }

    #[tokio::test]
    async fn a_conflict_that_does_not_end_is_an_error_in_the_end() {
        let span = Duration::from_millis(20);
        let refused = repeat_for(span, &Postgres, || async {
            Err::<(), Failed>(sqlx::Error::Database(Box::new(Refused("40001"))).into())
        });
        assert!(tokio::time::timeout(Duration::from_secs(10), refused).await.unwrap().is_err());
    }

    #[test]
    fn other_errors_are_not_repeated() {
        let (done, attempts, metrics) = run("23505", 1);
        assert!(done.is_err());
        assert_eq!((attempts, metrics.contains("database_retries_total")), (1, false));
    }
}
