//! A starter backend for the web.

pub mod clock;
pub mod config;
mod origin;
mod problem;
pub mod telemetry;
