//! The queries of an import: who is there already, and everybody at once.
//!
//! An import is one transaction, so that there is never a part of one. In the same transaction goes a mark: however often
//! the query is sent because its answer was lost, it is carried out once, and an import that is given up before it was
//! carried out never will be.

use std::time::Duration;

use fauna_client::fql::Expr;
use fauna_client::{DocumentId, Time, fql};
use serde_json::{Map, Value};

use crate::users::store::links::LINKS_BY_HASH;
use crate::users::store::{SECRETS, data_of, email_index, links, profile_of};

/// What a mark is among the links, which it is none of: nobody is given what it is the hash of.
const MARK: &str = "import";
/// How long a mark is kept: far longer than a query can be on its way.
const MARK_LIFE: Duration = Duration::from_hours(24);

/// Somebody who comes from elsewhere.
pub struct NewRow {
    pub id: DocumentId,
    pub name: String,
    pub email: String,
    pub joined_at: Time,
    pub hash: String,
    /// Whether the address was shown to be theirs.
    pub is_verified: bool,
    pub profile: Map<String, Value>,
}

pub fn taken_emails(users: &str, emails: &[&str]) -> Expr {
    let is_taken = fql::exists(fql::matching(&email_index(users), [fql::var("email")]));
    fql::filter(emails.iter().map(|email| Expr::from(*email)).collect(), fql::lambda("email", is_taken))
}

pub fn taken_ids(users: &str, ids: &[&DocumentId]) -> Expr {
    let is_taken = fql::exists(fql::document(users, fql::var("id")));
    fql::filter(ids.iter().map(|id| Expr::from(*id)).collect(), fql::lambda("id", is_taken))
}

/// Makes users with their secrets, all or none; not again where the mark is there. Answers whether they are made.
pub fn import(users: &str, mark: &str, rows: &[NewRow]) -> Expr {
    let rows = rows.iter().map(|new| {
        let verified = Expr::from(new.is_verified);
        let [id, name, email, hash] = [new.id.as_str(), &new.name, &new.email, &new.hash].map(Expr::from);
        Expr::from([id, name, email, new.joined_at.into(), hash, verified, profile_of(&new.profile)])
    });
    let user = fql::object(["name", "email", "joinedAt", "profile"].map(|field| (field, fql::var(field))));
    let secret = fql::object([("passwordHash", fql::var("hash")), ("emailVerified", fql::var("verified"))]);
    let make = fql::do_all([
        fql::create(fql::document(users, fql::var("id")), fql::object([("data", user)])),
        fql::create(fql::document(SECRETS, fql::var("id")), fql::object([("data", secret)])),
    ]);
    let each = fql::lambda_of(&["id", "name", "email", "joinedAt", "hash", "verified", "profile"], make);
    once(mark, [set_mark(mark, true), fql::foreach(rows.collect(), each), true.into()])
}

/// Sees to it that an import is not made any more, unless it was made. Answers whether it was.
pub fn give_up(mark: &str) -> Expr {
    once(mark, [set_mark(mark, false), false.into()])
}

fn once<const N: usize>(mark: &str, steps: [Expr; N]) -> Expr {
    let found = || fql::var("found");
    let said = fql::let_in([("mark", fql::get(found()))], fql::select(&["made"], data_of("mark")));
    fql::let_in(
        [("found", fql::matching(LINKS_BY_HASH, [mark.into()]))],
        fql::if_else(fql::exists(found()), said, fql::do_all(steps)),
    )
}

/// Says for a while whether the import of that mark was made.
fn set_mark(mark: &str, made: bool) -> Expr {
    let data = fql::object([("hash", mark.into()), ("kind", MARK.into()), ("made", made.into())]);
    links::create(data, MARK_LIFE)
}
