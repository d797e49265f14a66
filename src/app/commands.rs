//! The commands that look after users: what the administration offers over HTTP, without a key, for whoever can read the
//! configuration.

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::admin;
use crate::admin::{Admin, EntryProblem};
use crate::app::state::{AppState, Foundations};
use crate::app::{Error, SiteExtensions, fauna_backend, features, startup};
use crate::clock::Clock;
use crate::config::Config;
use crate::supertokens::emailpassword::Dialect;
use crate::users::Order;

/// What `users --help` says.
pub const USERS_USAGE: &str = "usage: actix-fauna-starter users COMMAND

list [newest|oldest]   all users, one JSON object a line
count                  how many there are
find EMAIL             the user of an address
delete ID              end an account and its sessions
import FILE            SuperTokens' bulk import or an export, all of it or nothing
export                 all users as an import takes them, one JSON object a line
";

/// Something to be done about users.
pub enum UsersCommand {
    /// All of them, one JSON object a line.
    List(Order),
    /// How many.
    Count,
    /// The user of an address.
    Find(String),
    /// Ends the account with that id.
    Delete(String),
    /// Everybody in a file.
    Import(PathBuf),
    /// All of them with what they sign in with.
    Export,
}

impl UsersCommand {
    /// What is meant by the words behind `users`; nothing where they make no sense.
    pub fn parse(words: &[&str]) -> Option<Self> {
        match *words {
            ["list"] | ["list", "newest"] => Some(Self::List(Order::Newest)),
            ["list", "oldest"] => Some(Self::List(Order::Oldest)),
            ["count"] => Some(Self::Count),
            ["find", email] => Some(Self::Find(email.to_owned())),
            ["delete", id] => Some(Self::Delete(id.to_owned())),
            ["import", file] => Some(Self::Import(PathBuf::from(file))),
            ["export"] => Some(Self::Export),
            _ => None,
        }
    }
}

/// Does it and writes what there is to say to `out`. A site that is running is left alone; its embedded Fauna is asked.
///
/// # Errors
/// A file cannot be read, a database or Fauna does not answer, or the administration refuses.
pub async fn users(config: &Config, command: &UsersCommand, out: &mut dyn Write) -> Result<(), Error> {
    // Before anything is made: a name that was mistyped costs nothing.
    let text = match command {
        UsersCommand::Import(file) => read(file)?,
        _ => String::new(),
    };
    startup::data_directory(&config.data_dir)?;
    let clock = Clock::system();
    let extensions = SiteExtensions::default();
    let database = startup::database(config).await?;
    let fauna = fauna_backend::connect_beside(config, &clock, &features::all(config, &extensions)).await?;
    let foundations = Foundations { clock: &clock, address: config.listen, fauna: &fauna, database };
    let state = AppState::build(config, &extensions, foundations).await?;
    let done = run(&state.accounts.admin, command, &text, out).await;
    fauna.halt().await;
    done
}

/// The same, where everything is open and the file is read.
async fn run(admin: &Admin, command: &UsersCommand, text: &str, out: &mut dyn Write) -> Result<(), Error> {
    match command {
        UsersCommand::List(order) => list(admin, *order, out).await,
        UsersCommand::Count => Ok(writeln!(out, "{}", admin.count().await?)?),
        UsersCommand::Find(email) => {
            let user = admin.find(email).await?.ok_or(admin::Error::NoUser)?;
            Ok(writeln!(out, "{}", Dialect::New.user(&user))?)
        }
        UsersCommand::Delete(id) => {
            admin.delete(id).await?;
            Ok(writeln!(out, "user {id} is deleted, and every session of theirs has ended")?)
        }
        UsersCommand::Import(file) => import(admin, file, text, out).await,
        UsersCommand::Export => export(admin, out).await,
    }
}

/// All users.
async fn list(admin: &Admin, order: Order, out: &mut dyn Write) -> Result<(), Error> {
    let mut after: Option<String> = None;
    loop {
        let page = admin.list(order, None, after.as_deref()).await?;
        for user in &page.users {
            writeln!(out, "{}", Dialect::New.user(user))?;
        }
        let Some(next) = page.next else { return Ok(()) };
        after = Some(next.to_string());
    }
}

/// What a file holds that is to be imported.
fn read(file: &Path) -> Result<String, Error> {
    let refused = |why: String| Error::Setting(format!("{}: {why}", file.display()));
    let bytes = std::fs::read(file).map_err(|error| refused(error.to_string()))?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        refused(format!("this is not text in UTF-8, from its byte {at} on"))
    })
}

/// Imports what a file holds: SuperTokens' `{"users": […]}`, or an export, one entry a line.
async fn import(admin: &Admin, file: &Path, text: &str, out: &mut dyn Write) -> Result<(), Error> {
    match admin.import_file(text).await {
        Ok(count) => Ok(writeln!(out, "{count} users imported")?),
        Err(admin::Error::Import(problems)) => Err(Error::Import(problems)),
        Err(error) => Err(Error::Setting(format!("{}: {error}", file.display()))),
    }
}

/// What is wrong with entries, each in its line, and what became of the import.
pub fn listed(problems: &[EntryProblem]) -> String {
    let lines = problems.iter().map(|problem| format!("entry {}: {}\n", problem.index, problem.errors.join("; ")));
    let have = if problems.len() == 1 { "entry has" } else { "entries have" };
    let last = format!("{} {have} problems (the first entry is 0); nothing was imported", problems.len());
    lines.chain([last]).collect()
}

/// All users with what they sign in with.
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
