//! Collections, indexes, functions and roles of comments and likes in Fauna.
//!
//! Anyone may read. A user creates comments of their own: the predicate compares the whole new document with the only allowed
//! one, so that no field can be added and no other author be named. Likes and their counter change together, in stored
//! functions whose role may write them; users may only call these. A role of a function sees no identity, so the functions
//! themselves compare identities.

use fauna_client::fql::Expr;
use fauna_client::schema::{Declarations, Definition, Privilege};
use fauna_client::{fql, schema as declare};

use crate::comments::store::{
    COMMENTS, LIKE, LIKE_OF, LIKES, LIKES_MAX, LIKES_OF, NEWEST, REMOVE, UNLIKE, comment_of_identity,
};
use crate::comments::{TEXT_CHARS_MAX, on_user_deleted};

/// Abort message of the functions for an unknown comment.
pub const NOT_FOUND: &str = "comment not found";
/// Abort message of the functions for a comment of another user.
pub const NOT_YOURS: &str = "not your comment";
/// Role of [`LIKE`] and [`UNLIKE`].
const LIKE_KEEPER: &str = "like_keeper";
/// Role of the function [`REMOVE`].
const REMOVER: &str = "remover";

pub fn schema() -> Declarations {
    let reads = [fql::collection(COMMENTS), fql::index(NEWEST)].map(|what| Privilege::on(what).allow("read"));
    Declarations {
        definitions: definitions().into_iter().chain(on_user_deleted::definitions()).collect(),
        member: user_privileges(),
        backend: reads.into_iter().chain(on_user_deleted::backend()).collect(),
    }
}

fn definitions() -> Vec<Definition> {
    let collection = |name| Privilege::on(fql::collection(name));
    let index = |name| Privilege::on(fql::index(name)).allow("read");
    let (comment, user): (&[&str], &[&str]) = (&["data", "comment"], &["data", "user"]);
    let keeper = declare::role(
        LIKE_KEEPER,
        [
            collection(COMMENTS).allow("read").allow("write"),
            collection(LIKES).allow("read").allow("create").allow("delete"),
            index(LIKE_OF),
            index(LIKES_OF),
        ],
    );
    let remover = declare::role(
        REMOVER,
        [
            collection(COMMENTS).allow("read").allow("delete"),
            collection(LIKES).allow("read").allow("delete"),
            index(LIKES_OF),
        ],
    );
    vec![
        declare::collection(COMMENTS),
        declare::collection(LIKES),
        declare::index(NEWEST, fql::collection(COMMENTS))
            .values([(&["data", "postedAt"], true), (&["ref"], false)])
            .any(),
        declare::index(LIKE_OF, fql::collection(LIKES)).terms([comment, user]).unique(),
        declare::index(LIKES_OF, fql::collection(LIKES)).terms([comment]).any(),
        keeper,
        declare::function(LIKE, LIKE_KEEPER, like()),
        declare::function(UNLIKE, LIKE_KEEPER, unlike()),
        remover,
        declare::function(REMOVE, REMOVER, remove()),
    ]
}

/// Privileges of signed-in users.
fn user_privileges() -> Vec<Privilege> {
    let is_own = |field| {
        let owner = fql::select(&["data", field], fql::get(fql::var("ref")));
        fql::lambda("ref", fql::equals(owner, fql::current_identity()))
    };
    let own_terms = fql::lambda_of(&["comment", "user"], fql::equals(fql::var("user"), fql::current_identity()));
    let function = |name| Privilege::on(fql::function(name)).allow("call");
    vec![
        // The id of a comment may be chosen, so that it is posted once; whoever takes somebody else's must guess it.
        Privilege::on(fql::collection(COMMENTS))
            .allow("read")
            .allow_if("create", is_valid_new_comment())
            .allow_if("create_with_id", is_valid_new_comment()),
        Privilege::on(fql::collection(LIKES)).allow_if("read", is_own("user")),
        Privilege::on(fql::index(NEWEST)).allow("read"),
        Privilege::on(fql::index(LIKE_OF)).allow_if("read", own_terms),
        function(LIKE),
        function(UNLIKE),
        function(REMOVE),
    ]
}

/// A new comment is exactly one's own, of now, without likes, and its text has a length.
fn is_valid_new_comment() -> Expr {
    let text = || fql::var("text");
    let whole = fql::object([("data", comment_of_identity(text()))]);
    let longest = i64::try_from(TEXT_CHARS_MAX).unwrap_or(i64::MAX);
    fql::lambda(
        "new",
        fql::let_in(
            [("text", fql::select(&["data", "text"], fql::var("new")))],
            fql::all([
                fql::equals(fql::var("new"), whole),
                fql::is_string(text()),
                fql::greater(fql::length(text()), 0.into()),
                fql::at_most(fql::length(text()), longest.into()),
            ]),
        ),
    )
}

/// The comment whose id a function is called with.
fn comment() -> Expr {
    fql::document(COMMENTS, fql::var("id"))
}

/// `then` where the comment exists.
fn if_found(then: Expr) -> Expr {
    fql::if_else(fql::not(fql::exists(fql::var("comment"))), fql::abort(NOT_FOUND), then)
}

/// What [`LIKE`] and [`UNLIKE`] share: `n` is the counter, `mine` the caller's like.
fn toggle_like(if_liked: Expr, if_not: Expr) -> Expr {
    let mine = fql::matching(LIKE_OF, [fql::var("comment"), fql::current_identity()]);
    let n = fql::select_or(&["data", "likes"], fql::get(fql::var("comment")), 0.into());
    let change = fql::let_in([("n", n)], fql::if_else(fql::exists(fql::var("mine")), if_liked, if_not));
    fql::lambda("id", fql::let_in([("comment", comment()), ("mine", mine)], if_found(change)))
}

/// Result of both functions.
fn likes(count: Expr, by_caller: bool) -> Expr {
    fql::object([("likes", count), ("liked", by_caller.into())])
}

/// Sets the counter and gives it back.
fn count(to: Expr) -> Expr {
    let params = fql::object([("data", fql::object([("likes", to)]))]);
    fql::select(&["data", "likes"], fql::update(fql::var("comment"), params))
}

/// Likes a comment; liking twice counts once.
fn like() -> Expr {
    let like = fql::object([("comment", fql::var("comment")), ("user", fql::current_identity())]);
    let more = fql::do_all([
        fql::create(fql::collection(LIKES), fql::object([("data", like)])),
        likes(count(fql::add(fql::var("n"), 1.into())), true),
    ]);
    toggle_like(likes(fql::var("n"), true), more)
}

fn unlike() -> Expr {
    let fewer = fql::do_all([
        fql::delete(fql::select(&["ref"], fql::get(fql::var("mine")))),
        likes(count(fql::subtract(fql::var("n"), 1.into())), false),
    ]);
    toggle_like(fewer, likes(fql::var("n"), false))
}

/// Deletes a comment and its likes if the caller is its author.
fn remove() -> Expr {
    let author = fql::select(&["data", "author"], fql::get(fql::var("comment")));
    let all_likes = fql::select(&["data"], fql::paginate(fql::matching(LIKES_OF, [fql::var("comment")]), LIKES_MAX));
    let gone = fql::do_all([
        fql::foreach(all_likes, fql::lambda("like", fql::delete(fql::var("like")))),
        fql::delete(fql::var("comment")),
        true.into(),
    ]);
    let by_author = fql::if_else(fql::not(fql::equals(author, fql::current_identity())), fql::abort(NOT_YOURS), gone);
    fql::lambda("id", fql::let_in([("comment", comment())], if_found(by_author)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded;

    #[test]
    fn the_definitions_are_those_that_faunadb_has_taken() {
        for (form, name) in [
            ("create_collection", "comments"),
            ("create_collection", "likes"),
            ("create_index", "comments_newest"),
            ("create_index", "likes_by_comment_and_user"),
            ("create_index", "likes_by_comment"),
            ("create_role", "like_keeper"),
            ("create_function", "like"),
            ("create_function", "unlike"),
            ("create_role", "remover"),
            ("create_function", "remove_comment"),
        ] {
            let query = declare::creation_query(vec![schema()], form, name).unwrap();
            let kind = form.trim_start_matches("create_");
            assert_eq!(query, recorded::query(&format!("schema: {kind} {name}")), "{name}");
        }
    }
}
