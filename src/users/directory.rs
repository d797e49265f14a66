//! Listing, counting and exporting users, for administration. Importing is in [`crate::users::import`].

use serde_json::{Map, Value};

use crate::users::store::directory;
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
        let page = self.page(order, size, after).await?;
        let next = directory::next(&page)?;
        Ok(UserList { users: page.data.into_iter().map(store::Found::into_user).collect(), next })
    }

    /// At most `size` users with their password hashes, oldest first.
    pub async fn export(&self, size: i64, after: Option<&Cursor>) -> Result<(Vec<Export>, Option<Cursor>), Error> {
        let page = self.page(Order::Oldest, size, after).await?;
        let next = directory::next(&page)?;
        let export = |mut found: store::Found| Export {
            profile: found.user.profile.take().unwrap_or_default().0,
            password_hash: found.password_hash().map(str::to_owned),
            user: found.into_user(),
        };
        Ok((page.data.into_iter().map(export).collect(), next))
    }

    pub async fn by_email(&self, email: &Email) -> Result<Option<User>, Error> {
        Ok(self.find(email).await?.map(store::Found::into_user))
    }

    pub async fn count(&self) -> Result<i64, Error> {
        Ok(self.fauna.query_idempotent(&directory::count(&self.layout)).await?)
    }

    async fn page(&self, order: Order, size: i64, after: Option<&Cursor>) -> Result<directory::UserPage, Error> {
        Ok(self.fauna.query_idempotent(&directory::list(&self.layout, order, size, after)).await?)
    }
}
