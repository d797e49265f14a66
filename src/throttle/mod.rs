//! Counters that slow down guessing of passwords, tokens and keys.
//!
//! An attempt is counted before its work begins, and subtracted if the secret is right. Attempts are counted per account and
//! network, per network, and per account from all networks. After a number of free attempts each further one must wait, longer
//! every time, but no account is ever locked. The counter of the account does not apply to networks from which its user has
//! signed in before, so an attacker cannot lock the user out (ASVS 6.1.1, 6.3.1).
//!
//! Counters are in SQL, so several processes share them and they survive a restart. If SQL fails, attempts are refused. The
//! limited operations are the variants of [`Action`].

mod client;
mod escalation;
mod store;
mod writes;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix_web::http::StatusCode;
use aws_lc_rs::digest;

use crate::clock::Clock;
use crate::database::Database;
use crate::http::problem::Problem;
use escalation::Rule;
use store::Store;

pub use client::Client;
pub use writes::WriteLimit;

/// A network stays known to an account for this long after a sign-in.
const KNOWN_LIFE: Duration = Duration::from_hours(90 * 24);
/// Expired counters are deleted once per this many attempts.
const CLEAN_EVERY: u64 = 256;
/// Retries of a count that conflicts with concurrent ones.
const TRIES_MAX: u32 = 64;

/// Retries of a count that timed out waiting for the database's writer.
const TURNS_MAX: u32 = 3;

/// The throttle. Clones share everything.
#[derive(Clone, Debug)]
pub struct Throttle {
    store: Store,
    clock: Clock,
    /// Proxies whose `X-Forwarded-For` is trusted.
    proxies: Arc<[IpAddr]>,
    seen: Arc<AtomicU64>,
    on: bool,
}

#[derive(Clone, Debug)]
pub struct Settings {
    /// Proxies whose `X-Forwarded-For` is trusted.
    pub trusted_proxies: Vec<IpAddr>,
    pub on: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action<'a> {
    /// Checking a password of the account with that normalised address.
    Password(&'a str),
    /// Creating an account. Successful attempts count too, so that one network cannot create any number of accounts.
    SignUp,
    /// Checking whether an address has an account.
    EmailExists,
    /// Using an administration key.
    AdminKey,
    AskForMail,
    /// Requesting a mail to that address. Beyond the limit the response is the same, without a mail.
    Mail(Topic, &'a str),
    /// Using the token of a mailed link.
    Token,
}

/// Topic of a mail. Each is counted by itself, so that requests for one do not block the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    SignUp,
    Reset,
    Verification,
    Change,
}

/// An admitted attempt. It stays counted unless it is reported as a success.
#[must_use = "an attempt that turned out well is given back"]
#[derive(Debug)]
pub struct Admitted(Vec<Counter>);

#[derive(Clone, Debug)]
struct Counter {
    key: String,
    rule: Rule,
    role: Role,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// An account from one network: a success clears it and makes the network known.
    Pair,
    /// Does not apply if the pair is known; a success subtracts its own attempt.
    Account,
    Other,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("too many attempts")]
    TooMany { wait: Duration },
    #[error("attempts cannot be counted")]
    Sql(#[from] sqlx::Error),
    /// Concurrent attempts changed the counters at every retry.
    #[error("attempts are counted by too many at once")]
    Contended,
}

impl Error {
    pub fn wait_message(wait: Duration) -> String {
        let (count, unit) = match wait.as_secs() {
            0..120 => (wait.as_secs().max(1), "second"),
            seconds => (seconds.div_ceil(60), "minute"),
        };
        format!("Too many attempts. Try again in {count} {unit}{}.", if count == 1 { "" } else { "s" })
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::TooMany { wait } => {
                // Rounded up, so that a retry after exactly that many seconds is admitted.
                let wait = Duration::from_secs(u64::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u64::MAX));
                Self::new(StatusCode::TOO_MANY_REQUESTS, Error::wait_message(wait)).retry_after(wait)
            }
            Error::Sql(_) | Error::Contended => Self::unavailable(error),
        }
    }
}

impl Throttle {
    pub fn new(database: Database, clock: Clock, settings: &Settings) -> Self {
        Self {
            store: Store::new(database),
            clock,
            proxies: Arc::from(settings.trusted_proxies.as_slice()),
            seen: Arc::new(AtomicU64::new(0)),
            on: settings.on,
        }
    }

    /// Runs `work`, which sends a mail, unless the limit is reached; then nothing happens, so that the response is the same. A
    /// failure is not counted.
    ///
    /// # Errors
    /// Those of `work`, or the attempt cannot be counted.
    pub async fn mail<T, E: From<Error>>(
        &self,
        topic: Topic,
        mailbox: &str,
        client: &Client,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<Option<T>, E> {
        let attempt = match self.admit(Action::Mail(topic, mailbox), client).await {
            Err(Error::TooMany { .. }) => {
                tracing::info!("no mail is sent, because there was one to the same mailbox a moment ago");
                return Ok(None);
            }
            attempt => attempt?,
        };
        let done = work.await;
        if done.is_err() {
            self.succeeded(attempt).await;
        }
        done.map(Some)
    }

    /// Counts an attempt before it is made.
    ///
    /// # Errors
    /// The attempt must wait, or cannot be counted.
    pub async fn admit(&self, action: Action<'_>, client: &Client) -> Result<Admitted, Error> {
        self.admit_counters(counters(action, client)).await
    }

    async fn admit_counters(&self, counters: Vec<Counter>) -> Result<Admitted, Error> {
        let counters = if self.on { counters } else { Vec::new() };
        let mut turns = TURNS_MAX;
        for _ in 0..TRIES_MAX {
            match self.store.count(&counters, self.clock.now()).await {
                Ok(Some(counted)) => {
                    self.clean_now_and_then().await;
                    return Ok(Admitted(counted));
                }
                Ok(None) => {}
                // There is one writer for many attempts. Waiting longer is fine, because most of them wait for a core for
                // hashing next.
                Err(Error::Sql(sqlx::Error::PoolTimedOut)) if turns > 0 => turns -= 1,
                Err(error) => return Err(error),
            }
        }
        Err(Error::Contended)
    }

    /// Reports a success: the attempt is subtracted, and after a right password the network is known to the account.
    pub async fn succeeded(&self, attempt: Admitted) {
        let now = self.clock.now();
        if let Err(error) = self.store.subtract_attempt(&attempt.0, now.after(KNOWN_LIFE)).await {
            tracing::warn!(%error, "an attempt that turned out well stays counted");
        }
    }

    /// Deletes expired counters once per [`CLEAN_EVERY`] attempts.
    async fn clean_now_and_then(&self) {
        if !self.seen.fetch_add(1, Ordering::Relaxed).is_multiple_of(CLEAN_EVERY) {
            return;
        }
        if let Err(error) = self.store.clean(self.clock.now()).await {
            tracing::warn!(%error, "old counters of attempts stay");
        }
    }
}

/// Free attempts, then first wait, longest wait and memory in seconds.
const fn rule(free: i64, first_s: u64, longest_s: u64, forget_s: u64) -> Rule {
    Rule {
        free,
        first: Duration::from_secs(first_s),
        longest: Duration::from_secs(longest_s),
        forget: Duration::from_secs(forget_s),
    }
}

/// One account from one network.
const PAIR: Rule = rule(10, 30, 900, 3600);
/// One account from networks that are not known to it.
const ACCOUNT: Rule = rule(50, 10, 60, 3600);
/// Passwords from one network.
const PASSWORDS: Rule = rule(100, 10, 900, 3600);
/// Sign-ups from one network, successful or not: more than a class or an office needs.
const SIGN_UPS: Rule = rule(100, 10, 900, 3600);
/// Checks whether an address has an account, from one network.
const QUESTIONS: Rule = rule(60, 1, 60, 60);
const REQUESTS: Rule = rule(20, 30, 900, 3600);
/// Mails to one address that can be requested without a session, per network: then one per minute, then fewer.
const MAILS: Rule = rule(1, 60, 900, 3600);
/// The same for all networks: an attacker cannot block the user's own requests, nor can many attackers flood the mailbox.
const MAILBOX: Rule = rule(5, 60, 900, 3600);
/// Wrong administration keys from one network.
const ADMIN_KEYS: Rule = rule(20, 10, 900, 3600);
/// Wrong tokens from one network.
const TOKENS: Rule = rule(10, 30, 900, 3600);

fn counters(action: Action<'_>, client: &Client) -> Vec<Counter> {
    let counter = |role, rule, scope: &str, subject: &str| Counter { key: key(scope, subject), rule, role };
    let network = |scope: &str, rule: Rule| {
        let near = counter(Role::Other, rule, scope, client.network());
        let wider = client.wider_network().map(|network| counter(Role::Other, rule.times(10), scope, network));
        std::iter::once(near).chain(wider)
    };
    let mut counters: Vec<Counter> = match action {
        Action::Password(address) => {
            let pair = format!("{} {address}", client.network());
            let account =
                [counter(Role::Pair, PAIR, "pair", &pair), counter(Role::Account, ACCOUNT, "account", address)];
            account.into_iter().chain(network("password", PASSWORDS)).collect()
        }
        Action::SignUp => network("sign-up", SIGN_UPS).collect(),
        Action::EmailExists => network("exists", QUESTIONS).collect(),
        Action::AdminKey => network("admin", ADMIN_KEYS).collect(),
        Action::AskForMail => network("ask", REQUESTS).collect(),
        Action::Mail(topic, address) => {
            let subject = format!("{topic:?} {address}");
            match topic {
                Topic::SignUp | Topic::Reset => {
                    let near = format!("{} {subject}", client.network());
                    vec![counter(Role::Other, MAILS, "mail", &near), counter(Role::Other, MAILBOX, "mailbox", &subject)]
                }
                // Only a user who is signed in to the account can request these.
                Topic::Verification | Topic::Change => vec![counter(Role::Other, MAILS, "mail", &subject)],
            }
        }
        Action::Token => network("token", TOKENS).collect(),
    };
    // One order for all, so that two transactions never wait for each other.
    counters.sort_by(|one, other| one.key.cmp(&other.key));
    counters
}

fn key(scope: &str, subject: &str) -> String {
    hex::encode(digest::digest(&digest::SHA256, format!("{scope} {subject}").as_bytes()))
}

#[cfg(test)]
mod tests;
