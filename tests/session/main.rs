//! Tests of the session module alone, over HTTP, without Fauna and users.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

mod by_handle;
mod claims;
mod failures;
mod interruptions;
mod keys;
mod lifecycle;
mod lineage;
mod processes;
mod races;
mod server;
mod shorter_life;
mod switching;
mod tokens;

#[path = "../support/mod.rs"]
mod support;
