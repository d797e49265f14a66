//! Settings of an endpoint.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;

use crate::Clock;

/// Where an endpoint listens, where its documents are, who its root is, and its limits.
pub struct Settings {
    /// The address to listen on; port 0 takes any free port.
    pub listen: SocketAddr,
    /// The SQLite file; created if it does not exist.
    pub file: PathBuf,
    /// The secret of the root admin key.
    pub root_key: SecretString,
    /// The clock for document times, expiry and history. Query deadlines do not depend on it.
    pub clock: Arc<dyn Clock>,
    /// What browsers are told.
    pub browsers: Browsers,
    /// Limits.
    pub limits: Limits,
}

impl Settings {
    /// Settings with the default limits.
    pub fn new(listen: SocketAddr, file: PathBuf, root_key: SecretString, clock: Arc<dyn Clock>) -> Self {
        Self { listen, file, root_key, clock, browsers: Browsers::default(), limits: Limits::default() }
    }
}

/// What the CORS headers allow. Scripts of every origin may send queries in both cases: the secret decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Browsers {
    /// `access-control-allow-credentials` is not sent: no page can use cookies or credentials that a browser keeps for this
    /// endpoint. The official drivers need neither.
    #[default]
    WithoutCredentials,
    /// `access-control-allow-credentials: true` for every origin, as FaunaDB sends it.
    AsFaunaDb,
}

/// What one client can take from the others at most.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The longest that a query with a token may take, waiting included. A larger `x-query-timeout` is lowered to this.
    pub token_query: Duration,
    /// The longest that a query with a key may take, waiting included.
    pub key_query: Duration,
    /// How many documents one query with a token may write.
    pub token_writes: usize,
    /// How many queries of one identity, or of one key, may wait for their turn; more are answered with 429.
    pub waiting: usize,
    /// The largest answer, in bytes.
    pub answer_bytes: usize,
    /// How many connections may be open. If there are more, the one that has been idle longest is closed.
    pub connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            token_query: Duration::from_secs(5),
            key_query: Duration::from_secs(60),
            token_writes: 100,
            waiting: 64,
            answer_bytes: 32 << 20,
            connections: 256,
        }
    }
}
