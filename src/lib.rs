//! A starter backend for the web.

pub mod clock;
pub mod config;
pub mod database;
mod fauna;
#[cfg(feature = "embedded-fauna")]
pub mod fauna_dev;
mod origin;
mod problem;
pub mod seal;
pub mod session;
pub mod telemetry;
mod users;
