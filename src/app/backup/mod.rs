//! The commands `backup` and `restore`: sessions, Fauna and generated keys, as files in a directory.
//!
//! Both databases are copied as they were at one moment. Sessions are not written at that moment, and nothing deletes in Fauna the
//! token of a session that SQL still has, so no session of a copy is without its token. Tokens that were just being issued or
//! deleted are in the ledger of the copy, and are deleted after its first start.

mod staging;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

use aws_lc_rs::digest;
use embedded_fauna::Snapshot;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};

use crate::app::Error;
use crate::clock::Clock;
use crate::config;
use crate::config::Config;
use staging::Staging;

const SESSIONS: &str = "sessions.sqlite";
const FAUNA: &str = "fauna.sqlite";
/// Generated secrets; each is in the data directory unless it is configured otherwise.
const KEYS: [&str; 3] = ["embedded-fauna-root-key", "embedded-fauna-app-key", "seal-key"];
/// Written last: a directory without it is not a backup.
const MANIFEST: &str = "backup.json";
/// Version of the layout of a backup. 1 had no hashes.
const FORMAT: u32 = 2;
/// First version in which each file has a hash.
const FORMAT_WITH_HASHES: u32 = 2;

/// The content of [`MANIFEST`].
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    format: u32,
    /// Version of the application.
    version: String,
    /// Milliseconds since 1970.
    made_at: i64,
    pub files: Vec<String>,
    /// SHA-256 of each file, in hexadecimal. A database that was emptied, or that comes from another backup, is sound by itself.
    #[serde(default)]
    sha256: BTreeMap<String, String>,
}

/// Copies the site's files to a directory that does not exist or is empty. The site may be running. The directory and its files are
/// readable by their owner only, because they contain keys.
///
/// # Errors
/// There is nothing to copy, the directory is in use, or the copy cannot be written; then nothing is left behind.
pub async fn backup(config: &Config, directory: &Path) -> Result<Manifest, Error> {
    let (config, directory) = (config.clone(), directory.to_owned());
    tokio::task::spawn_blocking(move || copy_out(&config, &directory)).await.map_err(io::Error::other)?
}

/// Copies a backup to `DATA_DIR`, which must not exist or be empty.
///
/// # Errors
/// The directory is no complete backup, is damaged or of a newer version, or the files cannot be written; then nothing is left
/// behind.
pub async fn restore(config: &Config, directory: &Path) -> Result<Manifest, Error> {
    let (config, directory) = (config.clone(), directory.to_owned());
    tokio::task::spawn_blocking(move || copy_back(&config, &directory)).await.map_err(io::Error::other)?
}

/// The databases that are files of this site.
struct Databases {
    /// `None`: SQL is on a server.
    sessions: Option<PathBuf>,
    /// `None`: Fauna is a node.
    fauna: Option<PathBuf>,
}

impl Databases {
    fn of(config: &Config) -> Self {
        let sessions = match &config.database_url {
            None => Some(config.data_dir.join(SESSIONS)),
            Some(url) => sqlite_path(url.expose_secret()),
        };
        let is_embedded = matches!(config.fauna, config::Fauna::Embedded { .. });
        Self { sessions, fauna: is_embedded.then(|| config.data_dir.join(FAUNA)) }
    }

    fn snapshots(&self) -> Result<Vec<(&'static str, Snapshot)>, Error> {
        let refused = |path: &Path| {
            let path = path.display().to_string();
            move |cause: embedded_fauna::SnapshotError| Error::Setting(format!("backup: {path}: {cause}"))
        };
        match (&self.sessions, &self.fauna) {
            (Some(sessions), Some(fauna)) => {
                let (sessions, fauna) = Snapshot::take_both(sessions, fauna).map_err(refused(sessions))?;
                Ok(vec![(SESSIONS, sessions), (FAUNA, fauna)])
            }
            (Some(path), None) => Ok(vec![(SESSIONS, Snapshot::take(path).map_err(refused(path))?)]),
            (None, Some(path)) => Ok(vec![(FAUNA, Snapshot::take(path).map_err(refused(path))?)]),
            (None, None) => Err(Error::Setting(
                "backup: sessions and users of this site are on servers; copy them with the tools of those, SQL first"
                    .to_owned(),
            )),
        }
    }
}

/// The file of a `sqlite:` URL.
fn sqlite_path(url: &str) -> Option<PathBuf> {
    let path = url.strip_prefix("sqlite:")?;
    let path = path.strip_prefix("//").unwrap_or(path);
    Some(PathBuf::from(path.split('?').next().unwrap_or(path)))
}

fn copy_out(config: &Config, directory: &Path) -> Result<Manifest, Error> {
    let refused = |cause: io::Error| Error::Setting(format!("backup: {}: {cause}", directory.display()));
    if is_inside(directory, &config.data_dir).map_err(refused)? {
        return Err(refused(io::Error::other("is inside DATA_DIR, and would be lost together with it")));
    }
    let mut staging = Staging::begin(directory).map_err(refused)?;
    for (name, snapshot) in Databases::of(config).snapshots()? {
        let path = staging.create(name).map_err(refused)?;
        snapshot.copy_to(&path).map_err(|cause| refused(io::Error::other(cause)))?;
    }
    for key in KEYS {
        let from = config.data_dir.join(key);
        if from.exists() {
            staging.copy(&from, key).map_err(refused)?;
        }
    }
    let mut sha256 = BTreeMap::new();
    for name in staging.names() {
        sha256.insert(name.clone(), hash(&staging.path(name)).map_err(refused)?);
    }
    let manifest = Manifest {
        format: FORMAT,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        made_at: Clock::system().now().millis(),
        files: staging.names().to_vec(),
        sha256,
    };
    let text = serde_json::to_vec(&manifest).map_err(|error| refused(error.into()))?;
    let path = staging.create(MANIFEST).map_err(refused)?;
    fs::write(path, text).map_err(refused)?;
    staging.finish().map_err(refused)?;
    Ok(manifest)
}

fn copy_back(config: &Config, directory: &Path) -> Result<Manifest, Error> {
    let damaged = |why: &str| Error::Setting(format!("restore: {}: {why}", directory.display()));
    let manifest = fs::read(directory.join(MANIFEST)).map_err(|cause| match cause.kind() {
        io::ErrorKind::NotFound => damaged("is no backup, or one that was not finished: it has no backup.json"),
        _ => damaged(&format!("backup.json: {cause}")),
    })?;
    let manifest: Manifest = serde_json::from_slice(&manifest).map_err(|_odd| damaged("backup.json is damaged"))?;
    if manifest.format > FORMAT {
        return Err(damaged("was made by a newer version"));
    }
    for name in &manifest.files {
        if !matches!(name.as_str(), SESSIONS | FAUNA) && !KEYS.contains(&name.as_str()) {
            return Err(damaged("backup.json names a file that no backup has"));
        }
    }
    let databases = Databases::of(config);
    for (file, is_used, setting) in
        [(SESSIONS, databases.sessions.is_some(), "DATABASE_URL"), (FAUNA, databases.fauna.is_some(), "FAUNA_ENDPOINT")]
    {
        if !is_used && manifest.files.iter().any(|name| name == file) {
            return Err(damaged(&format!("has {file}, which a site with {setting} would not read: unset that first")));
        }
    }
    let elsewhere = databases.sessions.filter(|path| *path != config.data_dir.join(SESSIONS));
    let refused =
        |cause: io::Error| Error::Setting(format!("restore: DATA_DIR={}: {cause}", config.data_dir.display()));
    let mut staging = Staging::begin(&config.data_dir).map_err(refused)?;
    for name in &manifest.files {
        let target = if name == SESSIONS { elsewhere.as_deref() } else { None };
        let from = directory.join(name);
        let copy = match target {
            Some(target) => staging.copy_elsewhere(&from, target),
            None => staging.copy(&from, name),
        };
        let copy = copy.map_err(|cause| damaged(&format!("{name}: {cause}")))?;
        let is_as_it_was = manifest.format < FORMAT_WITH_HASHES
            || manifest.sha256.get(name) == Some(&hash(&copy).map_err(|cause| damaged(&format!("{name}: {cause}")))?);
        if !is_as_it_was {
            return Err(damaged(&format!(
                "{name} is not the file that was backed up: its SHA-256 differs from backup.json"
            )));
        }
        if name.ends_with(".sqlite") && !matches!(embedded_fauna::is_sound(&copy), Ok(true)) {
            return Err(damaged(&format!("{name} is damaged")));
        }
    }
    staging.finish().map_err(refused)?;
    Ok(manifest)
}

/// Whether a directory, which need not exist, is another one or below it.
fn is_inside(directory: &Path, other: &Path) -> io::Result<bool> {
    let (directory, other) = (std::path::absolute(directory)?, std::path::absolute(other)?);
    let existing = directory.ancestors().find_map(|path| path.canonicalize().ok());
    Ok(existing.is_some_and(|path| path.starts_with(other.canonicalize().unwrap_or(other))))
}

/// SHA-256 in hexadecimal.
fn hash(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hash = digest::Context::new(&digest::SHA256);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex::encode(hash.finish())),
            count => hash.update(buffer.get(..count).unwrap_or_default()),
        }
    }
}
