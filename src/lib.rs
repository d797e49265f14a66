//! A starter backend for the web.

pub mod clock;
pub mod config;
pub mod database;
mod fauna;
mod origin;
mod problem;
pub mod seal;
pub mod session;
pub mod telemetry;
mod users;
