//! Event streams: `POST /stream`.
//!
//! A stream watches one document, the entries of an index under some terms, or the documents of a collection. One thread turns the
//! commits of the [`Feed`](crate::storage::Feed) into events, in the order of the commits, and writes them to the queue of each
//! stream. Rules:
//!
//! - Nothing is lost: the topics of a stream are watched before the thread reads the time at which the stream starts, so that every
//!   later commit reaches it.
//! - Whether the caller may read is decided for each event, with the data of its commit. The secret, its document and the roles must
//!   be the same as at the start; otherwise the stream ends with an error event. This is checked before each event, whenever the
//!   schema or one of these documents changes, and every few seconds, for secrets that expire.
//! - The writer never waits for streams. A client that reads too slowly, or not at all for a time, loses its stream (`outlet.rs`).
//! - This module does not write, and it does not decide what a query may stream: `answer::stream` does.

mod authority;
mod events;
mod hub;
mod outlet;

use secrecy::SecretString;

use crate::documents;
use crate::ir::{ApiVersion, Outcome, Ref, Value};
use crate::storage::Topic;

pub use events::Fields;
pub use hub::Hub;
pub use outlet::{Aborted, Events};

/// The result of a query that can be streamed.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    Document(Ref),
    /// All documents of a collection.
    Documents(Ref),
    Match {
        index: Ref,
        terms: Vec<Value>,
    },
}

impl Target {
    /// The topics of the feed that contain its events.
    fn topic(&self) -> Topic {
        match self {
            Self::Document(document) => Topic::Document(*document),
            Self::Documents(collection) => Topic::Collection(*collection),
            Self::Match { index, terms } => Topic::Index(*index, documents::term_key(terms, 0)),
        }
    }
}

/// The parts of a request for a stream besides its query.
pub struct Options {
    pub secret: SecretString,
    pub version: ApiVersion,
    pub fields: Fields,
}

impl Options {
    pub fn of(self, target: Target) -> Request {
        Request { options: self, target }
    }
}

/// A stream to be opened, whose query has been evaluated.
pub struct Request {
    options: Options,
    target: Target,
}

/// Why a stream ends; displayed with FaunaDB's texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Ending {
    #[error("Authorization lost during stream evaluation.")]
    AuthorizationLost,
    #[error("Too many open streams.")]
    TooMany,
    /// So many events were not read.
    #[error("Stream closed due to congestion after accumulating {0} items.")]
    Congestion(usize),
    #[error("A permission could not be evaluated in time.")]
    TimedOut,
    #[error("The stream failed.")]
    Internal,
}

impl Ending {
    fn event(self, at: i64) -> String {
        let code = match self {
            Self::AuthorizationLost => "permission denied",
            Self::TooMany => "too many requests",
            Self::Congestion(_) | Self::TimedOut => "time out",
            Self::Internal => "internal server error",
        };
        line("error", at, &format!("{{\"code\":\"{code}\",\"description\":\"{self}\"}}"))
    }
}

/// One event as it is sent.
fn line(kind: &str, at: i64, event: &str) -> String {
    format!("{{\"type\":\"{kind}\",\"txn\":{at},\"event\":{event}}}\r\n")
}

/// An event, or the end of the stream.
type Step<T> = Outcome<Result<T, Ending>>;
