//! Users from elsewhere, thousands at once: all of them, or none.

use std::time::Duration;

use fauna_client as fauna;
use fauna_client::{DocumentId, Time};
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::users::links::LinkToken;
use crate::users::store::import;
use crate::users::store::import::NewRow;
use crate::users::stored_hash::StoredHash;
use crate::users::{Email, Error, NewPassword, Users};

const LOOKUP_SIZE: usize = 1000;
const DEADLINE: Duration = Duration::from_secs(120);

/// Somebody who comes from elsewhere.
pub struct Import {
    /// Their id, where they bring one that can be one here.
    pub id: Option<DocumentId>,
    pub email: Email,
    pub name: Option<String>,
    pub joined_at: Timestamp,
    pub password: ImportedPassword,
    /// Whether the address was shown to be theirs.
    pub is_verified: bool,
    /// What else is to be kept of them; Fauna can keep it ([`crate::users::is_storable`]).
    pub profile: Map<String, Value>,
}

pub enum ImportedPassword {
    Hash(String),
    Plain(NewPassword),
}

#[derive(Debug, PartialEq, Eq)]
pub enum Imported {
    All,
    /// Nobody of it: an address or id was taken at that moment.
    Taken,
    /// Nobody of it: more than one transaction of Fauna takes.
    TooLarge,
    /// Fauna does not answer any more. All of it was made or nothing.
    Unknown,
}

impl ImportedPassword {
    /// Takes a hash that can be checked here.
    pub fn hashed(text: &str) -> Option<Self> {
        StoredHash::parse(text).map(|_| Self::Hash(text.to_owned()))
    }
}

impl Users {
    pub async fn taken_emails(&self, emails: &[&str]) -> Result<Vec<String>, Error> {
        let mut taken = Vec::new();
        for part in emails.chunks(LOOKUP_SIZE) {
            let query = import::taken_emails(&self.collection, part);
            taken.extend(self.fauna.within(DEADLINE).query_idempotent::<Vec<String>>(&query).await?);
        }
        Ok(taken)
    }

    pub async fn taken_ids(&self, ids: &[&DocumentId]) -> Result<Vec<DocumentId>, Error> {
        let mut taken = Vec::new();
        for part in ids.chunks(LOOKUP_SIZE) {
            let query = import::taken_ids(&self.collection, part);
            taken.extend(self.fauna.within(DEADLINE).query_idempotent::<Vec<DocumentId>>(&query).await?);
        }
        Ok(taken)
    }

    /// Makes all of these users or none, in one transaction: a crash at any moment leaves no part.
    ///
    /// # Errors
    /// Nothing was made and nothing will be: Fauna does not take the query, or a password cannot be hashed.
    pub async fn import(&self, users: Vec<Import>) -> Result<Imported, Error> {
        let mut rows = Vec::with_capacity(users.len());
        for user in users {
            rows.push(self.row(user).await?);
        }
        let mark = LinkToken::random()?.hash();
        let query = import::import(&self.collection, &mark, &rows);
        match self.fauna.within(DEADLINE).query_idempotent::<IgnoredAny>(&query).await {
            Ok(_made) => Ok(Imported::All),
            Err(fauna::Error::NotUnique | fauna::Error::AlreadyExists) => Ok(Imported::Taken),
            Err(fauna::Error::TooLarge) => Ok(Imported::TooLarge),
            // Whether it was written, or will be, is not known; so it is asked, and ended.
            Err(error) => match self.fauna.query_idempotent::<bool>(&import::give_up(&mark)).await {
                Ok(true) => Ok(Imported::All),
                Ok(false) => Err(error.into()),
                Err(_still_silent) => Ok(Imported::Unknown),
            },
        }
    }

    async fn row(&self, user: Import) -> Result<NewRow, Error> {
        let hash = match user.password {
            ImportedPassword::Hash(hash) => hash,
            ImportedPassword::Plain(password) => self.hasher.hash(password).await?,
        };
        Ok(NewRow {
            id: user.id.map_or_else(DocumentId::random, Ok)?,
            name: user.name.unwrap_or_else(|| user.email.local_part().to_owned()),
            joined_at: Time::from_millis(user.joined_at.millis()),
            email: user.email.as_str().to_owned(),
            hash,
            is_verified: user.is_verified,
            profile: user.profile,
        })
    }
}
