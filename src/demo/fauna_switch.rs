//! Stops and starts the embedded Fauna. Whoever runs the endpoint listens to the commands.

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
pub struct FaunaSwitch(mpsc::Sender<Command>);

impl FaunaSwitch {
    /// A switch, and the receiver for the task that runs the endpoint.
    #[cfg(feature = "embedded-fauna")]
    pub fn new() -> (Self, mpsc::Receiver<Command>) {
        let (sender, receiver) = mpsc::channel(BACKLOG);
        (Self(sender), receiver)
    }

    /// Closes the port of the endpoint; false where it was closed.
    ///
    /// # Errors
    /// Nobody listens.
    pub async fn stop(&self) -> Outcome {
        self.send(Command::Stop).await
    }

    /// Opens the port again with the same documents; false where it was open.
    ///
    /// # Errors
    /// The port is taken or the file cannot be opened.
    pub async fn start(&self) -> Outcome {
        self.send(Command::Start).await
    }

    async fn send(&self, command: impl FnOnce(oneshot::Sender<Outcome>) -> Command) -> Outcome {
        let (done, outcome) = oneshot::channel();
        let gone = || "the embedded Fauna is not run by this process any more".to_owned();
        self.0.send(command(done)).await.map_err(|_closed| gone())?;
        outcome.await.map_err(|_closed| gone())?
    }
}
