//! What the owner of an account changes about it, and its end.

use std::time::Duration;

use fauna_client as fauna;
use fauna_client::DocumentId;
use fauna_client::fql::Expr;
use secrecy::SecretString;

use crate::users::hasher::Verdict;
use crate::users::store::accounts;
use crate::users::{Email, Error, NewPassword, User, Users, store};

/// When to look whether what was not answered was done: no query is on its way for longer than all of this.
const LATE: [Duration; 4] =
    [Duration::from_secs(2), Duration::from_secs(8), Duration::from_secs(20), Duration::from_secs(60)];
/// How often farewells are asked for one account: far more than anybody has written.
const DELETION_ROUNDS_MAX: u32 = 10_000;

/// What a room does in the transaction that deletes the user of a reference: an expression that is true where nothing is
/// left to do. It does a bounded part of its work, so that the transaction stays small, and is asked again while it is false.
pub type AccountDeletionHook = fn(Expr) -> Expr;

/// Somebody who has just given the password of their account.
#[derive(Debug)]
pub struct AuthenticatedUser {
    pub user: User,
    pub(super) hash: String,
}

/// How a user is reached.
#[derive(Debug)]
pub struct Contact {
    /// Absent where the document holds no address, or one that is not accepted here.
    pub email: Option<Email>,
    /// True also where there is no address to verify, as in SuperTokens.
    pub is_verified: bool,
}

impl AuthenticatedUser {
    /// What they have checked: the hash that their password was compared with ([`crate::users::is_password_hash`]).
    pub fn proof(&self) -> SecretString {
        self.hash.clone().into()
    }
}

impl Users {
    /// `None` where there is no such user.
    pub async fn contact(&self, id: &DocumentId) -> Result<Option<Contact>, Error> {
        let query = accounts::contact(&self.layout, id);
        let contact: Option<accounts::Contact> = self.fauna.query_idempotent(&query).await?;
        Ok(contact.map(|contact| {
            let email = contact.email.as_deref().and_then(Email::parse);
            Contact { is_verified: contact.is_verified || email.is_none(), email }
        }))
    }

    /// The user, if that is their password.
    pub async fn check_password(
        &self,
        id: &DocumentId,
        password: &SecretString,
    ) -> Result<Option<AuthenticatedUser>, Error> {
        let found: Option<store::Found> = self.fauna.query_idempotent(&store::by_id(&self.layout, id)).await?;
        let hash = found.as_ref().and_then(store::Found::password_hash).map(str::to_owned);
        let verdict = self.hasher.verify(password, hash.as_deref()).await?;
        let found = found.filter(|_| verdict != Verdict::Wrong).zip(hash);
        Ok(found.map(|(found, hash)| AuthenticatedUser { user: found.into_user(), hash }))
    }

    /// Replaces the password that was checked by another one; false where it was changed meanwhile. Links to set a new
    /// password or to get another address become void.
    pub async fn change_password(&self, owner: &AuthenticatedUser, new: NewPassword) -> Result<bool, Error> {
        let hash = self.hasher.hash(new).await?;
        let query = accounts::change_hash(&self.layout, &owner.user.id, &owner.hash, &hash);
        match self.fauna.query_idempotent(&query).await {
            Err(source @ fauna::Error::Unanswered(_)) => Err(Error::Unsettled { hash, source }),
            changed => Ok(changed?),
        }
    }

    /// Waits whether a password is set after all of which that was not known ([`Error::Unsettled`]): Fauna may carry out later
    /// what it did not answer in time. If so, where its owner is reached.
    pub async fn settles(&self, user: &DocumentId, hash: &str) -> Option<Email> {
        for wait in LATE {
            self.clock.sleep(wait).await;
            let is_set = accounts::has_hash(user.as_str(), hash);
            if matches!(self.fauna.query_idempotent(&is_set).await, Ok(true))
                && let Ok(contact) = self.contact(user).await
            {
                return contact.and_then(|contact| contact.email);
            }
        }
        None
    }

    /// Deletes an account with everything that only it has: tokens, links, secret; and what other rooms hold of it
    /// ([`AccountDeletionHook`]), all in one transaction, before which there may be others that shorten it. False: there was none.
    pub async fn delete(&self, id: &DocumentId) -> Result<bool, Error> {
        let query = accounts::delete(&self.layout, id, &self.deletion_hooks);
        for _ in 0..DELETION_ROUNDS_MAX {
            if let Some(deleted) = self.fauna.query_idempotent(&query).await? {
                if let Some(hook) = &self.on_deleted {
                    hook.notify("on_user_deleted", id.clone()).await;
                }
                return Ok(deleted);
            }
        }
        Err(Error::DeletionNotConverging)
    }
}
