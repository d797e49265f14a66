//! Starts the application, or runs one of its commands.

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use secrecy::ExposeSecret as _;
use starter::app::UsersCommand;
use starter::clock::Clock;
use starter::config::Config;
use starter::{app, telemetry};

/// What `--help` says.
const USAGE: &str = "usage: actix-fauna-starter [COMMAND]

without a command   serve the site until it is told to stop
schema apply        install collections, indexes, functions and roles in the Fauna of FAUNA_ENDPOINT,
                    FAUNA_SECRET being an admin key, and print the key that the application is to run with
users list [newest|oldest], users count, users find EMAIL, users delete ID,
users import FILE, users export
                    look after users; an import takes SuperTokens' bulk import or an export, all of it or nothing
--version           name and version

Settings come from the environment and from .env; .env.example lists them.
";

/// What `schema --help` says.
const SCHEMA_USAGE: &str = "usage: actix-fauna-starter schema apply

installs collections, indexes, functions and roles in the Fauna of FAUNA_ENDPOINT, FAUNA_SECRET being an admin key, and
prints the key that the application is to run with
";

/// The exit code of a command line that makes no sense.
const NONSENSE: u8 = 2;

/// What the command line asks for.
enum Asked {
    /// Only words.
    Told(&'static str),
    /// Something that needs the configuration.
    Done(Command),
}

/// What is done with the configuration.
enum Command {
    /// The site.
    Serve,
    /// The schema.
    ApplySchema,
    /// Something about users.
    Users(UsersCommand),
}

fn main() -> ExitCode {
    let done = match asked(std::env::args_os().skip(1)) {
        Ok(Asked::Told(text)) => say(text),
        Ok(Asked::Done(command)) => actix_rt::System::new().block_on(run(command)),
        Err(why) => {
            eprintln!("{}", why.trim_end());
            return ExitCode::from(NONSENSE);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Understands the command line, before anything is read, made or started; what is wrong with it otherwise.
fn asked(arguments: impl Iterator<Item = OsString>) -> Result<Asked, String> {
    let arguments: Result<Vec<String>, OsString> = arguments.map(OsString::into_string).collect();
    let arguments = arguments.map_err(|word| format!("{} is not UTF-8", word.display()))?;
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let for_help = words.iter().any(|word| matches!(*word, "--help" | "-h"));
    match *words {
        [] => Ok(Asked::Done(Command::Serve)),
        ["users", ..] if for_help => Ok(Asked::Told(app::USERS_USAGE)),
        ["users", ref words @ ..] => {
            let command = UsersCommand::parse(words).ok_or(app::USERS_USAGE)?;
            Ok(Asked::Done(Command::Users(command)))
        }
        ["schema", ..] if for_help => Ok(Asked::Told(SCHEMA_USAGE)),
        ["schema", "apply"] => Ok(Asked::Done(Command::ApplySchema)),
        ["schema", ..] => Err(SCHEMA_USAGE.to_owned()),
        ["--version" | "-V"] => Ok(Asked::Told(concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION")))),
        ["help", ..] => Ok(Asked::Told(USAGE)),
        _ if for_help => Ok(Asked::Told(USAGE)),
        _ => Err(format!("unknown command: {}\n\n{USAGE}", words.join(" "))),
    }
}

/// Does what the command line asks for.
async fn run(command: Command) -> Result<(), Box<dyn std::error::Error>> {
    let config = Config::from_env()?;
    let filter = |default| config.log.filter.as_deref().unwrap_or(default);
    if let Command::Serve = command {
        telemetry::start(filter("info"), config.log.json)?;
    } else {
        telemetry::start_beside_output(filter("warn"), config.log.json)?;
    }
    for unknown in &config.unknown {
        tracing::warn!("{unknown}");
    }
    match command {
        Command::Serve => {
            let site = app::start(config.clone(), Clock::system()).await?;
            site.seed_demo(&config).await;
            Ok(site.run_until_stopped().await?)
        }
        Command::ApplySchema => {
            let key = app::apply_schema(&config).await?;
            say(&format!("The schema is installed. Run the application with\n\nFAUNA_SECRET={}", key.expose_secret()))
        }
        Command::Users(command) => Ok(app::users(&config, &command, &mut std::io::stdout()).await?),
    }
}

/// Prints to standard output, which only commands do; the server logs.
fn say(text: &str) -> Result<(), Box<dyn std::error::Error>> {
    Ok(writeln!(std::io::stdout(), "{}", text.trim_end())?)
}
