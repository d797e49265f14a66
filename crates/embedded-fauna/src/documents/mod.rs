//! Documents with everything that hangs on them: writing one keeps its index entries in step.

mod index;
mod prune;
mod read;
mod write;

pub use index::{Index, entries, index, term_key};
pub use prune::prune;
pub use read::{document, get, global_id, require_kept, visible};
pub use write::{build, delete, put, rewrite};
