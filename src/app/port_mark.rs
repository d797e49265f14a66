//! Marks in the data directory for the ports that a site listens at, by which `doctor` knows whether a port is held by the site
//! that it examines or by another program, which may be another site of this kind.
//!
//! A mark is an empty file whose lock is held as long as the site runs; the system unlocks it whatever way the process ends. The
//! lock is shared, because several processes may have one data directory, and ports at different addresses.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::keyfile;

/// Beginning of the names of marks.
const PREFIX: &str = ".listens-";

/// Held as long as a site listens at an address.
pub struct PortMark {
    path: PathBuf,
    file: fs::File,
}

impl PortMark {
    /// Marks an address that was bound. Only `doctor` needs marks, so a site runs without one where the file system has no locks.
    pub fn set(directory: &Path, address: SocketAddr) -> Option<Self> {
        let path = path(directory, address);
        let marked = keyfile::make_private(&path).and_then(|()| {
            let file = fs::File::open(&path)?;
            file.try_lock_shared()?;
            Ok(Self { path: path.clone(), file })
        });
        marked.inspect_err(|error| tracing::debug!(%error, path = %path.display(), "a port was not marked")).ok()
    }
}

impl Drop for PortMark {
    /// Removes the file, unless another process has a mark there.
    fn drop(&mut self) {
        let _unlocked = self.file.unlock();
        if self.file.try_lock().is_ok() {
            let _gone = fs::remove_file(&self.path);
        }
    }
}

/// Whether a running site with this data directory listens at an address.
pub fn is_marked(directory: &Path, address: SocketAddr) -> bool {
    is_locked(&path(directory, address))
}

/// Whether a site with this data directory runs, whatever it listens at.
pub fn is_running(directory: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(PREFIX) && is_locked(&entry.path()) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_locked(path: &Path) -> bool {
    let Ok(file) = fs::File::open(path) else { return false };
    matches!(file.try_lock(), Err(fs::TryLockError::WouldBlock))
}

/// Without colons, which some file systems do not have in names.
fn path(directory: &Path, address: SocketAddr) -> PathBuf {
    let kind = if address.is_ipv6() { "ipv6" } else { "ipv4" };
    let ip = address.ip().to_string().replace([':', '%'], "_");
    directory.join(format!("{PREFIX}{kind}-{ip}-{}", address.port()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_marked_until_the_last_site_that_listens_there_has_ended() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for address in ["127.0.0.1:3000", "[::]:3000"] {
            let address = address.parse().unwrap();
            let marked = || (is_marked(one.path(), address), is_marked(other.path(), address));
            assert_eq!(marked(), (false, false));
            let mark = PortMark::set(one.path(), address).unwrap();
            let second = PortMark::set(one.path(), address).unwrap();
            assert_eq!(marked(), (true, false));
            assert!(!is_marked(one.path(), SocketAddr::new(address.ip(), 3001)));
            drop(mark);
            assert_eq!(marked(), (true, false));
            drop(second);
            assert_eq!(marked(), (false, false));
            assert_eq!(fs::read_dir(one.path()).unwrap().count(), 0, "no file stays behind");
        }
    }

    #[test]
    fn a_file_that_a_killed_process_left_behind_marks_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], 3000));
        fs::write(path(directory.path(), address), "").unwrap();
        assert!(!is_marked(directory.path(), address));
        assert!(PortMark::set(directory.path(), address).is_some());
    }
}
