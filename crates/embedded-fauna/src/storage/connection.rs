//! A SQLite connection with its schema cache; each thread has its own.

use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{OpenFlags, TransactionBehavior};

use super::known::Known;
use super::{File, Transaction};
use crate::ir::Outcome;

const STATEMENTS: usize = 128;
/// Page cache of a connection in KiB (SQLite takes a negative number as KiB). The operating system caches the rest; a larger value
/// was not faster with a million documents.
const CACHE: i32 = -2_048;

pub struct Connection {
    inner: rusqlite::Connection,
    known: Known,
    file: File,
}

impl Connection {
    /// Connects to a file.
    ///
    /// # Errors
    /// Where it cannot be opened.
    pub(super) fn open(file: File) -> Result<Self, rusqlite::Error> {
        let inner = rusqlite::Connection::open_with_flags(&file.path, OpenFlags::default())?;
        inner.busy_timeout(Duration::from_secs(30))?;
        inner.pragma_update(None, "journal_mode", "wal")?;
        inner.pragma_update(None, "synchronous", "full")?;
        inner.pragma_update(None, "cache_size", CACHE)?;
        inner.pragma_update(None, "temp_store", "memory")?;
        // Query plans must not depend on bound values; otherwise SQLite prepares the statement again for every page limit.
        inner.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        inner.set_prepared_statement_cache_capacity(STATEMENTS);
        Ok(Self { inner, known: Known::default(), file })
    }

    /// The connection itself, to set the file up.
    pub(super) const fn inner(&self) -> &rusqlite::Connection {
        &self.inner
    }

    /// Runs a read transaction.
    pub fn read<T>(&mut self, run: impl FnOnce(&Transaction<'_>) -> Outcome<T>) -> Outcome<T> {
        let guard = self.inner.transaction_with_behavior(TransactionBehavior::Deferred)?;
        let (last_commit, schema) = counters(&guard)?;
        self.known.keep_only(schema);
        let snapshot = last_commit.max(self.file.clock.now_micros());
        run(&Transaction::new(&guard, &self.known, snapshot))
    }

    /// Runs a write transaction; there is one at a time. Commits if `run` returns `true` and has written; on an error nothing is
    /// written.
    pub fn write<T>(&mut self, run: impl FnOnce(&Transaction<'_>) -> Outcome<(T, bool)>) -> Outcome<T> {
        let guard = self.inner.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let (last_commit, schema) = counters(&guard)?;
        self.known.keep_only(schema);
        let snapshot = last_commit.max(self.file.clock.now_micros());
        let transaction = Transaction::new(&guard, &self.known, snapshot);
        let (value, keep) = run(&transaction)?;
        if keep && transaction.is_dirty() {
            transaction.note_commit()?;
            guard.commit()?;
        }
        Ok(value)
    }
}

/// The time of the last transaction that wrote, and the version of the schema: that of the last which wrote schema.
fn counters(connection: &rusqlite::Connection) -> Result<(i64, i64), rusqlite::Error> {
    let sql = "select ifnull((select value from counters where name = 'last_commit'), 0),
                      ifnull((select value from counters where name = 'schema'), 0)";
    connection.prepare_cached(sql)?.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
}
