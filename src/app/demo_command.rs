//! The command `demo reset`.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use crate::app::{Error, port_mark, start};
use crate::clock::Clock;
use crate::config::{self, Config};

/// Files of the two SQLite databases, and the key that belongs to one of them.
const FILES: [&str; 7] = [
    "sessions.sqlite",
    "sessions.sqlite-wal",
    "sessions.sqlite-shm",
    "fauna.sqlite",
    "fauna.sqlite-wal",
    "fauna.sqlite-shm",
    "embedded-fauna-app-key",
];

/// Deletes all users, sessions and comments of a site in development, and creates those of the demo again.
///
/// # Errors
/// The site is running, or is not in development with embedded databases.
pub async fn reset_demo(config: &Config) -> Result<(), Error> {
    let refused = |why: &str| Error::Setting(format!("demo reset: {why}"));
    if !config.has_demo() {
        return Err(refused("works in development and with DEMO=true only"));
    }
    if config.database_url.is_some() || !matches!(config.fauna, config::Fauna::Embedded { .. }) {
        return Err(refused("works with the databases in DATA_DIR only; unset DATABASE_URL and FAUNA_ENDPOINT"));
    }
    if config.data_dir.exists() && port_mark::is_running(&config.data_dir)? {
        return Err(refused("the site is running; stop it first"));
    }
    for file in FILES {
        match fs::remove_file(config.data_dir.join(file)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let mut own = Config { listen: anywhere, ..config.clone() };
    if let config::Fauna::Embedded { listen, .. } = &mut own.fauna {
        *listen = anywhere;
    }
    let site = start(own, Clock::system()).await?;
    site.seed_demo(config).await;
    site.stop().await;
    Ok(())
}
