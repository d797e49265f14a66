//! Documents, their history, names and index entries, in one SQLite file.
//!
//! Rows and their transaction, nothing else: what a document means, who may see it and which entries it has is decided above.

mod codec;
mod connection;
mod databases;
mod documents;
mod entries;
mod file;
mod group;
mod history;
mod interrupt;
mod known;
mod names;
mod prune;
mod transaction;

pub use codec::encode;
pub use connection::Connection;
pub use documents::{Stored, expiry};
pub use entries::{Entry, Span, after};
pub use file::File;
pub use group::Group;
pub use history::{Past, version_at};
pub use interrupt::{Attempt, Cause, Interrupt, Slice};
pub use prune::ALWAYS_KEPT;
pub use transaction::Transaction;
