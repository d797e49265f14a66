//! A starter backend for the web: accounts, sessions that SuperTokens' frontends understand, people in Fauna and a Fauna
//! token for every session.
//!
//! The rooms in reading order. Each folder has the same doors: `mod.rs` (what it is, its rules, its failures, its handle),
//! `routes.rs` (a table of paths and the handlers), `store.rs` (its queries), and a file of its name in `tests/site/`.
//! Arrows between rooms point down only; `tests/tidy.rs` holds them.

// Wires everything.
pub mod app;

// What a person sees, and the example feature.
mod comments;
pub mod feature;
mod pages;

// Accounts.
mod account;
mod admin;
mod mail;
mod supertokens;
mod throttle;
mod users;

// Sessions, and the Fauna token of each.
pub mod fauna_tokens;
pub mod session;

// What all of that stands on.
pub mod database;
pub mod events;
pub mod http;
#[cfg(test)]
mod recorded;
pub mod seal;

// Settings, time and the log.
pub mod clock;
pub mod config;
mod keyfile;
pub mod telemetry;
