//! What the benches share: the load generator, a bare route to compare with (`bare.rs`) and the site with users (`site.rs`).

pub mod bare;
#[path = "../../crates/embedded-fauna/benches/fauna/load.rs"]
mod generator;
pub mod site;

pub use generator::{Connection, Target, median, ratio};
