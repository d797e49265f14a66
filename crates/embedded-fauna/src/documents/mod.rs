//! Reading and writing documents. A write updates the index entries of the document in the same transaction.

mod index;
mod prune;
mod read;
mod write;

pub use index::{Index, MAX_KEY_BYTES, entries, index, term_key};
pub use prune::prune;
pub use read::{document, get, global_id, require_kept, visible};
pub use write::{build, delete, put, rewrite};
