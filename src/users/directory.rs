//! Many users at once, for administration: listing, counting, exporting. Importing is in [`crate::users::import`].

use std::mem;

use fauna_client as fauna;
use serde_json::{Map, Value};

use crate::users::store::directory;
use crate::users::{Email, Error, User, Users, store};

pub use directory::{Cursor, Order};

/// Some users, and where the next ones begin.
pub struct UserList {
    pub users: Vec<User>,
    pub next: Option<Cursor>,
}

/// A user with what they sign in with, to be taken elsewhere.
pub struct Export {
    pub user: User,
    pub profile: Map<String, Value>,
    pub password_hash: String,
}

/// A user who can be read; one who cannot must not hide the others.
fn readable(user: Result<User, Error>) -> Option<User> {
    user.inspect_err(|error| tracing::warn!(%error, "a user is left out")).ok()
}

impl Users {
    /// At most `size` users.
    pub async fn list(&self, order: Order, size: i64, after: Option<&Cursor>) -> Result<UserList, Error> {
        let page = self.page(order, size, after).await?;
        let next = directory::next(&page);
        let users = directory::listed(page).filter_map(|listed| {
            let is_verified = listed.secret.is_some_and(|secret| secret.email_verified);
            readable(listed.user.into_user(listed.id, is_verified))
        });
        Ok(UserList { users: users.collect(), next })
    }

    pub async fn export(&self, size: i64, after: Option<&Cursor>) -> Result<(Vec<Export>, Option<Cursor>), Error> {
        let page = self.page(Order::Oldest, size, after).await?;
        let next = directory::next(&page);
        let take = |directory::Listed { id, mut user, secret }| {
            let Some(secret) = secret else {
                tracing::warn!(id = id.as_str(), "a user is not exported: they have nothing to sign in with");
                return None;
            };
            let profile = mem::take(&mut user.profile).0;
            let user = readable(user.into_user(id, secret.email_verified))?;
            Some(Export { user, profile, password_hash: secret.password_hash })
        };
        Ok((directory::listed(page).filter_map(take).collect(), next))
    }

    /// The user of an address.
    pub async fn by_email(&self, email: &Email) -> Result<Option<User>, Error> {
        let query = store::by_email(&self.collection, email.as_str());
        match self.fauna.query_idempotent::<Option<store::Found>>(&query).await {
            Err(fauna::Error::NotFound) => Ok(None),
            found => found?.map(store::Found::into_user).transpose(),
        }
    }

    pub async fn count(&self) -> Result<i64, Error> {
        Ok(self.fauna.query_idempotent(&directory::count(&self.collection)).await?)
    }

    async fn page(&self, order: Order, size: i64, after: Option<&Cursor>) -> Result<directory::UserPage, Error> {
        Ok(self.fauna.query_idempotent(&directory::list(&self.collection, order, size, after)).await?)
    }
}
