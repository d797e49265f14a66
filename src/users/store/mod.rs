//! The queries of sign-up and sign-in. Changes of an account are in [`accounts`], one-time links in [`links`], queries about
//! many users in [`directory`] and [`import`].

pub mod accounts;
pub mod directory;
pub mod dry_run;
pub mod import;
pub mod links;

use fauna_client::fql::Expr;
use fauna_client::{Data, DocumentId, Time, fql};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::users::{Email, User, UserLayout};

/// The collection of secrets: each has the id of its user.
pub const SECRETS: &str = "user_secrets";

/// The unique index of addresses.
pub fn email_index(users: &UserLayout) -> String {
    format!("{}_by_email", users.collection)
}

pub struct NewUser<'a> {
    pub name: &'a str,
    pub email: &'a str,
    pub hash: &'a str,
    pub profile: &'a Map<String, Value>,
}

#[derive(Deserialize)]
pub struct NewUserDocument {
    id: DocumentId,
    #[serde(rename = "joinedAt")]
    joined_at: Time,
}

impl NewUserDocument {
    pub fn into_user(self, email: Email, name: &str) -> User {
        let joined_at = Timestamp::from_millis(self.joined_at.millis());
        let (name, email, joined_at) = (Some(name.to_owned()), Some(email), Some(joined_at));
        User { id: self.id, name, email, joined_at, email_verified: false }
    }
}

/// A user with the secret, if there is one: a document of another application has none until its user sets a password.
#[derive(Deserialize)]
pub struct Found {
    pub id: DocumentId,
    pub user: Document,
    pub secret: Option<Secret>,
}

/// A user's document, which another application may have created: any field may be missing or of another type.
#[derive(Deserialize)]
pub struct Document {
    #[serde(default, deserialize_with = "or_none_if_mistyped")]
    pub name: Option<String>,
    #[serde(default, deserialize_with = "or_none_if_mistyped")]
    pub email: Option<String>,
    #[serde(default, rename = "joinedAt", deserialize_with = "or_none_if_mistyped")]
    pub joined_at: Option<Time>,
    /// Extra fields of the sign-up form and metadata of an import.
    #[serde(default, deserialize_with = "or_none_if_mistyped")]
    pub profile: Option<Data>,
}

/// `None` for a value of another type.
fn or_none_if_mistyped<'de, D: Deserializer<'de>, T: DeserializeOwned>(from: D) -> Result<Option<T>, D::Error> {
    Ok(serde_json::from_value(Value::deserialize(from)?).ok())
}

/// The document of [`SECRETS`], which only the application's key may read.
#[derive(Deserialize)]
pub struct Secret {
    /// See [`crate::users::stored_hash`]. `None` if the address was verified before a password was set.
    #[serde(rename = "passwordHash")]
    pub password_hash: Option<String>,
    #[serde(rename = "emailVerified", default)]
    pub email_verified: bool,
}

impl Found {
    pub fn password_hash(&self) -> Option<&str> {
        self.secret.as_ref()?.password_hash.as_deref()
    }

    pub fn into_user(self) -> User {
        let email_verified = self.secret.is_some_and(|secret| secret.email_verified);
        self.user.into_user(self.id, email_verified)
    }
}

impl Document {
    /// `None` also for an address that this application does not accept.
    pub fn into_user(self, id: DocumentId, email_verified: bool) -> User {
        User {
            id,
            name: self.name.filter(|name| !name.trim().is_empty()),
            email: self.email.as_deref().and_then(Email::stored),
            joined_at: self.joined_at.map(|time| Timestamp::from_millis(time.millis())),
            email_verified,
        }
    }
}

/// The `profile` of a new user; null, which Fauna does not store, if it is empty.
fn profile_of(profile: &Map<String, Value>) -> Expr {
    if profile.is_empty() { fql::null() } else { fql::data(&Value::Object(profile.clone())) }
}

/// Creates user and secret in one transaction.
pub fn sign_up(users: &UserLayout, id: &DocumentId, new: &NewUser<'_>) -> Expr {
    let profile = (!new.profile.is_empty()).then(|| ("profile".to_owned(), profile_of(new.profile)));
    let fields = [("name".to_owned(), new.name.into()), users.email_field(new.email.into())];
    let user = fql::object_of(fields.into_iter().chain([("joinedAt".to_owned(), fql::now())]).chain(profile));
    let secret = fql::object([("passwordHash", new.hash.into()), ("emailVerified", false.into())]);
    let made = fql::object([
        ("id", fql::select(&["ref", "id"], fql::var("user"))),
        ("joinedAt", fql::select(&["data", "joinedAt"], fql::var("user"))),
    ]);
    fql::let_in(
        [
            ("user", fql::create(fql::document(&users.collection, id), fql::object([("data", user)]))),
            ("secret", fql::create(fql::document(SECRETS, id), fql::object([("data", secret)]))),
        ],
        made,
    )
}

/// Whether an address has a user.
pub fn email_exists(users: &UserLayout, email: &str) -> Expr {
    fql::exists(fql::matching(&email_index(users), [email.into()]))
}

/// The user of an address as [`Found`], or null.
pub fn by_email(users: &UserLayout, email: &str) -> Expr {
    let found = fql::matching(&email_index(users), [email.into()]);
    let user = with_secret(users, fql::get(fql::var("found")));
    let body = fql::if_else(fql::exists(fql::var("found")), user, fql::null());
    fql::let_in([("found", found)], body)
}

/// The user with an id as [`Found`], or null.
pub fn by_id(users: &UserLayout, id: &DocumentId) -> Expr {
    let user = || fql::document(&users.collection, id);
    fql::if_else(fql::exists(user()), with_secret(users, fql::get(user())), fql::null())
}

/// [`Found`] of a user's document; the secret is null where there is none.
pub fn with_secret(users: &UserLayout, user: Expr) -> Expr {
    let [id, secret] = id_and_secret();
    fql::let_in([("user", user)], fql::object([id, ("user", users.data_of("user")), secret]))
}

/// The fields `id` and `secret` of [`Found`], of the bound `user`.
pub fn id_and_secret() -> [(&'static str, Expr); 2] {
    let id = || fql::select(&["ref", "id"], fql::var("user"));
    let secret = || fql::document(SECRETS, id());
    let data = fql::if_else(fql::exists(secret()), fql::select(&["data"], fql::get(secret())), fql::null());
    [("id", id()), ("secret", data)]
}

/// The data of a bound document.
pub fn data_of(name: &str) -> Expr {
    fql::select(&["data"], fql::var(name))
}

/// The [`Document`] of the user whose token runs the query.
pub fn own_document(users: &UserLayout) -> Expr {
    fql::let_in([("user", fql::get(fql::current_identity()))], users.data_of("user"))
}

/// Updates or creates the secret of a user.
pub fn put_secret(id: impl Fn() -> Expr, data: &Expr) -> Expr {
    let secret = || fql::document(SECRETS, id());
    let params = || fql::object([("data", data.clone())]);
    fql::if_else(fql::exists(secret()), fql::update(secret(), params()), fql::create(secret(), params()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded;

    #[test]
    fn the_queries_are_those_that_faunadb_has_answered() {
        let id = DocumentId::parse("101").unwrap();
        let ann = NewUser { name: "Ann", email: "ann@example.com", hash: "$argon2id$ann", profile: &Map::new() };
        let users = UserLayout::default();
        assert_eq!(*sign_up(&users, &id, &ann).wire(), recorded::query("sign up: Ann"));
        let (ours, recorded) = (by_email(&users, "ann@example.com"), recorded::query("sign in: read"));
        assert_eq!(ours.wire()["let"], recorded["let"]);
        assert_eq!(ours.wire()["in"]["if"], recorded["in"]["if"]);
        assert_eq!(*email_exists(&users, "ann@example.com").wire(), recorded::query("exists: an e-mail")[0]);
    }

    #[test]
    fn the_answers_of_faunadb_are_understood() {
        let mut answer = recorded::resource("sign in: read");
        answer["user"]["joinedAt"]["@ts"] = "2030-01-01T00:00:00Z".into();
        let user = serde_json::from_value::<Found>(answer).unwrap().into_user();
        assert_eq!((user.id.as_str(), user.name.as_deref()), ("101", Some("Ann")));
        assert_eq!(user.email.unwrap().as_str(), "ann@example.com");
        assert_eq!((user.joined_at.unwrap().millis(), user.email_verified), (1_893_456_000_000, false));
    }

    #[test]
    fn a_document_may_lack_anything() {
        let read = |json: &str| serde_json::from_str::<Document>(json).unwrap();
        for json in ["{}", r#"{"name":7,"email":["a"],"joinedAt":"2020","profile":[]}"#] {
            let user = read(json).into_user(DocumentId::parse("1").unwrap(), false);
            assert_eq!((user.name, user.email.is_none(), user.joined_at.is_none()), (None, true, true), "{json}");
        }
        assert_eq!(
            read(r#"{"email":"Ada@X.io"}"#).into_user(DocumentId::parse("1").unwrap(), false).email.unwrap().as_str(),
            "ada@x.io"
        );
    }
}
