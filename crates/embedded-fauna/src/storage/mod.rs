//! Documents, their history, names and index entries in one SQLite file: one writer and several readers (WAL).
//!
//! This module reads and writes rows. Permissions, validation and the computation of index entries are decided by its callers.
//! Every method that returns an [`Outcome`](crate::ir::Outcome) fails with `Fault::Storage` if SQLite reports an error.

mod codec;
mod databases;
mod documents;
mod entries;
mod feed;
mod file;
mod history;
mod names;
mod prune;
mod transaction;

pub use codec::{decode, encode};
pub use documents::{Stored, expiry};
pub use entries::{Entry, Span, after};
pub use feed::{Changes, Commit, DocumentChange, EntryChange, Feed, MAX_COMMITS, Topic};
pub use file::{DirectoryLock, File, Snapshot, backup, is_sound};
pub use history::{Past, version_at};
pub use prune::ALWAYS_KEPT;
pub use transaction::Transaction;
pub use transaction::connection::Connection;
pub use transaction::group::Group;
pub use transaction::interrupt::{Attempt, Cause, Interrupt, Slice};
pub use transaction::pace::Traffic;
