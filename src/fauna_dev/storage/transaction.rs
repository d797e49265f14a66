//! One request's view of the file.

use std::cell::Cell;
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::Connection;

use crate::fauna_dev::language::Fault;
use crate::fauna_dev::language::Halt;
use crate::fauna_dev::language::Ref;
use crate::fauna_dev::language::Stamp;

/// A snapshot of the file, and for a writer what it has written on top.
pub struct Transaction<'c> {
    /// The connection, inside a transaction.
    pub(super) connection: &'c Connection,
    /// The time that reads see, in microseconds.
    pub(super) snapshot: i64,
    /// The time of what is written.
    pub(super) commit: i64,
    /// Whether anything has been written.
    pub(super) dirty: Cell<bool>,
    /// Names of schema looked up so far.
    pub(super) names: RefCell<HashMap<Ref, Option<Arc<str>>>>,
}

impl<'c> Transaction<'c> {
    /// Over a connection that has begun a transaction.
    pub fn new(connection: &'c Connection, snapshot: i64) -> Self {
        let names = RefCell::new(HashMap::new());
        Self { connection, snapshot, commit: snapshot + 1, dirty: Cell::new(false), names }
    }

    /// The time that reads see, in microseconds: what `now` says.
    pub const fn snapshot(&self) -> i64 {
        self.snapshot
    }

    /// The time of what is written, in microseconds.
    pub const fn commit_time(&self) -> i64 {
        self.commit
    }

    /// Whether anything has been written.
    pub fn is_dirty(&self) -> bool {
        self.dirty.get()
    }

    /// A stored time as the language sees it.
    pub const fn stamp(&self, ts: i64) -> Stamp {
        if ts == self.commit { Stamp::Now } else { Stamp::At(ts) }
    }
}

impl From<rusqlite::Error> for Halt {
    fn from(error: rusqlite::Error) -> Self {
        Self::Fault(Fault::Storage(error.to_string()))
    }
}
