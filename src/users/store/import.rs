//! The queries of an import: finding existing users, and writing all users.
//!
//! An import is one transaction, so it is never partial. The transaction also creates a marker document: a query that is sent
//! again because its answer was lost has no second effect, and an import that was blocked is never committed later.

use std::time::Duration;

use fauna_client::fql::Expr;
use fauna_client::{DocumentId, Time, fql};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::users::UserLayout;
use crate::users::store::links::LINKS_BY_HASH;
use crate::users::store::{SECRETS, data_of, email_index, links, profile_of};

/// Kind of a marker in the collection of links. A marker is not a link: no token has its hash.
const MARK: &str = "import";
/// Reason of the abort if a user to be adopted was deleted meanwhile.
pub const GONE: &str = "user is gone";
/// Lifetime of a marker; far longer than a query can be in flight.
const MARK_LIFE: Duration = Duration::from_hours(24);

/// A user to be written.
pub struct NewRow {
    pub id: DocumentId,
    /// The document exists already: only the secret is written.
    pub adopts: bool,
    pub name: String,
    /// Must be in lower case.
    pub email: String,
    pub joined_at: Time,
    /// `None` for a user who must set a password by mail.
    pub hash: Option<String>,
    pub is_verified: bool,
    pub profile: Map<String, Value>,
}

impl NewRow {
    fn hash(&self) -> Expr {
        self.hash.as_deref().map_or_else(fql::null, Expr::from)
    }
}

pub fn taken_emails(users: &UserLayout, emails: &[&str]) -> Expr {
    let is_taken = fql::exists(fql::matching(&email_index(users), [fql::var("email")]));
    fql::filter(emails.iter().map(|email| Expr::from(*email)).collect(), fql::lambda("email", is_taken))
}

/// An existing user with the id of an entry.
#[derive(Clone, Debug, Deserialize)]
pub struct ExistingUser {
    pub id: DocumentId,
    /// As it is stored.
    pub email: Option<String>,
    #[serde(rename = "hasSecret")]
    pub has_secret: bool,
}

/// The existing users with these ids, as [`ExistingUser`].
pub fn existing(users: &UserLayout, ids: &[&DocumentId]) -> Expr {
    let user = || fql::document(&users.collection, fql::var("id"));
    let there = fql::filter(ids.iter().map(|id| Expr::from(*id)).collect(), fql::lambda("id", fql::exists(user())));
    let shown = fql::object([
        ("id", fql::var("id")),
        ("email", users.email_of(fql::get(user()))),
        ("hasSecret", fql::exists(fql::document(SECRETS, fql::var("id")))),
    ]);
    fql::map(there, fql::lambda("id", shown))
}

/// Creates users with their secrets, and secrets for existing users: all or none, and nothing if the marker exists. Evaluates to
/// whether the import is committed.
pub fn import(users: &UserLayout, mark: &str, rows: &[NewRow]) -> Expr {
    let data = |fields: Vec<(String, Expr)>| fql::object([("data", fql::object_of(fields))]);
    let own = ["name", "joinedAt", "profile"].map(|field| (field.to_owned(), fql::var(field)));
    let user = data(own.into_iter().chain([users.email_field(fql::var("email"))]).collect());
    let secret = [("passwordHash", fql::var("hash")), ("emailVerified", fql::var("verified"))];
    let secret = data(secret.map(|(field, value)| (field.to_owned(), value)).into());
    let place = || fql::document(&users.collection, fql::var("id"));
    let create_secret = || fql::create(fql::document(SECRETS, fql::var("id")), secret.clone());
    let create = fql::do_all([fql::create(place(), user), create_secret()]);
    let adopt = fql::if_else(fql::exists(place()), create_secret(), fql::abort(GONE));
    let new_rows = rows.iter().filter(|row| !row.adopts).map(|row| {
        let [id, name, email] = [row.id.as_str(), &row.name, &row.email].map(Expr::from);
        Expr::from([
            id,
            name,
            email,
            row.joined_at.into(),
            row.hash(),
            row.is_verified.into(),
            profile_of(&row.profile),
        ])
    });
    let adopted = rows
        .iter()
        .filter(|row| row.adopts)
        .map(|row| Expr::from([row.id.as_str().into(), row.hash(), row.is_verified.into()]));
    let fields = ["id", "name", "email", "joinedAt", "hash", "verified", "profile"];
    let steps = [
        set_mark(mark, true),
        fql::foreach(new_rows.collect(), fql::lambda_of(&fields, create)),
        fql::foreach(adopted.collect(), fql::lambda_of(&["id", "hash", "verified"], adopt)),
        true.into(),
    ];
    run_once(mark, steps)
}

/// Prevents a later commit of an import. Evaluates to whether it was committed before.
pub fn block(mark: &str) -> Expr {
    run_once(mark, [set_mark(mark, false), false.into()])
}

fn run_once<const N: usize>(mark: &str, steps: [Expr; N]) -> Expr {
    let found = || fql::var("found");
    let said = fql::let_in([("mark", fql::get(found()))], fql::select(&["made"], data_of("mark")));
    fql::let_in(
        [("found", fql::matching(LINKS_BY_HASH, [mark.into()]))],
        fql::if_else(fql::exists(found()), said, fql::do_all(steps)),
    )
}

/// Creates the marker, which records whether the import was committed.
fn set_mark(mark: &str, made: bool) -> Expr {
    let data = fql::object([("hash", mark.into()), ("kind", MARK.into()), ("made", made.into())]);
    links::create(data, MARK_LIFE)
}
