//! Health checks: whether the process runs, and whether what it depends on works.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Json};
use fauna_client::AsApp;
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

use crate::database::Database;
use crate::http::fauna_set_up::FaunaSetUp;
use crate::http::problem::Problem;
use crate::http::routes::{Access, Resource, Routes};

/// The pause that a client is told while an operator has to install the schema.
const RETRY_AFTER: Duration = Duration::from_secs(30);

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
#[schema(example = json!({"status": "OK"}))]
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
/// The database can be written, Fauna accepts the application's key, the schema is installed, and the key has all privileges.
/// Installing the schema makes a running site ready. Of Fauna a success is remembered for a minute.
#[utoipa::path(get, path = "/ready", tag = "Operation",
    responses((status = 200, description = "It can", body = Status)))]
async fn ready(
    database: Data<Database>,
    fauna: Data<AsApp>,
    fauna_set_up: Data<FaunaSetUp>,
) -> Result<Json<Status>, Problem> {
    database.ping().await.map_err(Problem::unavailable)?;
    database.check_write().await.map_err(Problem::unavailable)?;
    fauna.check().await.map_err(Problem::unavailable)?;
    if let Some(finding) = fauna_set_up.check().await.map_err(Problem::unavailable)? {
        tracing::error!("{}", finding.advice());
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, finding.public()).retry_after(RETRY_AFTER));
    }
    Ok(Json(Status { status: "OK" }))
}
