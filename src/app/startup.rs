//! Opens what a start needs of the system: folder, port, database. What is refused is told with the setting that asked for
//! it, its value and the cause, because whoever starts the site for the first time knows nothing but the settings.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;
use std::{fmt, fs, io};

use secrecy::ExposeSecret as _;
use sqlx::Connection as _;
use sqlx::PgConnection;

use crate::app::Error;
use crate::config::Config;
use crate::database::Database;
use crate::keyfile;

/// How long the first connection to PostgreSQL may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Shows that files can be made, and is removed at once.
const PROBE: &str = ".can-be-written";

/// Makes the data directory and a file in it.
pub fn data_directory(directory: &Path) -> Result<(), Error> {
    let refused = |cause| refused_files(directory, cause);
    fs::create_dir_all(directory).map_err(refused)?;
    let probe = directory.join(format!("{PROBE}-{}", std::process::id()));
    fs::write(&probe, []).map_err(refused)?;
    fs::remove_file(&probe).map_err(refused)
}

/// Listens where `LISTEN` says.
pub fn listener(address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address).map_err(|cause| refused_port("LISTEN", address, &cause))
}

/// Opens the SQL database of `DATABASE_URL`, or the file in the data directory.
pub async fn database(config: &Config) -> Result<Database, Error> {
    let Some(url) = &config.database_url else {
        let file = config.data_dir.join("sessions.sqlite");
        keyfile::make_private(&file).map_err(|cause| refused_files(&file, cause))?;
        let opened = Database::open(&format!("sqlite://{}", file.display())).await;
        return opened.map_err(|cause| refused_files(&file, cause));
    };
    let url = url.expose_secret();
    let refused = |cause: sqlx::Error| {
        // PostgreSQL's own words, without the line of its source that sqlx adds.
        let why = cause.as_database_error().map_or_else(|| cause.to_string(), |error| error.message().to_owned());
        Error::Setting(format!("DATABASE_URL={}: {why}", without_password(url)))
    };
    if !url.starts_with("sqlite:") {
        // The pool would try again until its time is up, and then say no more than that.
        match tokio::time::timeout(CONNECT_TIMEOUT, PgConnection::connect(url)).await {
            Ok(first) => first.map_err(refused)?.close().await.map_err(refused)?,
            Err(_elapsed) => return Err(refused(io::Error::from(io::ErrorKind::TimedOut).into())),
        }
    }
    Database::open(url).await.map_err(refused)
}

/// A file of the data directory that cannot be had, or the directory itself.
pub fn refused_files(path: &Path, cause: impl fmt::Display) -> Error {
    Error::Setting(format!("DATA_DIR: {}: {cause}", path.display()))
}

/// A port that cannot be had.
pub fn refused_port(setting: &str, address: SocketAddr, cause: &io::Error) -> Error {
    let hint = match cause.kind() {
        io::ErrorKind::AddrInUse => "; does the site run already? Stop it, or choose another port",
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
