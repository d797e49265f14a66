//! The queries about tokens in Fauna.

use std::time::Duration;

use fauna_client::fql::Expr;
use fauna_client::{DocumentId, Page, Ref, Time, fql};
use serde::Deserialize;

/// The mark that our tokens carry, which the role of the app's key demands.
pub const MARK: &str = "backend";
/// Finds tokens by their mark, oldest first.
pub const BY_MARK: &str = "tokens_by_app";
/// How many tokens one page of a reconciliation holds.
pub const PAGE_SIZE: i64 = 1000;

/// A token that is to be made.
pub struct NewToken<'a> {
    /// Collection of users.
    pub users: &'a str,
    /// Its document id.
    pub id: &'a DocumentId,
    /// Whose it is.
    pub user: &'a str,
    /// Its session.
    pub session: &'a str,
    /// How long Fauna lets it live.
    pub life: Duration,
}

/// Makes a token and answers its secret, or null where the user is gone, or that does not hold which must.
pub fn create(new: &NewToken<'_>, holds: Option<Expr>) -> Expr {
    let mark = fql::object([("app", MARK.into()), ("session", new.session.into())]);
    let exists = fql::exists(fql::document(new.users, new.user));
    let may = match holds {
        Some(holds) => fql::all([exists, holds]),
        None => exists,
    };
    fql::if_else(may, fql::select(&["secret"], make(new, mark)), fql::null())
}

/// Creates the token's document.
fn make(new: &NewToken<'_>, mark: Expr) -> Expr {
    let seconds = i64::try_from(new.life.as_millis().div_ceil(1000)).unwrap_or(i64::MAX);
    let params = fql::object([
        ("instance", fql::document(new.users, new.user)),
        ("ttl", fql::time_add(fql::now(), seconds, "seconds")),
        ("data", mark),
    ]);
    fql::create(fql::token(new.id), params)
}

/// Deletes tokens; those that are gone already count as deleted.
pub fn delete(ids: &[DocumentId]) -> Expr {
    let token = || fql::var("t");
    let guarded = fql::if_else(fql::exists(token()), fql::delete(token()), fql::null());
    let each = fql::let_in([("t", fql::token(fql::var("id")))], guarded);
    fql::foreach(ids.iter().map(Expr::from).collect(), fql::lambda("id", each))
}

/// Deletes a token of which nobody knows whether it was made; where it was not, its id is taken by one whose secret nobody
/// keeps, so that a mint which arrives late is refused. The same when repeated.
pub fn block_id(new: &NewToken<'_>) -> Expr {
    let token = || fql::token(new.id);
    let mark = fql::object([("app", MARK.into()), ("buried", true.into())]);
    let is_buried = fql::select_or(&["data", "buried"], fql::get(token()), false.into());
    let delete = fql::do_all([fql::delete(token()), "deleted".into()]);
    fql::if_else(
        fql::exists(token()),
        fql::if_else(is_buried, "buried".into(), delete),
        fql::do_all([make(new, mark), "buried".into()]),
    )
}

/// Where a page of marked tokens begins.
pub type Cursor = (i64, Ref, Ref);

/// Tokens that carry our mark.
#[derive(Deserialize)]
pub struct Marked {
    /// By Fauna's clock.
    pub now: Time,
    /// When each was made (microseconds since 1970, by the same clock), and which it is.
    pub page: Page<(i64, Ref), Cursor>,
}

/// One page of the tokens that carry our mark.
pub fn marked(after: Option<&Cursor>) -> Expr {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded;

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
        assert_eq!(marked(None).wire()["object"]["page"], recorded::query("reconcile: what carries our mark"));
        let buried = recorded::query("collect: it is deleted");
        let ours = block_id(&token(&id("7010"), "")).wire().clone();
        assert_eq!((&ours["if"], &ours["else"]), (&buried["if"], &buried["else"]));
        assert_eq!(ours["then"]["else"], buried["then"]);
    }
}
