//! Changing the password and address of an account, and deleting it.

use std::time::Duration;

use fauna_client as fauna;
use fauna_client::DocumentId;
use fauna_client::fql::Expr;
use secrecy::SecretString;

use crate::clock::Timestamp;
use crate::users::hasher::Verdict;
use crate::users::store::accounts;
use crate::users::{Email, Error, NewPassword, User, Users, store};

/// Delays before checking whether an unanswered query was committed; together longer than a query can be in flight.
const LATE: [Duration; 4] =
    [Duration::from_secs(2), Duration::from_secs(8), Duration::from_secs(20), Duration::from_secs(60)];
/// Delay of each further check while Fauna does not answer.
const LATER: Duration = Duration::from_secs(60);
/// Limit of deletion transactions for one account.
const DELETION_ROUNDS_MAX: u32 = 10_000;

/// A password change that turned out to have been made.
#[derive(Debug)]
pub struct LatePasswordChange {
    /// By the clock of this process, at most the duration of a query late.
    pub made_at: Timestamp,
    /// Address that is notified; `None` if the user has none that mail can reach.
    pub email: Option<Email>,
}

/// A feature's expression in the transaction that deletes a user, from the user's reference. It deletes a bounded number of
/// documents, so that the transaction stays small, and returns true if none are left; otherwise it runs again.
pub type AccountDeletionHook = fn(Expr) -> Expr;

/// Proof that the user has just entered their password.
#[derive(Debug)]
pub struct AuthenticatedUser {
    pub user: User,
    pub(super) hash: String,
}

/// E-mail address of a user.
#[derive(Debug)]
pub struct Contact {
    /// `None` if the document has no address, or one that this application does not accept.
    pub email: Option<Email>,
    /// Also true if there is no address to verify, as in SuperTokens.
    pub is_verified: bool,
}

impl AuthenticatedUser {
    /// The hash that the password was compared with ([`crate::users::is_password_hash`]).
    pub fn proof(&self) -> SecretString {
        self.hash.clone().into()
    }
}

impl Users {
    /// `None` if there is no such user.
    pub async fn contact(&self, id: &DocumentId) -> Result<Option<Contact>, Error> {
        let query = accounts::contact(&self.layout, id);
        let contact: Option<accounts::Contact> = self.fauna.query_idempotent(&query).await?;
        Ok(contact.map(|contact| {
            let email = contact.email.as_deref().and_then(Email::stored);
            Contact { is_verified: contact.is_verified || email.is_none(), email }
        }))
    }

    /// The proof, if the password is right.
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

    /// Replaces the checked password; false if it was changed meanwhile. Links to reset the password or to change the address
    /// become invalid.
    pub async fn change_password(&self, proof: &AuthenticatedUser, new: NewPassword) -> Result<bool, Error> {
        let hash = self.hasher.hash(new).await?;
        let query = accounts::change_hash(&self.layout, &proof.user.id, &proof.hash, &hash);
        match self.fauna.query_idempotent(&query).await {
            Err(source @ fauna::Error::Unanswered(_)) => Err(Error::Unsettled { hash, source }),
            changed => Ok(changed?),
        }
    }

    /// Waits until it is known whether an unanswered password change was committed ([`Error::Unsettled`]), and tells when.
    pub async fn await_password_change(&self, user: &DocumentId, hash: &str) -> Option<LatePasswordChange> {
        let mut waits = LATE.into_iter();
        loop {
            let wait = waits.next();
            self.clock.sleep(wait.unwrap_or(LATER)).await;
            match self.late_password_change(user, hash).await {
                Ok(Some(change)) => return Some(change),
                Ok(None) if waits.len() == 0 => return None,
                Ok(None) => {}
                Err(error) => tracing::warn!(%error, "whether a password was changed is not known yet"),
            }
        }
    }

    async fn late_password_change(&self, user: &DocumentId, hash: &str) -> Result<Option<LatePasswordChange>, Error> {
        let age: Option<i64> = self.fauna.query_idempotent(&accounts::age_of_hash(user.as_str(), hash)).await?;
        let Some(age) = age else { return Ok(None) };
        let age = Duration::from_micros(u64::try_from(age).unwrap_or_default());
        let made_at = self.clock.now().before(age);
        let email = self.contact(user).await?.and_then(|contact| contact.email);
        Ok(Some(LatePasswordChange { made_at, email }))
    }

    /// Deletes an account with its tokens, links and secret, and runs every [`AccountDeletionHook`], in one transaction; earlier
    /// transactions may delete parts if there is much. False if there was no such account.
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
