//! Comments and likes: the example of a feature whose every step is done in Fauna as the signed-in user.
//!
//! Fauna's own roles decide who may do what ([`mod@schema`]): a comment in another's name, a counter set by hand or the removal of
//! somebody else's comment is refused there, not here. Visitors who are not signed in read with the app's key.

mod first_page;
mod on_user_deleted;
mod routes;
mod schema;
mod store;

use std::sync::Arc;

use aws_lc_rs::digest;
use aws_lc_rs::error::Unspecified;
use fauna_client as fauna;
use fauna_client::fql::Expr;
use fauna_client::{AsApp, DocumentId};
use serde::Serialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

use crate::clock::Timestamp;
use crate::fauna_tokens::FaunaTokens;
use crate::feature::{Feature, FeatureContext, OnUserDeleted};
use crate::http::problem::Problem;
use crate::session::SignedIn;
use crate::throttle::WriteLimit;
use crate::{fauna_tokens, random, throttle};
use first_page::FirstPages;

pub use fauna_client::DocumentId as CommentId;
pub use store::Cursor;

use actix_web::http::StatusCode;
use actix_web::web::Data;

/// Longest comment, in characters (code points), as Fauna's role counts them.
const TEXT_CHARS_MAX: usize = 1000;
/// Comments per page by default.
const PAGE_SIZE: i64 = 20;
const PAGE_SIZE_MAX: i64 = 100;

/// Comments and likes. When a user is deleted their likes are taken back, and their comments are deleted too or kept without
/// author.
pub fn feature(delete_with_account: bool) -> Feature {
    Feature {
        name: "comments",
        schema: schema::schema,
        services: |context, site| {
            site.app_data(Data::new(Comments::new(context)));
        },
        api: routes::routes,
        pages: routes::older_routes,
        on_user_deleted: OnUserDeleted::Run(if delete_with_account {
            on_user_deleted::remove_comments
        } else {
            on_user_deleted::keep_comments
        }),
    }
}

/// Reads and writes comments.
pub struct Comments {
    /// The application's own key, for visitors.
    app: AsApp,
    first_pages: FirstPages,
    tokens: Data<FaunaTokens>,
    writes: WriteLimit,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"id": "7", "author": "42", "authorName": "Ann", "text": "Hello", "postedAt": 1_700_000_000_000_i64,
    "likes": 1, "liked": true}))]
pub struct Comment {
    #[schema(value_type = String)]
    pub id: DocumentId,
    /// Null: the account was deleted.
    #[schema(value_type = Option<String>)]
    pub author: Option<DocumentId>,
    /// Name of the author at the time of posting.
    pub author_name: String,
    pub text: String,
    /// In milliseconds since 1970 (UTC).
    #[schema(value_type = i64)]
    pub posted_at: Timestamp,
    pub likes: i64,
    /// Whether the reader likes it; missing for visitors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub liked: Option<bool>,
}

/// A page of comments, newest first.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(example = json!({"comments": [{"id": "7", "author": "42", "authorName": "Ann", "text": "Hello",
    "postedAt": 1_700_000_000_000_i64, "likes": 1}], "next": null}))]
pub struct Listing {
    pub comments: Vec<Comment>,
    /// Cursor of the next page; null on the last one.
    #[schema(value_type = Option<String>)]
    pub next: Option<Cursor>,
}

/// State of a comment after a like or unlike.
#[derive(Debug, serde::Deserialize, Serialize, ToSchema)]
#[schema(example = json!({"likes": 1, "liked": true}))]
pub struct Likes {
    pub likes: i64,
    /// Whether the user who asked likes it.
    pub liked: bool,
}

/// The text of a comment that may be posted.
#[derive(Debug)]
pub struct CommentText(String);

impl CommentText {
    /// Takes 1 to 1000 characters; blanks around them do not count.
    pub fn parse(typed: &str) -> Result<Self, Error> {
        let text = typed.trim();
        if text.is_empty() {
            return Err(Error::Empty);
        }
        if text.chars().count() > TEXT_CHARS_MAX {
            return Err(Error::TooLong);
        }
        if text.contains(|c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
            return Err(Error::ControlCharacters);
        }
        Ok(Self(text.to_owned()))
    }
}

/// The unguessable key of a form for a comment.
#[derive(Debug)]
pub struct FormKey(String);

impl FormKey {
    /// A key for a form of a new page.
    ///
    /// # Errors
    /// The random generator of the system fails.
    pub fn random() -> Result<Self, Unspecified> {
        random::hex::<16>().map(Self)
    }

    /// Takes the key of a form that was sent; none of an empty one.
    pub fn of_form(key: &str) -> Option<Self> {
        (!key.is_empty()).then(|| Self(key.to_owned()))
    }

    pub fn into_text(self) -> String {
        self.0
    }

    /// The same for the same form of the same user. The text is part of it: a page that comes back from the browser's history can
    /// be sent again with another text.
    fn comment_id(&self, author: &SignedIn, text: &CommentText) -> DocumentId {
        let mut context = digest::Context::new(&digest::SHA256);
        for part in [author.user().as_str(), &self.0, &text.0] {
            context.update(&part.len().to_be_bytes());
            context.update(part.as_bytes());
        }
        DocumentId::from_bytes(context.finish().as_ref().first_chunk().copied().unwrap_or_default())
    }
}

/// A page that is asked for.
#[derive(Debug, PartialEq, Eq)]
pub struct PageRequest {
    size: i64,
    /// None for the newest comments.
    after: Option<Cursor>,
}

impl PageRequest {
    /// The newest comments, as many as a page has by default.
    pub const fn first() -> Self {
        Self { size: PAGE_SIZE, after: None }
    }

    /// Takes what a query string says.
    pub fn parse(limit: Option<i64>, after: Option<&str>) -> Result<Self, Error> {
        let size = limit.unwrap_or(PAGE_SIZE);
        if !(1..=PAGE_SIZE_MAX).contains(&size) {
            return Err(Error::Limit);
        }
        let after = after.map(|text| Cursor::parse(text).ok_or(Error::Cursor)).transpose()?;
        Ok(Self { size, after })
    }
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("must not be empty")]
    Empty,
    #[error("must have at most {TEXT_CHARS_MAX} characters")]
    TooLong,
    #[error("must not contain control characters")]
    ControlCharacters,
    #[error("must be a number from 1 to {PAGE_SIZE_MAX}")]
    Limit,
    /// The `after` of a request was not made by [`Cursor::text`].
    #[error("must be the `next` of a page of this list")]
    Cursor,
    #[error("no such comment")]
    NotFound,
    #[error("not your comment")]
    NotYours,
    /// The user writes too much.
    #[error(transparent)]
    Throttle(#[from] throttle::Error),
    #[error(transparent)]
    Tokens(fauna_tokens::Error),
    #[error(transparent)]
    Fauna(fauna::Error),
}

/// Stored functions abort with the messages of [`mod@schema`].
impl From<fauna::Error> for Error {
    fn from(error: fauna::Error) -> Self {
        match error {
            fauna::Error::NotFound => Self::NotFound,
            fauna::Error::Aborted(why) if why == schema::NOT_FOUND => Self::NotFound,
            fauna::Error::Aborted(why) if why == schema::NOT_YOURS => Self::NotYours,
            other => Self::Fauna(other),
        }
    }
}

impl From<fauna_tokens::Error> for Error {
    fn from(error: fauna_tokens::Error) -> Self {
        match error {
            fauna_tokens::Error::Fauna(error) => Self::from(error),
            other => Self::Tokens(other),
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Empty | Error::TooLong | Error::ControlCharacters => {
                Self::bad_request(error.to_string()).in_field("text")
            }
            Error::Limit => Self::bad_request(error.to_string()).in_field("limit"),
            Error::Cursor => Self::bad_request(error.to_string()).in_field("after"),
            Error::NotFound => Self::new(StatusCode::NOT_FOUND, "no such comment"),
            Error::NotYours => Self::new(StatusCode::FORBIDDEN, "not your comment"),
            Error::Throttle(error) => Self::from(error),
            Error::Tokens(error) => Self::from(error),
            Error::Fauna(error) => Self::from(error),
        }
    }
}

impl Comments {
    pub fn new(context: &FeatureContext) -> Self {
        let FeatureContext { app, fauna_tokens, writes } = context.clone();
        Self { first_pages: FirstPages::new(app.clone()), app, tokens: fauna_tokens, writes }
    }

    /// A page as visitors see it, read with the application's own key.
    pub async fn list(&self, request: &PageRequest) -> Result<Arc<Listing>, Error> {
        if request.after.is_none() {
            return Ok(self.first_pages.read(request.size).await?);
        }
        let page = self.app.query_idempotent::<store::CommentPage>(&store::list(request)).await?;
        Ok(Arc::new(store::listing(page)))
    }

    /// A page as that user sees it, read with their token: with their likes.
    pub async fn list_for(&self, reader: &SignedIn, request: &PageRequest) -> Result<Listing, Error> {
        let page = self.tokens.query_idempotent::<store::CommentPage>(reader, &store::list_for_reader(request)).await?;
        Ok(store::listing(page))
    }

    /// The same with the answer to another query of the reader, in one request to Fauna.
    pub async fn list_with<T: DeserializeOwned>(
        &self,
        reader: &SignedIn,
        request: &PageRequest,
        other: Expr,
    ) -> Result<(Listing, T), Error> {
        let both = Expr::from([store::list_for_reader(request).into_owned(), other]);
        let (page, other) = self.tokens.query_idempotent::<(store::CommentPage, T)>(reader, &both).await?;
        Ok((store::listing(page), other))
    }

    pub async fn add(&self, author: &SignedIn, text: &CommentText) -> Result<Comment, Error> {
        self.writes.admit(author.user().as_str()).await?;
        let row = self.tokens.query::<store::Row>(author, &store::add(&text.0)).await?;
        Ok(row.into_comment())
    }

    /// Posts the comment of a form. A form that is sent twice, be it to two processes, makes one comment, which both get.
    pub async fn add_once(&self, author: &SignedIn, text: &CommentText, key: &FormKey) -> Result<Comment, Error> {
        self.writes.admit(author.user().as_str()).await?;
        let query = store::add_once(&key.comment_id(author, text), &text.0);
        Ok(self.tokens.query_idempotent::<store::Row>(author, &query).await?.into_comment())
    }

    /// Deletes a comment and its likes. Fauna refuses that to anyone but its author.
    pub async fn remove(&self, author: &SignedIn, id: &DocumentId) -> Result<(), Error> {
        self.writes.admit(author.user().as_str()).await?;
        let _removed: bool = self.tokens.query(author, &store::remove(id)).await?;
        Ok(())
    }

    /// Liking twice counts once.
    pub async fn like(&self, user: &SignedIn, id: &DocumentId) -> Result<Likes, Error> {
        self.writes.admit(user.user().as_str()).await?;
        Ok(self.tokens.query_idempotent(user, &store::like(id)).await?)
    }

    pub async fn unlike(&self, user: &SignedIn, id: &DocumentId) -> Result<Likes, Error> {
        self.writes.admit(user.user().as_str()).await?;
        Ok(self.tokens.query_idempotent(user, &store::unlike(id)).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_limits() {
        assert_eq!(CommentText::parse("  hi\nthere ").unwrap().0, "hi\nthere");
        assert!(CommentText::parse(&"ü".repeat(1000)).is_ok());
        assert!(matches!(CommentText::parse(&"ü".repeat(1001)), Err(Error::TooLong)));
        assert!(matches!(CommentText::parse(" \n "), Err(Error::Empty)));
        assert!(matches!(CommentText::parse("a\0b"), Err(Error::ControlCharacters)));
    }

    #[test]
    fn parts_have_limits() {
        assert_eq!(PageRequest::parse(None, None).unwrap(), PageRequest::first());
        assert!(matches!(PageRequest::parse(Some(0), None), Err(Error::Limit)));
        assert!(matches!(PageRequest::parse(Some(101), None), Err(Error::Limit)));
        assert!(matches!(PageRequest::parse(None, Some("nonsense")), Err(Error::Cursor)));
    }
}
