//! Comments and likes of a deleted user.
//!
//! Likes are deleted; comments stay without author or are deleted, too. A stored function does it in the transaction that
//! deletes the user, in batches: the application's own key may call the function and cannot write comments itself.

use fauna_client::fql::Expr;
use fauna_client::schema::{Definition, Privilege};
use fauna_client::{fql, schema as declare};

use crate::comments::store::{BY_AUTHOR, COMMENTS, FORGET_AUTHOR, LIKES, LIKES_BY, LIKES_MAX, LIKES_OF, REMOVE_AUTHOR};

const FORGETTING_ROLE: &str = "farewell_keeper";
/// Comments and likes that one call handles; the caller repeats it.
const BATCH: i64 = 100;
/// Author name of comments whose account is deleted.
const DELETED_ACCOUNT: &str = "deleted account";

/// Keeps the comments of a user who is being deleted, without author. The expression is `true` when nothing is left to do.
pub fn keep_comments(user: Expr) -> Expr {
    fql::call(FORGET_AUTHOR, user)
}

/// Deletes the comments of a user who is being deleted. The expression is `true` when nothing is left to do.
pub fn remove_comments(user: Expr) -> Expr {
    fql::call(REMOVE_AUTHOR, user)
}

pub fn definitions() -> Vec<Definition> {
    let collection = |name| Privilege::on(fql::collection(name)).allow("read").allow("write").allow("delete");
    let index = |name| Privilege::on(fql::index(name)).allow("read");
    let keeper = declare::role(
        FORGETTING_ROLE,
        [collection(COMMENTS), collection(LIKES), index(BY_AUTHOR), index(LIKES_BY), index(LIKES_OF)],
    );
    vec![
        declare::index(BY_AUTHOR, fql::collection(COMMENTS)).terms([&["data", "author"]]).any(),
        declare::index(LIKES_BY, fql::collection(LIKES)).terms([&["data", "user"]]).any(),
        keeper,
        declare::function(FORGET_AUTHOR, FORGETTING_ROLE, forget_user(anonymize())),
        declare::function(REMOVE_AUTHOR, FORGETTING_ROLE, forget_user(delete())),
    ]
}

/// Privileges of the application's own key.
pub fn backend() -> [Privilege; 2] {
    [FORGET_AUTHOR, REMOVE_AUTHOR].map(|name| Privilege::on(fql::function(name)).allow("call"))
}

/// Handles a batch of likes and comments of a user; `true` where it was the last one.
fn forget_user(of_comment: Expr) -> Expr {
    let some = |index, name: &str| fql::select(&["data"], fql::paginate(fql::matching(index, [fql::var(name)]), BATCH));
    let was_last = |name| fql::greater(BATCH.into(), fql::count(fql::var(name)));
    fql::lambda(
        "user",
        fql::let_in(
            [("likes", some(LIKES_BY, "user")), ("comments", some(BY_AUTHOR, "user"))],
            fql::do_all([
                fql::foreach(fql::var("likes"), fql::lambda("like", delete_like())),
                fql::foreach(fql::var("comments"), fql::lambda("comment", of_comment)),
                fql::all([was_last("likes"), was_last("comments")]),
            ]),
        ),
    )
}

/// Deletes the like bound to `like` and decrements the counter of its comment.
fn delete_like() -> Expr {
    let comment = || fql::var("comment");
    let fewer = fql::subtract(fql::select_or(&["data", "likes"], fql::get(comment()), 1.into()), 1.into());
    let counted = fql::update(comment(), fql::object([("data", fql::object([("likes", fewer)]))]));
    fql::let_in(
        [("comment", fql::select(&["data", "comment"], fql::get(fql::var("like"))))],
        fql::do_all([fql::if_else(fql::exists(comment()), counted, fql::null()), fql::delete(fql::var("like"))]),
    )
}

fn anonymize() -> Expr {
    let data = fql::object([("author", fql::null()), ("authorName", DELETED_ACCOUNT.into())]);
    fql::update(fql::var("comment"), fql::object([("data", data)]))
}

fn delete() -> Expr {
    let likes = fql::paginate(fql::matching(LIKES_OF, [fql::var("comment")]), LIKES_MAX);
    fql::do_all([
        fql::foreach(fql::select(&["data"], likes), fql::lambda("like", fql::delete(fql::var("like")))),
        fql::delete(fql::var("comment")),
    ])
}
