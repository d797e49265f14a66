//! The background task that runs the [`Sweeper`] as long as the site runs.

use std::time::Duration;

use tokio::task::JoinHandle;

use crate::clock::Timestamp;
use crate::fauna_tokens::sweeper::Sweeper;
use crate::fauna_tokens::{Error, FaunaTokens};

/// Pause between two sweeps of the ledger, which is also the longest time until a session row deleted by hand is noticed.
const SWEEP_EVERY: Duration = Duration::from_secs(3);
/// The longest pause after repeated failures.
const PAUSE_MAX: Duration = Duration::from_secs(15);
/// Interval of the comparison of the ledger with the tokens in Fauna.
const RECONCILE_EVERY: Duration = Duration::from_hours(1);

/// Handle of the background task.
pub struct Collector {
    task: JoinHandle<()>,
}

impl FaunaTokens {
    /// Starts the background task that deletes tokens that are no longer live.
    pub fn collect_in_background(&self) -> Collector {
        Collector::start(self.sweeper.clone())
    }

    /// Runs one round of the background task.
    #[cfg(test)]
    pub async fn collect_once(&self) -> Result<(), Error> {
        round(&self.sweeper, &mut None).await
    }
}

impl Collector {
    /// Starts the task: it sweeps every three seconds, and reconciles at once and then every hour.
    pub fn start(sweeper: Sweeper) -> Self {
        Self { task: tokio::spawn(run(sweeper)) }
    }

    /// Aborts the task at any point; the next start finds the unfinished work in the ledger again.
    pub async fn stop(self) {
        self.task.abort();
        if let Err(error) = self.task.await
            && !error.is_cancelled()
        {
            tracing::error!(%error, "the collector of Fauna tokens had ended by itself");
        }
    }
}

/// Every failure doubles the pause.
async fn run(sweeper: Sweeper) {
    let mut pause = SWEEP_EVERY;
    let mut reconciled = None;
    loop {
        pause = match round(&sweeper, &mut reconciled).await {
            Ok(()) => SWEEP_EVERY,
            Err(error) => {
                tracing::warn!(%error, "Fauna tokens of ended sessions wait to be deleted");
                pause.saturating_mul(2).min(PAUSE_MAX)
            }
        };
        sweeper.clock.sleep(pause).await;
    }
}

async fn round(sweeper: &Sweeper, reconciled: &mut Option<Timestamp>) -> Result<(), Error> {
    sweeper.sweep().await?;
    let now = sweeper.clock.now();
    if reconciled.is_none_or(|last| now >= last.after(RECONCILE_EVERY)) {
        sweeper.reconcile().await?;
        *reconciled = Some(now);
    }
    Ok(())
}
