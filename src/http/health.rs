//! Whether the process runs, and whether what it depends on answers.

use actix_web::web::{Data, Json};
use fauna_client::AsApp;
use serde::Serialize;

use crate::database::Database;
use crate::http::problem::Problem;
use crate::http::routes::{Access, Resource, Routes};

/// | method | path      | who    | answers                                   |
/// |--------|-----------|--------|-------------------------------------------|
/// | GET    | `/health` | anyone | 200 while the process runs                |
/// | GET    | `/ready`  | anyone | 200 while SQL and Fauna answer, 503 else  |
pub fn routes(root: &mut Routes<'_>) {
    root.add(Resource::at("/health").get(Access::Public, health))
        .add(Resource::at("/ready").get(Access::Public, ready));
}

/// The word of a service that is well.
#[derive(Serialize)]
struct Well {
    /// Always `OK`.
    status: &'static str,
}

/// The process runs.
async fn health() -> Json<Well> {
    Json(Well { status: "OK" })
}

/// SQL answers, and Fauna accepts the application's key.
async fn ready(database: Data<Database>, fauna: Data<AsApp>) -> Result<Json<Well>, Problem> {
    database.ping().await.map_err(Problem::unavailable)?;
    fauna.check().await.map_err(Problem::unavailable)?;
    Ok(Json(Well { status: "OK" }))
}
