//! What the life of tokens needs in Fauna: finding them, and a key that makes none but marked ones that end.

use std::time::Duration;

use fauna_client::fql::Expr;
use fauna_client::schema::{Declarations, Privilege};
use fauna_client::{fql, schema as declare};

use crate::fauna_tokens::store::{BY_MARK, MARK};

/// The longest life that the key may give a token, minutes, unless access tokens live longer.
const LIFE_MINUTES: u64 = 61;

/// Indexes and rights; `users` names the collection of users, `access_life` is that of an access token.
pub fn schema(users: &str, access_life: Duration) -> Declarations {
    let minutes = access_life.as_secs().div_ceil(60).saturating_add(2).max(LIFE_MINUTES);
    let minutes = i64::try_from(minutes).unwrap_or(i64::MAX);
    Declarations {
        definitions: vec![
            declare::index(BY_MARK, fql::tokens())
                .terms([&["data", "app"]])
                .values([(&["ts"], false), (&["ref"], false)])
                .any(),
        ],
        member: Vec::new(),
        backend: vec![
            Privilege::on(fql::tokens())
                .allow("read")
                .allow("delete")
                .allow_if("create_with_id", is_marked_and_ends(users, minutes)),
            Privilege::on(fql::index(BY_MARK)).allow("read"),
        ],
    }
}

/// Of a user, marked, with a secret of Fauna's own making, and not for longer than that.
fn is_marked_and_ends(users: &str, minutes: i64) -> Expr {
    let new = || fql::var("new");
    fql::lambda_of(
        &["new", "ref"],
        fql::all([
            fql::equals(fql::select(&["instance", "collection"], new()), fql::collection(users)),
            fql::equals(fql::select(&["data", "app"], new()), MARK.into()),
            fql::not(fql::contains_field("hashed_secret", new())),
            fql::at_most(fql::select(&["ttl"], new()), fql::time_add(fql::now(), minutes, "minutes")),
        ]),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded;

    #[test]
    fn the_definitions_are_those_that_faunadb_has_taken() {
        let ours = vec![schema("users", Duration::from_secs(900))];
        let query = declare::creation_query(ours, "create_index", "tokens_by_app").unwrap();
        assert_eq!(query, recorded::query("schema: index tokens_by_app"));
    }
}
