//! What the owner of an account changes about it, and its end.

use secrecy::SecretString;

use crate::fauna::DocumentId;
use crate::users::Email;
use crate::users::Error;
use crate::users::NewPassword;
use crate::users::User;
use crate::users::Users;
use crate::users::hasher::Verdict;
use crate::users::store;
use crate::users::store::accounts;

/// Where a user is reached.
#[derive(Debug)]
pub struct Contact {
    /// Their address.
    pub email: Email,
    /// Whether it was shown to be theirs.
    pub is_verified: bool,
}

impl Users {
    /// The account of an address.
    pub async fn by_email(&self, email: &Email) -> Result<Option<User>, Error> {
        let query = store::by_email(&self.collection, email.as_str());
        let found: Option<store::Found> = self.fauna.query_idempotent(&query).await?;
        found.map(store::Found::into_user).transpose()
    }

    /// Where a user is reached; `None` where the account is gone.
    pub async fn contact(&self, id: &DocumentId) -> Result<Option<Contact>, Error> {
        let query = accounts::contact(&self.collection, id);
        let contact: Option<accounts::Contact> = self.fauna.query_idempotent(&query).await?;
        contact
            .map(|contact| {
                let email = Email::parse(&contact.email).ok_or(Error::Unreadable("email"))?;
                Ok(Contact { email, is_verified: contact.is_verified })
            })
            .transpose()
    }

    /// Whether this is the password of the account.
    pub async fn is_password(&self, id: &DocumentId, password: &SecretString) -> Result<bool, Error> {
        Ok(self.checked(id, password).await?.is_some())
    }

    /// Replaces a password by another one; false where the current one is wrong, or was changed meanwhile.
    pub async fn change_password(
        &self,
        id: &DocumentId,
        current: &SecretString,
        new: NewPassword,
    ) -> Result<bool, Error> {
        let Some(found) = self.checked(id, current).await? else { return Ok(false) };
        let hash = self.hasher.hash(new).await?;
        Ok(self.fauna.query_idempotent(&accounts::replace_hash(id, &found.secret.password_hash, &hash)).await?)
    }

    /// Deletes an account with everything that only it has: tokens, links, secret. What its owner has said in public is the
    /// business of who published it. False: there was none.
    pub async fn delete(&self, id: &DocumentId) -> Result<bool, Error> {
        Ok(self.fauna.query_idempotent(&accounts::delete(&self.collection, id)).await?)
    }

    /// The account with its secret, if this is its password.
    async fn checked(&self, id: &DocumentId, password: &SecretString) -> Result<Option<store::Found>, Error> {
        let found: Option<store::Found> = self.fauna.query_idempotent(&accounts::by_id(&self.collection, id)).await?;
        let hash = found.as_ref().map(|found| found.secret.password_hash.as_str());
        let verdict = self.hasher.verify(password, hash).await?;
        Ok(found.filter(|_| verdict != Verdict::Wrong))
    }
}
