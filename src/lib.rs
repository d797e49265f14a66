//! A starter backend for the web.

pub mod clock;
mod comments;
pub mod config;
pub mod database;
mod emailpassword;
mod fauna;
mod fauna_tokens;
mod mail;
mod origin;
mod pages;
mod problem;
pub mod seal;
pub mod session;
pub mod telemetry;
mod throttle;
mod users;
