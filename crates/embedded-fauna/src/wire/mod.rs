//! Values as JSON: reading request bodies, writing answers.

mod number;
mod read;
mod references;
mod sets;
mod text;
mod write;

pub use number::double;
pub use read::{Unreadable, read};
pub use text::{escape, hyphenated};
pub use write::{Names, Writer};
