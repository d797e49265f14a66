//! A SQLite connection with its schema cache; each thread has its own.

use std::sync::PoisonError;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{OpenFlags, TransactionBehavior};

use crate::ir::Outcome;
use crate::storage::transaction::schema_cache::SchemaCache;
use crate::storage::{Attempt, File, Transaction};

const STATEMENTS: usize = 128;
/// Page cache of a connection in KiB (SQLite takes a negative number as KiB); it grows with use. The operating system caches the rest.
const CACHE: i32 = -2_048;
/// The same of a connection that reads for the application: a list of a hundred users among 100 000 reads some 600 pages.
const APPLICATION_CACHE: i32 = -8_192;
/// The size that the write-ahead log is cut to once all of it is in the file, in bytes.
const LOG_KEPT: i64 = 4 << 20;
/// The size of the write-ahead log, in bytes, from which on the writer waits for readers in order to cut it.
const LOG_TOO_LARGE: u64 = 32 << 20;
/// Longest wait of the writer for them.
const CUT_WITHIN: Duration = Duration::from_millis(100);
/// Longest wait of a transaction for another process that holds the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

pub struct Connection {
    pub(in crate::storage) inner: rusqlite::Connection,
    pub(in crate::storage) schema_cache: SchemaCache,
    pub(in crate::storage) file: File,
}

impl Connection {
    /// Connects to a file.
    ///
    /// # Errors
    /// Where it cannot be opened.
    pub(in crate::storage) fn open(file: File) -> Result<Self, rusqlite::Error> {
        let inner = rusqlite::Connection::open_with_flags(&file.path, OpenFlags::default())?;
        inner.busy_timeout(BUSY_TIMEOUT)?;
        inner.pragma_update(None, "journal_mode", "wal")?;
        inner.pragma_update(None, "synchronous", "full")?;
        inner.pragma_update(None, "journal_size_limit", LOG_KEPT)?;
        inner.pragma_update(None, "cache_size", CACHE)?;
        inner.pragma_update(None, "temp_store", "memory")?;
        // Query plans must not depend on bound values; otherwise SQLite prepares the statement again for every page limit.
        inner.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        inner.set_prepared_statement_cache_capacity(STATEMENTS);
        Ok(Self { inner, schema_cache: SchemaCache::default(), file })
    }

    /// Closes the connection. Connections of a file close one after the other: of two that close at the same time, each takes the
    /// other for still open in one of SQLite's steps, and the index of the write-ahead log stays behind as a file.
    pub fn close(self) {
        let file = self.file.clone();
        let _turn = file.closing.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self);
    }

    /// Lets it keep more of the file in memory.
    ///
    /// # Errors
    /// If the storage fails.
    pub fn keep_more(&self) -> Result<(), rusqlite::Error> {
        self.inner.pragma_update(None, "cache_size", APPLICATION_CACHE)
    }

    /// The connection itself, to set the file up.
    pub(in crate::storage) const fn inner(&self) -> &rusqlite::Connection {
        &self.inner
    }

    /// Runs a read transaction.
    pub fn read<T>(&mut self, attempt: Attempt, run: impl FnOnce(&Transaction<'_>) -> Outcome<T>) -> Outcome<T> {
        let _transaction = ReadTransaction::begin(&self.inner)?;
        let (last_commit, schema) = counters(&self.inner)?;
        self.schema_cache.keep_only(schema);
        let snapshot = last_commit.max(self.file.clock.now_micros());
        run(&Transaction::new(&self.inner, &self.schema_cache, snapshot, attempt).after(last_commit))
    }

    /// Runs a write transaction; there is one at a time. Commits if `run` returns `true` and has written; on an error nothing is
    /// written.
    pub fn write<T>(
        &mut self,
        attempt: Attempt,
        run: impl FnOnce(&Transaction<'_>) -> Outcome<(T, bool)>,
    ) -> Outcome<T> {
        let guard = self.inner.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let (last_commit, schema) = counters(&guard)?;
        self.schema_cache.keep_only(schema);
        let snapshot = last_commit.max(self.file.clock.now_micros());
        let transaction = Transaction::new(&guard, &self.schema_cache, snapshot, attempt);
        let (value, keep) = run(&transaction)?;
        if keep && transaction.is_dirty() {
            transaction.note_commit()?;
            let written = transaction.take_written();
            guard.commit()?;
            self.file.feed.publish(written);
        }
        Ok(value)
    }

    /// Interrupts a statement that is running, from another thread.
    pub fn interrupt_handle(&self) -> rusqlite::InterruptHandle {
        self.inner.get_interrupt_handle()
    }

    /// Cuts the write-ahead log if it has become large while readers kept SQLite from reusing it; tries again another time if
    /// readers are still there.
    ///
    /// # Errors
    /// If the storage fails.
    pub fn cut_log(&self) -> Result<(), rusqlite::Error> {
        let mut log = self.file.path.clone().into_os_string();
        log.push("-wal");
        if std::fs::metadata(log).map_or(0, |metadata| metadata.len()) < LOG_TOO_LARGE {
            return Ok(());
        }
        self.inner.busy_timeout(CUT_WITHIN)?;
        let cut = self.inner.query_row("pragma wal_checkpoint(truncate)", [], |_| Ok(()));
        self.inner.busy_timeout(BUSY_TIMEOUT)?;
        cut
    }
}

/// A transaction that ends when this is dropped. That of rusqlite prepares its statements each time.
struct ReadTransaction<'c>(&'c rusqlite::Connection);

impl<'c> ReadTransaction<'c> {
    fn begin(connection: &'c rusqlite::Connection) -> Result<Self, rusqlite::Error> {
        if !connection.is_autocommit() {
            // The end of the one before was interrupted.
            connection.execute_batch("rollback")?;
        }
        connection.prepare_cached("begin deferred")?.execute([])?;
        Ok(Self(connection))
    }
}

impl Drop for ReadTransaction<'_> {
    fn drop(&mut self) {
        let _ended_or_interrupted = self.0.prepare_cached("rollback").and_then(|mut rollback| rollback.execute([]));
    }
}

/// The time of the last transaction that wrote, and the version of the schema: that of the last which wrote schema.
pub(in crate::storage) fn counters(connection: &rusqlite::Connection) -> Result<(i64, i64), rusqlite::Error> {
    let sql = "select ifnull((select value from counters where name = 'last_commit'), 0),
                      ifnull((select value from counters where name = 'schema'), 0)";
    connection.prepare_cached(sql)?.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_log_that_readers_let_grow_is_cut_when_they_have_ended() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("fauna.sqlite");
        let file = File::open(&path, Arc::new(crate::SystemClock)).unwrap();
        let [writer, reader] = [file.connect().unwrap(), file.connect().unwrap()];
        let log = || std::fs::metadata(path.with_extension("sqlite-wal")).unwrap().len();
        reader.inner().execute_batch("begin; select * from documents").unwrap();
        let sql = "insert into counters (name, value) values (hex(randomblob(500000)), 0)";
        while log() < LOG_TOO_LARGE {
            writer.inner().execute(sql, []).unwrap();
        }
        let _readers_are_there = writer.cut_log();
        assert!(log() >= LOG_TOO_LARGE);
        reader.inner().execute_batch("commit").unwrap();
        writer.cut_log().unwrap();
        assert_eq!(log(), 0);
    }

    #[test]
    fn connections_that_close_at_once_leave_only_the_database() {
        // Several files at a time, because most of it is waiting for the disk.
        std::thread::scope(|scope| {
            for _ in 0..10 {
                scope.spawn(|| (0..10).for_each(|_| close_at_once()));
            }
        });
    }

    /// Closes the four connections to a new file at the same time.
    fn close_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("fauna.sqlite");
        let file = File::open(&path, Arc::new(crate::SystemClock)).unwrap();
        let together = std::sync::Barrier::new(4);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                let connection = file.connect().unwrap();
                connection.inner().execute_batch("insert into counters (name, value) values (random(), 0)").unwrap();
                scope.spawn(|| {
                    together.wait();
                    connection.close();
                });
            }
        });
        let names: Vec<_> = std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["fauna.sqlite"]);
    }
}
