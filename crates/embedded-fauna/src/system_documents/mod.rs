//! What documents of each collection may hold, and what writing them brings about.
//!
//! Fields that a collection does not know are dropped; what it knows is checked; several failures are reported in the order of the
//! checks.

mod checks;
mod credentials;
mod effects;
mod indexes;
mod patch;
mod roles;
mod rules;
mod tokens;
mod write;

pub use credentials::matches;
pub use effects::move_database;
pub use patch::patched;
pub use tokens::{delete_token, delete_tokens_of};
pub use write::{Change, HistoryVersion, create, delete, insert_version, remove_version, update};
