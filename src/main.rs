//! Starts the application, or runs one of its commands.

use std::io::Write as _;
use std::process::ExitCode;

use secrecy::ExposeSecret as _;
use starter::app;
use starter::clock::Clock;
use starter::config::Config;
use starter::telemetry;

/// What `--help` says.
const USAGE: &str = "usage: actix-fauna-starter [COMMAND]

without a command   serve the site until it is told to stop
schema apply        install collections, indexes, functions and roles in the Fauna of FAUNA_ENDPOINT,
                    FAUNA_SECRET being an admin key, and print the key that the application is to run with
users list [newest|oldest], users count, users find EMAIL, users delete ID,
users import FILE, users export
                    look after users; an import takes SuperTokens' bulk import or an export, all of it or nothing

Settings come from the environment and from .env; .env.example lists them.
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match actix_rt::System::new().block_on(run(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Does what the command line asks for.
async fn run(arguments: &[String]) -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if matches!(words.first(), Some(&("help" | "--help" | "-h"))) {
        return say(USAGE);
    }
    let config = Config::from_env()?;
    if words.is_empty() {
        telemetry::start(&config.log.filter, config.log.json)?;
        return Ok(app::start(config, Clock::system()).await?.run_until_stopped().await?);
    }
    telemetry::start_beside_output(&config.log.filter, config.log.json)?;
    match *words {
        ["schema", "apply"] => {
            let key = app::apply_schema(&config).await?;
            say(&format!("The schema is installed. Run the application with\n\nFAUNA_SECRET={}", key.expose_secret()))
        }
        ["users", ref words @ ..] => Ok(app::users(&config, words, &mut std::io::stdout()).await?),
        _ => Err(format!("unknown command: {}\n\n{USAGE}", words.join(" ")).into()),
    }
}

/// Prints to standard output, which only commands do; the server logs.
fn say(text: &str) -> Result<(), Box<dyn std::error::Error>> {
    Ok(writeln!(std::io::stdout(), "{}", text.trim_end())?)
}
