//! Stops and starts the embedded Fauna. Whoever runs the endpoint listens to the commands.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{mpsc, oneshot};

/// Commands that may wait.
#[cfg(feature = "embedded-fauna")]
const BACKLOG: usize = 8;

/// Whether the command has changed anything, or why it could not be obeyed.
pub type Outcome = Result<bool, String>;

#[derive(Debug)]
#[cfg_attr(not(feature = "embedded-fauna"), expect(dead_code, reason = "only the embedded endpoint obeys commands"))]
pub enum Command {
    Stop(oneshot::Sender<Outcome>),
    Start(oneshot::Sender<Outcome>),
}

/// Sends commands. Clones share the endpoint.
#[derive(Clone, Debug)]
pub struct FaunaSwitch {
    commands: mpsc::Sender<Command>,
    is_stopped: Arc<AtomicBool>,
}

impl FaunaSwitch {
    /// A switch, and the receiver for the task that runs the endpoint.
    #[cfg(feature = "embedded-fauna")]
    pub fn new() -> (Self, mpsc::Receiver<Command>) {
        let (sender, receiver) = mpsc::channel(BACKLOG);
        (Self { commands: sender, is_stopped: Arc::default() }, receiver)
    }

    /// Closes the port of the endpoint; false where it was closed.
    ///
    /// # Errors
    /// Nobody listens.
    pub async fn stop(&self) -> Outcome {
        let changed = self.send(Command::Stop).await?;
        self.is_stopped.store(true, Ordering::Relaxed);
        Ok(changed)
    }

    /// Opens the port again with the same documents; false where it was open.
    ///
    /// # Errors
    /// The port is taken or the file cannot be opened.
    pub async fn start(&self) -> Outcome {
        let changed = self.send(Command::Start).await?;
        self.is_stopped.store(false, Ordering::Relaxed);
        Ok(changed)
    }

    /// Whether the endpoint is stopped, for the pages that say so.
    pub fn is_stopped(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.is_stopped)
    }

    async fn send(&self, command: impl FnOnce(oneshot::Sender<Outcome>) -> Command) -> Outcome {
        let (done, outcome) = oneshot::channel();
        let gone = || "the embedded Fauna is not run by this process any more".to_owned();
        self.commands.send(command(done)).await.map_err(|_closed| gone())?;
        outcome.await.map_err(|_closed| gone())?
    }
}
