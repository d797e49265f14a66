//! Routes of comments and likes.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Json, Path, Query};
use fauna_client::DocumentId;
use serde::{Deserialize, Serialize};
use utoipa::{OpenApi, ToSchema};

use crate::comments::{Comment, CommentText, Comments, Error, Likes, Listing, PageRequest};
use crate::http::json_body::Body;
use crate::http::problem::Problem;
use crate::http::routes::{Access, Resource, Routes};
use crate::session::{MaybeSignedIn, SignedIn};

/// | method | path                  | who        |
/// |--------|-----------------------|------------|
/// | GET    | `/comments`           | anyone     |
/// | POST   | `/comments`           | signed in  |
/// | DELETE | `/comments/{id}`      | its author |
/// | PUT    | `/comments/{id}/like` | signed in  |
/// | DELETE | `/comments/{id}/like` | signed in  |
pub fn routes(api: &mut Routes<'_>) {
    api.add(
        Resource::at("/comments")
            .query(&["limit", "after"])
            .get(Access::MaybeSignedIn, list)
            .post(Access::SignedIn, add),
    )
    .add(Resource::at("/comments/{id}").delete(Access::SignedIn, remove))
    .add(Resource::at("/comments/{id}/like").put(Access::SignedIn, like).delete(Access::SignedIn, unlike))
    .describe::<Description>();
}

#[derive(OpenApi)]
#[openapi(paths(
    // One line per handler.
    list,
    add,
    remove,
    like,
    unlike,
))]
struct Description;

/// An older address for likes.
///
/// | method | path            | who       |
/// |--------|-----------------|-----------|
/// | POST   | `/like-comment` | signed in |
pub fn older_routes(root: &mut Routes<'_>) {
    root.add(Resource::at("/like-comment").query(&[]).post(Access::SignedIn, like_comment))
        .describe::<OlderDescription>();
}

#[derive(OpenApi)]
#[openapi(paths(like_comment))]
struct OlderDescription;

/// Query of `GET /api/comments`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PageQuery {
    /// Read as text, so that the error about another text names the parameter.
    limit: Option<String>,
    /// `next` of the previous page.
    after: Option<String>,
}

/// Body of `POST /api/comments`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewComment {
    /// 1 to 1000 characters; blanks around them do not count.
    #[schema(example = "Hello")]
    text: String,
}

/// Body of `POST /like-comment`.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct LikeComment {
    comment_id: String,
}

/// Response of `POST /like-comment`.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"status": "OK", "userId": "42", "likes": 1, "liked": true}))]
#[serde(rename_all = "camelCase")]
struct LikeAnswer {
    status: &'static str,
    user_id: String,
    likes: i64,
    liked: bool,
}

/// Lists comments, newest first; with the reader's likes if the reader is signed in.
#[utoipa::path(get, path = "/comments", tag = "Comments", 
    params(("limit" = Option<i64>, Query, description = "Comments per page; 20 if it is missing", minimum = 1, maximum = 100),
        ("after" = Option<String>, Query, description = "`next` of the previous page")),
    responses((status = 200, description = "A page", body = Listing)))]
async fn list(
    reader: MaybeSignedIn,
    comments: Data<Comments>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Arc<Listing>>, Problem> {
    let limit = page.limit.map(|limit| limit.parse().map_err(|_no_number| Error::Limit)).transpose()?;
    let page = PageRequest::parse(limit, page.after.as_deref())?;
    let listing = match &reader.0 {
        Some(reader) => Arc::new(comments.list_for(reader, &page).await?),
        None => comments.list(&page).await?,
    };
    Ok(Json(listing))
}

/// Posts a comment.
#[utoipa::path(post, path = "/comments", tag = "Comments", request_body = NewComment,
    responses((status = 201, description = "The new comment", body = Comment)))]
async fn add(
    author: SignedIn,
    comments: Data<Comments>,
    Body(new): Body<NewComment>,
) -> Result<(Json<Comment>, StatusCode), Problem> {
    let text = CommentText::parse(&new.text)?;
    Ok((Json(comments.add(&author, &text).await?), StatusCode::CREATED))
}

/// Deletes one's own comment with its likes.
#[utoipa::path(delete, path = "/comments/{id}", tag = "Comments", params(("id" = String, Path)),
    responses((status = 204, description = "Deleted")))]
async fn remove(author: SignedIn, comments: Data<Comments>, id: Path<String>) -> Result<(), Problem> {
    Ok(comments.remove(&author, &comment_id(&id)?).await?)
}

/// Likes a comment. Liking twice counts once.
#[utoipa::path(put, path = "/comments/{id}/like", tag = "Comments", params(("id" = String, Path)),
    responses((status = 200, description = "The likes after that", body = Likes)))]
async fn like(user: SignedIn, comments: Data<Comments>, id: Path<String>) -> Result<Json<Likes>, Problem> {
    Ok(Json(comments.like(&user, &comment_id(&id)?).await?))
}

/// Takes a like back.
#[utoipa::path(delete, path = "/comments/{id}/like", tag = "Comments", params(("id" = String, Path)),
    responses((status = 200, description = "The likes after that", body = Likes)))]
async fn unlike(user: SignedIn, comments: Data<Comments>, id: Path<String>) -> Result<Json<Likes>, Problem> {
    Ok(Json(comments.unlike(&user, &comment_id(&id)?).await?))
}

/// Likes a comment; older than `PUT /api/comments/{id}/like`.
#[utoipa::path(post, path = "/like-comment", tag = "Comments", request_body = LikeComment,
    responses((status = 200, description = "The likes after that", body = LikeAnswer)))]
async fn like_comment(
    user: SignedIn,
    comments: Data<Comments>,
    Body(body): Body<LikeComment>,
) -> Result<Json<LikeAnswer>, Problem> {
    let Likes { likes, liked } = comments.like(&user, &comment_id(&body.comment_id)?).await?;
    Ok(Json(LikeAnswer { status: "OK", user_id: user.user().to_string(), likes, liked }))
}

/// Text that is no id names no comment.
fn comment_id(id: &str) -> Result<DocumentId, Error> {
    DocumentId::parse(id).ok_or(Error::NotFound)
}
