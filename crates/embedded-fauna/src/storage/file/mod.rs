//! Opening, creating and migrating the SQLite file.

mod backup;
mod lock;
mod snapshot;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::{Connection, Feed};
use crate::clock::SharedClock;

pub use backup::backup;
pub use lock::DirectoryLock;
pub use snapshot::{Snapshot, is_sound};

const SCHEMA: &str = include_str!("../schema.sql");
const FROM_VERSION_1: &str = include_str!("../from_version_1.sql");
/// The version of the tables, kept in the file.
const SCHEMA_VERSION: i64 = 2;

/// Path, clock and change feed of the file; each thread opens its own connection.
#[derive(Clone)]
pub struct File {
    pub(super) path: PathBuf,
    pub(super) clock: SharedClock,
    pub(super) feed: Arc<Feed>,
    /// Held by the connection that is closing.
    pub(super) closing: Arc<Mutex<()>>,
}

impl File {
    /// Opens the file, creates it or migrates it. Fails with `InvalidQuery` if the file has a newer layout than this build knows.
    pub fn open(path: &Path, clock: SharedClock) -> Result<Self, rusqlite::Error> {
        let file = Self { path: path.to_owned(), clock, feed: Arc::default(), closing: Arc::default() };
        let connection = file.connect()?;
        let connection = connection.inner();
        let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        let steps = match version {
            0 => SCHEMA,
            1 => FROM_VERSION_1,
            SCHEMA_VERSION => return Ok(file),
            _ => return Err(rusqlite::Error::InvalidQuery),
        };
        connection
            .execute_batch(&format!("begin immediate; {steps} pragma user_version = {SCHEMA_VERSION}; commit"))?;
        Ok(file)
    }

    /// Changes committed through any connection of this file.
    pub fn feed(&self) -> &Feed {
        &self.feed
    }

    pub fn connect(&self) -> Result<Connection, rusqlite::Error> {
        Connection::open(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn migrating_a_file_of_version_1_gives_the_current_layout() {
        let directory = tempfile::tempdir().unwrap();
        let [new, old] = ["new", "old"].map(|name| directory.path().join(name));
        let layout = |path: &Path| -> Vec<String> {
            let file = File::open(path, Arc::new(crate::SystemClock)).unwrap().connect().unwrap();
            let sql = "select m.name || ' ' || c.name from sqlite_schema m, pragma_table_xinfo(m.name) c
                       union select name from sqlite_schema order by 1";
            let mut statement = file.inner().prepare(sql).unwrap();
            statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
        };
        let wanted = layout(&new);
        let connection = rusqlite::Connection::open(&old).unwrap();
        let without = [
            "create index documents_by_ttl on documents (ttl) where ttl is not null;",
            "create index history_by_due on history (due);",
            "create index entries_by_ttl on entries (ttl) where ttl is not null;",
            "create index past_entries_by_due on past_entries (due);",
            ", ended integer not null, due integer not null",
            ", due integer not null",
        ];
        let version_1 = without.into_iter().fold(SCHEMA.to_owned(), |sql, part| sql.replace(part, ""));
        assert!(!version_1.contains("due integer"));
        connection.execute_batch(&format!("{version_1} pragma user_version = 1")).unwrap();
        drop(connection);
        assert_eq!(layout(&old), wanted);
    }
}
