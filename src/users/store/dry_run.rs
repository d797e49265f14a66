//! A dry run of the queries that write: whether the application's key has all privileges for them.

use std::time::Duration;

use fauna_client::fql::Expr;
use fauna_client::{DocumentId, fql};
use serde_json::Map;

use crate::users::profile::ProfileChange;
use crate::users::store::links::NewLink;
use crate::users::store::{NewUser, accounts, by_email, links, sign_up};
use crate::users::{AccountDeletionHook, UserLayout};

/// An address that nobody has.
const EMAIL: &str = "dry-run@example.invalid";
const HASH: &str = "dry_run";
const LINK: &str = "dry_run";

/// Life of an account: sign-up, sign-in, a link, a new name, a new password, `meanwhile` with the reference of the user, and deletion. To be run
/// in a transaction that is aborted.
pub fn account(
    users: &UserLayout,
    id: &DocumentId,
    deletion_hooks: &[AccountDeletionHook],
    meanwhile: impl IntoIterator<Item = Expr>,
) -> Vec<Expr> {
    let new = NewUser { name: "DryRun", email: EMAIL, hash: HASH, profile: &Map::new() };
    let link = NewLink { hash: LINK, life: Duration::from_mins(1) };
    let change = ProfileChange { name: Some("Another".to_owned()), fields: Map::new() };
    [
        sign_up(users, id, &new),
        by_email(users, EMAIL),
        links::create_verification_link(users, id, &link),
        links::verify(users, LINK),
        accounts::update_profile(users, id, &change),
        accounts::change_hash(users, id, HASH, "another"),
    ]
    .into_iter()
    .chain(meanwhile)
    .chain([accounts::delete(users, id, deletion_hooks)])
    .collect()
}

/// Steps that are taken back.
pub fn aborted(steps: Vec<Expr>, reason: &str) -> Expr {
    fql::do_each(steps.into_iter().chain([fql::abort(reason)]))
}
