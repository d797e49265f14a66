//! Users in a Fauna collection, and their password hashes in another collection that no user can read.
//!
//! An address belongs to at most one user. Fauna's unique index enforces that; there is no check before the write. User and
//! secret are created in one transaction under an id that is chosen here, so that a sign-up whose answer was lost is recognised
//! when it is repeated. Passwords are hashed in this module only. It does not know sessions.

mod accounts;
mod directory;
mod email;
mod hasher;
mod import;
mod invisible;
mod layout;
mod links;
mod password;
mod profile;
mod schema;
mod store;
mod stored_hash;

use fauna_client as fauna;
use fauna_client::fql::Expr;
use fauna_client::{AsApp, DocumentId};
use secrecy::SecretString;
use serde_json::{Map, Value};

use crate::clock::{Clock, Timestamp};
use crate::hooks::Hook;
use crate::http::problem::Problem;

pub use accounts::{AccountDeletionHook, AuthenticatedUser};
pub use directory::{Cursor, Export, Order, UserList};
pub use email::Email;
pub use hasher::Hasher;
pub use import::{Import, Imported, ImportedPassword};
pub use invisible::is_refused_in_names;
pub use layout::UserLayout;
pub use links::{ChangeLink, EmailChange, SignUpCompletion, SignUpLink, Verification};
pub use password::{NewPassword, PasswordRule, any_password};
pub use profile::{Check, NAME_CHARS_MAX, Profile, ProfileChange, SignUpField, is_storable};
pub use schema::schema;
pub use store::accounts::{PASSWORD_HASH, has_hash as is_password_hash};
pub use store::import::ExistingUser;
pub use store::{Document, SECRETS, dry_run};
pub use stored_hash::HashCost;

use hasher::Verdict;

/// Attempts of a sign-in whose hash is replaced meanwhile.
const SIGN_IN_TRIES: u32 = 3;

/// The service for users. Clones share everything.
#[derive(Clone)]
pub struct Users {
    fauna: AsApp,
    layout: UserLayout,
    hasher: Hasher,
    deletion_hooks: Vec<AccountDeletionHook>,
    on_deleted: Option<Hook<DocumentId>>,
    clock: Clock,
}

/// A user's document. Name, address and time of sign-up are absent if another application created the document without them.
#[derive(Clone, Debug)]
pub struct User {
    pub id: DocumentId,
    pub name: Option<String>,
    pub email: Option<Email>,
    pub joined_at: Option<Timestamp>,
    pub email_verified: bool,
}

/// Input of a sign-up.
pub struct NewAccount {
    pub email: Email,
    pub name: String,
    /// Extra fields of the form, which only the user can read.
    pub profile: Map<String, Value>,
}

#[derive(Debug)]
pub enum SignUp {
    Created(User),
    EmailTaken,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Fauna(#[from] fauna::Error),
    /// A value that this application has stored itself cannot be read.
    #[error("a stored value cannot be read: {0}")]
    Unreadable(&'static str),
    /// The queue of passwords to hash is full.
    #[error("too many passwords at once")]
    Busy,
    #[error("a password could not be hashed")]
    Hashing,
    /// Whether a password was changed is not known yet: the answer was lost ([`Users::await_password_change`]).
    #[error("whether a password was changed is not known yet")]
    Unsettled {
        hash: String,
        #[source]
        source: fauna::Error,
    },
    #[error("an account cannot be deleted: a deletion_hook never ends")]
    DeletionNotConverging,
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Fauna(error) => Self::from(error),
            Error::Busy | Error::Unsettled { .. } => Self::unavailable(error),
            Error::Unreadable(_) | Error::Hashing | Error::DeletionNotConverging => Self::internal(error),
        }
    }
}

impl Users {
    pub fn hasher(&self) -> &Hasher {
        &self.hasher
    }

    pub fn new(
        fauna: AsApp,
        layout: UserLayout,
        hasher: Hasher,
        deletion_hooks: Vec<AccountDeletionHook>,
        clock: Clock,
    ) -> Self {
        Self { fauna, layout, hasher, deletion_hooks, on_deleted: None, clock }
    }

    /// The same with a hook that runs after each deletion.
    #[must_use]
    pub fn with_deletion_hook(self, on_deleted: Option<Hook<DocumentId>>) -> Self {
        Self { on_deleted, ..self }
    }

    /// Creates an account; at most one, even if answers of Fauna are lost.
    pub async fn sign_up(&self, new: NewAccount, password: NewPassword) -> Result<SignUp, Error> {
        let hash = self.hasher.hash(password).await?;
        let id = DocumentId::random()?;
        let NewAccount { email, name, profile } = new;
        let user = store::NewUser { name: &name, email: email.as_str(), hash: &hash, profile: &profile };
        let query = store::sign_up(&self.layout, &id, &user);
        match self.fauna.query_idempotent::<store::NewUserDocument>(&query).await {
            Ok(made) => Ok(SignUp::Created(made.into_user(email, &name))),
            Err(fauna::Error::NotUnique) => Ok(SignUp::EmailTaken),
            // The id has 62 random bits, so an earlier attempt was committed and only its answer was lost.
            Err(fauna::Error::AlreadyExists) => self.find_created(&id, &email).await,
            Err(error) => Err(error.into()),
        }
    }

    /// Returns the user if address and password match. An outdated hash is replaced.
    pub async fn sign_in(&self, email: &Email, password: &SecretString) -> Result<Option<AuthenticatedUser>, Error> {
        let mut tries = 0;
        loop {
            let found = self.find(email).await?;
            let hash = found.as_ref().and_then(store::Found::password_hash).map(str::to_owned);
            let verdict = self.hasher.verify(password, hash.as_deref()).await?;
            let Some((found, mut hash)) = found.zip(hash).filter(|_| verdict != Verdict::Wrong) else {
                return Ok(None);
            };
            tries += 1;
            if verdict == Verdict::RightButOutdated {
                match self.rehash(&found.id, &hash, password).await {
                    Ok(Some(new)) => hash = new,
                    // Another request replaced the hash meanwhile, for the same password or another one.
                    Ok(None) if tries < SIGN_IN_TRIES => continue,
                    Ok(None) => return Ok(None),
                    Err(error) => {
                        tracing::warn!(%error, "an outdated password hash stays as it is");
                        // Or the replacement was committed and only its answer was lost.
                        if tries < SIGN_IN_TRIES {
                            continue;
                        }
                    }
                }
            }
            return Ok(Some(AuthenticatedUser { user: found.into_user(), hash }));
        }
    }

    /// A query for the [`Document`] of the signed-in user, to be run with their own token.
    pub fn own_document(&self) -> Expr {
        store::own_document(&self.layout)
    }

    async fn find(&self, email: &Email) -> Result<Option<store::Found>, Error> {
        match self.fauna.query_idempotent(&store::by_email(&self.layout, email.as_str())).await {
            // The user was deleted while the query ran.
            Err(fauna::Error::NotFound) => Ok(None),
            found => Ok(found?),
        }
    }

    pub async fn has_account(&self, email: &Email) -> Result<bool, Error> {
        Ok(self.fauna.query_idempotent(&store::email_exists(&self.layout, email.as_str())).await?)
    }

    async fn find_created(&self, id: &DocumentId, email: &Email) -> Result<SignUp, Error> {
        let query = store::by_id(&self.layout, id);
        let found: Option<store::Found> = self.fauna.query_idempotent(&query).await?;
        let user = found.map(store::Found::into_user);
        user.filter(|user| user.email.as_ref() == Some(email))
            .map(SignUp::Created)
            .ok_or(fauna::Error::AlreadyExists.into())
    }

    /// Replaces a hash by one with the current parameters; `None` if it was replaced meanwhile.
    async fn rehash(&self, id: &DocumentId, old: &str, password: &SecretString) -> Result<Option<String>, Error> {
        let hash = self.hasher.rehash(password).await?;
        let query = store::accounts::replace_hash(id, old, &hash);
        let replaced: bool = self.fauna.query_idempotent(&query).await?;
        Ok(replaced.then_some(hash))
    }
}

#[cfg(test)]
mod tests {
    use actix_web::ResponseError as _;

    use super::*;

    /// S-P-31 in the table of `docs/threats.md`.
    #[test]
    fn those_who_are_too_many_are_told_when_to_come_again() {
        let answer = Problem::from(Error::Busy).error_response();
        let wait = answer.headers().get("retry-after").map(|value| value.to_str().unwrap());
        assert_eq!((answer.status().as_u16(), wait), (503, Some("2")));
    }
}
