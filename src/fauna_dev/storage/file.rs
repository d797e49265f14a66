//! The SQLite file: one writer, several readers, each with a snapshot of its own.

use std::path::Path;
use std::path::PathBuf;

use super::Connection;
use crate::clock::Clock;

/// How the tables are made.
const SCHEMA: &str = include_str!("schema.sql");
/// The version of that, kept in the file.
const SCHEMA_VERSION: i64 = 2;

/// The file, by path: every thread opens it for itself.
#[derive(Clone, Debug)]
pub struct File {
    /// Where it is.
    pub(super) path: PathBuf,
    /// What time it is.
    pub(super) clock: Clock,
}

impl File {
    /// Opens the file, making it if it is not there.
    ///
    /// # Errors
    /// Where it cannot be opened, or was made by another version.
    pub fn open(path: &Path, clock: Clock) -> Result<Self, rusqlite::Error> {
        let file = Self { path: path.to_owned(), clock };
        let connection = file.connect()?;
        let connection = connection.inner();
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
        Connection::open(self.clone())
    }
}
