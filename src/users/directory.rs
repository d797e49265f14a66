//! Listing, counting and exporting users, for administration. Importing is in [`crate::users::import`].

use fauna_client as fauna;
use serde_json::{Map, Value};

use crate::users::store::directory;
use crate::users::store::directory::Shown;
use crate::users::{Email, Error, User, Users, store};

pub use directory::{Cursor, Order};

/// A page of users and the cursor of the next one.
pub struct UserList {
    pub users: Vec<User>,
    pub next: Option<Cursor>,
}

/// A user with the password hash, for another system.
pub struct Export {
    pub user: User,
    pub profile: Map<String, Value>,
    /// `None` if the user has not set a password yet.
    pub password_hash: Option<String>,
}

impl Users {
    /// At most `size` users.
    pub async fn list(&self, order: Order, size: i64, after: Option<&Cursor>) -> Result<UserList, Error> {
        let (found, next) = self.page(order, Shown::Summary, size, after).await?;
        Ok(UserList { users: found.into_iter().map(store::Found::into_user).collect(), next })
    }

    /// At most `size` users with their password hashes, oldest first.
    pub async fn export(&self, size: i64, after: Option<&Cursor>) -> Result<(Vec<Export>, Option<Cursor>), Error> {
        let (found, next) = self.page(Order::Oldest, Shown::WithProfile, size, after).await?;
        let export = |mut found: store::Found| Export {
            profile: found.user.profile.take().unwrap_or_default().0,
            password_hash: found.password_hash().map(str::to_owned),
            user: found.into_user(),
        };
        Ok((found.into_iter().map(export).collect(), next))
    }

    /// The user who is listed with this address.
    pub async fn by_email(&self, email: &Email) -> Result<Option<User>, Error> {
        let user = self.find(email).await?.map(store::Found::into_user);
        // The index also finds documents in which the address is one of several.
        Ok(user.filter(|user| user.email.as_ref() == Some(email)))
    }

    pub async fn count(&self) -> Result<i64, Error> {
        Ok(self.fauna.query_idempotent(&directory::count(&self.layout)).await?)
    }

    /// At most `size` users; fewer where they are too large for one answer.
    async fn page(
        &self,
        order: Order,
        shown: Shown,
        mut size: i64,
        after: Option<&Cursor>,
    ) -> Result<(Vec<store::Found>, Option<Cursor>), Error> {
        loop {
            match self.fauna.query_idempotent(&directory::list(&self.layout, order, shown, size, after)).await {
                Err(fauna::Error::AnswerTooLarge) if size > 1 => size /= 2,
                page => return Ok(directory::users_of(page?)),
            }
        }
    }
}
