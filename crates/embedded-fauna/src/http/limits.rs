//! Limits of the HTTP server.

use std::time::Duration;

/// The largest request body, in bytes; FaunaDB's limit.
pub const MAX_BODY: usize = 8 << 20;
/// Bytes beyond [`MAX_BODY`], or of a body that is not needed, that are read to keep the connection usable.
pub const DRAINED: usize = 64 << 10;
/// Bytes of a body that are read before the secret is verified.
pub const UNVERIFIED_BODY: usize = 16 << 10;
/// Time for a small body before the secret is verified without it.
pub const VERIFY_AFTER: Duration = Duration::from_millis(50);

/// Time for the client to read an answer.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// Time that a closed connection is read further, so that the client sees the answer instead of a reset.
pub const LINGER: Duration = Duration::from_secs(1);

/// Bytes of request bodies held for one connection.
pub const BODIES_PER_CONNECTION: usize = 16 << 20;
/// Bytes of request bodies held for all connections.
pub const BODIES: usize = 64 << 20;
/// Budget of unread answers of one connection, in answers of the largest size.
pub const ANSWERS_PER_CONNECTION: usize = 2;
/// Budget of unread answers of all connections, in answers of the largest size.
pub const ANSWERS: usize = 6;
/// Answers up to this many bytes need no budget.
pub const FREE_ANSWER: usize = 16 << 10;

/// Requests at a time on one HTTP/2 connection.
pub const STREAMS: u32 = 100;
/// Bytes a client may send ahead on one HTTP/2 stream.
pub const STREAM_WINDOW: u32 = 64 << 10;
/// Bytes a client may send ahead on one HTTP/2 connection.
pub const CONNECTION_WINDOW: u32 = 256 << 10;
/// Bytes waiting to be sent per HTTP/2 stream.
pub const SEND_BUFFER: usize = 64 << 10;
/// The longest request head, in bytes.
pub const HEAD: usize = 32 << 10;
/// The most request headers.
pub const HEADERS: usize = 64;
