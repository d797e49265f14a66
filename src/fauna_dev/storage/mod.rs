//! Documents, their history, and index entries, in one SQLite file.

mod names;
mod transaction;

pub use transaction::Transaction;
