//! HTTP routes of the administration API.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::web::{Bytes, Data, Json, Path, PayloadConfig, Query};
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use futures_util::future::{Either, LocalBoxFuture};
use futures_util::stream;
use futures_util::stream::Stream;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::OpenApi;

use crate::admin::key::{Administrator, WithKey};
use crate::admin::{Admin, Error};
use crate::http::json_body;
use crate::http::problem::Problem;
use crate::http::routes::{Access, Resource, Routes};
use crate::supertokens::emailpassword::UserFormat;
use crate::users::{Cursor, Order, UserList};

/// The largest import, bytes: 10 000 entries of SuperTokens' form.
const IMPORT_BYTES_MAX: usize = 16 << 20;

/// Below `/api`, with the API key in `Authorization: Bearer` or `api-key`.
///
/// | method | path                    | answers                                        |
/// |--------|-------------------------|------------------------------------------------|
/// | GET    | `/admin/users`          | some users, by when they joined                |
/// | GET    | `/admin/users/count`    | how many                                       |
/// | GET    | `/admin/users/by-email` | the user of `?email=`                          |
/// | GET    | `/admin/users/export`   | all users, one JSON object per line              |
/// | POST   | `/admin/users/import`   | all entries of a bulk import are users, or none|
/// | DELETE | `/admin/users/{id}`     | the account and its sessions are gone          |
pub fn routes(api: &mut Routes<'_>) {
    let import = Resource::at("/admin/users/import")
        .app_data(PayloadConfig::new(IMPORT_BYTES_MAX))
        .post(Access::AdminKey, import);
    api.add(
        Resource::at("/admin/users")
            .query(&["limit", "paginationToken", "timeJoinedOrder"])
            .get(Access::AdminKey, list),
    )
    .add(Resource::at("/admin/users/count").get(Access::AdminKey, count))
    .add(Resource::at("/admin/users/by-email").query(&["email"]).get(Access::AdminKey, by_email))
    .add(Resource::at("/admin/users/export").get(Access::AdminKey, export))
    .add(import)
    .add(Resource::at("/admin/users/{id}").delete(Access::AdminKey, delete))
    .describe::<Description>();
}

#[derive(OpenApi)]
#[openapi(paths(list, count, by_email, export, import, delete))]
struct Description;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PageQuery {
    /// Read as text, so that the error about another text names the parameter.
    limit: Option<String>,
    /// The `nextPaginationToken` of the page before.
    pagination_token: Option<String>,
    /// `ASC` (oldest first, the default) or `DESC`.
    time_joined_order: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EmailQuery {
    email: String,
}

/// The body of an import, which may be larger than other JSON bodies.
struct ImportBody(Bytes);

impl FromRequest for ImportBody {
    type Error = Problem;
    type Future = Either<Ready<Result<Self, Problem>>, LocalBoxFuture<'static, Result<Self, Problem>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        if !json_body::is_json(request) {
            let refused = Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, json_body::CONTENT_TYPE);
            return Either::Left(ready(Err(refused)));
        }
        let body = Bytes::from_request(request, payload);
        let too_large = |_unread| Problem::body_too_large(IMPORT_BYTES_MAX);
        Either::Right(Box::pin(async move { body.await.map(Self).map_err(too_large) }))
    }
}

/// Lists users by when they joined.
#[utoipa::path(get, path = "/admin/users", tag = "Administration", 
    params(("limit" = Option<i64>, Query, description = "Users per page", minimum = 1, maximum = 500),
        ("paginationToken" = Option<String>, Query, description = "`nextPaginationToken` of the previous page"),
        ("timeJoinedOrder" = Option<String>, Query, description = "`ASC` (oldest first) or `DESC`", pattern = "^(ASC|DESC)$")),
    responses((status = 200, description = "A page, and `nextPaginationToken` if there are more", body = Object,
        example = json!({"status": "OK", "users": [], "nextPaginationToken": "…"}))))]
async fn list(WithKey(Query(page)): WithKey<Query<PageQuery>>, admin: Data<Admin>) -> Result<Json<Value>, Problem> {
    let order = page.time_joined_order.map(serde_json::from_value::<Order>).transpose();
    let order = order.map_err(|_other_word| Error::Order)?.unwrap_or(Order::Oldest);
    let limit = page.limit.map(|limit| limit.parse().map_err(|_no_number| Error::Limit)).transpose()?;
    let UserList { users, next } = admin.list(order, limit, page.pagination_token.as_deref()).await?;
    let users: Vec<Value> = users.iter().map(|user| UserFormat::Current.user(user)).collect();
    let mut answer = json!({"status": "OK", "users": users});
    if let (Some(next), Some(answer)) = (next, answer.as_object_mut()) {
        answer.insert("nextPaginationToken".to_owned(), next.to_string().into());
    }
    Ok(Json(answer))
}

/// Counts the users.
#[utoipa::path(get, path = "/admin/users/count", tag = "Administration",
    responses((status = 200, description = "How many", body = Object, example = json!({"status": "OK", "count": 2}))))]
async fn count(_: Administrator, admin: Data<Admin>) -> Result<Json<Value>, Problem> {
    Ok(Json(json!({"status": "OK", "count": admin.count().await?})))
}

/// The user with an address; none is an empty list.
#[utoipa::path(get, path = "/admin/users/by-email", tag = "Administration", params(("email" = String, Query)),
    responses((status = 200, description = "At most one user", body = Object, example = json!({"status": "OK", "users": []}))))]
async fn by_email(
    WithKey(Query(query)): WithKey<Query<EmailQuery>>,
    admin: Data<Admin>,
) -> Result<Json<Value>, Problem> {
    let found = admin.find(&query.email).await?;
    let users: Vec<Value> = found.iter().map(|user| UserFormat::Current.user(user)).collect();
    Ok(Json(json!({"status": "OK", "users": users})))
}

/// Deletes an account with its sessions and their Fauna tokens.
#[utoipa::path(delete, path = "/admin/users/{id}", tag = "Administration", params(("id" = String, Path)),
    responses((status = 200, description = "Deleted", body = Object, example = json!({"status": "OK"}))))]
async fn delete(WithKey(id): WithKey<Path<String>>, admin: Data<Admin>) -> Result<Json<Value>, Problem> {
    admin.delete(&id).await?;
    Ok(Json(json!({"status": "OK"})))
}

/// Imports users, hashes included, in the form of SuperTokens' bulk import: all of them or none.
#[utoipa::path(post, path = "/admin/users/import", tag = "Administration",
    request_body(content = Object, example = json!({"users": [{"loginMethods": [{"recipeId": "emailpassword",
        "email": "ann@example.com", "passwordHash": "$2b$…", "hashingAlgorithm": "bcrypt"}]}]})),
    responses((status = 200, description = "How many were imported", body = Object, example = json!({"status": "OK", "imported": 1})),
        (status = 400, description = "Every problem of every entry; nothing was imported",
            body = Object, example = json!({"message": "…", "error": "…", "users": [{"index": 1,
                "errors": ["the entry must be an object"]}]}))))]
async fn import(
    WithKey(ImportBody(body)): WithKey<ImportBody>,
    admin: Data<Admin>,
) -> Result<(Json<Value>, StatusCode), Problem> {
    match admin.import_body(&body).await {
        Ok(report) => {
            let mut answer = json!({"status": "OK", "imported": report.imported});
            if let (false, Some(answer)) = (report.adopted.is_empty(), answer.as_object_mut()) {
                answer.insert("adopted".to_owned(), report.adopted.into());
            }
            Ok((Json(answer), StatusCode::OK))
        }
        Err(Error::Import(problems)) => {
            let message = Error::Import(Vec::new()).to_string();
            let answer = json!({"message": message, "error": message, "users": problems});
            Ok((Json(answer), StatusCode::BAD_REQUEST))
        }
        Err(error) => Err(error.into()),
    }
}

/// The rest of an export.
struct ExportRest {
    admin: Data<Admin>,
    /// `None`: all users have been sent.
    after: Option<Cursor>,
}

/// All users, one JSON object per line.
///
/// They are streamed page by page and are never in memory at once.
#[utoipa::path(get, path = "/admin/users/export", tag = "Administration",
    responses((status = 200, description = "Lines that an import takes", content_type = "application/jsonl", body = String,
        example = "{\"loginMethods\": […]}\n")))]
async fn export(_: Administrator, admin: Data<Admin>) -> Result<HttpResponse, Problem> {
    let (first, next) = admin.export(None).await?;
    let rest = stream::try_unfold(ExportRest { admin, after: next }, next_lines);
    let lines = stream::iter([Ok(Bytes::from(first))]);
    let all = futures_util::StreamExt::chain(lines, rest);
    Ok(streamed(all))
}

async fn next_lines(rest: ExportRest) -> Result<Option<(Bytes, ExportRest)>, actix_web::Error> {
    let ExportRest { admin, after: Some(after) } = rest else { return Ok(None) };
    let (lines, next) = admin.export(Some(&after)).await.map_err(Problem::from)?;
    Ok(Some((Bytes::from(lines), ExportRest { admin, after: next })))
}

fn streamed(lines: impl Stream<Item = Result<Bytes, actix_web::Error>> + 'static) -> HttpResponse {
    HttpResponse::Ok().content_type("application/jsonl").streaming(lines)
}
