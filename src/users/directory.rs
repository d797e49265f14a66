//! Many users at once, for administration: listing, counting, exporting. Importing is in [`crate::users::import`].

use std::mem;

use serde_json::Map;
use serde_json::Value;

use crate::users::Email;
use crate::users::Error;
use crate::users::User;
use crate::users::Users;
use crate::users::store;
use crate::users::store::directory;

pub use directory::Cursor;
pub use directory::Order;

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
    /// What else is kept of them.
    pub profile: Map<String, Value>,
    /// Of their password.
    pub password_hash: String,
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
        let take = |mut found: store::Found| {
            let password_hash = mem::take(&mut found.secret.password_hash);
            let profile = mem::take(&mut found.user.profile).0;
            Ok(Export { user: found.into_user()?, profile, password_hash })
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

    /// A page of users with their secrets.
    async fn page(&self, order: Order, size: i64, after: Option<&Cursor>) -> Result<directory::UserPage, Error> {
        Ok(self.fauna.query_idempotent(&directory::list(&self.collection, order, size, after)).await?)
    }
}
