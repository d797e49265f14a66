//! The HTTP face: HTTP/1.1 and cleartext HTTP/2 on one port.
//!
//! Routing, headers and bodies as FaunaDB has them (spec 1). What is not offered - streams, GraphQL, FQL v10 - is refused by name.

mod body;
mod headers;
mod pretty;
mod response;
mod route;
mod server;
mod stream;

use route::handle;

pub use route::Endpoint;
pub use server::serve;
