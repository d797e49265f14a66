//! Runs the embedded Fauna, which the demo may stop and start again while the site runs.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use actix_rt::task::JoinHandle;
use embedded_fauna::{Running, Settings};
use secrecy::SecretString;
use tokio::sync::{mpsc, oneshot};

use crate::clock::Clock;
use crate::demo::{Command, FaunaSwitch};

#[derive(Clone)]
pub struct EmbeddedSettings {
    pub listen: SocketAddr,
    pub file: PathBuf,
    pub root_key: SecretString,
    pub clock: Clock,
}

pub struct EmbeddedFauna {
    switch: FaunaSwitch,
    /// Stops the endpoint for good.
    close: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl EmbeddedSettings {
    pub async fn start(&self) -> Result<Running, embedded_fauna::Error> {
        let clock = Arc::new(self.clock.clone());
        embedded_fauna::start(Settings::new(self.listen, self.file.clone(), self.root_key.clone(), clock)).await
    }
}

impl EmbeddedFauna {
    /// Takes over a running endpoint, on the calling thread.
    pub fn keep(running: Running, settings: EmbeddedSettings) -> Self {
        // A restart uses the same port, also where port 0 was configured.
        let settings = EmbeddedSettings { listen: running.address(), ..settings };
        let (switch, commands) = FaunaSwitch::new();
        let (close, closed) = oneshot::channel();
        Self { switch, close, task: actix_rt::spawn(run(running, settings, commands, closed)) }
    }

    pub fn switch(&self) -> FaunaSwitch {
        self.switch.clone()
    }

    /// Stops the endpoint after running queries have been answered.
    pub async fn stop(self) {
        let _ended = self.close.send(());
        let _ended = self.task.await;
    }
}

async fn run(
    running: Running,
    settings: EmbeddedSettings,
    mut commands: mpsc::Receiver<Command>,
    mut closed: oneshot::Receiver<()>,
) {
    let mut running = Some(running);
    loop {
        let command = tokio::select! {
            _ = &mut closed => None,
            command = commands.recv() => command,
        };
        let (done, outcome) = match command {
            None => break,
            Some(Command::Stop(done)) => {
                let was_running = running.is_some();
                if let Some(running) = running.take() {
                    running.stop().await;
                    tracing::info!("the embedded Fauna is stopped by the demo");
                }
                (done, Ok(was_running))
            }
            Some(Command::Start(done)) if running.is_some() => (done, Ok(false)),
            Some(Command::Start(done)) => match settings.start().await {
                Ok(started) => {
                    running = Some(started);
                    tracing::info!("the embedded Fauna is started by the demo");
                    (done, Ok(true))
                }
                Err(error) => (done, Err(error.to_string())),
            },
        };
        let _nobody_waits = done.send(outcome);
    }
    if let Some(running) = running {
        running.stop().await;
    }
}
