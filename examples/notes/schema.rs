//! What notes need in Fauna, and who may do what with them there.

use fauna_client::fql::Expr;
use fauna_client::schema::{Declarations, Privilege};
use fauna_client::{fql, schema as declare};

use super::TEXT_CHARS_MAX;
use super::store::{BY_OWNER, DELETE_ALL, NOTES, PAGE_SIZE, note_of_identity};

/// The role of [`DELETE_ALL`].
const CLEANUP: &str = "notes_cleanup";

/// `member` is what a user's token may do, `backend` what the application's own key may do.
pub fn schema() -> Declarations {
    let notes = || Privilege::on(fql::collection(NOTES));
    let index = || Privilege::on(fql::index(BY_OWNER));
    let cleanup = declare::role(CLEANUP, [notes().allow("read").allow("delete"), index().allow("read")]);
    Declarations {
        definitions: vec![
            declare::collection(NOTES),
            declare::index(BY_OWNER, fql::collection(NOTES))
                .terms([&["data", "owner"]])
                .values([(&["data", "writtenAt"], true), (&["ref"], false)])
                .any(),
            cleanup,
            declare::function(DELETE_ALL, CLEANUP, delete_all()),
        ],
        member: vec![
            notes().allow_if("read", is_own()).allow_if("create", is_well_formed()).allow_if("delete", is_own()),
            index().allow_if("read", fql::lambda_of(&["owner"], is_identity(fql::var("owner")))),
        ],
        // Runs when a user is deleted. The key itself can neither read nor delete a note.
        backend: vec![Privilege::on(fql::function(DELETE_ALL)).allow("call")],
    }
}

/// Deletes notes of a user, a page at a time; true if those were the last.
fn delete_all() -> Expr {
    let page = fql::paginate(fql::matching(BY_OWNER, [fql::var("user")]), PAGE_SIZE);
    let delete_each = fql::lambda_of(&["writtenAt", "ref"], fql::delete(fql::var("ref")));
    fql::lambda(
        "user",
        fql::let_in(
            [("page", fql::select(&["data"], page))],
            fql::do_all([
                fql::foreach(fql::var("page"), delete_each),
                fql::greater(PAGE_SIZE.into(), fql::count(fql::var("page"))),
            ]),
        ),
    )
}

fn is_identity(user: Expr) -> Expr {
    fql::equals(user, fql::current_identity())
}

fn is_own() -> Expr {
    fql::lambda("ref", is_identity(fql::select(&["data", "owner"], fql::get(fql::var("ref")))))
}

/// Compares the *whole* new document with what it must be, so that nothing can be added to it.
fn is_well_formed() -> Expr {
    let text = || fql::var("text");
    let longest = i64::try_from(TEXT_CHARS_MAX).unwrap_or(i64::MAX);
    fql::lambda(
        "new",
        fql::let_in(
            [("text", fql::select(&["data", "text"], fql::var("new")))],
            fql::all([
                fql::equals(fql::var("new"), fql::object([("data", note_of_identity(text()))])),
                fql::is_string(text()),
                fql::at_most(fql::length(text()), longest.into()),
            ]),
        ),
    )
}
