//! Private notes: the smallest feature with a collection of its own. Copy this folder to add yours; README.md,
//! "Add a collection", says how.
//!
//! Every query runs with the signed-in user's own Fauna token, and the roles in `schema.rs` decide what it may do: a handler
//! that forgot a check could still not show one user's notes to another.

mod routes;
mod schema;
mod store;

use actix_web::http::StatusCode;
use actix_web::web::Data;
use fauna_client as fauna;
use fauna_client::DocumentId;
use serde::Serialize;
use starter::fauna_tokens;
use starter::fauna_tokens::FaunaTokens;
use starter::feature::{Feature, FeatureContext, OnUserDeleted};
use starter::http::problem::Problem;
use starter::session::SignedIn;

/// Longest note, in characters. Fauna's role checks it as well.
const TEXT_CHARS_MAX: usize = 1000;

/// Everything the application must know about notes.
pub fn feature() -> Feature {
    Feature {
        name: "notes",
        schema: schema::schema,
        services: |context, site| {
            site.app_data(Data::new(Notes::new(context)));
        },
        api: routes::routes,
        pages: |_| {},
        on_user_deleted: OnUserDeleted::Run(store::delete_all_of),
    }
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Note {
    #[schema(value_type = String)]
    pub id: DocumentId,
    pub text: String,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("text: must have 1 to {TEXT_CHARS_MAX} characters")]
    Length,
    #[error("no such note")]
    NotFound,
    #[error(transparent)]
    Tokens(#[from] fauna_tokens::Error),
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Length => Self::bad_request(error.to_string()),
            Error::NotFound => Self::new(StatusCode::NOT_FOUND, error.to_string()),
            Error::Tokens(error) => Self::from(error),
        }
    }
}

/// The notes of all users. Handlers ask for it as `Data<Notes>`.
pub struct Notes {
    tokens: Data<FaunaTokens>,
}

impl Notes {
    fn new(context: &FeatureContext) -> Self {
        Self { tokens: context.fauna_tokens.clone() }
    }

    /// The newest hundred notes of a user, newest first.
    pub async fn list(&self, owner: &SignedIn) -> Result<Vec<Note>, Error> {
        let page = self.tokens.query_idempotent::<fauna::Page<store::Row, fauna::Data>>(owner, &store::list()).await?;
        Ok(page.data.into_iter().map(store::Row::into_note).collect())
    }

    pub async fn add(&self, owner: &SignedIn, text: &str) -> Result<Note, Error> {
        let text = text.trim();
        if text.is_empty() || text.chars().count() > TEXT_CHARS_MAX {
            return Err(Error::Length);
        }
        Ok(self.tokens.query::<store::Row>(owner, &store::add(text)).await?.into_note())
    }

    /// Fauna refuses to delete another user's note. To the caller such a note does not exist.
    pub async fn delete(&self, owner: &SignedIn, id: &DocumentId) -> Result<(), Error> {
        match self.tokens.query::<bool>(owner, &store::delete(id)).await {
            Ok(_) => Ok(()),
            Err(fauna_tokens::Error::Fauna(fauna::Error::NotFound | fauna::Error::PermissionDenied)) => {
                Err(Error::NotFound)
            }
            Err(error) => Err(error.into()),
        }
    }
}
