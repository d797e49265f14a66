//! The command line: serves the site, or runs one command.

use std::io::IsTerminal as _;
use std::io::Write as _;
#[cfg(feature = "embedded-fauna")]
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};
use secrecy::ExposeSecret as _;
use starter::app::UsersCommand;
use starter::clock::Clock;
use starter::config::{Config, Environment};
use starter::telemetry::QuietStart;
use starter::{app, telemetry};

const AFTER_HELP: &str =
    "Commands about users: users list [newest|oldest], users count, users find EMAIL, users delete ID,
users import FILE, users export, users copy. About Fauna: schema apply. About the demo: demo reset.

Settings are environment variables or lines of a file .env; .env.example lists them.";

/// The log filter unless `LOG` is set. `actix_http` writes an error for every request that is no HTTP, which anybody can send.
const LOG_FILTER: &str = "info,actix_server=warn,actix_http=off";

/// Longest time from SIGTERM to the end of the process.
const SHUTDOWN_DEADLINE: Duration = Duration::from_millis(7_500);

#[derive(Parser)]
#[command(version, about = "Serves the site until it is stopped, or runs one command", after_help = AFTER_HELP)]
struct CommandLine {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Manage users, whether the site is running or not
    #[command(subcommand)]
    Users(UsersCommand),
    /// Check settings, ports, files, database, Fauna, mail and clock, and say how to fix problems
    Doctor {
        /// One JSON object instead of text
        #[arg(long)]
        json: bool,
    },
    /// Check whether the site at LISTEN is running; for health checks of containers
    Health,
    /// Copy sessions, embedded Fauna and generated keys to a new directory, whether the site is running or not
    #[cfg(feature = "embedded-fauna")]
    Backup { directory: PathBuf },
    /// Copy a backup to an empty `DATA_DIR`
    #[cfg(feature = "embedded-fauna")]
    Restore { directory: PathBuf },
    /// Manage the demo's data
    #[command(subcommand)]
    Demo(DemoCommand),
    /// Manage the schema in Fauna
    #[command(subcommand)]
    Schema(SchemaCommand),
}

#[derive(Subcommand)]
enum DemoCommand {
    /// Delete all users, sessions and comments in `DATA_DIR`, and create the demo accounts and comments again
    Reset,
}

#[derive(Subcommand)]
enum SchemaCommand {
    /// Install collections, indexes, functions and roles at `FAUNA_ENDPOINT` with an admin key in `FAUNA_SECRET`, and print the
    /// key for the application (usage: schema apply)
    Apply,
}

fn main() {
    let command = CommandLine::parse().command;
    let system = actix_rt::System::new();
    let done = system.block_on(run(command));
    telemetry::flush();
    let code = match done {
        Ok(()) => 0,
        Err(error) => {
            // Standard error may be closed, and `eprintln!` would panic.
            let _closed = writeln!(std::io::stderr(), "{error}");
            1
        }
    };
    // Dropping the runtime would wait for threads that are blocked in a system call.
    std::process::exit(code)
}

/// Prints the addresses of the site and the demo accounts, if standard output is a terminal.
fn print_addresses(site: &app::Site, config: &Config) -> std::io::Result<()> {
    let base = format!("http://localhost:{}", site.address().port());
    let mut out = std::io::stdout();
    writeln!(out, "\n  Site      {base}")?;
    if config.has_demo() {
        let (accounts, password) = (app::DEMO_ACCOUNTS.join(", "), app::DEMO_PASSWORD);
        writeln!(out, "  Demo      {accounts}, password {password}")?;
    }
    if config.environment == Environment::Development && config.accounts.smtp_url.is_none() {
        writeln!(out, "  Mailbox   {base}/dev/mailbox")?;
    }
    writeln!(out, "  API       {base}/api/docs")?;
    writeln!(out, "  Fauna     {}", site.fauna_endpoint())?;
    writeln!(out, "  Data      {}\n", config.data_dir.display())
}

/// Ends the process a fixed time after SIGTERM even if something hangs. Container runtimes kill after ten seconds.
fn limit_shutdown_time() -> std::io::Result<()> {
    let deadline = || {
        std::thread::spawn(|| {
            std::thread::sleep(SHUTDOWN_DEADLINE);
            std::process::exit(1);
        });
    };
    #[cfg(unix)]
    {
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        actix_rt::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            deadline();
        });
    }
    #[cfg(not(unix))]
    actix_rt::spawn(async move {
        let _told = tokio::signal::ctrl_c().await;
        deadline();
    });
    Ok(())
}

async fn run(command: Option<Command>) -> Result<(), Box<dyn std::error::Error>> {
    if let Some(Command::Doctor { json }) = command {
        return doctor(json).await;
    }
    let config = Config::from_env()?;
    match command {
        None => serve(&config).await,
        Some(command) => {
            let filter = config.log.filter.as_deref().unwrap_or("warn");
            telemetry::start_for_command(filter, config.log.json)?;
            warn_of_unknown_settings(&config);
            run_command(command, &config).await
        }
    }
}

fn warn_of_unknown_settings(config: &Config) {
    for warning in &config.unknown {
        tracing::warn!("{warning}");
    }
}

/// Runs the site until it is told to stop.
async fn serve(config: &Config) -> Result<(), Box<dyn std::error::Error>> {
    if let Some(collector) = &config.log.collector {
        telemetry::export_spans(collector)?;
    }
    let on_terminal = std::io::stdout().is_terminal() && !config.log.json;
    let quiet_start = if on_terminal && config.log.filter.is_none() && config.log.collector.is_none() {
        Some(QuietStart::begin(LOG_FILTER)?)
    } else {
        telemetry::start(config.log.filter.as_deref().unwrap_or(LOG_FILTER), config.log.json)?;
        None
    };
    warn_of_unknown_settings(config);
    limit_shutdown_time()?;
    let site = app::start(config.clone(), Clock::system()).await?;
    site.seed_demo(config).await;
    if on_terminal {
        print_addresses(&site, config)?;
    }
    if let Some(quiet_start) = quiet_start {
        quiet_start.end();
    }
    Ok(site.run_until_stopped().await?)
}

async fn run_command(command: Command, config: &Config) -> Result<(), Box<dyn std::error::Error>> {
    let mut out = std::io::stdout();
    match command {
        Command::Health => app::health(config.listen).await?,
        // Handled before the configuration is read, because it reports one that cannot be read.
        Command::Doctor { .. } => {}
        #[cfg(feature = "embedded-fauna")]
        Command::Backup { directory } => {
            let files = app::backup(config, &directory).await?.files.join(", ");
            writeln!(out, "{} now contains {files}.", directory.display())?;
            writeln!(out, "Secrets of the environment, such as SEAL_KEYS, are not part of a backup.")?;
        }
        #[cfg(feature = "embedded-fauna")]
        Command::Restore { directory } => {
            let files = app::restore(config, &directory).await?.files.join(", ");
            writeln!(out, "{} now contains {files}.", config.data_dir.display())?;
        }
        Command::Demo(DemoCommand::Reset) => {
            app::reset_demo(config).await?;
            writeln!(out, "The demo starts over.")?;
        }
        Command::Schema(SchemaCommand::Apply) => {
            let key = app::apply_schema(config).await?;
            let key = key.expose_secret();
            writeln!(out, "The schema is installed. Run the application with\n\nFAUNA_SECRET={key}")?;
        }
        Command::Users(command) => app::users(config, &command, &mut out).await?,
    }
    Ok(())
}

async fn doctor(json: bool) -> Result<(), Box<dyn std::error::Error>> {
    telemetry::start_for_command("error", false)?;
    let report = app::doctor(Config::from_env()).await;
    report.write(json, &mut std::io::stdout())?;
    if report.healthy { Ok(()) } else { Err("see the checks that failed".into()) }
}
