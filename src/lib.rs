//! A starter backend: e-mail and password accounts, SuperTokens-compatible sessions, users in a Fauna collection, and a Fauna
//! token for every session.
//!
//! Modules in reading order. A feature has `mod.rs` (types, rules, errors, the service), `routes.rs` (its routes and handlers),
//! `store.rs` (its queries) and a file of the same name in `tests/site/`. Modules use only those below them;
//! `tests/tidy.rs` enforces which.
//!
//! A site of your own can depend on this crate instead of being a copy of it: start it with [`app::start_with`], add routes and
//! collections with [`app::SiteExtensions`]. Handlers then extract [`session::SignedIn`], [`session::Sessions`],
//! [`fauna_tokens::FaunaTokens`], [`supertokens::emailpassword::EmailPassword`] and [`users::Users`]; [`fauna::fql`] builds
//! queries. `examples/own_site.rs` shows all of it.

// Builds all services and starts the server.
pub mod app;

// Pages, and the example feature.
mod comments;
mod demo;
pub mod feature;
mod pages;

// Accounts.
mod account;
mod admin;
mod mail;
pub mod supertokens;
mod throttle;
pub mod users;

// Sessions, and the Fauna token of each.
pub mod fauna_tokens;
pub mod session;

// What those are built on.
pub use fauna_client as fauna;

pub mod database;
pub mod events;
pub mod hooks;
pub mod http;
#[cfg(test)]
mod recorded;
pub mod seal;

// Settings, time and the log.
pub mod clock;
pub mod config;
mod keyfile;
mod random;
pub mod telemetry;
