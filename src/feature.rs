//! A feature of the application: a collection or more in Fauna, the routes that use them, and what happens to a user's data
//! when the user is deleted.
//!
//! A feature is one value of [`Feature`] in the list of `src/app/features.rs`. It has no default: every field must be given,
//! so nothing can be forgotten.

use actix_web::web::{Data, ServiceConfig};
use fauna_client::AsApp;
use fauna_client::fql::Expr;
use fauna_client::schema::Declarations;

use crate::fauna_tokens::FaunaTokens;
use crate::http::routes::Routes;

pub use crate::throttle::WriteLimit;

/// Everything the application must know about a feature.
#[derive(Clone, Debug)]
pub struct Feature {
    /// Name in error messages.
    pub name: &'static str,
    /// Collections, indexes, functions and privileges in Fauna.
    pub schema: fn() -> Declarations,
    /// Registers what the handlers extract as `Data`; called once per worker.
    pub services: fn(&FeatureContext, &mut ServiceConfig),
    /// Registers the routes below `/api`.
    pub api: fn(&mut Routes<'_>),
    /// Pages and other routes that are not below `/api`.
    pub pages: fn(&mut Routes<'_>),
    pub on_user_deleted: OnUserDeleted,
}

/// What happens to the documents a feature keeps about a user who is deleted.
#[derive(Clone, Copy, Debug)]
pub enum OnUserDeleted {
    /// The feature stores nothing that names a user.
    NothingStored,
    /// Builds an expression from a reference to the user. It runs in the FQL transaction that deletes the user, before the
    /// user's document is deleted, and evaluates to `true` when nothing is left to do. On `false` the transaction commits
    /// without deleting the user and is run again, so that a user with many documents does not exceed the limits of one
    /// transaction.
    Run(fn(user: Expr) -> Expr),
}

/// The arguments of [`Feature::services`].
#[derive(Clone)]
pub struct FeatureContext {
    /// Fauna with the application's own key, for visitors who are not signed in.
    pub app: AsApp,
    /// Fauna as a signed-in user.
    pub fauna_tokens: Data<FaunaTokens>,
    /// To be asked before a user writes: answers 429 beyond `WRITES_PER_USER_MINUTE`, which counts all features together.
    pub writes: WriteLimit,
}
