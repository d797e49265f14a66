//! The Fauna that is used, and the settings of its client.

use std::net::SocketAddr;
use std::time::Duration;

use secrecy::SecretString;

use super::Reader;

/// Deadline of one query unless another is set, milliseconds.
const TIMEOUT_MS: usize = 8_000;
const RETRIES: u32 = 2;
const CONTENTION_RETRIES: u32 = 11;

#[derive(Clone, Debug)]
pub enum Fauna {
    /// The endpoint in this process.
    Embedded {
        /// Port 0 takes a free port.
        listen: SocketAddr,
        /// Key with all privileges; `None`: a random one, kept in `DATA_DIR`.
        root_key: Option<SecretString>,
    },
    /// A FaunaDB node or cluster.
    Remote {
        endpoint: String,
        /// The application's key, or an admin key for `schema apply`.
        secret: SecretString,
    },
}

/// Settings of the client for Fauna.
#[derive(Clone, Debug)]
pub struct FaunaClient {
    /// Deadline of one query with all its retries.
    pub timeout: Duration,
    /// PEM of certificate authorities that are trusted besides those of the operating system.
    pub ca_certificates: Option<Vec<u8>>,
    /// Repetitions of a query if Fauna cannot be reached.
    pub retries: u32,
    /// Repetitions because other transactions wrote the same documents.
    pub contention_retries: u32,
}

/// Another Fauna that `users copy` writes to with an admin key.
#[derive(Clone, Debug)]
pub struct CopyTarget {
    pub endpoint: String,
    pub secret: SecretString,
}

/// Endpoint and secret as they are set; both or neither must be.
struct Given {
    endpoint: Option<String>,
    secret: Option<SecretString>,
    names: [&'static str; 2],
}

pub(super) fn fauna(read: &mut Reader<'_>) -> Fauna {
    let listen = read.address("EMBEDDED_FAUNA_LISTEN", SocketAddr::from(([127, 0, 0, 1], 8443)));
    let root_key = read.secret("EMBEDDED_FAUNA_ROOT_KEY");
    let names = ["FAUNA_ENDPOINT", "FAUNA_SECRET"];
    let given = Given { endpoint: read.optional("FAUNA_ENDPOINT"), secret: read.secret("FAUNA_SECRET"), names };
    match given.both(read) {
        Some((endpoint, secret)) => Fauna::Remote { endpoint, secret },
        None => Fauna::Embedded { listen, root_key },
    }
}

/// The target of `users copy`, if it is set.
pub(super) fn copy_target(read: &mut Reader<'_>) -> Option<CopyTarget> {
    let names = ["COPY_FAUNA_ENDPOINT", "COPY_FAUNA_SECRET"];
    let (endpoint, secret) = (read.optional("COPY_FAUNA_ENDPOINT"), read.secret("COPY_FAUNA_SECRET"));
    let (endpoint, secret) = Given { endpoint, secret, names }.both(read)?;
    Some(CopyTarget { endpoint, secret })
}

impl Given {
    fn both(self, read: &mut Reader<'_>) -> Option<(String, SecretString)> {
        let [endpoint, secret] = self.names;
        match (self.endpoint, self.secret) {
            (Some(url), Some(key)) => {
                if !url.starts_with("http://") && !url.starts_with("https://") {
                    read.refuse(endpoint, "must begin with http:// or https://");
                }
                // Messages and logs name the endpoint.
                if url.split('/').nth(2).is_some_and(|authority| authority.contains('@')) {
                    read.refuse(endpoint, &format!("must not contain a user or password; the key belongs in {secret}"));
                }
                return Some((url.trim_end_matches('/').to_owned(), key));
            }
            (None, None) => {}
            (Some(_), None) => read.refuse(secret, &format!("must be set together with {endpoint}")),
            (None, Some(_)) => read.refuse(endpoint, &format!("must be set together with {secret}")),
        }
        None
    }
}

impl FaunaClient {
    pub(super) fn read(read: &mut Reader<'_>) -> Self {
        let timeout = read.count("FAUNA_TIMEOUT_MS", 100..=60_000).unwrap_or(TIMEOUT_MS);
        let times =
            |count: Option<usize>, default| count.and_then(|count| u32::try_from(count).ok()).unwrap_or(default);
        Self {
            timeout: Duration::from_millis(u64::try_from(timeout).unwrap_or(u64::MAX)),
            ca_certificates: read.file("FAUNA_CA_FILE"),
            retries: times(read.count("FAUNA_RETRIES", 0..=100), RETRIES),
            contention_retries: times(read.count("FAUNA_CONTENTION_RETRIES", 0..=100), CONTENTION_RETRIES),
        }
    }
}
