//! Comments over HTTP.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Json, Path, Query};
use fauna_client::DocumentId;
use serde::{Deserialize, Serialize};

use crate::comments::{Comment, CommentText, Comments, Error, Likes, Listing, Part};
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
    api.add(Resource::at("/comments").get(Access::Public, list).post(Access::SignedIn, add))
        .add(Resource::at("/comments/{id}").delete(Access::SignedIn, remove))
        .add(Resource::at("/comments/{id}/like").put(Access::SignedIn, like).delete(Access::SignedIn, unlike));
}

/// The route of the application that this one descends from.
///
/// | method | path            | who       |
/// |--------|-----------------|-----------|
/// | POST   | `/like-comment` | signed in |
pub fn seed_routes(root: &mut Routes<'_>) {
    root.add(Resource::at("/like-comment").post(Access::SignedIn, like_comment));
}

/// Which part of the list is asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PartQuery {
    /// How many comments.
    limit: Option<i64>,
    /// The `next` of the page before.
    after: Option<String>,
}

/// A comment to be posted.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewComment {
    /// What is said.
    text: String,
}

/// What the seed's frontends send.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LikeComment {
    /// Which comment.
    comment_id: String,
}

/// What they are answered.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LikeAnswer {
    /// Always `OK`.
    status: &'static str,
    /// Who likes.
    user_id: String,
    /// How many do.
    likes: i64,
    /// Whether this one does.
    liked: bool,
}

/// What people say, newest first.
async fn list(
    reader: MaybeSignedIn,
    comments: Data<Comments>,
    Query(part): Query<PartQuery>,
) -> Result<Json<Listing>, Problem> {
    let part = Part::parse(part.limit, part.after.as_deref())?;
    let listing = match &reader.0 {
        Some(reader) => comments.list_for(reader, &part).await?,
        None => comments.list(&part).await?,
    };
    Ok(Json(listing))
}

/// Says something.
async fn add(
    author: SignedIn,
    comments: Data<Comments>,
    Body(new): Body<NewComment>,
) -> Result<(Json<Comment>, StatusCode), Problem> {
    let text = CommentText::parse(&new.text)?;
    Ok((Json(comments.add(&author, &text).await?), StatusCode::CREATED))
}

/// Takes back what one has said.
async fn remove(author: SignedIn, comments: Data<Comments>, id: Path<String>) -> Result<(), Problem> {
    Ok(comments.remove(&author, &known(&id)?).await?)
}

/// Likes a comment. Liking twice is liking once.
async fn like(fan: SignedIn, comments: Data<Comments>, id: Path<String>) -> Result<Json<Likes>, Problem> {
    Ok(Json(comments.like(&fan, &known(&id)?).await?))
}

/// Takes a like back.
async fn unlike(fan: SignedIn, comments: Data<Comments>, id: Path<String>) -> Result<Json<Likes>, Problem> {
    Ok(Json(comments.unlike(&fan, &known(&id)?).await?))
}

/// Likes a comment, as the seed does it.
async fn like_comment(
    fan: SignedIn,
    comments: Data<Comments>,
    Body(wish): Body<LikeComment>,
) -> Result<Json<LikeAnswer>, Problem> {
    let Likes { likes, liked } = comments.like(&fan, &known(&wish.comment_id)?).await?;
    Ok(Json(LikeAnswer { status: "OK", user_id: fan.user().to_string(), likes, liked }))
}

/// An id that a comment can have; any other names none.
fn known(id: &str) -> Result<DocumentId, Error> {
    DocumentId::parse(id).ok_or(Error::NotFound)
}
