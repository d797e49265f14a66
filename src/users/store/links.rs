//! The queries about one-time links.
//!
//! A link is a document with a `ttl`: the hash of its token, its kind, its user and the address it was sent to. It is deleted
//! in the transaction of the change that it allows, so it works once even with concurrent attempts, and only while the account
//! still has the address it had when the link was created.

use std::time::Duration;

use fauna_client::fql::Expr;
use fauna_client::{DocumentId, fql};
use serde::Deserialize;

use crate::users::UserLayout;
use crate::users::store::{NewUser, SECRETS, email_exists, email_index, profile_of, put_secret};

pub const LINKS: &str = "account_links";
/// Finds a link by the hash of its token.
pub const LINKS_BY_HASH: &str = "account_links_by_hash";
/// Finds the links of a user, by kind.
pub const LINKS_BY_USER: &str = "account_links_by_user";

const RESET: &str = "reset";
/// Kind of a link that verifies the account's address.
const VERIFY: &str = "verify";
const CHANGE: &str = "change";
/// Kind of a link that creates an account; it has no user yet.
const SIGN_UP: &str = "sign-up";
const KINDS: [&str; 3] = [RESET, VERIFY, CHANGE];
/// Kind of a link without effect, created if there is no account so that the request takes as long.
const NOTHING: &str = "nothing";
/// More links of one kind than a user can have, because each new one deletes the others.
const LINKS_MAX: i64 = 1000;

pub struct NewLink<'a> {
    pub hash: &'a str,
    pub life: Duration,
}

#[derive(Deserialize)]
pub struct CreatedLink {
    /// The account's stored address; `None` if no link was created.
    pub email: Option<String>,
}

#[derive(Deserialize)]
pub struct ConsumedLink {
    pub id: DocumentId,
    pub email: Option<String>,
}

#[derive(Deserialize)]
pub struct PendingSignUp {
    pub name: String,
    pub email: String,
    #[serde(rename = "passwordHash")]
    pub password_hash: String,
}

/// A link for the user of an address; null if there is none, after as much work with the id `stand_in`.
pub fn create_reset_link(users: &UserLayout, email: &str, stand_in: &DocumentId, link: &NewLink<'_>) -> Expr {
    let found = || fql::var("found");
    let address = || vec![("address", fql::var("email"))];
    fql::let_in(
        [("found", fql::matching(&email_index(users), [email.into()]))],
        fql::if_else(
            fql::exists(found()),
            fql::let_in(
                [("user", fql::select(&["ref"], fql::get(found()))), ("email", email_of(users, "user"))],
                insert_link(RESET, link, address()),
            ),
            fql::let_in(
                [("user", fql::document(&users.collection, stand_in)), ("email", email.into())],
                fql::do_all([insert_link(NOTHING, link, address()), fql::null()]),
            ),
        ),
    )
}

/// A link that creates the account `id`, if the address is free. Evaluates to whether it is, after as much work either way.
pub fn create_sign_up_link(users: &UserLayout, id: &DocumentId, new: &NewUser<'_>, link: &NewLink<'_>) -> Expr {
    let decoy = fql::object([("hash", link.hash.into()), ("kind", NOTHING.into())]);
    let kept = fql::object([
        ("hash", link.hash.into()),
        ("kind", SIGN_UP.into()),
        ("user", fql::document(&users.collection, id)),
        ("name", new.name.into()),
        ("address", new.email.into()),
        ("passwordHash", new.hash.into()),
        ("profile", profile_of(new.profile)),
    ]);
    fql::if_else(
        email_exists(users, new.email),
        fql::do_all([create(decoy, link.life), false.into()]),
        fql::do_all([create(kept, link.life), true.into()]),
    )
}

/// The data of the account to be created, or null if the link does not work. Does not use up the link.
pub fn sign_up_link(hash: &str) -> Expr {
    let chosen = fql::object([
        ("name", of_link("name")),
        ("email", of_link("address")),
        ("passwordHash", of_link("passwordHash")),
    ]);
    with_sign_up_link(hash, chosen)
}

/// Creates the account of a link with a verified address. Evaluates to the same as a sign-up, or null if the link does not work.
pub fn complete_sign_up(users: &UserLayout, hash: &str) -> Expr {
    let user = fql::object_of([
        ("name".to_owned(), of_link("name")),
        users.email_field(of_link("address")),
        ("joinedAt".to_owned(), fql::now()),
        ("profile".to_owned(), fql::select_or(&["data", "profile"], fql::var("link"), fql::null())),
    ]);
    let secret = fql::object([("passwordHash", of_link("passwordHash")), ("emailVerified", true.into())]);
    let id = || fql::select(&["id"], of_link("user"));
    let made = fql::do_all([
        fql::delete(fql::select(&["ref"], fql::var("link"))),
        fql::create(of_link("user"), fql::object([("data", user)])),
        fql::create(fql::document(SECRETS, id()), fql::object([("data", secret)])),
        fql::object([("id", id()), ("joinedAt", fql::now())]),
    ]);
    with_sign_up_link(hash, made)
}

/// `then` with `link` bound, or null if there is no such link or it does not create an account.
fn with_sign_up_link(hash: &str, then: Expr) -> Expr {
    let found = || fql::var("found");
    let is_good = fql::equals(of_link("kind"), SIGN_UP.into());
    let link = fql::let_in([("link", fql::get(found()))], fql::if_else(is_good, then, fql::null()));
    fql::let_in(
        [("found", fql::matching(LINKS_BY_HASH, [hash.into()]))],
        fql::if_else(fql::exists(found()), link, fql::null()),
    )
}

/// A field of the bound `link`.
fn of_link(field: &str) -> Expr {
    fql::select(&["data", field], fql::var("link"))
}

/// A link for a user, without an address if it is already verified; null if there is no such user.
pub fn create_verification_link(users: &UserLayout, id: &DocumentId, link: &NewLink<'_>) -> Expr {
    let secret = || fql::document(SECRETS, id);
    let is_verified = fql::select_or(&["data", "emailVerified"], fql::get(secret()), false.into());
    let is_verified = fql::if_else(fql::exists(secret()), is_verified, false.into());
    let needs_link = fql::all([fql::is_string(fql::var("email")), fql::not(is_verified)]);
    let made = insert_link(VERIFY, link, vec![("address", fql::var("email"))]);
    create_for(users, id, fql::if_else(needs_link, made, no_link()))
}

/// A link that changes a user's address, without an address if the new one is taken; null if there is no such user.
pub fn create_change_link(users: &UserLayout, id: &DocumentId, to: &str, link: &NewLink<'_>) -> Expr {
    let is_taken = fql::exists(fql::matching(&email_index(users), [to.into()]));
    let made = insert_link(CHANGE, link, vec![("address", to.into()), ("from", fql::var("email"))]);
    create_for(users, id, fql::if_else(is_taken, no_link(), made))
}

/// `then` with `user` and `email` bound, or null.
fn create_for(users: &UserLayout, id: &DocumentId, then: Expr) -> Expr {
    fql::let_in(
        [("user", fql::document(&users.collection, id))],
        fql::if_else(
            fql::exists(fql::var("user")),
            fql::let_in([("email", email_of(users, "user"))], then),
            fql::null(),
        ),
    )
}

fn no_link() -> Expr {
    fql::object([])
}

/// Creates a link of the bound user, which replaces earlier ones of its kind.
fn insert_link(kind: &str, link: &NewLink<'_>, fields: Vec<(&'static str, Expr)>) -> Expr {
    let fixed = [("hash", link.hash.into()), ("kind", kind.into()), ("user", fql::var("user"))];
    let fields = fixed.into_iter().chain(fields).map(|(name, value)| (name.to_owned(), value));
    fql::do_all([
        delete_links(fql::var("user"), kind),
        create(fql::object_of(fields), link.life),
        fql::object([("email", fql::var("email"))]),
    ])
}

/// Creates a document in the collection of links, with a `ttl`.
pub fn create(data: Expr, life: Duration) -> Expr {
    let seconds = i64::try_from(life.as_secs()).unwrap_or(i64::MAX);
    let ttl = fql::time_add(fql::now(), seconds, "seconds");
    fql::create(fql::collection(LINKS), fql::object([("data", data), ("ttl", ttl)]))
}

pub fn reset_link(users: &UserLayout, hash: &str) -> Expr {
    consume(users, hash, RESET, "address", fql::var("id"))
}

/// Sets a new password with a link. Also verifies the address and deletes all other links.
pub fn reset_password(users: &UserLayout, hash: &str, password_hash: &str) -> Expr {
    let secret = fql::object([("passwordHash", password_hash.into()), ("emailVerified", true.into())]);
    consume(users, hash, RESET, "address", after_links([set_secret(&secret), consumed(users)]))
}

/// Verifies the address with a link.
pub fn verify(users: &UserLayout, hash: &str) -> Expr {
    let secret = fql::object([("emailVerified", true.into())]);
    consume(
        users,
        hash,
        VERIFY,
        "address",
        fql::do_all([delete_links(fql::var("user"), VERIFY), set_secret(&secret), fql::var("id")]),
    )
}

/// Changes the address with a link that was sent to the new one. Deletes all other links, which were sent to the former one.
pub fn change_email(users: &UserLayout, hash: &str) -> Expr {
    let email = fql::object_of([users.email_field(of_link("address"))]);
    let secret = fql::object([("emailVerified", true.into())]);
    let changed = fql::do_all([
        fql::update(fql::var("user"), fql::object([("data", email)])),
        set_secret(&secret),
        fql::object([
            ("id", fql::var("id")),
            ("email", fql::select_or(&["data", "from"], fql::var("link"), fql::null())),
        ]),
    ]);
    consume(users, hash, CHANGE, "from", after_links([changed]))
}

/// A link of that kind, if its user still has the address in its `bound_to`: then `then`, with `link`, `user` and `id`.
fn consume(users: &UserLayout, hash: &str, kind: &str, bound_to: &str, then: Expr) -> Expr {
    let found = || fql::var("found");
    let is_good = fql::all([
        fql::equals(fql::select(&["data", "kind"], fql::var("link")), kind.into()),
        fql::exists(fql::var("user")),
        fql::equals(email_of(users, "user"), fql::select_or(&["data", bound_to], fql::var("link"), fql::null())),
    ]);
    let link = fql::let_in(
        [
            ("link", fql::get(found())),
            ("user", fql::select(&["data", "user"], fql::var("link"))),
            ("id", fql::select(&["id"], fql::var("user"))),
        ],
        fql::if_else(is_good, then, fql::null()),
    );
    fql::let_in(
        [("found", fql::matching(LINKS_BY_HASH, [hash.into()]))],
        fql::if_else(fql::exists(found()), link, fql::null()),
    )
}

fn consumed(users: &UserLayout) -> Expr {
    fql::object([("id", fql::var("id")), ("email", email_of(users, "user"))])
}

/// Deletes all links of the bound user, then evaluates `then`.
fn after_links<const N: usize>(then: [Expr; N]) -> Expr {
    fql::do_each(delete_all(|| fql::var("user")).into_iter().chain(then))
}

/// Deletes the links of a user that a new password invalidates: those that reset it, and those that change the address, to
/// which a reset link could then be sent.
pub fn delete_takeovers(user: impl Fn() -> Expr) -> [Expr; 2] {
    [RESET, CHANGE].map(|kind| delete_links(user(), kind))
}

/// Deletes all links of a user, kind by kind.
pub fn delete_all(user: impl Fn() -> Expr) -> [Expr; 3] {
    KINDS.map(|kind| delete_links(user(), kind))
}

/// Deletes the links of a user of one kind.
fn delete_links(user: Expr, kind: &str) -> Expr {
    let links = fql::matching(LINKS_BY_USER, [user, kind.into()]);
    let links = fql::select(&["data"], fql::paginate(links, LINKS_MAX));
    fql::foreach(links, fql::lambda("l", fql::delete(fql::var("l"))))
}

fn set_secret(data: &Expr) -> Expr {
    put_secret(|| fql::var("id"), data)
}

fn email_of(users: &UserLayout, user: &str) -> Expr {
    users.email_of(fql::get(fql::var(user)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded;

    #[test]
    fn a_link_is_verified_as_faunadb_has_done_it() {
        let ours = recorded::without_tolerance(verify(&UserLayout::default(), "h4").wire());
        assert_eq!(ours, recorded::query("link: verify"));
    }

    #[test]
    fn a_password_is_reset_under_the_conditions_that_faunadb_has_answered() {
        let recorded = recorded::query("link: consumed with the change");
        let ours = recorded::without_tolerance(reset_password(&UserLayout::default(), "h1", "$argon2id$ann-2").wire());
        assert_eq!(ours["let"], recorded["let"]);
        assert_eq!(ours["in"]["if"], recorded["in"]["if"]);
        let (ours, recorded) = (&ours["in"]["then"], &recorded["in"]["then"]);
        assert_eq!(ours["let"], recorded["let"]);
        assert_eq!(ours["in"]["if"], recorded["in"]["if"]);
        assert_eq!(ours["in"]["then"]["do"][0], recorded["in"]["then"]["do"][0]);
    }
}
