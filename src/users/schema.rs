//! The Fauna schema of users: collections, indexes and privileges.
//!
//! A user's token can read the user's own document only. The application's key can create users and secrets with chosen ids,
//! but never with `credentials`, which would allow creating tokens without a session, or with a `ttl`.

use fauna_client::fql::Expr;
use fauna_client::schema::{Declarations, Definition, Privilege};
use fauna_client::{fql, schema as declare};

use crate::users::UserLayout;
use crate::users::store::accounts::TOKENS_BY_USER;
use crate::users::store::directory::{newest_index, oldest_index};
use crate::users::store::links::{LINKS, LINKS_BY_HASH, LINKS_BY_USER};
use crate::users::store::{SECRETS, email_index};

/// Collections, indexes and privileges for this layout.
pub fn schema(layout: &UserLayout) -> Declarations {
    let users = layout.collection.as_str();
    let links = || fql::collection(LINKS);
    let index = |name: &str| Privilege::on(fql::index(name)).allow("read");
    Declarations {
        definitions: vec![
            declare::collection(users),
            declare::collection(SECRETS),
            declare::collection(LINKS),
            declare::index(&email_index(layout), fql::collection(users))
                .term_ignoring_case(&layout.email_path())
                .unique(),
            by_age(&newest_index(users), users, true),
            by_age(&oldest_index(users), users, false),
            declare::index(LINKS_BY_HASH, links()).terms([&["data", "hash"]]).unique(),
            declare::index(LINKS_BY_USER, links()).terms([&["data", "user"], &["data", "kind"]]).any(),
            declare::index(TOKENS_BY_USER, fql::tokens()).terms([&["instance"]]).any(),
        ],
        member: vec![Privilege::on(fql::collection(users)).allow_if("read", is_self())],
        backend: vec![
            plain_documents(users),
            plain_documents(SECRETS),
            Privilege::on(links()).allow("read").allow("delete").allow_if("create", is_link()),
            index(&email_index(layout)),
            index(&newest_index(users)),
            index(&oldest_index(users)),
            index(LINKS_BY_HASH),
            index(LINKS_BY_USER),
            index(TOKENS_BY_USER),
        ],
    }
}

fn by_age(name: &str, users: &str, newest_first: bool) -> Definition {
    declare::index(name, fql::collection(users))
        .values([(&["data", "joinedAt"], newest_first), (&["ref"], false)])
        .any()
}

fn is_self() -> Expr {
    fql::lambda("ref", fql::equals(fql::var("ref"), fql::current_identity()))
}

/// All actions on a collection's documents, which may contain neither `credentials` nor `ttl`.
fn plain_documents(collection: &str) -> Privilege {
    let plain = || fql::all([has_no("credentials"), has_no("ttl")]);
    Privilege::on(fql::collection(collection))
        .allow("read")
        .allow("delete")
        .allow_if("create_with_id", fql::lambda_of(&["new", "ref"], plain()))
        .allow_if("write", fql::lambda_of(&["old", "new", "ref"], plain()))
}

fn is_link() -> Expr {
    let ends = fql::is_timestamp(fql::select(&["ttl"], fql::var("new")));
    fql::lambda("new", fql::all([has_no("credentials"), ends]))
}

fn has_no(field: &str) -> Expr {
    fql::not(fql::contains_field(field, fql::var("new")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded;

    #[test]
    fn the_definitions_are_those_that_faunadb_has_taken() {
        for (form, name) in [
            ("create_collection", "users"),
            ("create_collection", "user_secrets"),
            ("create_collection", "account_links"),
            ("create_index", "users_by_email"),
            ("create_index", "account_links_by_hash"),
            ("create_index", "account_links_by_user"),
            ("create_index", "tokens_by_instance"),
        ] {
            let query = declare::creation_query(vec![schema(&UserLayout::default())], form, name).unwrap();
            let kind = form.trim_start_matches("create_");
            assert_eq!(
                recorded::without_tolerance(&query),
                recorded::query(&format!("schema: {kind} {name}")),
                "{name}"
            );
        }
    }
}
