//! Documents with everything that hangs on them: writing one keeps its index entries in step.

mod index;
mod read;
mod write;

pub use index::{Index, TermOrValue, entries, index, term_key};
pub use read::{document, get, global_id, require_kept, visible};
pub use write::{build, delete, put, rewrite};
