//! Users from elsewhere, thousands at once: all of them, or none.

use std::time::Duration;

use fauna_client as fauna;
use fauna_client::{DocumentId, Time};
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::users::links::LinkToken;
use crate::users::store::import;
use crate::users::store::import::Newcomer;
use crate::users::stored_hash::StoredHash;
use crate::users::{Email, Error, NewPassword, Users};

/// How many addresses or ids are looked up at once.
const LOOKUP_SIZE: usize = 1000;
/// How long the one transaction may take, and each look before it.
const DEADLINE: Duration = Duration::from_secs(120);

/// Somebody who comes from elsewhere.
pub struct Import {
    /// Their id, where they bring one that can be one here.
    pub id: Option<DocumentId>,
    /// Their address.
    pub email: Email,
    /// Their name, where they bring one.
    pub name: Option<String>,
    /// When they signed up there.
    pub joined_at: Timestamp,
    /// What they sign in with.
    pub password: ImportedPassword,
    /// Whether the address was shown to be theirs.
    pub is_verified: bool,
    /// What else is to be kept of them; Fauna can keep it ([`crate::users::is_storable`]).
    pub profile: Map<String, Value>,
}

/// What somebody from elsewhere signs in with.
pub enum ImportedPassword {
    /// A hash of a known form.
    Hash(String),
    /// The password itself.
    Plain(NewPassword),
}

/// What became of an import.
#[derive(Debug, PartialEq, Eq)]
pub enum Imported {
    /// Everybody has an account.
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
    /// Which of these addresses have an account.
    pub async fn taken_emails(&self, emails: &[&str]) -> Result<Vec<String>, Error> {
        let mut taken = Vec::new();
        for part in emails.chunks(LOOKUP_SIZE) {
            let query = import::taken_emails(&self.collection, part);
            taken.extend(self.fauna.within(DEADLINE).query_idempotent::<Vec<String>>(&query).await?);
        }
        Ok(taken)
    }

    /// Which of these ids have an account.
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
    pub async fn import(&self, people: Vec<Import>) -> Result<Imported, Error> {
        let mut newcomers = Vec::with_capacity(people.len());
        for person in people {
            newcomers.push(self.newcomer(person).await?);
        }
        let mark = LinkToken::random()?.hash();
        let query = import::import(&self.collection, &mark, &newcomers);
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

    /// Somebody as they are written down.
    async fn newcomer(&self, person: Import) -> Result<Newcomer, Error> {
        let hash = match person.password {
            ImportedPassword::Hash(hash) => hash,
            ImportedPassword::Plain(password) => self.hasher.hash(password).await?,
        };
        Ok(Newcomer {
            id: person.id.map_or_else(DocumentId::random, Ok)?,
            name: person.name.unwrap_or_else(|| person.email.local_part().to_owned()),
            joined_at: Time::from_millis(person.joined_at.millis()),
            email: person.email.as_str().to_owned(),
            hash,
            is_verified: person.is_verified,
            profile: person.profile,
        })
    }
}
