//! Reading sets: their order, cursors, pages and histories.
//!
//! A set is a stream of items in the order of their keys; algebra of sets merges streams. Nothing is read before it is asked for.

mod algebra;
mod cursor;
mod event_algebra;
mod events;
mod page;
mod readable;
mod shape;
mod stream;

pub use cursor::bound;
pub use events::{changes, require_cursor as require_event_cursor};
pub use page::{PageRequest, page};
pub use readable::{Readable, require_readable};
pub use shape::{Shape, shape};
pub use stream::head;
