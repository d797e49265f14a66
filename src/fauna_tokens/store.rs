//! Queries about tokens in Fauna.

use std::time::Duration;

use fauna_client::fql::Expr;
use fauna_client::{DocumentId, Page, Ref, Time, fql};
use serde::Deserialize;

use crate::fauna_tokens::ProofField;

/// The value of `data.app` in every token of a session, which the role of the application's key requires.
pub const MARK: &str = "backend";
/// Index of tokens by that mark, oldest first.
pub const BY_MARK: &str = "tokens_by_app";
/// Number of tokens in one page of a reconciliation.
pub const PAGE_SIZE: i64 = 1000;

/// Parameters of a token to be created.
pub struct NewToken<'a> {
    /// Name of the collection of users.
    pub users: &'a str,
    /// Id of the token's document.
    pub id: &'a DocumentId,
    /// Document id of the user.
    pub user: &'a str,
    /// Handle of the session.
    pub session: &'a str,
    /// Time until the token's `ttl`, rounded up to seconds.
    pub life: Duration,
}

/// Creates a token and returns its secret, or null if the user does not exist or `condition` is false.
pub fn create(new: &NewToken<'_>, condition: Option<Expr>) -> Expr {
    let mark = fql::object([("app", MARK.into()), ("session", new.session.into())]);
    let exists = fql::exists(fql::document(new.users, new.user));
    let condition = match condition {
        Some(condition) => fql::all([exists, condition]),
        None => exists,
    };
    fql::if_else(condition, fql::select(&["secret"], create_token(new, mark)), fql::null())
}

/// Whether the field of this user exists and has this value.
pub fn field_equals(field: ProofField, user: &str, value: &str) -> Expr {
    let document = || fql::document(field.collection, user);
    let is_equal = fql::equals(fql::select(field.path, fql::get(document())), value.into());
    fql::all([fql::exists(document()), is_equal])
}

fn create_token(new: &NewToken<'_>, mark: Expr) -> Expr {
    let seconds = i64::try_from(new.life.as_millis().div_ceil(1000)).unwrap_or(i64::MAX);
    let params = fql::object([
        ("instance", fql::document(new.users, new.user)),
        ("ttl", fql::time_add(fql::now(), seconds, "seconds")),
        ("data", mark),
    ]);
    fql::create(fql::token(new.id), params)
}

/// Deletes tokens. Those that do not exist count as deleted.
pub fn delete(ids: &[DocumentId]) -> Expr {
    let token = || fql::var("t");
    let guarded = fql::if_else(fql::exists(token()), fql::delete(token()), fql::null());
    let each = fql::let_in([("t", fql::token(fql::var("id")))], guarded);
    fql::foreach(ids.iter().map(Expr::from).collect(), fql::lambda("id", each))
}

/// Deletes a token of which it is unknown whether it was created. If it was not, creates one with its id and an unused secret, so
/// that a late request to create it fails. Idempotent.
pub fn block_id(new: &NewToken<'_>) -> Expr {
    let token = || fql::token(new.id);
    let mark = fql::object([("app", MARK.into()), ("buried", true.into())]);
    let is_blocked = fql::select_or(&["data", "buried"], fql::get(token()), false.into());
    let delete = fql::do_all([fql::delete(token()), "deleted".into()]);
    fql::if_else(
        fql::exists(token()),
        fql::if_else(is_blocked, "buried".into(), delete),
        fql::do_all([create_token(new, mark), "buried".into()]),
    )
}

/// The start of a page of marked tokens: creation time in microseconds, and twice the token's reference.
pub type Cursor = (i64, Ref, Ref);

/// A page of tokens with our mark.
#[derive(Deserialize)]
pub struct MarkedTokens {
    /// Time of the query on Fauna's clock.
    pub now: Time,
    /// Creation time (microseconds since 1970, on the same clock) and reference of each token.
    pub page: Page<(i64, Ref), Cursor>,
}

/// One page of the tokens with our mark, oldest first.
pub fn marked_tokens(after: Option<&Cursor>) -> Expr {
    let set = fql::matching(BY_MARK, [MARK.into()]);
    let page = match after {
        None => fql::paginate(set, PAGE_SIZE),
        Some((made, token, document)) => {
            let [token, document] = [token, document].map(|reference| fql::token(&reference.id));
            fql::paginate_after(set, PAGE_SIZE, Expr::from([(*made).into(), token, document]))
        }
    };
    fql::object([("now", fql::now()), ("page", page)])
}

/// Life of a token, for a dry run that is aborted: creation, listing, deletion.
pub fn dry_run(users: &str, user: &str, id: &DocumentId) -> [Expr; 3] {
    let new = NewToken { users, id, user, session: "dry_run", life: Duration::from_secs(60) };
    [create(&new, None), marked_tokens(None), delete(std::slice::from_ref(id))]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::recorded;

    #[test]
    fn a_proof_is_compared_with_the_field_of_the_user() {
        let field = ProofField { collection: "user_secrets", path: &["data", "passwordHash"] };
        let document = json!({"ref": {"collection": "user_secrets"}, "id": "102"});
        let value = json!({"select": ["data", "passwordHash"], "from": {"get": document}});
        let expected = json!({"and": [{"exists": document}, {"equals": [value, "hash"]}]});
        assert_eq!(*field_equals(field, "102", "hash").wire(), expected);
    }

    fn id(text: &str) -> DocumentId {
        DocumentId::parse(text).unwrap()
    }

    fn token<'a>(id: &'a DocumentId, session: &'a str) -> NewToken<'a> {
        NewToken { users: "users", id, user: "102", session, life: Duration::from_millis(929_500) }
    }

    #[test]
    fn the_queries_are_those_that_faunadb_has_answered() {
        for (step, query) in [
            ("sign in: mint for Bob", create(&token(&id("7002"), "s-2"), None)),
            ("refresh: the older one is collected", delete(&[id("7001"), id("6999")])),
        ] {
            assert_eq!(*query.wire(), recorded::query(step), "{step}");
        }
        assert_eq!(marked_tokens(None).wire()["object"]["page"], recorded::query("reconcile: what carries our mark"));
        let expected = recorded::query("collect: it is deleted");
        let ours = block_id(&token(&id("7010"), "")).wire().clone();
        assert_eq!((&ours["if"], &ours["else"]), (&expected["if"], &expected["else"]));
        assert_eq!(ours["then"]["else"], expected["then"]);
    }
}
