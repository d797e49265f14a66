//! What happens to comments and likes when an account is deleted.
//!
//! Likes are taken back; comments stay without author, or go as well. It is done by a stored function in the very
//! transaction that deletes the account, some at a time: the app's own key may call it and touches no comment itself.

use fauna_client::fql::Expr;
use fauna_client::schema::{Definition, Privilege};
use fauna_client::{fql, schema as declare};

use crate::comments::store::{BY_AUTHOR, COMMENTS, FORGET_AUTHOR, LIKES, LIKES_BY, LIKES_MAX, LIKES_OF, REMOVE_AUTHOR};

/// The role of the two functions.
const FAREWELL_KEEPER: &str = "farewell_keeper";
/// How many comments and likes one call sees to.
const BATCH: i64 = 100;
/// What an author without account is called.
const DELETED_ACCOUNT: &str = "deleted account";

/// Keeps the comments of a user who is being deleted, without author. True: nothing is left to do.
pub fn keep_comments(user: Expr) -> Expr {
    fql::call(FORGET_AUTHOR, user)
}

/// Removes them.
pub fn remove_comments(user: Expr) -> Expr {
    fql::call(REMOVE_AUTHOR, user)
}

/// What must exist for that.
pub fn definitions() -> Vec<Definition> {
    let collection = |name| Privilege::on(fql::collection(name)).allow("read").allow("write").allow("delete");
    let index = |name| Privilege::on(fql::index(name)).allow("read");
    let keeper = declare::role(
        FAREWELL_KEEPER,
        [collection(COMMENTS), collection(LIKES), index(BY_AUTHOR), index(LIKES_BY), index(LIKES_OF)],
    );
    vec![
        declare::index(BY_AUTHOR, fql::collection(COMMENTS)).terms([&["data", "author"]]).any(),
        declare::index(LIKES_BY, fql::collection(LIKES)).terms([&["data", "user"]]).any(),
        keeper,
        declare::function(FORGET_AUTHOR, FAREWELL_KEEPER, farewell(anonymous())),
        declare::function(REMOVE_AUTHOR, FAREWELL_KEEPER, farewell(removed())),
    ]
}

/// What the app's key may do: ask for a farewell.
pub fn backend() -> [Privilege; 2] {
    [FORGET_AUTHOR, REMOVE_AUTHOR].map(|name| Privilege::on(fql::function(name)).allow("call"))
}

/// Some likes and comments of a user; true where those were the last.
fn farewell(of_comment: Expr) -> Expr {
    let some = |index, name: &str| fql::select(&["data"], fql::paginate(fql::matching(index, [fql::var(name)]), BATCH));
    let was_last = |name| fql::greater(BATCH.into(), fql::count(fql::var(name)));
    fql::lambda(
        "user",
        fql::let_in(
            [("likes", some(LIKES_BY, "user")), ("comments", some(BY_AUTHOR, "user"))],
            fql::do_all([
                fql::foreach(fql::var("likes"), fql::lambda("like", taken_back())),
                fql::foreach(fql::var("comments"), fql::lambda("comment", of_comment)),
                fql::all([was_last("likes"), was_last("comments")]),
            ]),
        ),
    )
}

/// A like that does not count any more.
fn taken_back() -> Expr {
    let comment = || fql::var("comment");
    let fewer = fql::subtract(fql::select_or(&["data", "likes"], fql::get(comment()), 1.into()), 1.into());
    let counted = fql::update(comment(), fql::object([("data", fql::object([("likes", fewer)]))]));
    fql::let_in(
        [("comment", fql::select(&["data", "comment"], fql::get(fql::var("like"))))],
        fql::do_all([fql::if_else(fql::exists(comment()), counted, fql::null()), fql::delete(fql::var("like"))]),
    )
}

/// A comment that stays.
fn anonymous() -> Expr {
    let data = fql::object([("author", fql::null()), ("authorName", DELETED_ACCOUNT.into())]);
    fql::update(fql::var("comment"), fql::object([("data", data)]))
}

/// A comment that goes with its likes.
fn removed() -> Expr {
    let likes = fql::paginate(fql::matching(LIKES_OF, [fql::var("comment")]), LIKES_MAX);
    fql::do_all([
        fql::foreach(fql::select(&["data"], likes), fql::lambda("like", fql::delete(fql::var("like")))),
        fql::delete(fql::var("comment")),
    ])
}
