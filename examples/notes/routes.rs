//! The routes of notes below `/api/notes`.
use actix_web::http::StatusCode;
use actix_web::web::{Data, Json, Path};
use fauna_client::DocumentId;
use serde::{Deserialize, Serialize};
use starter::http::json_body::Body;
use starter::http::problem::Problem;
use starter::http::routes::{Access, Resource, Routes};
use starter::session::SignedIn;
use utoipa::{OpenApi, ToSchema};

use super::{Error, Note, Notes};

/// | method | path          | who       |
/// |--------|---------------|-----------|
/// | GET    | `/notes`      | signed in |
/// | POST   | `/notes`      | signed in |
/// | DELETE | `/notes/{id}` | its owner |
pub fn routes(api: &mut Routes<'_>) {
    api.add(Resource::at("/notes").get(Access::SignedIn, list).post(Access::SignedIn, add))
        .add(Resource::at("/notes/{id}").delete(Access::SignedIn, delete))
        .describe::<Description>();
}

#[derive(OpenApi)]
#[openapi(paths(list, add, delete))]
struct Description;

#[derive(Serialize, ToSchema)]
struct NoteList {
    notes: Vec<Note>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewNote {
    text: String,
}

/// The user's own notes.
#[utoipa::path(get, path = "/notes", tag = "Notes",
    responses((status = 200, description = "All of them", body = NoteList)))]
async fn list(owner: SignedIn, notes: Data<Notes>) -> Result<Json<NoteList>, Problem> {
    Ok(Json(NoteList { notes: notes.list(&owner).await? }))
}

/// Writes a note.
#[utoipa::path(post, path = "/notes", tag = "Notes", request_body = NewNote,
    responses((status = 201, description = "The new note", body = Note)))]
async fn add(
    owner: SignedIn,
    notes: Data<Notes>,
    Body(new): Body<NewNote>,
) -> Result<(Json<Note>, StatusCode), Problem> {
    Ok((Json(notes.add(&owner, &new.text).await?), StatusCode::CREATED))
}

/// Deletes a note.
#[utoipa::path(delete, path = "/notes/{id}", tag = "Notes", params(("id" = String, Path)),
    responses((status = 204, description = "Deleted")))]
async fn delete(owner: SignedIn, notes: Data<Notes>, id: Path<String>) -> Result<(), Problem> {
    let id = DocumentId::parse(&id).ok_or(Error::NotFound)?;
    Ok(notes.delete(&owner, &id).await?)
}
