//! Copies of SQLite files that belong together, of one moment.

use std::path::Path;
use std::time::Duration;

use rusqlite::backup::Backup;
use rusqlite::{Connection, Error, OpenFlags};

/// Longest wait for another process that writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause before trying again while the copy is locked, which nobody does.
const PAUSE: Duration = Duration::from_millis(10);

/// A SQLite file in WAL mode as it was at one moment, while others go on writing it. What was written since stays in the
/// write-ahead log until this is dropped.
#[derive(Debug)]
pub struct Snapshot(Connection);

impl Snapshot {
    /// The file as it is now.
    ///
    /// # Errors
    /// If it is not a readable SQLite file.
    pub fn take(file: &Path) -> Result<Self, Error> {
        let connection = open(file)?;
        // The first read determines what a transaction sees.
        connection.execute_batch("begin; select count(*) from sqlite_schema")?;
        Ok(Self(connection))
    }

    /// Two files of one moment: the first is not written while both are taken, which is a matter of milliseconds.
    ///
    /// # Errors
    /// As [`Self::take`], or if another process does not stop to write the first one.
    pub fn take_both(first: &Path, second: &Path) -> Result<(Self, Self), Error> {
        let lock = open(first)?;
        lock.execute_batch("begin immediate")?;
        let both = (Self::take(first)?, Self::take(second)?);
        lock.execute_batch("rollback")?;
        Ok(both)
    }

    /// Writes the copy into a file that is empty.
    ///
    /// # Errors
    /// If it cannot be written; then it contains nothing useful.
    pub fn copy_to(&self, file: &Path) -> Result<(), Error> {
        let mut to = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        Backup::new(&self.0, &mut to)?.run_to_completion(i32::MAX, PAUSE, None)?;
        to.close().map_err(|(_, error)| error)
    }
}

/// Whether a file is a SQLite database without damage that can be seen.
///
/// # Errors
/// If it is no database at all.
pub fn is_sound(file: &Path) -> Result<bool, Error> {
    let connection = open(file)?;
    let verdict: String = connection.query_row("pragma quick_check(1)", [], |row| row.get(0))?;
    Ok(verdict == "ok")
}

fn open(file: &Path) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_does_not_change_and_stops_nobody_from_writing() {
        let directory = tempfile::tempdir().unwrap();
        let [one, two, copy] = ["one", "two", "copy"].map(|name| directory.path().join(name));
        let [mut first, mut second] = [&one, &two].map(|path| Connection::open(path).unwrap());
        for connection in [&mut first, &mut second] {
            connection
                .execute_batch("pragma journal_mode = wal; create table t (n); insert into t values (1)")
                .unwrap();
        }
        let (snapshot, _) = Snapshot::take_both(&one, &two).unwrap();
        for connection in [&mut first, &mut second] {
            connection.execute_batch("insert into t values (2); pragma wal_checkpoint(truncate)").unwrap();
        }
        std::fs::write(&copy, []).unwrap();
        snapshot.copy_to(&copy).unwrap();
        let copied = Connection::open(&copy).unwrap();
        let count: i64 = copied.query_row("select count(*) from t", [], |row| row.get(0)).unwrap();
        assert_eq!(count, 1);
        assert!(is_sound(&copy).unwrap());
        std::fs::write(&copy, "not a database, but long enough to look at".repeat(200)).unwrap();
        assert!(is_sound(&copy).is_err());
    }
}
