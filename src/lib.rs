//! A starter backend for the web.

pub mod clock;
mod problem;
