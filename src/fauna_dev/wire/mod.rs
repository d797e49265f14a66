//! Values as JSON: reading request bodies, writing answers.

mod number;
mod read;
mod write;

pub use number::double;
pub use read::{Unreadable, read};
pub use write::{Names, Writer, escape, hyphenated};
