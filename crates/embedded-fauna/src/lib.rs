//! The embedded Fauna endpoint: FQL v4 over HTTP, its documents in a SQLite file of its own.
//!
//! For development, tests and small sites: what works here works on FaunaDB. Arrows point down only:
//!
//! ```text
//! http ─► engine ─► functions ─► schema, sets ─► access, documents ─► evaluator ─► parser, storage ─► wire, language
//! ```

mod access;
mod answer;
mod clock;
mod documents;
mod engine;
mod evaluator;
mod functions;
mod http;
mod ir;
mod parser;
mod queue;
mod sets;
mod storage;
mod system_documents;
mod wire;

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use actix_rt::task::JoinHandle;
use actix_web::dev::ServerHandle;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::oneshot;

pub use clock::{Clock, SystemClock};
pub use storage::{DirectoryLock, backup};

use engine::{Engine, Threads};
use http::Endpoint;
use storage::File;

/// How long a stop waits for queries to end.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);

/// Why the endpoint does not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be opened, or was made by another version.
    #[error("the file of the embedded Fauna endpoint cannot be opened")]
    File(#[from] rusqlite::Error),
    /// The address cannot be listened on, or a thread cannot be started.
    #[error("the embedded Fauna endpoint cannot be started")]
    Start(#[from] std::io::Error),
}

/// Where the endpoint listens, where it keeps its documents, and who is its root.
pub struct Settings {
    /// The address; port 0 takes any.
    pub listen: SocketAddr,
    /// The SQLite file; made if it is not there.
    pub file: PathBuf,
    /// The secret that may do everything.
    pub root_key: SecretString,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
}

/// An endpoint that is serving.
pub struct Running {
    /// Where it listens.
    address: SocketAddr,
    /// Stops it.
    handle: ServerHandle,
    /// Ends when it has stopped.
    served: JoinHandle<std::io::Result<()>>,
    /// What runs queries.
    threads: Threads,
    engine: Engine,
}

impl Running {
    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Runs a query, as JSON in FQL v4's wire format, without HTTP. Returns the JSON of the answer.
    ///
    /// # Errors
    /// The JSON of the failure, as it would be sent to a client.
    pub async fn query(&self, secret: &SecretString, query: String) -> Result<String, String> {
        let answer = self.engine.run(engine::Request::query(secret, query)).await;
        if answer.is_failure() { Err(answer.body) } else { Ok(answer.body) }
    }

    /// Stops it: no new requests, then waits for those that are running and closes the file, which is whole then: nothing of
    /// it is left in its log.
    pub async fn stop(self) {
        self.handle.stop(true).await;
        let _stopped = self.served.await;
        drop(self.engine);
        let (closed, told) = oneshot::channel();
        let threads = self.threads;
        thread::spawn(move || {
            for thread in threads {
                let _ended = thread.join();
            }
            let _nobody_waits = closed.send(());
        });
        if tokio::time::timeout(CLOSE_WITHIN, told).await.is_err() {
            tracing::warn!("a query is still running: the file of the embedded Fauna endpoint is closed by the system");
        }
    }

    /// Stops it at once: for whoever has asked alone and has all answers. Connections that are kept open are not waited for.
    pub async fn halt(self) {
        self.handle.stop(false).await;
    }
}

/// Opens or makes the file, binds, and serves in the background.
///
/// # Errors
/// Where the file cannot be opened or the address cannot be bound.
pub async fn start(settings: Settings) -> Result<Running, Error> {
    let root_hash = access::hash(settings.root_key.expose_secret().as_bytes());
    let (path, clock) = (settings.file, Arc::clone(&settings.clock));
    let opened =
        tokio::task::spawn_blocking(move || Engine::start(&File::open(&path, Arc::clone(&clock))?, clock, &root_hash));
    let (engine, threads) = opened.await.map_err(std::io::Error::from)??;
    let listener = TcpListener::bind(settings.listen)?;
    let address = listener.local_addr()?;
    let endpoint = Endpoint { engine: engine.clone(), clock: settings.clock };
    let server = http::serve(listener, endpoint)?;
    let handle = server.handle();
    Ok(Running { address, handle, served: actix_rt::spawn(server), threads, engine })
}
