//! Files that appear in a directory all at once, or not at all.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::keyfile;

/// Directory inside the target in which files are written before they get their names.
const PARTIAL: &str = ".partial";

/// Files for an empty directory. Dropping this without [`Staging::finish`] removes what was written.
pub struct Staging {
    target: PathBuf,
    /// Whether the target did not exist before.
    is_new: bool,
    names: Vec<String>,
    /// Files that belong somewhere else: the one that was written, and its place.
    elsewhere: Vec<(PathBuf, PathBuf)>,
    is_finished: bool,
}

impl Staging {
    /// # Errors
    /// The directory is not empty, or cannot be created.
    pub fn begin(target: &Path) -> io::Result<Self> {
        let is_new = !target.exists();
        if is_new {
            fs::create_dir_all(target)?;
        } else if !is_empty(target)? {
            return Err(io::Error::other("is not empty"));
        }
        make_private(target)?;
        // Fails if another process has just begun.
        fs::create_dir(target.join(PARTIAL))?;
        let (names, elsewhere) = (Vec::new(), Vec::new());
        Ok(Self { target: target.to_owned(), is_new, names, elsewhere, is_finished: false })
    }

    /// Names of the files so far.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Path of a file of the directory until [`Staging::finish`].
    pub fn path(&self, name: &str) -> PathBuf {
        self.target.join(PARTIAL).join(name)
    }

    /// Creates an empty file with mode 0600; returns where it is until the end.
    pub fn create(&mut self, name: &str) -> io::Result<PathBuf> {
        let path = self.path(name);
        keyfile::make_private(&path)?;
        self.names.push(name.to_owned());
        Ok(path)
    }

    /// Copies a file; returns where the copy is until the end.
    pub fn copy(&mut self, from: &Path, name: &str) -> io::Result<PathBuf> {
        let path = self.create(name)?;
        copy_content(from, &path)?;
        Ok(path)
    }

    /// Copies a file that belongs outside of the directory, where nothing may be yet.
    pub fn copy_elsewhere(&mut self, from: &Path, to: &Path) -> io::Result<PathBuf> {
        if to.exists() {
            return Err(io::Error::other(format!("{} exists already", to.display())));
        }
        let mut beside = to.as_os_str().to_owned();
        beside.push(PARTIAL);
        let path = PathBuf::from(beside);
        self.elsewhere.push((path.clone(), to.to_owned()));
        keyfile::make_private(&path)?;
        copy_content(from, &path)?;
        Ok(path)
    }

    /// Makes everything durable and gives the files their names, in the order in which they were created.
    pub fn finish(mut self) -> io::Result<()> {
        let partial = self.target.join(PARTIAL);
        for name in &self.names {
            File::open(partial.join(name))?.sync_all()?;
        }
        for (path, to) in &self.elsewhere {
            File::open(path)?.sync_all()?;
            fs::rename(path, to)?;
        }
        for name in &self.names {
            fs::rename(partial.join(name), self.target.join(name))?;
        }
        fs::remove_dir_all(&partial)?;
        // Makes the names durable. Where directories cannot be opened they are durable without.
        if let Ok(directory) = File::open(&self.target) {
            directory.sync_all()?;
        }
        self.is_finished = true;
        Ok(())
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if self.is_finished {
            return;
        }
        let _best_effort = fs::remove_dir_all(self.target.join(PARTIAL));
        for name in &self.names {
            let _not_there = fs::remove_file(self.target.join(name));
        }
        for (path, _) in &self.elsewhere {
            let _not_there = fs::remove_file(path);
        }
        if self.is_new {
            let _best_effort = fs::remove_dir(&self.target);
        }
    }
}

/// The root of a file system that was just made counts as empty.
fn is_empty(directory: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(directory)? {
        if entry?.file_name() != "lost+found" {
            return Ok(false);
        }
    }
    Ok(true)
}

fn copy_content(from: &Path, to: &Path) -> io::Result<()> {
    // Not `fs::copy`, which copies permissions too.
    let mut to = File::options().write(true).truncate(true).open(to)?;
    io::copy(&mut File::open(from)?, &mut to)?;
    Ok(())
}

/// Mode 0700.
#[cfg(unix)]
fn make_private(directory: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(directory, fs::Permissions::from_mode(0o700))
}

#[cfg(not(unix))]
const fn make_private(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_filled_completely_or_left_as_it_was() {
        let parent = tempfile::tempdir().unwrap();
        let (new, from) = (parent.path().join("new"), parent.path().join("from"));
        fs::write(&from, "content").unwrap();
        let mut given_up = Staging::begin(&new).unwrap();
        given_up.copy(&from, "one").unwrap();
        drop(given_up);
        assert!(!new.exists());

        let mut finished = Staging::begin(&new).unwrap();
        finished.copy(&from, "one").unwrap();
        assert!(Staging::begin(&new).is_err(), "somebody else has begun");
        assert!(!new.join("one").exists());
        finished.finish().unwrap();
        assert_eq!(fs::read_to_string(new.join("one")).unwrap(), "content");
        assert_eq!(fs::read_dir(&new).unwrap().count(), 1);
        assert!(Staging::begin(&new).is_err(), "not empty any more");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!((mode(&new), mode(&new.join("one"))), (0o700, 0o600));
        }
    }
}
