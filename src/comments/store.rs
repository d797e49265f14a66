//! The queries about comments.

use std::borrow::Cow;
use std::sync::LazyLock;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use fauna_client::fql::Expr;
use fauna_client::{DocumentId, Page, Ref, Time, fql};
use serde::{Deserialize, Serialize, Serializer};

use crate::clock::Timestamp;
use crate::comments::{Comment, Listing, PageRequest};

pub const COMMENTS: &str = "comments";
pub const LIKES: &str = "likes";
/// Author name of a comment whose author has none, or one that is no text or too long: a user whom another application made.
pub const UNNAMED: &str = "Unnamed user";
/// Longest name shown beside a comment, characters.
const AUTHOR_NAME_CHARS_MAX: i64 = 200;
/// Index: all comments, newest first.
pub const NEWEST: &str = "comments_newest";
/// Index by comment and user; unique.
pub const LIKE_OF: &str = "likes_by_comment_and_user";
/// Index: the likes of a comment.
pub const LIKES_OF: &str = "likes_by_comment";
/// More likes than a comment will have.
pub const LIKES_MAX: i64 = 100_000;
/// Stored function: creates a like and increments the counter.
pub const LIKE: &str = "like";
/// Stored function: the inverse of [`LIKE`].
pub const UNLIKE: &str = "unlike";
/// Stored function: deletes a comment with its likes.
pub const REMOVE: &str = "remove_comment";

/// Index: the comments of a user.
pub const BY_AUTHOR: &str = "comments_by_author";
/// Index: the likes of a user.
pub const LIKES_BY: &str = "likes_by_user";
/// Stored function: takes the author from a user's comments.
pub const FORGET_AUTHOR: &str = "forget_author";
/// Stored function: deletes a user's comments.
pub const REMOVE_AUTHOR: &str = "remove_author";

/// The comment that the next page begins with. Opaque to clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Microseconds matter: comments of the same millisecond have an order.
    posted_at: Time,
    id: DocumentId,
}

impl Cursor {
    /// Reads what [`Cursor::text`] has written.
    pub fn parse(text: &str) -> Option<Self> {
        let text = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let (posted_at, id) = text.split_once(' ')?;
        Some(Self { posted_at: Time::parse(posted_at)?, id: DocumentId::parse(id)? })
    }

    /// For URLs; [`Cursor::parse`] reads it.
    pub fn text(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(format!("{} {}", self.posted_at.text(), self.id.as_str()))
    }
}

impl Serialize for Cursor {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.text())
    }
}

/// A page of comments with Fauna's cursor.
pub type CommentPage = Page<Row, (Time, Ref, Ref)>;

/// A comment as the queries answer it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    id: DocumentId,
    author: Option<DocumentId>,
    author_name: String,
    text: String,
    posted_at: Time,
    likes: i64,
    liked: Option<bool>,
}

impl Row {
    pub fn into_comment(self) -> Comment {
        Comment {
            id: self.id,
            author: self.author,
            author_name: self.author_name,
            text: self.text,
            posted_at: Timestamp::from_millis(self.posted_at.millis()),
            likes: self.likes,
            liked: self.liked,
        }
    }
}

pub fn listing(page: CommentPage) -> Listing {
    Listing {
        comments: page.data.into_iter().map(Row::into_comment).collect(),
        next: page.after.map(|(posted_at, comment, _)| Cursor { posted_at, id: comment.id }),
    }
}

/// A page for visitors.
pub fn list(request: &PageRequest) -> Expr {
    page(request, fql::object(fields(fql::var("ref"))))
}

/// The page that nearly everybody asks for, so that it is not built and written for each of them.
static FIRST_PAGE_FOR_READER: LazyLock<Expr> = LazyLock::new(|| page_for_reader(&PageRequest::first()));

/// A page with the reader's likes.
pub fn list_for_reader(request: &PageRequest) -> Cow<'static, Expr> {
    if *request == PageRequest::first() {
        Cow::Borrowed(&FIRST_PAGE_FOR_READER)
    } else {
        Cow::Owned(page_for_reader(request))
    }
}

fn page_for_reader(request: &PageRequest) -> Expr {
    let by_reader = fql::exists(fql::matching(LIKE_OF, [fql::var("ref"), fql::current_identity()]));
    let [id, author, name, text, posted_at, likes] = fields(fql::var("ref"));
    page(request, fql::object([id, author, name, text, posted_at, likes, ("liked", by_reader)]))
}

/// A page of the list, each comment (bound to `c`, its reference to `ref`) shown as `shown`.
fn page(request: &PageRequest, shown: Expr) -> Expr {
    let set = fql::all_of(NEWEST);
    let page = match &request.after {
        None => fql::paginate(set, request.size),
        Some(cursor) => {
            let comment = || fql::document(COMMENTS, &cursor.id);
            fql::paginate_after(set, request.size, Expr::from([cursor.posted_at.into(), comment(), comment()]))
        }
    };
    let each = fql::let_in([("c", fql::get(fql::var("ref")))], shown);
    fql::map(page, fql::lambda_of(&["postedAt", "ref"], each))
}

/// The fields of the comment bound to `c`.
fn fields(reference: Expr) -> [(&'static str, Expr); 6] {
    let field = |name| fql::select(&["data", name], fql::var("c"));
    [
        ("id", fql::select(&["id"], reference)),
        ("author", fql::select_or(&["data", "author", "id"], fql::var("c"), fql::null())),
        ("authorName", field("authorName")),
        ("text", field("text")),
        ("postedAt", field("postedAt")),
        ("likes", field("likes")),
    ]
}

/// Creates a comment of the user who asks. Fauna refuses any other author, name, time or counter.
pub fn add(text: &str) -> Expr {
    new(fql::create(fql::collection(COMMENTS), params(text)))
}

/// The same with an id of its own; creates nothing where that comment exists.
pub fn add_once(id: &DocumentId, text: &str) -> Expr {
    let comment = || fql::document(COMMENTS, id);
    new(fql::if_else(fql::exists(comment()), fql::get(comment()), fql::create(comment(), params(text))))
}

fn params(text: &str) -> Expr {
    fql::object([("data", comment_of_identity(text.into()))])
}

/// The comment as the queries answer it.
fn new(comment: Expr) -> Expr {
    fql::let_in([("c", comment)], fql::object(fields(fql::select(&["ref"], fql::var("c")))))
}

/// The only new comment that is allowed; the role compares with the same expression.
pub fn comment_of_identity(text: Expr) -> Expr {
    let name = || fql::select_or(&["data", "name"], fql::get(fql::current_identity()), fql::null());
    let is_name = fql::all([fql::is_string(name()), fql::at_most(fql::length(name()), AUTHOR_NAME_CHARS_MAX.into())]);
    fql::object([
        ("author", fql::current_identity()),
        ("authorName", fql::if_else(is_name, name(), UNNAMED.into())),
        ("text", text),
        ("postedAt", fql::now()),
        ("likes", 0.into()),
    ])
}

pub fn like(comment: &DocumentId) -> Expr {
    fql::call(LIKE, comment.into())
}

pub fn unlike(comment: &DocumentId) -> Expr {
    fql::call(UNLIKE, comment.into())
}

pub fn remove(comment: &DocumentId) -> Expr {
    fql::call(REMOVE, comment.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded;

    #[test]
    fn the_queries_are_those_that_faunadb_has_answered() {
        let id = DocumentId::parse("302").unwrap();
        assert_eq!(*like(&id).wire(), recorded::query("like: once"));
        assert_eq!(*unlike(&id).wire(), recorded::query("unlike: once"));
        let first = PageRequest { size: 2, after: None };
        let recorded_page = recorded::query("list: first page");
        assert_eq!(list_for_reader(&first).wire()["collection"], recorded_page["collection"]);
        let comment = recorded::query("comment: by the user");
        let mut ours = add("First!").wire()["let"][0]["c"].clone();
        let name = &mut ours["params"]["object"]["data"]["object"]["authorName"];
        *name = recorded::without_tolerance(&name["then"]);
        assert_eq!(ours, comment["from"]);
    }

    #[test]
    fn a_cursor_leads_to_the_second_page() {
        let at = Time::parse("2030-01-03T00:00:00Z").unwrap();
        let cursor = Cursor { posted_at: at, id: DocumentId::parse("303").unwrap() };
        assert_eq!(Cursor::parse(&cursor.text()), Some(cursor.clone()));
        let second = PageRequest { size: 2, after: Some(cursor) };
        let recorded_page = recorded::query("list: second page");
        assert_eq!(list(&second).wire()["collection"], recorded_page["collection"]);
    }
}
