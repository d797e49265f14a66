//! The queries about notes.

use fauna_client::fql::Expr;
use fauna_client::{DocumentId, fql};
use serde::Deserialize;

use super::Note;

/// Names in Fauna: no two features may declare the same one.
pub const NOTES: &str = "notes";
pub const BY_OWNER: &str = "notes_by_owner";
pub const DELETE_ALL: &str = "delete_notes_of";

/// Notes per page, and per transaction when a user is deleted.
pub const PAGE_SIZE: i64 = 100;

/// A note as the queries return it.
#[derive(Deserialize)]
pub struct Row {
    id: DocumentId,
    text: String,
}

impl Row {
    pub fn into_note(self) -> Note {
        Note { id: self.id, text: self.text }
    }
}

/// The caller's notes, newest first.
pub fn list() -> Expr {
    let page = fql::paginate(fql::matching(BY_OWNER, [fql::current_identity()]), PAGE_SIZE);
    fql::map(page, fql::lambda_of(&["writtenAt", "ref"], row(fql::get(fql::var("ref")))))
}

pub fn add(text: &str) -> Expr {
    row(fql::create(fql::collection(NOTES), fql::object([("data", note_of_identity(text.into()))])))
}

pub fn delete(id: &DocumentId) -> Expr {
    fql::do_all([fql::delete(fql::document(NOTES, id)), true.into()])
}

/// Deletes notes of `user`; true if those were the last.
pub fn delete_all_of(user: Expr) -> Expr {
    fql::call(DELETE_ALL, user)
}

/// A note that the caller may create; the role compares with the same expression.
pub fn note_of_identity(text: Expr) -> Expr {
    fql::object([("owner", fql::current_identity()), ("text", text), ("writtenAt", fql::now())])
}

/// The fields of a document that are shown.
fn row(document: Expr) -> Expr {
    fql::let_in(
        [("note", document)],
        fql::object([
            ("id", fql::select(&["ref", "id"], fql::var("note"))),
            ("text", fql::select(&["data", "text"], fql::var("note"))),
        ]),
    )
}
