//! The command line: arguments, serving, backup.

mod load;
mod root_key;

use std::fs;
use std::io::{Error, Result};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use clap::{Args, Parser, Subcommand};
use embedded_fauna::{Browsers, DirectoryLock, Running, Settings, SystemClock};
use secrecy::{ExposeSecret, SecretString};

/// Name of the SQLite file in the data directory.
const DATABASE_FILE: &str = "fauna.sqlite";

/// An FQL v4 endpoint compatible with FaunaDB, with its documents in a SQLite file.
#[derive(Debug, Parser)]
#[command(name = "embedded-fauna", version, args_conflicts_with_subcommands = true)]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: Serve,
}

#[derive(Debug, Args)]
struct Serve {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8443")]
    listen: SocketAddr,
    /// Directory of the database and the root key; created if it does not exist
    #[arg(long, value_name = "DIR", default_value = "embedded-fauna-data")]
    data: PathBuf,
    /// File that contains the root key; otherwise the environment variable `EMBEDDED_FAUNA_ROOT_KEY`, otherwise a key generated in the data directory
    #[arg(long, value_name = "FILE")]
    root_key_file: Option<PathBuf>,
    /// Send `access-control-allow-credentials`, as FaunaDB does; no driver needs it
    #[arg(long)]
    cors_credentials: bool,
    /// Run the queries of this file at every start: one FQL v4 query in wire JSON per line
    #[arg(long, value_name = "FILE")]
    seed: Option<PathBuf>,
    /// Import documents from this file: one JSON object per line, {"collection": "…", "id": "…", "data": {…}}; existing documents stay
    #[arg(long, value_name = "FILE")]
    import: Option<PathBuf>,
    /// Child database for --seed and --import, such as shop/test; it must exist
    #[arg(long, value_name = "PATH")]
    database: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Copy the database of a running or stopped endpoint to a new file
    Backup {
        /// Data directory of the endpoint
        #[arg(long, value_name = "DIR", default_value = "embedded-fauna-data")]
        data: PathBuf,
        /// File to write; must not exist
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
    },
}

/// Runs the command until it is done; a server until SIGTERM or Ctrl-C.
///
/// # Errors
/// An error whose text is for the operator.
pub async fn run(arguments: Arguments) -> Result<()> {
    match arguments.command {
        Some(Command::Backup { data, to }) => backup(&data, &to),
        None => serve(arguments.serve).await,
    }
}

fn backup(data: &Path, to: &Path) -> Result<()> {
    let from = data.join(DATABASE_FILE);
    let failed = |error: &dyn std::fmt::Display| {
        Error::other(format!("cannot copy {} to {}: {error}", from.display(), to.display()))
    };
    root_key::create_private(to).map_err(|error| failed(&error))?;
    if let Err(error) = embedded_fauna::backup(&from, to) {
        let _best_effort = fs::remove_file(to);
        return Err(failed(&error));
    }
    fs::File::open(to)?.sync_all()?;
    tracing::info!(from = %from.display(), to = %to.display(), bytes = fs::metadata(to)?.len(), "backup written");
    Ok(())
}

async fn serve(options: Serve) -> Result<()> {
    let began = Instant::now();
    fs::create_dir_all(&options.data)
        .map_err(|error| Error::other(format!("cannot create {}: {error}", options.data.display())))?;
    let _lock = DirectoryLock::acquire(&options.data)?;
    let root_key = root_key::find(&options.data, options.root_key_file.as_deref())?;
    let file = options.data.join(DATABASE_FILE);
    if !file.exists() {
        root_key::create_private(&file)?;
    }
    let mut settings = Settings::new(options.listen, file, root_key.secret.clone(), Arc::new(SystemClock));
    if options.cors_credentials {
        settings.browsers = Browsers::AsFaunaDb;
    }
    let running = embedded_fauna::start(settings).await.map_err(|error| {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        Error::other(format!("{error}{cause} (listening on {}, data in {})", options.listen, options.data.display()))
    })?;
    let stop = stop_requested()?;
    let loaded = load(&running, &root_key.secret, &options).await;
    if loaded.is_ok() {
        let (version, data) = (env!("CARGO_PKG_VERSION"), fs::canonicalize(&options.data)?);
        tracing::info!(version, address = %running.address(), data = %data.display(), "embedded Fauna is ready");
        root_key.announce()?;
        stop.await;
    }
    running.stop().await;
    tracing::info!(uptime_seconds = began.elapsed().as_secs(), "embedded Fauna has stopped");
    loaded
}

/// Runs the seed file, then the import, in the database they are meant for.
async fn load(running: &Running, root_key: &SecretString, options: &Serve) -> Result<()> {
    let secret = match &options.database {
        None => root_key.clone(),
        Some(path) => SecretString::from(format!("{}:{path}:admin", root_key.expose_secret())),
    };
    if let Some(path) = &options.database
        && (options.seed.is_some() || options.import.is_some())
        && running.query(&secret, "null".to_owned()).await.is_err()
    {
        return Err(Error::other(format!("--database {path}: there is no such database; create it first")));
    }
    if let Some(file) = &options.seed {
        let queries = load::seed(running, &secret, file).await?;
        tracing::info!(file = %file.display(), queries, "seed file executed");
    }
    if let Some(file) = &options.import {
        let load::Imported { created, existing } = load::import(running, &secret, file).await?;
        tracing::info!(file = %file.display(), created, existing, "documents imported");
    }
    Ok(())
}

/// Waits for SIGTERM or Ctrl-C, which do not end the process any more from the call on.
#[cfg(unix)]
fn stop_requested() -> Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};

    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => tracing::info!("SIGTERM received, stopping"),
            _ = interrupt.recv() => tracing::info!("SIGINT received, stopping"),
        }
    })
}

#[cfg(not(unix))]
fn stop_requested() -> Result<impl Future<Output = ()>> {
    Ok(async {
        let _unavailable = tokio::signal::ctrl_c().await;
    })
}
