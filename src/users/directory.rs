//! Many users at once, for administration: listing, counting, importing, exporting.

use crate::clock::Timestamp;
use crate::fauna;
use crate::fauna::DocumentId;
use crate::fauna::Time;
use crate::users::Email;
use crate::users::Error;
use crate::users::NewPassword;
use crate::users::User;
use crate::users::Users;
use crate::users::store;
use crate::users::store::directory;
use crate::users::stored_hash::StoredHash;

pub use directory::Cursor;
pub use directory::Order;

/// How many addresses are looked up at once.
const LOOKUP_SIZE: usize = 1000;
/// How many users one transaction makes.
const IMPORT_SIZE: usize = 500;

/// Some users, and where the next ones begin.
pub struct UserList {
    /// The users.
    pub users: Vec<User>,
    /// None at the end.
    pub next: Option<Cursor>,
}

/// A user with what they sign in with, to be taken elsewhere.
pub struct Export {
    /// Who it is.
    pub user: User,
    /// Of their password.
    pub password_hash: String,
}

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
}

/// What somebody from elsewhere signs in with.
pub enum ImportedPassword {
    /// A hash of a known form.
    Hash(String),
    /// The password itself.
    Plain(NewPassword),
}

impl ImportedPassword {
    /// Takes a hash that can be checked here.
    pub fn hashed(text: &str) -> Option<Self> {
        StoredHash::parse(text).map(|_| Self::Hash(text.to_owned()))
    }
}

impl Users {
    /// At most `size` users.
    pub async fn list(&self, order: Order, size: i64, after: Option<&Cursor>) -> Result<UserList, Error> {
        let page = self.page(order, size, after).await?;
        let next = directory::next(&page);
        let users = page.data.into_iter().map(store::Found::into_user).collect::<Result<_, _>>()?;
        Ok(UserList { users, next })
    }

    /// The same with what they sign in with, oldest first.
    pub async fn export(&self, size: i64, after: Option<&Cursor>) -> Result<(Vec<Export>, Option<Cursor>), Error> {
        let page = self.page(Order::Oldest, size, after).await?;
        let next = directory::next(&page);
        let take = |found: store::Found| {
            let password_hash = found.secret.password_hash.clone();
            Ok(Export { user: found.into_user()?, password_hash })
        };
        Ok((page.data.into_iter().map(take).collect::<Result<_, Error>>()?, next))
    }

    /// The user of an address.
    pub async fn by_email(&self, email: &Email) -> Result<Option<User>, Error> {
        let query = store::by_email(&self.collection, email.as_str());
        let found: Option<store::Found> = self.fauna.query_idempotent(&query).await?;
        found.map(store::Found::into_user).transpose()
    }

    /// How many users there are.
    pub async fn count(&self) -> Result<i64, Error> {
        Ok(self.fauna.query_idempotent(&directory::count(&self.collection)).await?)
    }

    /// Which of these addresses have an account.
    pub async fn taken(&self, emails: &[&str]) -> Result<Vec<String>, Error> {
        let mut taken = Vec::new();
        for part in emails.chunks(LOOKUP_SIZE) {
            let some: Vec<String> = self.fauna.query_idempotent(&directory::taken(&self.collection, part)).await?;
            taken.extend(some);
        }
        Ok(taken)
    }

    /// Makes all of these users or none: what was made is taken back where somebody else takes an address or id meanwhile.
    pub async fn import(&self, people: Vec<Import>) -> Result<(), Error> {
        let mut newcomers = Vec::with_capacity(people.len());
        for person in people {
            newcomers.push(self.newcomer(person).await?);
        }
        let mut made = Vec::new();
        for part in newcomers.chunks(IMPORT_SIZE) {
            let outcome = self.fauna.query::<bool>(&directory::import(&self.collection, part)).await;
            // A part that was refused left nothing behind, and its ids may be other people's; one whose answer was lost may
            // have been written.
            if matches!(outcome, Ok(_) | Err(fauna::Error::Unanswered(_))) {
                made.extend(part.iter().map(|newcomer| newcomer.id.clone()));
            }
            if let Err(error) = outcome {
                self.take_back(&made).await?;
                return Err(error.into());
            }
        }
        Ok(())
    }

    /// Undoes the beginning of an import.
    async fn take_back(&self, made: &[DocumentId]) -> Result<(), Error> {
        for ids in made.chunks(IMPORT_SIZE) {
            let _gone: bool = self.fauna.query_idempotent(&directory::take_back(&self.collection, ids)).await?;
        }
        Ok(())
    }

    /// Somebody as they are written down.
    async fn newcomer(&self, person: Import) -> Result<directory::Newcomer, Error> {
        let hash = match person.password {
            ImportedPassword::Hash(hash) => hash,
            ImportedPassword::Plain(password) => self.hasher.hash(password).await?,
        };
        Ok(directory::Newcomer {
            id: person.id.map_or_else(DocumentId::random, Ok)?,
            name: person.name.unwrap_or_else(|| person.email.local_part().to_owned()),
            joined_at: Time::of(person.joined_at),
            email: person.email.as_str().to_owned(),
            hash,
            is_verified: person.is_verified,
        })
    }

    /// A page of users with their secrets.
    async fn page(&self, order: Order, size: i64, after: Option<&Cursor>) -> Result<directory::UserPage, Error> {
        Ok(self.fauna.query_idempotent(&directory::list(&self.collection, order, size, after)).await?)
    }
}
