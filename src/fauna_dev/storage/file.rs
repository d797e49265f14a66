//! The SQLite file: one writer, several readers, each with a snapshot of its own.

use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::OpenFlags;
use rusqlite::TransactionBehavior;

use super::Transaction;
use crate::clock::Clock;
use crate::fauna_dev::language::Outcome;

/// How the tables are made.
const SCHEMA: &str = include_str!("schema.sql");
/// The version of that, kept in the file.
const SCHEMA_VERSION: i64 = 1;

/// The file, by path: every thread opens it for itself.
#[derive(Clone, Debug)]
pub struct File {
    /// Where it is.
    path: PathBuf,
    /// What time it is.
    clock: Clock,
}

impl File {
    /// Opens the file, making it if it is not there.
    ///
    /// # Errors
    /// Where it cannot be opened, or was made by another version.
    pub fn open(path: &Path, clock: Clock) -> Result<Self, rusqlite::Error> {
        let file = Self { path: path.to_owned(), clock };
        let connection = file.connect()?;
        let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if version == 0 {
            connection
                .execute_batch(&format!("begin immediate; {SCHEMA} pragma user_version = {SCHEMA_VERSION}; commit"))?;
        } else if version != SCHEMA_VERSION {
            return Err(rusqlite::Error::InvalidQuery);
        }
        Ok(file)
    }

    /// A connection of its own for a thread.
    ///
    /// # Errors
    /// Where the file cannot be opened.
    pub fn connect(&self) -> Result<Connection, rusqlite::Error> {
        let connection = Connection::open_with_flags(&self.path, OpenFlags::default())?;
        connection.busy_timeout(Duration::from_secs(30))?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "full")?;
        connection.pragma_update(None, "cache_size", -16_384)?;
        connection.pragma_update(None, "temp_store", "memory")?;
        connection.set_prepared_statement_cache_capacity(128);
        Ok(connection)
    }

    /// Runs something that only reads.
    ///
    /// # Errors
    /// Where the storage fails, or what runs.
    pub fn read<T>(&self, connection: &mut Connection, run: impl FnOnce(&Transaction<'_>) -> Outcome<T>) -> Outcome<T> {
        let guard = connection.transaction_with_behavior(TransactionBehavior::Deferred)?;
        let snapshot = last_commit(&guard)?.max(self.clock.now_micros());
        run(&Transaction::new(&guard, snapshot))
    }

    /// Runs something that may write, alone; commits what it wrote if it says so.
    ///
    /// # Errors
    /// Where the storage fails, or what runs: then nothing is written.
    pub fn write<T>(
        &self,
        connection: &mut Connection,
        run: impl FnOnce(&Transaction<'_>) -> Outcome<(T, bool)>,
    ) -> Outcome<T> {
        let guard = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let snapshot = last_commit(&guard)?.max(self.clock.now_micros());
        let transaction = Transaction::new(&guard, snapshot);
        let (value, keep) = run(&transaction)?;
        if keep && transaction.is_dirty() {
            let sql = "insert into counters (name, value) values ('last_commit', ?1) on conflict (name) do update set value = ?1";
            guard.prepare_cached(sql)?.execute([transaction.commit_time()])?;
            drop(transaction);
            guard.commit()?;
        }
        Ok(value)
    }
}

/// The time of the last transaction that wrote.
fn last_commit(connection: &Connection) -> Result<i64, rusqlite::Error> {
    let mut statement = connection.prepare_cached("select value from counters where name = 'last_commit'")?;
    let mut rows = statement.query([])?;
    rows.next()?.map_or(Ok(0), |row| row.get(0))
}
