//! Settings of an endpoint.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;

use crate::Clock;

/// Settings of an endpoint.
pub struct Settings {
    /// The address to listen on; port 0 takes any free port.
    pub listen: SocketAddr,
    /// The SQLite file; created if it does not exist.
    pub file: PathBuf,
    /// The secret of the root admin key.
    pub root_key: SecretString,
    /// The clock for document times, expiry and history. Query deadlines do not depend on it.
    pub clock: Arc<dyn Clock>,
    pub browsers: Browsers,
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

/// Limits that keep one client from slowing down the others. Those of tokens hold for keys of the role `client`, too, which are made
/// for browsers, and for keys that are used as a document.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The longest that a query with a token may take, waiting included. A larger `x-query-timeout` is lowered to this.
    pub token_query: Duration,
    /// The longest that a query with a key may take, waiting included.
    pub key_query: Duration,
    /// The most documents that one query with a token may write; one written twice counts twice.
    pub token_writes: usize,
    /// The most queries of one identity that wait for their turn; more are answered with 429.
    pub waiting: usize,
    /// The largest query with a token, in bytes of its JSON; a key may send 8 MiB, FaunaDB's limit.
    pub token_body: usize,
    /// The largest answer, in bytes.
    pub answer_bytes: usize,
    /// The most open connections. For one more, the connection that has been idle longest is closed.
    pub connections: usize,
    /// Time that a connection may stay open without a request in progress, and for a request head.
    pub idle: Duration,
    /// Time for a request body.
    pub request_body: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            token_query: Duration::from_secs(5),
            key_query: Duration::from_secs(120),
            token_writes: 100,
            waiting: 32,
            token_body: 1 << 20,
            answer_bytes: 32 << 20,
            connections: 256,
            idle: Duration::from_secs(5),
            request_body: Duration::from_secs(10),
        }
    }
}
