//! The task that sweeps, as long as the site runs.

use std::time::Duration;

use tokio::task::JoinHandle;

use crate::clock::Timestamp;
use crate::fauna_tokens::Error;
use crate::fauna_tokens::sweeper::Sweeper;

/// How often the ledger is looked through: a row deleted by hand is noticed after at most that.
const SWEEP_EVERY: Duration = Duration::from_secs(3);
/// The longest pause after failures.
const PAUSE_MAX: Duration = Duration::from_secs(15);
/// How often Fauna is asked what it has.
const RECONCILE_EVERY: Duration = Duration::from_hours(1);

/// The running task.
pub struct Collector {
    /// It ends only when it is told to.
    task: JoinHandle<()>,
}

impl Collector {
    /// Begins to sweep, and to reconcile at once and every hour.
    pub fn begin(sweeper: Sweeper) -> Self {
        Self { task: tokio::spawn(run(sweeper)) }
    }

    /// Ends it wherever it is: what it was doing is found again at the next start.
    pub async fn stop(self) {
        self.task.abort();
        if let Err(error) = self.task.await
            && !error.is_cancelled()
        {
            tracing::error!(%error, "the collector of Fauna tokens had ended by itself");
        }
    }
}

/// Sweeps for ever. A failure doubles the pause.
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

/// One round: the ledger, and Fauna where that is due.
async fn round(sweeper: &Sweeper, reconciled: &mut Option<Timestamp>) -> Result<(), Error> {
    sweeper.sweep().await?;
    let now = sweeper.clock.now();
    if reconciled.is_none_or(|last| now >= last.after(RECONCILE_EVERY)) {
        sweeper.reconcile().await?;
        *reconciled = Some(now);
    }
    Ok(())
}
