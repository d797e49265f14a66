//! A client for FQL v4 over HTTP: queries are built from typed values and answers are deserialized into typed values.
//!
//! - [`Client`] holds the endpoint and its connections; [`AsApp`], [`AsUser`] and [`AsAdmin`] send queries, each with its own secret.
//! - [`fql`] builds expressions. There is no way to send raw JSON, so user input cannot become code.
//! - [`schema`] declares collections, indexes, roles and functions, and installs them.
//! - [`As::stream`] opens an [`EventStream`]: the changes of a document or a set, as they are committed.
//! - [`DocumentId`], [`Ref`], [`Time`], [`Page`] and [`Data`] deserialize answers.
//!
//! This crate knows nothing of the application: the queries of a feature are in the `store.rs` of that feature.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod client;
mod denied;
mod error;
mod expr;
pub mod fql;
mod id;
mod literal;
mod options;
mod retry;
pub mod schema;
pub mod stream;
mod trace;
mod transport;
mod wire;

pub use client::{As, AsAdmin, AsApp, AsUser, Client};
pub use denied::Denied;
pub use error::Error;
pub use id::DocumentId;
pub use literal::{literal, scalar};
pub use options::ClientOptions;
pub use stream::EventStream;
pub use trace::TraceParent;
pub use wire::{Data, Page, Ref, Time};
