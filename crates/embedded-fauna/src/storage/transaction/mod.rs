//! A read or write transaction of one request.

pub mod connection;
pub mod group;
pub mod interrupt;
pub mod pace;
pub mod schema_cache;

use std::cell::{Cell, Ref as Borrowed, RefCell};
use std::hash::Hash;

use rusqlite::Connection;

use crate::ir::{Fault, Halt, Outcome, Ref, Stamp};
use crate::storage::feed::Written;
use crate::storage::transaction::interrupt::{Attempt, ROW};
use crate::storage::transaction::schema_cache::{Answers, SchemaCache};
use crate::storage::{Changes, DocumentChange, EntryChange};

/// The largest version of a document, in bytes; FaunaDB's limit.
const MAX_VERSION_BYTES: usize = 8 << 20;

/// A snapshot of the file, and for a writer what it has written on top.
pub struct Transaction<'c> {
    /// The connection, inside a transaction.
    pub(in crate::storage) connection: &'c Connection,
    /// The schema as it was when the transaction began.
    schema_cache: &'c SchemaCache,
    /// The time that reads see, in microseconds.
    pub(in crate::storage) snapshot: i64,
    /// Time of the writes.
    pub(in crate::storage) commit: i64,
    is_dirty: Cell<bool>,
    /// Schema has been written, so the schema cache must not be used.
    is_schema_dirty: Cell<bool>,
    /// The documents written so far; one written twice is there twice.
    written: RefCell<Vec<Ref>>,
    /// Documents deleted so far; some may have been created again since.
    removed: RefCell<Vec<Ref>>,
    changes: RefCell<Changes>,
    /// Time of the latest transaction that reads see, in microseconds.
    last_commit: i64,
    attempt: Attempt,
    /// Bytes that may still be read.
    read_left: Cell<usize>,
    /// Bytes written so far.
    bytes_written: Cell<usize>,
}

impl<'c> Transaction<'c> {
    /// Over a connection that has begun a transaction.
    pub fn new(connection: &'c Connection, schema_cache: &'c SchemaCache, snapshot: i64, attempt: Attempt) -> Self {
        let [is_dirty, is_schema_dirty] = [Cell::new(false), Cell::new(false)];
        let (written, changes) = (RefCell::default(), RefCell::default());
        let (commit, last_commit, read_left) = (snapshot + 1, snapshot, Cell::new(attempt.read_limit));
        Self {
            connection,
            schema_cache,
            snapshot,
            commit,
            is_dirty,
            is_schema_dirty,
            written,
            removed: RefCell::default(),
            changes,
            last_commit,
            attempt,
            read_left,
            bytes_written: Cell::new(0),
        }
    }

    /// Sets the time of the latest transaction that reads see.
    pub(in crate::storage) fn after(self, last_commit: i64) -> Self {
        Self { last_commit, ..self }
    }

    /// Time of the latest transaction that reads see, in microseconds.
    pub const fn last_commit(&self) -> i64 {
        self.last_commit
    }

    /// Notes a change for event streams.
    pub fn note_document(&self, change: DocumentChange) {
        self.changes.borrow_mut().note_document(change);
    }

    /// Notes a change for event streams.
    pub fn note_entry(&self, change: EntryChange) {
        self.changes.borrow_mut().note_entry(change);
    }

    /// Its writes, to be published after the commit.
    pub(in crate::storage) fn take_written(&self) -> Written {
        let documents = self.written.borrow().clone();
        Written { at: self.commit, changes: self.changes.take(), documents, is_schema: self.is_schema_dirty.get() }
    }

    /// Checks that the query may go on.
    ///
    /// # Errors
    /// If it was interrupted.
    pub fn in_time(&self) -> Outcome<()> {
        self.attempt.in_time()
    }

    /// Checks that the query may go on with one more row of so many bytes: one statement can give very many.
    ///
    /// # Errors
    /// If it was interrupted, or has read too much.
    pub(in crate::storage) fn row(&self, bytes: usize) -> Outcome<()> {
        self.in_time()?;
        let Some(left) = self.read_left.get().checked_sub(bytes.saturating_add(ROW)) else {
            return Err(Fault::BadRequest("The query reads too much.".to_owned()).into());
        };
        self.read_left.set(left);
        Ok(())
    }

    /// Checks that a version of so many bytes may be written.
    ///
    /// # Errors
    /// If it is larger than FaunaDB allows, or as [`Self::write_bytes`].
    pub(in crate::storage) fn write_version(&self, bytes: usize) -> Outcome<()> {
        if bytes > MAX_VERSION_BYTES {
            let text = format!("Version bytes ({bytes}) exceeds threshold ({MAX_VERSION_BYTES})");
            return Err(Fault::BadRequest(text).into());
        }
        self.write_bytes(bytes)
    }

    /// Checks that so many bytes more may be written, with FaunaDB's failure for a transaction that is too large.
    ///
    /// # Errors
    /// If they are too many.
    pub(in crate::storage) fn write_bytes(&self, bytes: usize) -> Outcome<()> {
        let (written, limit) = (self.bytes_written.get().saturating_add(bytes), self.attempt.write_limit);
        if written > limit {
            let text = format!("Transaction exceeded limit: got {written} bytes, limit {limit} bytes");
            return Err(Fault::BadRequest(text).into());
        }
        self.bytes_written.set(written);
        Ok(())
    }

    /// The documents written so far; one written twice is there twice.
    pub fn written(&self) -> Borrowed<'_, Vec<Ref>> {
        self.written.borrow()
    }

    /// The deleted documents that have not been created again.
    ///
    /// # Errors
    /// If the storage fails.
    pub fn removed(&self) -> Outcome<Vec<Ref>> {
        let noted = self.removed.borrow().clone();
        let still_removed = |document| match self.exists(document) {
            Ok(exists) => (!exists).then_some(Ok(document)),
            Err(halt) => Some(Err(halt)),
        };
        noted.into_iter().filter_map(still_removed).collect()
    }

    /// Notes that a document has been deleted.
    pub(in crate::storage) fn note_removal(&self, document: Ref) {
        self.removed.borrow_mut().push(document);
    }

    /// Whether schema has been written, which includes databases and what hangs on them.
    pub fn is_schema_dirty(&self) -> bool {
        self.is_schema_dirty.get()
    }

    /// Snapshot time in microseconds; the value of `now()`.
    pub const fn snapshot(&self) -> i64 {
        self.snapshot
    }

    /// Time of this transaction's writes in microseconds: one after the snapshot.
    pub const fn commit_time(&self) -> i64 {
        self.commit
    }

    pub fn is_dirty(&self) -> bool {
        self.is_dirty.get()
    }

    /// A stored time as a value: the time of this transaction is not known to the query yet.
    pub const fn stamp(&self, ts: i64) -> Stamp {
        if ts == self.commit { Stamp::Now } else { Stamp::At(ts) }
    }

    /// Notes that something has been written.
    pub(in crate::storage) fn wrote(&self) {
        self.is_dirty.set(true);
    }

    /// Notes that schema has been written, or what hangs on it.
    pub(in crate::storage) fn wrote_schema(&self) {
        self.is_dirty.set(true);
        self.is_schema_dirty.set(true);
    }

    /// Notes that a document has been written.
    pub(in crate::storage) fn wrote_document(&self, document: Ref) {
        self.written.borrow_mut().push(document);
        if document.is_schema() { self.wrote_schema() } else { self.wrote() }
    }

    pub(in crate::storage) fn cached<Q: Eq + Hash, A: Clone>(
        &self,
        answers: impl FnOnce(&SchemaCache) -> &Answers<Q, A>,
        question: Q,
        find: impl FnOnce(&Q) -> Outcome<A>,
    ) -> Outcome<A> {
        if self.is_schema_dirty.get() {
            return find(&question);
        }
        let answers = answers(self.schema_cache);
        if let Some(answer) = answers.get(&question) {
            return Ok(answer);
        }
        let answer = find(&question)?;
        answers.keep(question, answer.clone());
        Ok(answer)
    }

    /// Writes down when this transaction commits, also as the version of the schema if that is what it has written.
    pub(in crate::storage) fn note_commit(&self) -> Outcome<()> {
        let sql = "insert into counters (name, value) values (?1, ?2) on conflict (name) do update set value = ?2";
        let mut statement = self.connection.prepare_cached(sql)?;
        statement.execute(("last_commit", self.commit))?;
        if self.is_schema_dirty.get() {
            statement.execute(("schema", self.commit))?;
        }
        Ok(())
    }
}

impl From<rusqlite::Error> for Halt {
    fn from(error: rusqlite::Error) -> Self {
        Self::Fault(Fault::Storage(error.to_string()))
    }
}
