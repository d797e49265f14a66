//! Delivers mail to the mail server in the background.
//!
//! Before an attempt, its retry time is moved ahead in SQL: several processes can share one queue, and a mail is tried again
//! if the process dies. A mail can arrive twice (with the same Message-ID), but is only lost if the server refuses it until
//! it expires. Logs name kinds and codes, never addresses.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use lettre::AsyncTransport as _;
use lettre::message::Mailbox;
use lettre::{AsyncSmtpTransport, Tokio1Executor};
use secrecy::ExposeSecret as _;
use secrecy::SecretString;

use crate::clock::Timestamp;
use crate::hooks::Hook;
use crate::mail::envelope::Mail;
use crate::mail::store::Row;
use crate::mail::{Error, Outbox};

/// Timeout of one attempt, from the connection to the server's response to the whole text.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);
/// Time until another process may try; longer than an attempt can last.
const CLAIM: Duration = Duration::from_mins(2);
/// The pause after the first failure; each further one is three times as long.
const PAUSE: Duration = Duration::from_secs(10);
const PAUSE_MAX: Duration = Duration::from_hours(1);
/// Polling interval of the queue, because other processes fill it too.
const LOOK_EVERY: Duration = Duration::from_secs(2);
const BATCH: i64 = 32;
const AT_ONCE: usize = 4;

/// A mail for the hook `send_mail`.
#[derive(Clone, Debug)]
pub struct OutgoingMail {
    /// The same at every attempt to send this mail.
    pub id: String,
    /// `reset-password`, `verify-email`, `confirm-email`, `sign-up`, `account-exists`, `email-changed`, `password-changed` or
    /// `account-deleted`.
    pub kind: String,
    /// Address of the only recipient.
    pub to: String,
    /// The value of `MAIL_FROM`.
    pub from: String,
    pub subject: String,
    /// Plain text. Like `html` it may contain a link that works once: do not log it.
    pub text: SecretString,
    pub html: SecretString,
}

/// The way mails leave the site.
pub enum Transport {
    Smtp(SmtpClient),
    Hook(Hook<OutgoingMail>),
}

impl Transport {
    async fn send(&self, mail: Mail, row: &Row, from: &str) -> Result<(), Failure> {
        match self {
            Self::Smtp(server) => server.send(mail, row).await,
            Self::Hook(hook) => {
                let mail = OutgoingMail {
                    id: row.id.clone(),
                    kind: row.kind.clone(),
                    to: mail.to,
                    from: from.to_owned(),
                    subject: mail.subject,
                    text: mail.text.into(),
                    html: mail.html.into(),
                };
                hook.call(mail).await.map_err(|error| Failure::Refused(error.to_string()))
            }
        }
    }
}

pub struct SmtpClient {
    server: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

impl SmtpClient {
    pub fn new(url: &SecretString, from: &str) -> Result<Self, Error> {
        let server = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.expose_secret())
            .map_err(|_with_password| {
                Error::Setting("SMTP_URL: must be like smtp://user:password@host:587".to_owned())
            })?
            .timeout(Some(ATTEMPT_TIMEOUT))
            .build();
        let from = from.parse().map_err(|error| Error::Setting(format!("MAIL_FROM: {error}")))?;
        Ok(Self { server, from })
    }

    /// Sends one mail. The error contains no address.
    async fn send(&self, mail: Mail, row: &Row) -> Result<(), Failure> {
        let message = mail.message(&self.from, row).map_err(|error| Failure::Unsendable(error.to_string()))?;
        match tokio::time::timeout(ATTEMPT_TIMEOUT, self.server.send(message)).await {
            Ok(Ok(_taken)) => Ok(()),
            Ok(Err(error)) => Err(Failure::Refused(describe(&error))),
            Err(_elapsed) => Err(Failure::Refused("no answer in time".to_owned())),
        }
    }
}

/// Connects to a mail server and logs in, without sending anything.
///
/// # Errors
/// One sentence, without address and password.
pub async fn check_server(url: &SecretString) -> Result<(), String> {
    let client = SmtpClient::new(url, "doctor@localhost").map_err(|error| error.to_string())?;
    match client.server.test_connection().await {
        Ok(true) => Ok(()),
        Ok(false) => Err("the mail server does not accept commands".to_owned()),
        Err(error) => Err(format!("{}: {}", server_of(url.expose_secret()), describe(&error))),
    }
}

/// Host and port of the URL of a mail server, without user and password.
fn server_of(url: &str) -> &str {
    let authority =
        url.split_once("://").map_or(url, |(_, rest)| rest).split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    // An unescaped separator in a password would make a part of it look like the host.
    if url.contains('@') == authority.contains('@') && !host.is_empty() { host } else { "the mail server" }
}

enum Failure {
    Unsendable(String),
    /// The server refused the mail temporarily.
    Refused(String),
}

/// A description of the error without the server's text, which repeats the address. The errors of the system and of TLS that it
/// contains know of the server, not of the mail.
fn describe(error: &lettre::transport::smtp::Error) -> String {
    match error.status() {
        Some(code) => format!("refused with {code}"),
        None if error.is_timeout() => "no answer in time".to_owned(),
        None if error.is_tls() => format!("TLS failed: {}", cause(error)),
        None if error.is_response() => "not an answer of a mail server".to_owned(),
        None => format!("no connection, or it broke: {}", cause(error)),
    }
}

/// The last error of the chain, which is the first that happened.
fn cause(error: &dyn std::error::Error) -> String {
    let inner = std::iter::successors(error.source(), |&error| error.source());
    inner.last().map_or_else(|| "no cause is known".to_owned(), ToString::to_string)
}

fn pause_after(attempts: i64) -> Duration {
    let exponent = u32::try_from(attempts.saturating_sub(1).clamp(0, 10)).unwrap_or(0);
    PAUSE.saturating_mul(3_u32.saturating_pow(exponent)).min(PAUSE_MAX)
}

impl Outbox {
    /// Delivers mails from the outbox; never returns. Spawn it once per process.
    pub fn deliver(&self) -> impl Future<Output = ()> + Send + 'static {
        let outbox = self.clone();
        async move {
            loop {
                if let Err(error) = outbox.work().await {
                    tracing::warn!(%error, "the outbox cannot be read; mail waits");
                }
                tokio::select! {
                    () = outbox.wake.notified() => {}
                    () = outbox.clock.sleep(LOOK_EVERY) => {}
                }
            }
        }
    }

    /// Tries every mail that is due once, and deletes expired ones.
    pub async fn work(&self) -> Result<(), Error> {
        let now = self.clock.now();
        if self.store.has_expired(now).await? {
            for kind in self.store.delete_expired(now).await?.into_iter().filter(|kind| kind != "nothing") {
                tracing::error!(kind, "a mail could not be sent in time and is given up");
            }
        }
        let Some(transport) = &self.transport else { return Ok(()) };
        loop {
            let rows = self.store.due(self.clock.now(), BATCH).await?;
            let full = i64::try_from(rows.len()).is_ok_and(|count| count >= BATCH);
            let tried = stream::iter(rows).map(|row| self.attempt(transport, row)).buffer_unordered(AT_ONCE);
            tried.collect::<Vec<_>>().await.into_iter().collect::<Result<(), _>>()?;
            if !full {
                return Ok(());
            }
        }
    }

    async fn attempt(&self, transport: &Transport, row: Row) -> Result<(), Error> {
        let now = self.clock.now();
        if !self.store.claim(&row, now.after(CLAIM)).await? {
            return Ok(());
        }
        let Some(mail) = Mail::open(&self.ring, &row.id, &row.sealed) else {
            tracing::error!(kind = row.kind, "a mail was sealed with a key that is gone; it is given up");
            return Ok(self.store.delete(&row.id).await?);
        };
        match transport.send(mail, &row, &self.from).await {
            Ok(()) => Ok(self.store.delete(&row.id).await?),
            Err(Failure::Unsendable(why)) => {
                tracing::error!(kind = row.kind, why, "a mail cannot be sent to anybody; it is given up");
                Ok(self.store.delete(&row.id).await?)
            }
            Err(Failure::Refused(why)) => self.try_later(&row, why).await,
        }
    }

    async fn try_later(&self, row: &Row, why: String) -> Result<(), Error> {
        let attempts = row.attempts.saturating_add(1);
        tracing::warn!(kind = row.kind, why, attempts, "a mail was not taken; it will be tried again");
        let until: Timestamp = self.clock.now().after(pause_after(attempts));
        Ok(self.store.postpone(&row.id, until).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_an_hour() {
        let pauses: Vec<u64> = (1..=8).map(|attempts| pause_after(attempts).as_secs()).collect();
        assert_eq!(pauses, [10, 30, 90, 270, 810, 2430, 3600, 3600]);
        assert_eq!(pause_after(i64::MAX), PAUSE_MAX);
    }

    #[test]
    fn a_mail_server_is_named_without_its_password() {
        for (url, named) in [
            ("smtp://user:hunter2@mail.example.com:587", "mail.example.com:587"),
            ("smtps://mail.example.com", "mail.example.com"),
            ("smtp://user:hunter2@[::1]:25?tls=required", "[::1]:25"),
            ("smtp://user:hun/ter2@mail.example.com", "the mail server"),
            ("smtp://user:hun@ter2@mail.example.com", "mail.example.com"),
        ] {
            assert_eq!(server_of(url), named, "{url}");
        }
    }

    #[test]
    fn settings_are_checked_and_a_password_is_not_repeated() {
        let open = |url: &str, from: &str| SmtpClient::new(&url.to_owned().into(), from).err().map(|e| e.to_string());
        let wrong = open("http://user:hunter2@host", "a@b.example").unwrap();
        assert!(wrong.contains("SMTP_URL") && !wrong.contains("hunter2"), "{wrong}");
    }
}
