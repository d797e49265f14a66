//! Imports users of another system, thousands at once, all or none.

use std::time::Duration;

use fauna_client as fauna;
use fauna_client::{DocumentId, Time};
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::users::links::LinkToken;
use crate::users::store::import;
use crate::users::store::import::{ExistingUser, NewRow};
use crate::users::stored_hash::StoredHash;
use crate::users::{Email, Error, NewPassword, Users};

const LOOKUP_SIZE: usize = 1000;
const DEADLINE: Duration = Duration::from_secs(120);

/// A user to be imported.
pub struct Import {
    /// `None` if the entry has no id, or one that cannot be a document id in Fauna.
    pub id: Option<DocumentId>,
    pub email: Email,
    pub name: Option<String>,
    pub joined_at: Timestamp,
    pub password: ImportedPassword,
    /// The document of that id exists: only its secret is created.
    pub adopts: bool,
    pub is_verified: bool,
    /// Stored under `profile`; must pass [`crate::users::is_storable`].
    pub profile: Map<String, Value>,
}

pub enum ImportedPassword {
    Hash(String),
    Plain(NewPassword),
    /// The user must set a password by mail.
    None,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Imported {
    All,
    /// Nothing was imported: an address or id was taken, or a user to adopt was deleted, at that moment.
    Taken,
    /// Nothing was imported: the import exceeds what one transaction of Fauna accepts.
    TooLarge,
    /// Fauna stopped answering: all or nothing was imported.
    Unknown,
}

impl ImportedPassword {
    /// `None` for a hash that cannot be verified here.
    pub fn hashed(text: &str) -> Option<Self> {
        StoredHash::parse(text).map(|_| Self::Hash(text.to_owned()))
    }
}

impl Users {
    pub async fn taken_emails(&self, emails: &[&str]) -> Result<Vec<String>, Error> {
        let mut taken = Vec::new();
        for part in emails.chunks(LOOKUP_SIZE) {
            let query = import::taken_emails(&self.layout, part);
            taken.extend(self.fauna.within(DEADLINE).query_idempotent::<Vec<String>>(&query).await?);
        }
        Ok(taken)
    }

    /// The existing users with one of these ids.
    pub async fn existing(&self, ids: &[&DocumentId]) -> Result<Vec<ExistingUser>, Error> {
        let mut existing = Vec::new();
        for part in ids.chunks(LOOKUP_SIZE) {
            let query = import::existing(&self.layout, part);
            existing.extend(self.fauna.within(DEADLINE).query_idempotent::<Vec<ExistingUser>>(&query).await?);
        }
        Ok(existing)
    }

    /// Creates or adopts all of these users or none, in one transaction: a crash at any moment leaves no part.
    ///
    /// # Errors
    /// Nothing was imported and nothing will be: Fauna refused the query, or a password could not be hashed.
    pub async fn import(&self, users: Vec<Import>) -> Result<Imported, Error> {
        let mut rows = Vec::with_capacity(users.len());
        for user in users {
            rows.push(self.row(user).await?);
        }
        let mark = LinkToken::random()?.hash();
        let query = import::import(&self.layout, &mark, &rows);
        match self.fauna.within(DEADLINE).query_idempotent::<IgnoredAny>(&query).await {
            Ok(_made) => Ok(Imported::All),
            Err(fauna::Error::NotUnique | fauna::Error::AlreadyExists) => Ok(Imported::Taken),
            Err(fauna::Error::Aborted(reason)) if reason == import::GONE => Ok(Imported::Taken),
            Err(fauna::Error::TooLarge) => Ok(Imported::TooLarge),
            // The import may still be committed; this finds out and prevents a later commit.
            Err(error) => match self.fauna.query_idempotent::<bool>(&import::block(&mark)).await {
                Ok(true) => Ok(Imported::All),
                Ok(false) => Err(error.into()),
                Err(_still_silent) => Ok(Imported::Unknown),
            },
        }
    }

    async fn row(&self, user: Import) -> Result<NewRow, Error> {
        let hash = match user.password {
            ImportedPassword::Hash(hash) => Some(hash),
            ImportedPassword::Plain(password) => Some(self.hasher.hash(password).await?),
            ImportedPassword::None => None,
        };
        Ok(NewRow {
            id: user.id.map_or_else(DocumentId::random, Ok)?,
            name: user.name.unwrap_or_else(|| user.email.local_part().to_owned()),
            joined_at: Time::from_millis(user.joined_at.millis()),
            email: user.email.as_str().to_owned(),
            hash,
            adopts: user.adopts,
            is_verified: user.is_verified,
            profile: user.profile,
        })
    }
}
