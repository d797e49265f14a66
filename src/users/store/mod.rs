//! The queries about users: signing up and in. What changes an account is in [`accounts`], one-time links in
//! [`links`], what is about many users in [`directory`] and [`import`].

pub mod accounts;
pub mod directory;
pub mod import;
pub mod links;

use fauna_client::fql::Expr;
use fauna_client::{Data, DocumentId, Time, fql};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::users::{Email, Error, User};

/// The collection of secrets: each has the id of its user.
pub const SECRETS: &str = "user_secrets";

/// The unique index of addresses.
pub fn email_index(users: &str) -> String {
    format!("{users}_by_email")
}

pub struct NewUser<'a> {
    pub name: &'a str,
    pub email: &'a str,
    pub hash: &'a str,
    pub profile: &'a Map<String, Value>,
}

#[derive(Deserialize)]
pub struct Made {
    id: DocumentId,
    #[serde(rename = "joinedAt")]
    joined_at: Time,
}

impl Made {
    pub fn into_user(self, email: Email, name: &str) -> User {
        let joined_at = Timestamp::from_millis(self.joined_at.millis());
        User { id: self.id, name: name.to_owned(), email, joined_at, email_verified: false }
    }
}

/// A user with their secret.
#[derive(Deserialize)]
pub struct Found {
    pub id: DocumentId,
    pub user: Document,
    pub secret: Secret,
}

#[derive(Deserialize)]
pub struct Document {
    pub name: String,
    pub email: String,
    #[serde(rename = "joinedAt")]
    pub joined_at: Time,
    #[serde(default)]
    pub profile: Data,
}

#[derive(Deserialize)]
pub struct Secret {
    #[serde(rename = "passwordHash")]
    pub password_hash: String,
    /// Whether the address was shown to be theirs.
    #[serde(rename = "emailVerified", default)]
    pub email_verified: bool,
}

impl Found {
    /// The user without the secret.
    pub fn into_user(self) -> Result<User, Error> {
        self.user.into_user(self.id, self.secret.email_verified)
    }
}

impl Document {
    /// The user whose document it is.
    pub fn into_user(self, id: DocumentId, email_verified: bool) -> Result<User, Error> {
        let email = Email::parse(&self.email).ok_or(Error::Unreadable("email"))?;
        Ok(User {
            id,
            name: self.name,
            email,
            joined_at: Timestamp::from_millis(self.joined_at.millis()),
            email_verified,
        })
    }
}

/// What is kept besides name and address; null, which Fauna does not keep, where that is nothing.
fn profile_of(profile: &Map<String, Value>) -> Expr {
    if profile.is_empty() { fql::null() } else { fql::data(&Value::Object(profile.clone())) }
}

/// Makes user and secret in one transaction.
pub fn sign_up(users: &str, id: &DocumentId, new: &NewUser<'_>) -> Expr {
    let profile = (!new.profile.is_empty()).then(|| ("profile", fql::data(&Value::Object(new.profile.clone()))));
    let user = [("name", new.name.into()), ("email", new.email.into()), ("joinedAt", fql::now())];
    let user = fql::object_of(user.into_iter().chain(profile).map(|(field, value)| (field.to_owned(), value)));
    let secret = fql::object([("passwordHash", new.hash.into()), ("emailVerified", false.into())]);
    let made = fql::object([
        ("id", fql::select(&["ref", "id"], fql::var("user"))),
        ("joinedAt", fql::select(&["data", "joinedAt"], fql::var("user"))),
    ]);
    fql::let_in(
        [
            ("user", fql::create(fql::document(users, id), fql::object([("data", user)]))),
            ("secret", fql::create(fql::document(SECRETS, id), fql::object([("data", secret)]))),
        ],
        made,
    )
}

/// Whether an address has a user.
pub fn email_exists(users: &str, email: &str) -> Expr {
    fql::exists(fql::matching(&email_index(users), [email.into()]))
}

/// The user of an address with their secret, or null.
pub fn by_email(users: &str, email: &str) -> Expr {
    let found = fql::matching(&email_index(users), [email.into()]);
    let body = fql::if_else(fql::exists(fql::var("found")), with_secret(fql::get(fql::var("found"))), fql::null());
    fql::let_in([("found", found)], body)
}

/// A user with their secret.
pub fn with_secret(user: Expr) -> Expr {
    let id = || fql::select(&["ref", "id"], fql::var("user"));
    fql::let_in(
        [("user", user), ("secret", fql::get(fql::document(SECRETS, id())))],
        fql::object([("id", id()), ("user", data_of("user")), ("secret", data_of("secret"))]),
    )
}

/// The data of a bound document.
pub fn data_of(name: &str) -> Expr {
    fql::select(&["data"], fql::var(name))
}

/// The [`Document`] of whoever asks, with their own token.
pub fn own_document() -> Expr {
    fql::select(&["data"], fql::get(fql::current_identity()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded;

    #[test]
    fn the_queries_are_those_that_faunadb_has_answered() {
        let id = DocumentId::parse("101").unwrap();
        let ann = NewUser { name: "Ann", email: "ann@example.com", hash: "$argon2id$ann", profile: &Map::new() };
        for (step, query) in
            [("sign up: Ann", sign_up("users", &id, &ann)), ("sign in: read", by_email("users", "ann@example.com"))]
        {
            assert_eq!(*query.wire(), recorded::query(step), "{step}");
        }
        assert_eq!(*email_exists("users", "ann@example.com").wire(), recorded::query("exists: an e-mail")[0]);
    }

    #[test]
    fn the_answers_of_faunadb_are_understood() {
        let mut answer = recorded::resource("sign in: read");
        answer["user"]["joinedAt"]["@ts"] = "2030-01-01T00:00:00Z".into();
        let user = serde_json::from_value::<Found>(answer).unwrap().into_user().unwrap();
        assert_eq!((user.id.as_str(), user.name.as_str(), user.email.as_str()), ("101", "Ann", "ann@example.com"));
        assert_eq!((user.joined_at.millis(), user.email_verified), (1_893_456_000_000, false));
    }
}
