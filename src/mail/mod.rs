//! Mail to users.
//!
//! A mail is written to SQL, sealed, before the request that causes it is answered. A background task hands it to the mail
//! server and tries again, with growing pauses and across restarts, until it is accepted or no longer of use. So no request
//! waits for a mail server, fails because of one, or takes longer where the recipient exists. Without a mail server, mails
//! stay in SQL and are shown at `/dev/mailbox`, in development only.
//!
//! Templates are in `templates/mail`; `MAIL_TEMPLATES` names a directory whose files replace them. The callers decide who
//! receives a mail and what its link does.

mod delivery;
mod envelope;
mod routes;
mod store;
mod templates;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::database::Database;
use crate::hooks::Hook;
use crate::http::problem::Problem;
use crate::random;
use crate::seal;
use crate::seal::SealRing;
use delivery::{SmtpClient, Transport};
use envelope::Mail;
use store::{Row, Store};
use templates::Templates;

pub use delivery::{OutgoingMail, check_server};
pub use envelope::Sender;
pub use routes::routes;

/// Time after which an undelivered mail without a link is dropped; a later security notice is of no use (ASVS 6.3.7).
const NOTICE_LIFE: Duration = Duration::from_hours(24);
/// Time for which `/dev/mailbox` shows a mail.
const KEPT_LIFE: Duration = Duration::from_hours(7 * 24);
const SHOWN_MAX: i64 = 100;

#[derive(Clone)]
pub struct Outbox {
    store: Store,
    ring: Arc<SealRing>,
    templates: Arc<Templates>,
    sender: Arc<Sender>,
    from: Arc<str>,
    clock: Clock,
    /// None: mail stays here.
    transport: Option<Arc<Transport>>,
    shown: bool,
    wake: Arc<Notify>,
}

#[derive(Clone, Debug)]
pub struct Settings {
    /// `smtp://…` or `smtps://…`; `None`: no mail is sent.
    pub smtp_url: Option<SecretString>,
    pub from: String,
    /// Directory of templates that replace the built-in ones.
    pub templates: Option<PathBuf>,
    pub sender: Sender,
    /// Whether unsent mail is shown at `/dev/mailbox`; in development only.
    pub shown: bool,
    /// Sends mail instead of the mail server.
    pub send_mail: Option<Hook<OutgoingMail>>,
}

#[derive(Clone, Debug)]
pub enum Occasion {
    ResetPassword(Link),
    /// An account's address is not verified.
    VerifyEmail(Link),
    ConfirmEmail(Link),
    /// Sign-up with an address that has no account.
    SignUp(Link),
    /// Sign-up with, or change to, an address that already has an account.
    AccountExists,
    /// An account's address was changed; sent to the former address.
    EmailChanged,
    PasswordChanged,
    AccountDeleted,
}

#[derive(Clone, Debug)]
pub struct Link {
    pub url: SecretString,
    pub life: Duration,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the outbox cannot be used")]
    Sql(#[from] sqlx::Error),
    #[error(transparent)]
    Seal(#[from] seal::CannotSeal),
    /// A setting or a template is invalid.
    #[error("{0}")]
    Setting(String),
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Sql(_) => Self::unavailable(error),
            Error::Seal(_) | Error::Setting(_) => Self::internal(error),
        }
    }
}

impl Occasion {
    fn name(&self) -> &'static str {
        match self {
            Self::ResetPassword(_) => "reset-password",
            Self::VerifyEmail(_) => "verify-email",
            Self::ConfirmEmail(_) => "confirm-email",
            Self::SignUp(_) => "sign-up",
            Self::AccountExists => "account-exists",
            Self::EmailChanged => "email-changed",
            Self::PasswordChanged => "password-changed",
            Self::AccountDeleted => "account-deleted",
        }
    }

    fn link(&self) -> Option<&Link> {
        match self {
            Self::ResetPassword(link) | Self::VerifyEmail(link) | Self::ConfirmEmail(link) | Self::SignUp(link) => {
                Some(link)
            }
            Self::AccountExists | Self::EmailChanged | Self::PasswordChanged | Self::AccountDeleted => None,
        }
    }
}

/// Reads the templates of `MAIL_TEMPLATES`, and the built-in ones, as a start does.
///
/// # Errors
/// The directory or a file cannot be read, or a template is wrong.
pub fn check_templates(directory: Option<&Path>) -> Result<(), Error> {
    Templates::load(directory).map(|_parsed| ())
}

impl Outbox {
    /// Opens the outbox in this database.
    ///
    /// # Errors
    /// A setting or a template is invalid.
    pub fn open(database: Database, ring: Arc<SealRing>, clock: Clock, settings: &Settings) -> Result<Self, Error> {
        let transport = match (&settings.send_mail, &settings.smtp_url) {
            (Some(hook), _) => Some(Arc::new(Transport::Hook(hook.clone()))),
            (None, Some(url)) => Some(Arc::new(Transport::Smtp(SmtpClient::new(url, &settings.from)?))),
            (None, None) => None,
        };
        Ok(Self {
            shown: settings.shown && transport.is_none(),
            store: Store::new(database),
            ring,
            templates: Arc::new(Templates::load(settings.templates.as_deref())?),
            sender: Arc::new(settings.sender.clone()),
            from: settings.from.as_str().into(),
            clock,
            transport,
            wake: Arc::new(Notify::new()),
        })
    }

    /// Number of mails that wait to be sent.
    pub async fn waiting(&self) -> Result<i64, Error> {
        Ok(self.store.count_waiting(self.clock.now()).await?)
    }

    /// Stores a mail for delivery.
    pub async fn put(&self, to: &str, occasion: &Occasion) -> Result<(), Error> {
        let mail = Mail::write(&self.templates, &self.sender, to, occasion)?;
        let life = occasion.link().map_or(NOTICE_LIFE, |link| link.life.min(NOTICE_LIFE));
        self.write(occasion.name(), &mail, life).await
    }

    /// Takes as long as [`Outbox::put`] and sends nothing: for addresses without an account, so that timing does not reveal
    /// them.
    pub async fn put_decoy(&self, to: &str, as_if: &Occasion) -> Result<(), Error> {
        let mail = Mail::write(&self.templates, &self.sender, to, as_if)?;
        self.write("nothing", &mail, Duration::ZERO).await
    }

    /// The newest unsent mails; `None` if they are not shown.
    async fn latest(&self) -> Result<Option<Vec<(Row, Mail)>>, Error> {
        if !self.shown {
            return Ok(None);
        }
        let rows = self.store.kept(self.clock.now(), SHOWN_MAX).await?;
        let open = |row: Row| Mail::open(&self.ring, &row.id, &row.sealed).map(|mail| (row, mail));
        Ok(Some(rows.into_iter().filter_map(open).collect()))
    }

    /// Encrypts and stores a mail that expires after `life`.
    async fn write(&self, kind: &'static str, mail: &Mail, life: Duration) -> Result<(), Error> {
        let id = random::hex::<16>().map_err(|_unspecified| seal::CannotSeal)?;
        let now = self.clock.now();
        let kept = self.transport.is_none();
        let life = if kept && !life.is_zero() { KEPT_LIFE } else { life };
        let row = Row {
            sealed: mail.seal(&self.ring, &id)?,
            id,
            kind: kind.to_owned(),
            created_at: now,
            attempts: 0,
            due_at: now,
            expires_at: now.after(life),
        };
        self.store.insert(&row, kept).await?;
        self.wake.notify_one();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
