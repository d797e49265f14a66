//! Copying the file of a running endpoint.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, Error, OpenFlags};

/// Copies the file `from` to the new file `to` in one read transaction: the copy is the state of one moment, with everything that was
/// committed before. The endpoint may be running and is not blocked.
///
/// # Errors
/// If `from` is not a readable SQLite file, or if `to` is not empty.
pub fn backup(from: &Path, to: &Path) -> Result<(), Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(from, flags)?;
    connection.busy_timeout(Duration::from_secs(30))?;
    // Unlike a copy of the file, this includes the write-ahead log.
    connection.execute("vacuum into ?1", [to.to_string_lossy()])?;
    Ok(())
}
