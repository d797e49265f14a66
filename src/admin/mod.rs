//! Administration: listing, counting, deleting, importing and exporting users, with an API key or on the command line.
//!
//! Without a key in the configuration the routes answer 404. Imports are all-or-nothing: every entry is checked before
//! anything is written ([`bulk`]), and everything is written in one transaction ([`Users::import`]). Deleting an account
//! revokes its sessions first.

mod bulk;
mod entry;
mod key;
mod routes;

use std::borrow::Cow;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web::Data;
use fauna_client::DocumentId;

use crate::clock::Clock;
use crate::http::bearer::NamedKey;
use crate::http::problem::Problem;
use crate::http::trace;
use crate::session::{RevokeReason, Sessions, UserId};
use crate::users::{Cursor, Email, Imported, Order, User, UserList, Users};
use crate::{session, users};
use bulk::CheckedEntries;

pub use bulk::EntryProblem;
pub use routes::routes;

const PAGE_SIZE: i64 = 100;
const PAGE_SIZE_MAX: i64 = 500;
const SILENCE: Duration = Duration::from_secs(60);
const EXPORT_SIZE: i64 = 500;

/// The administration service. Clones share everything.
#[derive(Clone)]
pub struct Admin {
    users: Users,
    sessions: Data<Sessions>,
    keys: Vec<NamedKey>,
    clock: Clock,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("no such user")]
    NoUser,
    #[error("limit: must be a number from 1 to {PAGE_SIZE_MAX}")]
    Limit,
    #[error("timeJoinedOrder: must be ASC or DESC")]
    Order,
    #[error("paginationToken: must be the nextPaginationToken of a page")]
    Cursor,
    #[error("Data has missing or invalid fields. Please check the users field for more details.")]
    Import(Vec<EntryProblem>),
    /// The body of an import is not in the form of SuperTokens' bulk import.
    #[error("{0}")]
    Malformed(Cow<'static, str>),
    /// The file is neither JSON nor JSON lines.
    #[error("this is not JSON: {0}")]
    Document(serde_json::Error),
    /// An address or id was taken while the import ran.
    #[error("an address or id was taken while the import ran; nothing was imported")]
    TakenMeanwhile,
    /// The import exceeds what one transaction of Fauna accepts.
    #[error("this is more than one transaction of Fauna takes; nothing was imported, import it in parts")]
    TooLarge,
    #[error("Fauna does not answer: either everybody was imported or nobody; importing again will tell")]
    Unknown,
    #[error(transparent)]
    Users(#[from] users::Error),
    #[error(transparent)]
    Session(#[from] session::Error),
}

/// Result of an import.
#[derive(Debug, PartialEq, Eq)]
pub struct ImportReport {
    /// Number of entries, all of which were imported.
    pub imported: usize,
    /// Entries, counted from 0, whose `externalUserId` is a document that existed and had no password yet: the document is
    /// unchanged and can now sign in.
    pub adopted: Vec<usize>,
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::NoUser => Self::new(StatusCode::NOT_FOUND, "no such user"),
            Error::Limit
            | Error::Order
            | Error::Cursor
            | Error::Import(_)
            | Error::Malformed(_)
            | Error::Document(_) => Self::bad_request(error.to_string()),
            Error::TakenMeanwhile => Self::new(StatusCode::CONFLICT, error.to_string()),
            Error::TooLarge => Self::new(StatusCode::PAYLOAD_TOO_LARGE, error.to_string()),
            Error::Unknown => Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string()).retry_after(SILENCE),
            Error::Users(error) => Self::from(error),
            Error::Session(error) => Self::from(error),
        }
    }
}

impl Admin {
    pub fn new(users: Users, sessions: Data<Sessions>, keys: Vec<NamedKey>, clock: Clock) -> Self {
        Self { users, sessions, keys, clock }
    }

    /// A page of users in order of their sign-up.
    pub async fn list(&self, order: Order, limit: Option<i64>, after: Option<&str>) -> Result<UserList, Error> {
        let size = limit.unwrap_or(PAGE_SIZE);
        if !(1..=PAGE_SIZE_MAX).contains(&size) {
            return Err(Error::Limit);
        }
        let after = after.map(|text| Cursor::parse(text).ok_or(Error::Cursor)).transpose()?;
        Ok(self.users.list(order, size, after.as_ref()).await?)
    }

    pub async fn count(&self) -> Result<i64, Error> {
        Ok(self.users.count().await?)
    }

    /// The user of an address.
    pub async fn find(&self, email: &str) -> Result<Option<User>, Error> {
        match Email::parse(email) {
            Some(email) => Ok(self.users.by_email(&email).await?),
            None => Ok(None),
        }
    }

    /// Revokes a user's sessions, then deletes the account.
    pub async fn delete(&self, id: &str) -> Result<(), Error> {
        let (id, user) = DocumentId::parse(id).zip(UserId::parse(id)).ok_or(Error::NoUser)?;
        let this = self.clone();
        // A task of its own: a client that disconnects must not stop this halfway.
        let deleting = async move {
            this.sessions.revoke_all(&user, RevokeReason::AccountDeleted).await?;
            let was_there = this.users.delete(&id).await;
            this.sessions.revoke_all(&user, RevokeReason::AccountDeleted).await?;
            if was_there? { Ok(()) } else { Err(Error::NoUser) }
        };
        trace::spawn(deleting).await.map_err(session::Error::Task)?
    }

    /// Imports all users of a request body in the form of SuperTokens' bulk import, or none.
    pub async fn import_body(&self, body: &[u8]) -> Result<ImportReport, Error> {
        self.import(bulk::parse_body(body)?).await
    }

    /// As [`Admin::import_body`] for the text of a file, which may also be an export: one entry per line.
    pub async fn import_file(&self, text: &str) -> Result<ImportReport, Error> {
        self.import(bulk::parse_file(text)?).await
    }

    async fn import(&self, entries: Vec<bulk::Entry>) -> Result<ImportReport, Error> {
        let mut checked = CheckedEntries::new(entries, self.clock.now())?;
        let emails = self.users.taken_emails(&checked.emails()).await?;
        let existing = self.users.existing(&checked.ids()).await?;
        checked.note_existing(&emails, &existing);
        let imports = checked.imports()?;
        let adopted = imports.iter().enumerate().filter(|(_, import)| import.adopts).map(|(index, _)| index).collect();
        let report = ImportReport { imported: imports.len(), adopted };
        // A task of its own: a client that disconnects must not stop this halfway.
        let users = self.users.clone();
        let imported = trace::spawn(async move { users.import(imports).await });
        match imported.await.map_err(session::Error::Task)?? {
            Imported::All => Ok(report),
            Imported::Taken => Err(Error::TakenMeanwhile),
            Imported::TooLarge => Err(Error::TooLarge),
            Imported::Unknown => Err(Error::Unknown),
        }
    }

    /// The next part of an export, one JSON object per line as an import accepts it, and the cursor of the part after it.
    pub async fn export(&self, after: Option<&Cursor>) -> Result<(String, Option<Cursor>), Error> {
        let (users, next) = self.users.export(EXPORT_SIZE, after).await?;
        Ok((users.iter().map(entry::line).collect(), next))
    }
}
