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
    /// The most bytes that one query with a token may write, including what it moves into the history. FaunaDB's limit is the same, for
    /// every secret and without the history.
    pub token_write_bytes: usize,
    /// The most queries of one identity that wait for their turn; more are answered with 429.
    pub waiting: usize,
    /// The largest query with a token, in bytes of its JSON; a key may send 8 MiB, FaunaDB's limit.
    pub token_body: usize,
    /// The largest answer, in bytes.
    pub answer_bytes: usize,
    /// The most open connections. For one more, the connection that has been idle longest is closed.
    pub connections: usize,
    /// The most open connections of one IPv4 address or IPv6 /64 network. Loopback addresses are exempt: the application and a reverse
    /// proxy come from there.
    pub connections_per_address: usize,
    /// Time that a connection may stay open without a request in progress, and for a request head.
    pub idle: Duration,
    /// Time for a request body.
    pub request_body: Duration,
    /// Time for the client of a stream to read an event, and the rest after the end of the stream.
    pub stream_read: Duration,
    /// Time that running queries get when the endpoint stops.
    pub stop: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            token_query: Duration::from_secs(5),
            key_query: Duration::from_secs(120),
            token_writes: 100,
            token_write_bytes: 16 << 20,
            waiting: 32,
            token_body: 1 << 20,
            answer_bytes: 32 << 20,
            connections: 256,
            connections_per_address: 128,
            idle: Duration::from_secs(5),
            request_body: Duration::from_secs(10),
            stream_read: Duration::from_secs(30),
            stop: Duration::from_secs(2),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::MAX_BODY;

    /// The second column of the rows of the table of limits in the README, by the first.
    fn documented() -> Vec<(&'static str, &'static str)> {
        let (_, rows) = include_str!("../README.md").split_once("| limit | default |\n|---|---|\n").unwrap();
        let rows = rows.lines().take_while(|row| row.starts_with('|'));
        rows.map(|row| row.trim_matches(['|', ' ']).split_once(" | ").unwrap()).collect()
    }

    #[test]
    fn the_readme_states_the_default_limits() {
        let Limits {
            token_query,
            key_query,
            token_writes,
            token_write_bytes,
            waiting,
            token_body,
            answer_bytes,
            connections,
            connections_per_address,
            idle,
            request_body,
            stream_read,
            stop,
        } = Limits::default();
        let seconds = |time: Duration| format!("{} s", time.as_secs_f64());
        let mebibytes = |bytes: usize| format!("{} MiB", bytes >> 20);
        let expected = [
            ("time of a query with a token", seconds(token_query)),
            ("time of a query with a key", seconds(key_query)),
            ("JSON of a query with a token", mebibytes(token_body)),
            ("JSON of a query with a key", mebibytes(MAX_BODY)),
            ("documents that a query with a token may write", token_writes.to_string()),
            ("bytes that a query with a token may write", mebibytes(token_write_bytes)),
            ("queries of one identity that wait; more are answered with 429", waiting.to_string()),
            ("size of an answer", mebibytes(answer_bytes)),
            ("time to send a request body", seconds(request_body)),
            ("time to read an event of a stream", seconds(stream_read)),
            ("time that running queries get when the endpoint stops", seconds(stop)),
            ("open connections", connections.to_string()),
            ("open connections of one address; loopback is exempt", connections_per_address.to_string()),
            ("time until an idle connection is closed", seconds(idle)),
        ];
        let expected: Vec<_> = expected.iter().map(|(limit, default)| (*limit, default.as_str())).collect();
        assert_eq!(documented(), expected);
    }
}
