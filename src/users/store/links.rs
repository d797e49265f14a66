//! The queries about one-time links. A link is used up in the same transaction as the change it allows, so it works once
//! however many use it at the same moment.

use std::time::Duration;

use serde::Deserialize;

use crate::fauna::DocumentId;
use crate::fauna::fql;
use crate::fauna::fql::Expr;
use crate::users::store::SECRETS;

/// One-time links.
pub const LINKS: &str = "account_links";
/// Finds a link by the hash of its token.
pub const LINKS_BY_HASH: &str = "account_links_by_hash";
/// Finds the links of a user, by kind.
pub const LINKS_BY_USER: &str = "account_links_by_user";
/// More links of one kind than a user will have.
const LINKS_MAX: i64 = 1000;

/// What a link allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// To set a new password.
    Reset,
    /// To show that the account's address is one's own.
    Verify,
    /// To give the account another address.
    Confirm,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Reset, Self::Verify, Self::Confirm];

    /// As it is stored.
    fn name(self) -> &'static str {
        match self {
            Self::Reset => "reset",
            Self::Verify => "verify",
            Self::Confirm => "confirm",
        }
    }
}

/// A link to be written down.
pub struct NewLink<'a> {
    /// Of its token.
    pub hash: &'a str,
    /// What it allows.
    pub kind: Kind,
    /// Whose account.
    pub user: &'a DocumentId,
    /// Where it is sent.
    pub address: &'a str,
    /// How long it works.
    pub life: Duration,
}

/// Writes a link down; it ends by itself.
pub fn create(users: &str, new: &NewLink<'_>) -> Expr {
    let data = fql::object([
        ("hash", new.hash.into()),
        ("kind", new.kind.name().into()),
        ("user", fql::document(users, new.user)),
        ("address", new.address.into()),
    ]);
    let seconds = i64::try_from(new.life.as_secs()).unwrap_or(i64::MAX);
    let params = fql::object([("data", data), ("ttl", fql::time_add(fql::now(), seconds, "seconds"))]);
    fql::select(&["data", "hash"], fql::create(fql::collection(LINKS), params))
}

/// What a used link did.
#[derive(Deserialize)]
pub struct Used {
    /// Whose account was changed.
    pub id: DocumentId,
    /// Its address before.
    pub email: String,
}

/// Uses a link up to set a password. Null where there is no such link, or where it was sent to an address that is not the
/// account's any more. Whoever could read the mail has shown that the address is theirs.
pub fn reset_password(token_hash: &str, password_hash: &str) -> Expr {
    let changed = fql::object([("passwordHash", password_hash.into()), ("emailVerified", true.into())]);
    use_up(token_hash, Kind::Reset, is_sent_to_account(), vec![update_secret(changed)])
}

/// Uses a link up to note that the address is the person's.
pub fn verify_email(token_hash: &str) -> Expr {
    let changed = fql::object([("emailVerified", true.into())]);
    use_up(token_hash, Kind::Verify, is_sent_to_account(), vec![update_secret(changed)])
}

/// Uses a link up to give the account the address that it was sent to. Refused as not unique where that is somebody's.
pub fn confirm_email(token_hash: &str) -> Expr {
    let address = fql::select(&["data", "address"], fql::var("link"));
    let user = fql::object([("data", fql::object([("email", address)]))]);
    let changed = fql::object([("emailVerified", true.into())]);
    let steps = vec![fql::update(fql::var("user"), user), update_secret(changed)];
    use_up(token_hash, Kind::Confirm, fql::exists(fql::var("user")), steps)
}

/// The link was sent to the address that the account still has.
fn is_sent_to_account() -> Expr {
    let address = fql::select(&["data", "address"], fql::var("link"));
    fql::equals(fql::select(&["data", "email"], fql::get(fql::var("user"))), address)
}

/// Changes the secret of the link's user.
fn update_secret(data: Expr) -> Expr {
    fql::update(fql::document(SECRETS, fql::var("id")), fql::object([("data", data)]))
}

/// Does `steps` for the user of a link and removes all links of its kind; null where the link does not allow it.
fn use_up(token_hash: &str, kind: Kind, condition: Expr, steps: Vec<Expr>) -> Expr {
    let user = || fql::var("user");
    let is_allowed = fql::all([
        fql::equals(fql::select(&["data", "kind"], fql::var("link")), kind.name().into()),
        fql::exists(user()),
        condition,
    ]);
    let before = fql::object([("id", fql::var("id")), ("email", fql::select(&["data", "email"], fql::get(user())))]);
    let steps = std::iter::once(delete_all(user(), kind)).chain(steps).chain([fql::var("before")]);
    let done = fql::let_in([("before", before)], fql::do_each(steps));
    let used = fql::let_in(
        [
            ("link", fql::get(fql::var("found"))),
            ("user", fql::select(&["data", "user"], fql::var("link"))),
            ("id", fql::select(&["id"], user())),
        ],
        fql::if_else(is_allowed, done, fql::null()),
    );
    fql::let_in(
        [("found", fql::matching(LINKS_BY_HASH, [token_hash.into()]))],
        fql::if_else(fql::exists(fql::var("found")), used, fql::null()),
    )
}

/// Deletes all links of a user of that kind.
pub fn delete_all(user: Expr, kind: Kind) -> Expr {
    let links = fql::paginate(fql::matching(LINKS_BY_USER, [user, kind.name().into()]), LINKS_MAX);
    fql::foreach(fql::select(&["data"], links), fql::lambda("l", fql::delete(fql::var("l"))))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fauna::recorded;

    #[test]
    fn links_are_made_as_faunadb_has_taken_them() {
        let user = DocumentId::parse("101").unwrap();
        let life = Duration::from_secs(3600);
        let new = NewLink { hash: "h1", kind: Kind::Reset, user: &user, address: "ann@example.com", life };
        let mut query = create("users", &new).wire().clone();
        query["from"]["params"]["object"]["ttl"] = json!({"time_add": {"now": null}, "offset": 1, "unit": "hour"});
        assert_eq!(query, recorded::query("link: for a reset"));
    }

    #[test]
    fn links_are_used_up_as_faunadb_has_answered() {
        let mut ours = verify_email("h4").wire().clone();
        let recorded = recorded::query("link: verify");
        let done = &mut ours["in"]["then"]["in"]["then"];
        assert_eq!(done["let"][0]["before"]["object"]["id"], json!({"var": "id"}));
        let mut steps = done["in"].take();
        steps["do"][2] = json!({"var": "id"});
        *done = steps;
        assert_eq!(ours, recorded);
    }
}
