//! The commands `users …`: the administration API on the command line. They need the configuration instead of an API key.

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::admin;
use crate::admin::{Admin, EntryProblem};
use crate::app::state::{AppState, Foundations};
use crate::app::{Error, SiteExtensions, copy, fauna_backend, features, startup};
use crate::clock::Clock;
use crate::config::Config;
use crate::session::KeyPolicy;
use crate::supertokens::emailpassword::UserFormat;
use crate::users::Order;

/// A command about users.
#[derive(clap::Subcommand)]
pub enum UsersCommand {
    /// List all users, one JSON object per line
    List {
        /// `newest` or `oldest` first
        #[arg(default_value = "newest", value_parser = order)]
        order: Order,
    },
    /// Print the number of users
    Count,
    /// Print the user with an e-mail address
    Find { email: String },
    /// Delete a user and revoke their sessions
    Delete { id: String },
    /// Import users from a file: SuperTokens' bulk import format or an export; all or nothing
    Import { file: PathBuf },
    /// Print all users with their password hashes, one JSON object per line, as `import` reads them
    Export,
    /// Copy users, their password hashes, and what features store (comments, likes) to the Fauna of `COPY_FAUNA_ENDPOINT`
    Copy,
}

fn order(text: &str) -> Result<Order, &'static str> {
    match text {
        "newest" => Ok(Order::Newest),
        "oldest" => Ok(Order::Oldest),
        _ => Err("must be newest or oldest"),
    }
}

/// Runs a command and writes its output to `out`. While a site is running its embedded Fauna is used.
///
/// # Errors
/// A file cannot be read, a database or Fauna does not answer, or the request is refused.
pub async fn users(config: &Config, command: &UsersCommand, out: &mut dyn Write) -> Result<(), Error> {
    if matches!(command, UsersCommand::Copy) {
        return copy::copy(config, &SiteExtensions::default(), out).await;
    }
    // Before anything is created, so that a mistyped name has no effect.
    let text = match command {
        UsersCommand::Import { file } => read(file)?,
        _ => String::new(),
    };
    startup::data_directory(&config.data_dir)?;
    let clock = Clock::system();
    let extensions = SiteExtensions::default();
    let set_up = startup::lock_set_up(&config.data_dir).await?;
    let database = startup::database(config).await?;
    let fauna = fauna_backend::connect_for_command(config, &clock, &features::all(config, &extensions)).await?;
    let foundations = Foundations {
        clock: &clock,
        address: config.listen,
        fauna: &fauna,
        database,
        key_policy: KeyPolicy::InMemory,
        metrics: None,
    };
    let state = AppState::build(config, &extensions, foundations).await?;
    drop(set_up);
    let done = run(&state.accounts.admin, command, &text, out).await;
    fauna.stop().await;
    done
}

async fn run(admin: &Admin, command: &UsersCommand, text: &str, out: &mut dyn Write) -> Result<(), Error> {
    match command {
        UsersCommand::List { order } => list(admin, *order, out).await,
        UsersCommand::Count => Ok(writeln!(out, "{}", admin.count().await?)?),
        UsersCommand::Find { email } => {
            let user = admin.find(email).await?.ok_or(admin::Error::NoUser)?;
            Ok(writeln!(out, "{}", UserFormat::Current.user(&user))?)
        }
        UsersCommand::Delete { id } => {
            admin.delete(id).await?;
            Ok(writeln!(out, "user {id} is deleted, and all their sessions are revoked")?)
        }
        UsersCommand::Import { file } => import(admin, file, text, out).await,
        UsersCommand::Export => export(admin, out).await,
        // It needs neither SQL nor services.
        UsersCommand::Copy => Ok(()),
    }
}

async fn list(admin: &Admin, order: Order, out: &mut dyn Write) -> Result<(), Error> {
    let mut after: Option<String> = None;
    loop {
        let page = admin.list(order, None, after.as_deref()).await?;
        for user in &page.users {
            writeln!(out, "{}", UserFormat::Current.user(user))?;
        }
        let Some(next) = page.next else { return Ok(()) };
        after = Some(next.to_string());
    }
}

fn read(file: &Path) -> Result<String, Error> {
    let refused = |why: String| Error::Setting(format!("{}: {why}", file.display()));
    let bytes = std::fs::read(file).map_err(|error| refused(error.to_string()))?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        refused(format!("not text in UTF-8, at byte {at}"))
    })
}

async fn import(admin: &Admin, file: &Path, text: &str, out: &mut dyn Write) -> Result<(), Error> {
    match admin.import_file(text).await {
        Ok(report) if report.adopted.is_empty() => Ok(writeln!(out, "{} users imported", report.imported)?),
        Ok(report) => {
            let adopted: Vec<String> = report.adopted.iter().map(usize::to_string).collect();
            let (all, which) = (report.imported, adopted.join(", "));
            Ok(writeln!(out, "{all} users imported; entries that adopted an existing user: {which} (the first is 0)")?)
        }
        Err(admin::Error::Import(problems)) => Err(Error::Import(problems)),
        Err(error) => Err(Error::Setting(format!("{}: {error}", file.display()))),
    }
}

/// One line per entry that cannot be imported, and a summary.
pub fn entry_problems(problems: &[EntryProblem]) -> String {
    let lines = problems.iter().map(|problem| format!("entry {}: {}\n", problem.index, problem.errors.join("; ")));
    let have = if problems.len() == 1 { "entry has" } else { "entries have" };
    let last = format!("{} {have} problems (the first entry is 0); nothing was imported", problems.len());
    lines.chain([last]).collect()
}

async fn export(admin: &Admin, out: &mut dyn Write) -> Result<(), Error> {
    let mut after = None;
    loop {
        let (lines, next) = admin.export(after.as_ref()).await?;
        out.write_all(lines.as_bytes())?;
        after = next;
        if after.is_none() {
            return Ok(());
        }
    }
}
