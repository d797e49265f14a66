//! An advisory lock on a data directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Error, ErrorKind, Read, Result, Seek, Write};
use std::path::Path;

/// Name of the lock file in the data directory.
const LOCK_FILE: &str = "embedded-fauna.lock";

/// Exclusive use of a data directory by one process, until it is dropped or the process ends.
#[derive(Debug)]
pub struct DirectoryLock(#[expect(dead_code, reason = "the lock lasts as long as the file is open")] File);

impl DirectoryLock {
    /// Locks a directory that exists.
    ///
    /// # Errors
    /// `ErrorKind::ResourceBusy` if another process has the lock; its message names the process. Otherwise the error of opening
    /// the lock file.
    pub fn acquire(directory: &Path) -> Result<Self> {
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(directory.join(LOCK_FILE))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut owner = String::new();
                file.read_to_string(&mut owner)?;
                let owner = owner.trim();
                let text = format!(
                    "the data directory {} is in use by process {owner}: stop it, or choose another directory",
                    directory.display()
                );
                return Err(Error::new(ErrorKind::ResourceBusy, text));
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{}", std::process::id())?;
        Ok(Self(file))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_has_one_owner_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        let lock = DirectoryLock::acquire(directory.path()).unwrap();
        let refused = DirectoryLock::acquire(directory.path()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ResourceBusy);
        assert!(refused.to_string().contains(&format!("process {}", std::process::id())), "{refused}");
        drop(lock);
        assert!(DirectoryLock::acquire(directory.path()).is_ok());
    }
}
