//! Fauna: one query over HTTP, built from typed values and answered with typed values.
//!
//! [`Client`] knows the endpoint; [`AsApp`], [`AsUser`] and [`AsAdmin`] ask through it, each with a secret of its own.
//! [`fql`] builds expressions, [`schema`] declares what must exist, [`Ref`], [`Time`] and [`Page`] read answers.
//! This room knows no other room: what is asked is in the `store.rs` of whoever asks.

mod client;
mod error;
pub mod fql;
mod id;
pub mod schema;
mod wire;

pub use client::{AsAdmin, AsApp, AsUser, Client};
pub use error::Error;
pub use id::DocumentId;
pub use wire::{Data, Page, Ref, Time};
