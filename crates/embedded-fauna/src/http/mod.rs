//! The HTTP server: HTTP/1.1 and cleartext HTTP/2 on one port.
//!
//! Routes, headers and bodies are FaunaDB's. GraphQL and FQL v10 are refused by name. Nobody can hold the server: connections,
//! streams, bytes of bodies and of answers, and the time for each step are bounded (`limits.rs`), and the secret is verified
//! before a body of more than a few kilobytes is read.

mod activity;
mod body;
mod connection;
mod headers;
mod limits;
mod pretty;
mod response;
mod route;
mod server;
mod slots;

#[cfg(test)]
pub use limits::MAX_BODY;
pub use route::Endpoint;
pub use server::{Listening, serve};
