//! Checks of the services: database, Fauna and mail server, and the whole life of one session.

use std::time::Duration;

use fauna_client::{AsApp, Time, fql, schema};
use secrecy::ExposeSecret as _;
use sqlx::Row as _;

use crate::app::doctor::{Check, HEALTH_TIMEOUT, Outcome};
use crate::app::fauna_backend::FaunaBackend;
use crate::app::state::{AppState, Foundations};
use crate::app::{SiteExtensions, fauna_backend, features, startup};
use crate::clock::{Clock, Timestamp};
use crate::config::{Config, Fauna};
use crate::database::Database;
use crate::mail;
use crate::session::{KeyPolicy, NewSession, Requirements, RevokeReason, StoredKeys, UserId};
use crate::users::{Email, NewAccount, NewPassword, SignUp};

/// Tokens and one-time links expire by the clock of Fauna, sessions by this machine's clock: a larger difference is a failure.
const CLOCK_DIFFERENCE_MAX: Duration = Duration::from_secs(5);
/// A mail server that does not answer within this time is reported as down.
const MAIL_TIMEOUT: Duration = Duration::from_secs(5);

/// Database, Fauna, clock, and the life of a session on both.
pub async fn check(config: &Config) -> Vec<Check> {
    let set_up = match startup::lock_set_up(&config.data_dir).await {
        Ok(set_up) => set_up,
        Err(error) => return vec![Check::failed("files", error.to_string())],
    };
    let database = match startup::database(config).await {
        Ok(database) => database,
        Err(error) => return vec![Check::failed("database", error.to_string())],
    };
    let mut checks = vec![database_check(&database).await];
    let clock = Clock::system();
    let extensions = SiteExtensions::default();
    let fauna = match fauna_backend::connect_for_command(config, &clock, &features::all(config, &extensions)).await {
        Ok(fauna) => fauna,
        Err(error) => {
            checks.push(Check::failed("fauna", error.to_string()));
            return checks;
        }
    };
    drop(set_up);
    let reached = fauna_check(config, &fauna).await;
    let is_reached = reached.outcome == Outcome::Ok;
    checks.push(reached);
    if is_reached {
        checks.extend(key_check(config, &fauna.app).await);
        let schema = set_up_check(&fauna).await;
        let is_installed = schema.outcome != Outcome::Failed;
        checks.push(schema);
        checks.push(clock_check(config, &fauna.app).await);
        if is_installed {
            checks.extend(session_check(config, &clock, &fauna, database).await);
        }
    }
    fauna.stop().await;
    checks
}

async fn database_check(database: &Database) -> Check {
    let check = async {
        let version = database.version().await?;
        let last =
            sqlx::query("select max(version) as version from _sqlx_migrations").fetch_one(database.read()).await?;
        Ok::<_, sqlx::Error>((version, last.try_get::<i64, _>("version")?))
    };
    match check.await {
        Ok((version, migration)) => {
            let version = version.split(" on ").next().unwrap_or_default().to_owned();
            Check::ok("database", format!("{version}, migrated to version {migration}"))
        }
        Err(error) => Check::failed("database", format!("DATABASE_URL: {error}")),
    }
}

async fn fauna_check(config: &Config, fauna: &FaunaBackend) -> Check {
    let place = match &config.fauna {
        Fauna::Embedded { .. } => format!("the embedded Fauna answers at {}", fauna.endpoint),
        Fauna::Remote { .. } => format!("Fauna answers at {}", fauna.endpoint),
    };
    match fauna.app.check().await {
        Ok(()) => {
            let build =
                fauna_build(&fauna.endpoint).await.map_or_else(String::new, |build| format!(" (build {build})"));
            Check::ok("fauna", format!("{place}{build} and knows the application's key"))
        }
        Err(fauna_client::Error::Unauthorized) => {
            let advice = "FAUNA_SECRET: Fauna does not know this key; `schema apply` prints one";
            Check::failed("fauna", advice)
        }
        Err(error) => Check::failed("fauna", format!("FAUNA_ENDPOINT={}: {error}", fauna.endpoint)),
    }
}

/// The version that Fauna names in the headers of its responses.
async fn fauna_build(endpoint: &str) -> Option<String> {
    let client = reqwest::Client::builder().timeout(HEALTH_TIMEOUT).build().ok()?;
    let answer = client.get(format!("{endpoint}/ping")).send().await.ok()?;
    Some(answer.headers().get("x-faunadb-build")?.to_str().ok()?.to_owned())
}

/// Whether a key of a node may do no more than it needs. That of the embedded endpoint was made by this application.
async fn key_check(config: &Config, app: &AsApp) -> Option<Check> {
    if matches!(config.fauna, Fauna::Embedded { .. }) {
        return None;
    }
    Some(match schema::is_admin_secret(app).await {
        Ok(false) => Check::ok("key", "FAUNA_SECRET is a key for the application, not an admin key"),
        Ok(true) => Check::failed(
            "key",
            "FAUNA_SECRET: this key may change keys and schema; run `schema apply` with it and use the key it prints",
        ),
        Err(error) => Check::failed("key", format!("FAUNA_SECRET: {error}")),
    })
}

/// Whether the signing keys in SQL can be opened. A site works with some of them, but with none that opens a start in production is
/// refused, and one in development signs everybody out.
fn secrets_check(keys: &StoredKeys) -> Check {
    let names = keys.unreadable.join(", ");
    if keys.unreadable.is_empty() {
        return Check::ok("secrets", "the stored signing keys can be opened");
    }
    if keys.none_opens() {
        let told = format!(
            "SEAL_KEYS: the stored keys {names} cannot be opened, so users are signed out; add the key that was used before, \
             behind the new one"
        );
        return Check::failed("secrets", told);
    }
    let quoted: Vec<String> = keys.unreadable.iter().map(|kid| format!("'{kid}'")).collect();
    let told = format!(
        "SEAL_KEYS: the stored keys {names} cannot be opened, others can; add the key that they were sealed with, behind the \
         others, or remove them: delete from session_key where kid in ({})",
        quoted.join(", ")
    );
    Check::warning("secrets", told)
}

/// Whether the schema is installed and the key has all privileges, as `/ready` examines it.
async fn set_up_check(fauna: &FaunaBackend) -> Check {
    match fauna.set_up.examine().await {
        Ok(None) => Check::ok("schema", "the schema is that of this program, and the key has all privileges"),
        Ok(Some(finding)) => Check::failed("schema", finding.advice()),
        Err(error) => Check::failed("schema", format!("FAUNA_ENDPOINT={}: {error}", fauna.endpoint)),
    }
}

async fn clock_check(config: &Config, fauna: &AsApp) -> Check {
    match fauna.query_idempotent::<Time>(&fql::now()).await {
        Ok(theirs) => {
            let (ours, theirs) = (Clock::system().now(), Timestamp::from_millis(theirs.millis()));
            let difference = ours.until(theirs).max(theirs.until(ours));
            if difference > CLOCK_DIFFERENCE_MAX {
                let seconds = difference.as_secs();
                let is_embedded = matches!(config.fauna, Fauna::Embedded { .. });
                if config.has_demo() && is_embedded && theirs > ours {
                    return Check::warning(
                        "clock",
                        format!(
                            "the demo's \"Expire\" has moved the time of the site and its Fauna {seconds} s ahead of this machine; \
                             `demo reset` deletes all data and begins anew"
                        ),
                    );
                }
                return Check::failed(
                    "clock",
                    format!("this machine and Fauna differ by {seconds} s: set the clock (NTP)"),
                );
            }
            Check::ok("clock", format!("this machine and Fauna agree to {} ms", difference.as_millis()))
        }
        Err(error) => Check::failed("clock", format!("Fauna does not tell its time: {error}")),
    }
}

/// Opens the secrets of the database, then creates an account and a session, uses its Fauna token, revokes the session, and
/// checks that the token is refused.
async fn session_check(config: &Config, clock: &Clock, fauna: &FaunaBackend, database: Database) -> Vec<Check> {
    let key_policy = KeyPolicy::InMemory;
    let foundations = Foundations { clock, address: config.listen, fauna, database, key_policy, metrics: None };
    let state = match AppState::build(config, &SiteExtensions::default(), foundations).await {
        Ok(state) => state,
        Err(error) => return vec![Check::failed("session", error.to_string())],
    };
    let lived = match try_session(&state, fauna).await {
        Ok(()) => Check::ok("session", "a session was created, its Fauna token was used, deleted and then refused"),
        Err(why) => Check::failed("session", why),
    };
    vec![secrets_check(&state.sessions.stored_keys()), lived]
}

async fn try_session(state: &AppState, fauna: &FaunaBackend) -> Result<(), String> {
    let user = new_user(state).await?;
    let outcome = check_session_lifecycle(state, fauna, &user).await;
    let id = fauna_client::DocumentId::parse(user.as_str()).ok_or("the id of the new user is none")?;
    let deleted = state.users().delete(&id).await;
    outcome?;
    deleted.map_err(|error| format!("the test account {} was not deleted: {error}", user.as_str()))?;
    Ok(())
}

async fn new_user(state: &AppState) -> Result<UserId, String> {
    let mut bits = [0; 8];
    aws_lc_rs::rand::fill(&mut bits).map_err(|error| error.to_string())?;
    let address = format!("doctor-{}@example.invalid", u64::from_ne_bytes(bits));
    let email = Email::parse(&address).ok_or("the address of the test account is refused")?;
    let password = format!("Doctor 1 {}", u64::from_be_bytes(bits));
    let password = NewPassword::parse(password).map_err(|rule| format!("the test password is refused: {rule}"))?;
    let new = NewAccount { email, name: "doctor".to_owned(), profile: serde_json::Map::new() };
    match state.users().sign_up(new, password).await {
        Ok(SignUp::Created(user)) => {
            UserId::parse(user.id.as_str()).ok_or_else(|| "the id of the new user is none".to_owned())
        }
        Ok(SignUp::EmailTaken) => Err("the address of the test account is taken".to_owned()),
        Err(error) => Err(format!("the application's key cannot create an account: {error}")),
    }
}

async fn check_session_lifecycle(state: &AppState, fauna: &FaunaBackend, user: &UserId) -> Result<(), String> {
    let sessions = &state.sessions;
    let issued = sessions
        .issue(NewSession::of(user.clone()), false)
        .await
        .map_err(|error| format!("no session can be created: {error}"))?;
    let access = issued.access.expose_secret();
    let (signed_in, _) = sessions
        .session_of(access, None, &Requirements::ANY_SESSION)
        .await
        .map_err(|error| format!("the new session is not accepted: {error}"))?;
    let token = state
        .fauna_tokens
        .token(&signed_in)
        .await
        .map_err(|error| format!("the session has no Fauna token: {error}"))?;
    let own = fql::select(&["id"], fql::current_identity());
    let found: String = state
        .fauna_tokens
        .query_idempotent(&signed_in, &own)
        .await
        .map_err(|error| format!("the session's Fauna token cannot be used: {error}"))?;
    if found != user.as_str() {
        return Err("the session's Fauna token belongs to another user".to_owned());
    }
    sessions
        .revoke(signed_in.handle(), RevokeReason::Administrator)
        .await
        .map_err(|error| format!("the session cannot be ended: {error}"))?;
    let dead = fauna_client::AsUser::new(fauna.app.client(), token);
    match dead.query_idempotent::<String>(&own).await {
        Err(fauna_client::Error::Unauthorized) => Ok(()),
        Err(error) => Err(format!("Fauna did not say that the token of the ended session is gone: {error}")),
        Ok(_) => Err("the Fauna token of the ended session still works".to_owned()),
    }
}

/// Whether the mail server answers. No mail is sent.
pub async fn mail(config: &Config) -> Check {
    let Some(server) = &config.accounts.smtp_url else {
        return Check::ok(
            "mail",
            "SMTP_URL is not set: mail stays in the outbox and is shown at /dev/mailbox in development",
        );
    };
    match tokio::time::timeout(MAIL_TIMEOUT, mail::check_server(&server.url)).await {
        Ok(Ok(())) => Check::ok("mail", "the mail server of SMTP_URL answers and accepts the login"),
        Ok(Err(why)) => Check::failed("mail", format!("SMTP_URL: {why}")),
        Err(_elapsed) => Check::failed("mail", "SMTP_URL: the mail server does not answer in time"),
    }
}
