//! An FQL v4 endpoint compatible with FaunaDB, with its documents in a SQLite file.
//!
//! For development, tests and small sites: a query that works here works on FaunaDB. Modules use only those to their right:
//!
//! ```text
//! http ─► engine, streams ─► functions ─► system_documents, sets ─► access, documents ─► evaluator ─► parser, storage ─► wire, ir
//! ```

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

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
mod sets;
mod settings;
mod storage;
mod streams;
mod system_documents;
mod wire;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

pub use clock::{Clock, SystemClock};
pub use rusqlite::Error as SnapshotError;
pub use settings::{Browsers, Limits, Settings};
pub use storage::{DirectoryLock, Snapshot, backup, is_sound};

use engine::Engine;
use http::{Endpoint, Listening};
use storage::File;
use streams::Hub;

/// How long a stop waits for queries to end, after they have been interrupted.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

/// Why an endpoint does not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file has a layout that this version does not know.
    #[error("was written by a newer version")]
    NewerFile,
    /// The file cannot be opened.
    #[error("the file of the embedded Fauna endpoint cannot be opened")]
    File(#[from] rusqlite::Error),
    /// The address cannot be bound, or a thread cannot be started.
    #[error("the embedded Fauna endpoint cannot be started")]
    Start(#[from] std::io::Error),
}

/// A running endpoint, on threads of its own. Dropping it stops them too, without waiting for them.
pub struct Running {
    listening: Listening,
    threads: Threads,
}

/// The threads that evaluate queries and streams.
struct Threads {
    engine: Engine,
    streams: Hub,
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.streams.close();
        self.engine.close();
    }
}

impl Running {
    /// The address it listens on.
    pub const fn address(&self) -> SocketAddr {
        self.listening.address
    }

    /// Runs a query, as JSON in FQL v4's wire format, without HTTP. Returns the JSON of the answer.
    ///
    /// # Errors
    /// The JSON of the failure, as it would be sent to a client.
    pub async fn query(&self, secret: &SecretString, query: String) -> Result<String, String> {
        let answer = self.threads.engine.run(engine::Request::local(secret, query)).await;
        if answer.is_failure() { Err(answer.body) } else { Ok(answer.body) }
    }

    /// Stops the endpoint within five seconds: requests in progress may end for [`Limits::stop`], then they are interrupted. The file
    /// is closed and its write-ahead log removed.
    pub async fn stop(self) {
        let Self { listening, threads } = self;
        let streams = threads.streams.clone();
        let _panicked = tokio::task::spawn_blocking(move || streams.stop()).await;
        listening.stop().await;
        let stopped = tokio::task::spawn_blocking(move || threads.engine.stop(CLOSE_WITHIN));
        if !matches!(stopped.await, Ok(true)) {
            tracing::warn!("a query does not end: the file of the embedded Fauna endpoint is closed with the process");
        }
    }

    /// Stops the endpoint without waiting for requests in progress.
    pub async fn halt(self) {
        let Self { listening, threads } = self;
        let streams = threads.streams.clone();
        let _panicked = tokio::task::spawn_blocking(move || streams.stop()).await;
        threads.engine.stop(Duration::ZERO);
        listening.stop().await;
    }
}

/// Opens or creates the file, listens, and serves from threads of its own. To be called in a tokio runtime.
///
/// # Errors
/// If the file cannot be opened or the address cannot be bound.
pub async fn start(settings: Settings) -> Result<Running, Error> {
    let started = tokio::task::spawn_blocking(move || {
        let Settings { listen, file, root_key, clock, browsers, limits } = settings;
        let root_hash = access::hash(root_key.expose_secret().as_bytes());
        let file = File::open(&file, Arc::clone(&clock)).map_err(|error| match error {
            rusqlite::Error::InvalidQuery => Error::NewerFile,
            error => Error::File(error),
        })?;
        let streams = Hub::start(file.clone(), root_hash.clone(), limits.stream_read)?;
        let threads = Threads { engine: Engine::start(file, Arc::clone(&clock), root_hash, limits)?, streams };
        let endpoint = Endpoint {
            engine: threads.engine.clone(),
            streams: threads.streams.clone(),
            clock,
            browsers,
            request_body: limits.request_body,
        };
        match http::serve(listen, endpoint, &limits) {
            Ok(listening) => Ok(Running { listening, threads }),
            Err(error) => {
                threads.streams.stop();
                threads.engine.stop(CLOSE_WITHIN);
                Err(error.into())
            }
        }
    });
    started.await.map_err(std::io::Error::from)?
}
