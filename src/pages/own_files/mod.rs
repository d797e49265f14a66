//! The directory of `STATIC_DIR`: files below `/static/` that replace the built-in ones or join them, and in its folder
//! `templates` the pages that replace the built-in ones.
//!
//! Everything is read once, at start: no request opens a file, so no path in a request can lead out of the directory, and a
//! mistake keeps the site from starting. Hidden files are left out. A symbolic link must lead to something inside the directory
//! (as those of a mounted Kubernetes volume do).

pub mod templates;

use std::collections::BTreeMap;
use std::path::Path;
use std::{fmt, fs, io};

/// Folder of page templates; what is in it is not served.
const TEMPLATES: &str = "templates";
/// Bounds of the directory: files, bytes of one and of all, and folders within folders.
const FILES_MAX: usize = 500;
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;
const BYTES_MAX: u64 = 32 * 1024 * 1024;
const DEPTH_MAX: usize = 8;

/// A file of the directory cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("STATIC_DIR: {file}: {why}")]
pub struct InvalidFile {
    file: String,
    why: String,
}

#[derive(Debug, Default)]
pub struct OwnFiles {
    /// Content by path below `/static/`.
    pub served: BTreeMap<String, Vec<u8>>,
    /// Text by name of the template.
    pub templates: BTreeMap<String, String>,
}

impl InvalidFile {
    fn new(file: &str, why: impl fmt::Display) -> Self {
        Self { file: file.to_owned(), why: format!("{why}") }
    }
}

impl OwnFiles {
    /// # Errors
    /// A file cannot be read, leads out of the directory, or exceeds a bound.
    pub fn read(directory: &Path) -> Result<Self, InvalidFile> {
        let root = fs::canonicalize(directory).map_err(|error| InvalidFile::new(&shown(directory), error))?;
        let mut found = Found { root, files: BTreeMap::new(), bytes: 0 };
        found.collect("", 0)?;
        let mut own = Self::default();
        for (path, content) in found.files {
            match path.strip_prefix(TEMPLATES).and_then(|rest| rest.strip_prefix('/')) {
                Some(name) => {
                    let text = String::from_utf8(content)
                        .map_err(|_invalid| InvalidFile::new(&path, "must be UTF-8, as all templates"))?;
                    own.templates.insert(name.to_owned(), text);
                }
                None => _ = own.served.insert(path, content),
            }
        }
        Ok(own)
    }
}

struct Found {
    /// Without symbolic links.
    root: std::path::PathBuf,
    files: BTreeMap<String, Vec<u8>>,
    bytes: u64,
}

impl Found {
    /// Reads the files of a folder, given by its path below the root.
    fn collect(&mut self, folder: &str, depth: usize) -> Result<(), InvalidFile> {
        let refused = |error: io::Error| InvalidFile::new(folder, error);
        if depth > DEPTH_MAX {
            return Err(InvalidFile::new(folder, format!("has more than {DEPTH_MAX} folders above it")));
        }
        for entry in fs::read_dir(self.root.join(folder)).map_err(refused)? {
            let name = entry.map_err(refused)?.file_name();
            let Some(name) = name.to_str() else {
                return Err(InvalidFile::new(&shown(Path::new(&name)), "the name must be UTF-8"));
            };
            if name.starts_with('.') {
                continue;
            }
            let path = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
            let target = fs::canonicalize(self.root.join(&path)).map_err(|error| InvalidFile::new(&path, error))?;
            if !target.starts_with(&self.root) {
                return Err(InvalidFile::new(&path, "leads out of the directory"));
            }
            if target.is_dir() {
                self.collect(&path, depth + 1)?;
            } else {
                self.add(path, &target)?;
            }
        }
        Ok(())
    }

    fn add(&mut self, path: String, target: &Path) -> Result<(), InvalidFile> {
        let about = fs::metadata(target).map_err(|error| InvalidFile::new(&path, error))?;
        if !about.is_file() {
            return Err(InvalidFile::new(&path, "is not a file"));
        }
        self.bytes = self.bytes.saturating_add(about.len());
        if about.len() > FILE_BYTES_MAX || self.bytes > BYTES_MAX || self.files.len() >= FILES_MAX {
            let bounds = "at most 500 files, of 4 MiB each and 32 MiB together";
            return Err(InvalidFile::new(&path, format!("is too large, or one too many: {bounds}")));
        }
        let content = fs::read(target).map_err(|error| InvalidFile::new(&path, error))?;
        self.files.insert(path, content);
        Ok(())
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = directory.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        directory
    }

    #[test]
    fn files_are_found_by_their_path_and_hidden_ones_are_not() {
        let directory = directory(&[("a.css", "a"), ("fonts/b.woff2", "b"), (".env", "secret"), (".git/c", "c")]);
        fs::write(directory.path().join("..data"), "d").unwrap();
        let own = OwnFiles::read(directory.path()).unwrap();
        assert_eq!(own.served.keys().collect::<Vec<_>>(), ["a.css", "fonts/b.woff2"]);
    }

    #[test]
    fn templates_are_not_served() {
        let directory = directory(&[("templates/auth.html", "x"), ("templates/parts/y.html", "y")]);
        let own = OwnFiles::read(directory.path()).unwrap();
        assert!(own.served.is_empty());
        assert_eq!(own.templates.keys().collect::<Vec<_>>(), ["auth.html", "parts/y.html"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_symbolic_link_may_only_lead_inside() {
        use std::os::unix::fs::symlink;
        let outside = directory(&[("secret", "s")]);
        for target in [outside.path().join("secret"), outside.path().to_owned(), "/dev/zero".into(), "nowhere".into()] {
            let directory = directory(&[("a.css", "a")]);
            symlink(&target, directory.path().join("link")).unwrap();
            let refused = OwnFiles::read(directory.path()).unwrap_err().to_string();
            assert!(refused.starts_with("STATIC_DIR: link: "), "{refused}");
        }
        let mounted = directory(&[("..2026/site.css", "x")]);
        symlink("..2026", mounted.path().join("..data")).unwrap();
        symlink("..data/site.css", mounted.path().join("site.css")).unwrap();
        assert_eq!(OwnFiles::read(mounted.path()).unwrap().served["site.css"], b"x");
        let endless = directory(&[("a.css", "a")]);
        symlink(".", endless.path().join("again")).unwrap();
        assert!(OwnFiles::read(endless.path()).unwrap_err().to_string().contains("folders above it"));
    }

    #[test]
    fn a_directory_is_bounded() {
        let large = directory(&[]);
        fs::File::create(large.path().join("film.mp4")).unwrap().set_len(FILE_BYTES_MAX + 1).unwrap();
        assert!(OwnFiles::read(large.path()).unwrap_err().to_string().contains("film.mp4: is too large"));
        let many = directory(&[]);
        for number in 0..=FILES_MAX {
            fs::write(many.path().join(format!("{number}.txt")), "").unwrap();
        }
        assert!(OwnFiles::read(many.path()).unwrap_err().to_string().contains("one too many"));
        let gone = OwnFiles::read(Path::new("no such directory")).unwrap_err().to_string();
        assert!(gone.contains("no such directory"), "{gone}");
    }
}
