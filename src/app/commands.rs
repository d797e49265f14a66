//! The commands that look after users: what the administration offers over HTTP, without a key, for whoever can read the
//! configuration.

use std::io::Write;
use std::path::Path;

use crate::admin;
use crate::admin::Admin;
use crate::app::Error;
use crate::app::Own;
use crate::app::handles::Handles;
use crate::app::opening;
use crate::app::reach;
use crate::clock::Clock;
use crate::config::Config;
use crate::emailpassword::Dialect;
use crate::users::Order;

/// What `users` can be told.
const USAGE: &str = "usage: users list [newest|oldest] | count | find EMAIL | delete ID | import FILE | export";

/// Does what `users WORDS…` asks for and writes what there is to say to `out`, users as one JSON object a line. A site that is
/// running is left alone; its embedded Fauna is asked.
///
/// # Errors
/// The words make no sense, a file cannot be read, a database or Fauna does not answer, or the administration refuses.
pub async fn users(config: &Config, words: &[&str], out: &mut dyn Write) -> Result<(), Error> {
    opening::data_directory(&config.data_dir)?;
    let clock = Clock::system();
    let database = opening::database(config).await?;
    let reached = reach::reach_beside(config, &clock).await?;
    let handles = Handles::build((config, &Own::default()), &clock, config.listen, &reached, database).await?;
    let done = run(&handles.accounts.admin, words, out).await;
    reached.halt().await;
    done
}

/// Does it.
async fn run(admin: &Admin, words: &[&str], out: &mut dyn Write) -> Result<(), Error> {
    match *words {
        ["list"] | ["list", "newest"] => list(admin, Order::Newest, out).await,
        ["list", "oldest"] => list(admin, Order::Oldest, out).await,
        ["count"] => Ok(writeln!(out, "{}", admin.count().await?)?),
        ["find", email] => {
            let user = admin.find(email).await?.ok_or(admin::Error::NoUser)?;
            Ok(writeln!(out, "{}", Dialect::New.user(&user))?)
        }
        ["delete", id] => Ok(admin.delete(id).await?),
        ["import", file] => import(admin, Path::new(file), out).await,
        ["export"] => export(admin, out).await,
        _ => Err(Error::Usage(USAGE.to_owned())),
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

/// Imports a file: SuperTokens' `{"users": […]}`, or an export, one entry a line.
async fn import(admin: &Admin, file: &Path, out: &mut dyn Write) -> Result<(), Error> {
    match admin.import_file(&std::fs::read_to_string(file)?).await {
        Ok(count) => Ok(writeln!(out, "{count} users imported")?),
        Err(admin::Error::Import(problems)) => {
            for problem in &problems {
                writeln!(out, "entry {}: {}", problem.index, problem.errors.join("; "))?;
            }
            Err(admin::Error::Import(problems).into())
        }
        Err(error) => Err(error.into()),
    }
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
