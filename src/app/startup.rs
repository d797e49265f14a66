//! Opens what a start needs of the system: directory, port, database. An error names the setting, its value and the cause,
//! because on the first start the settings are all that is known.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::{Duration, Instant};
use std::{fmt, fs, io};

use secrecy::ExposeSecret as _;
use sqlx::migrate::MigrateError;

use crate::app::Error;
use crate::config::Config;
use crate::database::Database;
use crate::keyfile;

/// Timeout of the first connection to a database server.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Name of the file whose lock lets one process at a time set up the data directory.
const SET_UP_LOCK: &str = ".set-up-lock";
/// Longest wait for another process to set up the directory, and the pause between two looks at its lock.
const SET_UP_TIMEOUT: Duration = Duration::from_secs(30);
const LOCK_PAUSE: Duration = Duration::from_millis(20);
/// Name of a file that is created and removed to test that the directory is writable.
const PROBE: &str = ".can-be-written";

/// What is wrong with a database or file whose migrations this binary does not know.
pub const NEWER: &str = "was written by a newer version; start that version, or restore a backup";

/// Creates the data directory and tests that it is writable.
pub fn data_directory(directory: &Path) -> Result<(), Error> {
    let refused = |cause| refused_files(directory, cause);
    fs::create_dir_all(directory).map_err(refused)?;
    let probe = directory.join(format!("{PROBE}-{}", std::process::id()));
    fs::write(&probe, []).map_err(refused)?;
    fs::remove_file(&probe).map_err(refused)
}

/// Lets one process at a time set up a data directory: create databases, migrate them, generate keys. The others wait. It is
/// unlocked when the file is dropped, or the process ends.
///
/// # Errors
/// The file cannot be created, or another process holds the lock for too long.
pub async fn lock_set_up(directory: &Path) -> Result<fs::File, Error> {
    let path = directory.join(SET_UP_LOCK);
    let refused = |cause: io::Error| refused_files(&path, cause);
    keyfile::make_private(&path).map_err(refused)?;
    let file = fs::File::options().read(true).write(true).open(&path).map_err(refused)?;
    let deadline = Instant::now() + SET_UP_TIMEOUT;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(fs::TryLockError::WouldBlock) if Instant::now() < deadline => tokio::time::sleep(LOCK_PAUSE).await,
            Err(fs::TryLockError::WouldBlock) => {
                return Err(refused_files(directory, "another process has been setting it up for 30 seconds"));
            }
            Err(fs::TryLockError::Error(cause)) => return Err(refused(cause)),
        }
    }
}

pub fn listener(address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address).map_err(|cause| refused_port("LISTEN", address, &cause))
}

/// Opens the SQL database of `DATABASE_URL`, or the file in the data directory.
pub async fn database(config: &Config) -> Result<Database, Error> {
    let Some(url) = &config.database_url else {
        let file = config.data_dir.join("sessions.sqlite");
        keyfile::make_private(&file).map_err(|cause| refused_files(&file, cause))?;
        let opened = Database::open(&format!("sqlite://{}", file.display())).await;
        return opened.map_err(|cause| refused_files(&file, reason(&cause)));
    };
    let url = url.expose_secret();
    let refused =
        |cause: sqlx::Error| Error::Setting(format!("DATABASE_URL={}: {}", without_password(url), reason(&cause)));
    if !url.starts_with("sqlite:") {
        // The pool would retry until its timeout and then report only the timeout.
        match tokio::time::timeout(CONNECT_TIMEOUT, Database::try_connect(url)).await {
            Ok(first) => first.map_err(refused)?,
            Err(_elapsed) => return Err(refused(io::Error::from(io::ErrorKind::TimedOut).into())),
        }
    }
    Database::open(url).await.map_err(refused)
}

/// The server's message without the source line that sqlx adds, and a sentence about a database from the future.
fn reason(cause: &sqlx::Error) -> String {
    match cause {
        sqlx::Error::Migrate(migration) if matches!(**migration, MigrateError::VersionMissing(_)) => NEWER.to_owned(),
        sqlx::Error::Configuration(cause) => cause.to_string(),
        cause => cause.as_database_error().map_or_else(|| cause.to_string(), |error| error.message().to_owned()),
    }
}

/// Error for the data directory or a file in it.
pub fn refused_files(path: &Path, cause: impl fmt::Display) -> Error {
    Error::Setting(format!("DATA_DIR: {}: {cause}", path.display()))
}

/// Error for an address that cannot be bound.
pub fn refused_port(setting: &str, address: SocketAddr, cause: &io::Error) -> Error {
    let hint = match cause.kind() {
        io::ErrorKind::AddrInUse => "; is the site already running? Stop it, or choose another port",
        _ => "",
    };
    Error::Setting(format!("{setting}={address}: {cause}{hint}"))
}

/// The URL of a database as it may be shown: of a server only its host and port, and nothing where it is doubtful which part
/// that is.
fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://").filter(|(scheme, _)| *scheme != "sqlite") else {
        return url.to_owned();
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (before, host) = authority.rsplit_once('@').map_or(("", authority), |(_, host)| ("…@", host));
    let has_port = host.rsplit_once(':').is_none_or(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
    let is_plain = has_port && rest.matches('@').count() <= 1 && rest.contains('@') == authority.contains('@');
    if is_plain { format!("{scheme}://{before}{host}") } else { format!("{scheme}://…") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_of_a_database_is_shown() {
        for (url, shown) in [
            ("sqlite:///tmp/a@b.sqlite", "sqlite:///tmp/a@b.sqlite"),
            ("postgres://localhost/app", "postgres://localhost"),
            ("postgres://app:hunter2@db.example:5433/app?sslmode=require", "postgres://…@db.example:5433"),
            ("postgres://app:hun@ter2@db.example/app", "postgres://…"),
            ("postgres://app:hun/ter2@db.example/app", "postgres://…"),
            ("postgres://app:hun?ter2@db.example/app", "postgres://…"),
            ("postgres://app:hunter2", "postgres://…"),
            ("postgres://db.example/app?password=hun@ter2", "postgres://…"),
            ("postgres://app@db.example/app?password=hun@ter2", "postgres://…"),
        ] {
            assert_eq!(without_password(url), shown, "{url}");
        }
    }
}
