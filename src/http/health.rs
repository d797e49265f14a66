//! Health checks: whether the process runs, and whether what it depends on works.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Json};
use fauna_client::{AsApp, Error, fql};
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

use crate::database::Database;
use crate::http::problem::Problem;
use crate::http::routes::{Access, Resource, Routes};

/// An index of the schema that the application's key may read.
const PROBE_INDEX: &str = "tokens_by_app";
const SCHEMA_MISSING: &str =
    "the schema is not installed in Fauna; run `actix-fauna-starter schema apply` with an admin key as FAUNA_SECRET";

/// | method | path      | who    | answers                                   |
/// |--------|-----------|--------|-------------------------------------------|
/// | GET    | `/health` | anyone | 200 while the process runs                |
/// | GET    | `/ready`  | anyone | 200 while SQL can be written and Fauna answers, 503 else |
pub fn routes(root: &mut Routes<'_>) {
    root.add(Resource::at("/health").get(Access::Public, health))
        .add(Resource::at("/ready").get(Access::Public, ready))
        .describe::<Description>();
}

#[derive(OpenApi)]
#[openapi(paths(health, ready))]
struct Description;

#[derive(Serialize, ToSchema)]
struct Status {
    status: &'static str,
}

/// Whether the process runs.
#[utoipa::path(get, path = "/health", tag = "Operation",
    responses((status = 200, description = "It runs", body = Status)))]
async fn health() -> Json<Status> {
    Json(Status { status: "OK" })
}

/// Whether the site can work: the database can be written, Fauna answers, and the schema is installed.
///
/// The database answers and can be written, Fauna accepts the application's key, and the schema is installed. Nothing is remembered: installing
/// the schema makes a running site ready.
#[utoipa::path(get, path = "/ready", tag = "Operation",
    responses((status = 200, description = "It can", body = Status)))]
async fn ready(database: Data<Database>, fauna: Data<AsApp>) -> Result<Json<Status>, Problem> {
    database.ping().await.map_err(Problem::unavailable)?;
    database.check_write().await.map_err(Problem::unavailable)?;
    fauna.check().await.map_err(Problem::unavailable)?;
    let probe = fql::exists(fql::matching(PROBE_INDEX, ["nobody".into()]));
    let _found: bool = fauna.query_idempotent(&probe).await.map_err(|error| match error {
        Error::Refused { .. } | Error::NotFound | Error::PermissionDenied => {
            tracing::error!(%error, "{SCHEMA_MISSING}");
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, SCHEMA_MISSING)
        }
        error => Problem::unavailable(error),
    })?;
    Ok(Json(Status { status: "OK" }))
}
