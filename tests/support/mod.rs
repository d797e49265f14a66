//! What the test binaries share: a client that behaves like a browser, a running site with a clock that moves, and Fauna
//! asked directly.
#![allow(dead_code, reason = "no binary uses all of it")]

pub mod choices;
pub mod client;
pub mod contract;
pub mod database;
pub mod fauna;
pub mod mail;
pub mod template;
pub mod world;
