//! The OpenAPI document of the site, served at `/api/openapi.json`.
//!
//! Each feature describes its operations beside its handlers with `utoipa` and passes them to [`Routes::describe`]. What follows
//! from the route table is added here, so that no handler repeats it: who may use an operation, and the errors that every
//! operation of its kind can answer.

mod errors;

use actix_web::HttpResponse;
use actix_web::http::{Method, header};
use actix_web::web::{Bytes, Data};
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{Components, ComponentsBuilder, Info, OpenApi, OpenApiBuilder, Server};

use crate::http::openapi::errors::Audience;
use crate::http::routes::{Access, Resource, Route, RouteTable, Routes};
use crate::http::same_origin::Trusted;

const DESCRIPTION: &str = "Requests that change something must come from an allowed origin if a browser sends them. \
    Errors are `application/problem+json` (RFC 9457); answers to SuperTokens clients have the members those clients read. \
    Every error answer has the id of the request, which the log has too.";

/// The document as JSON.
pub struct ApiDocument {
    text: Bytes,
}

impl ApiDocument {
    /// The document about the described routes of `table`; `trusted` knows which of them SuperTokens' clients call.
    pub fn new(table: &RouteTable, app_name: &str, trusted: &Trusted) -> Self {
        let text = document(table, app_name, trusted).to_json().unwrap_or_default();
        Self { text: Bytes::from(text) }
    }

    pub fn json(&self) -> &[u8] {
        &self.text
    }
}

/// | method | path            | who    |
/// |--------|-----------------|--------|
/// | GET    | `/openapi.json` | anyone |
pub fn routes(api: &mut Routes<'_>) {
    api.add(Resource::at("/openapi.json").get(Access::Public, serve)).describe::<Description>();
}

#[derive(utoipa::OpenApi)]
#[openapi(paths(serve))]
struct Description;

/// The OpenAPI document itself.
#[utoipa::path(get, path = "/openapi.json", tag = "Operation",
    responses((status = 200, description = "An OpenAPI 3.1 document", body = Object)))]
async fn serve(document: Data<ApiDocument>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/json")
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .body(document.text.clone())
}

fn document(table: &RouteTable, app_name: &str, trusted: &Trusted) -> OpenApi {
    let mut info = Info::new(app_name, env!("CARGO_PKG_VERSION"));
    info.description = Some(DESCRIPTION.to_owned());
    let mut document = OpenApiBuilder::new().info(info).servers(Some([Server::new("/")])).build();
    document.merge(table.descriptions().clone());
    for route in table.routes() {
        if let Some(operation) = operation(&mut document, route) {
            let is_for_supertokens = trusted.is_supertokens_path(&route.path);
            let audience = if is_for_supertokens { Audience::SuperTokens } else { Audience::Api };
            complete(operation, route, audience);
        }
    }
    document.merge(OpenApiBuilder::new().components(Some(common_components())).build());
    document
}

fn operation<'a>(document: &'a mut OpenApi, route: &Route) -> Option<&'a mut Operation> {
    let PathItem { get, put, post, patch, delete, .. } = document.paths.paths.get_mut(&route.path)?;
    match route.method {
        Method::GET => get.as_mut(),
        Method::PUT => put.as_mut(),
        Method::POST => post.as_mut(),
        Method::PATCH => patch.as_mut(),
        Method::DELETE => delete.as_mut(),
        _ => None,
    }
}

/// Adds what follows from the method, the input and the access of a route.
fn complete(operation: &mut Operation, route: &Route, audience: Audience) {
    let security = match route.access {
        Access::Public | Access::MailedLink => vec![SecurityRequirement::default()],
        Access::RefreshToken => one_of(&["refreshCookie", "bearer"]),
        Access::SignedIn | Access::SignedInPage => one_of(&["accessCookie", "bearer"]),
        Access::AdminKey => one_of(&["adminKey", "adminBearer"]),
        Access::MetricsToken => one_of(&["metricsToken"]),
    };
    operation.security = Some(security);
    operation.operation_id = Some(operation_id(&route.method, &route.path));
    errors::add(operation, route, audience);
}

/// Method and path in camel case: the names of handlers are unique in their module only.
fn operation_id(method: &Method, path: &str) -> String {
    let words = path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.fold(method.as_str().to_lowercase(), |id, word| {
        let (first, rest) = word.split_at(1);
        format!("{id}{}{rest}", first.to_uppercase())
    })
}

/// Alternatives: any of these schemes suffices.
fn one_of(schemes: &[&str]) -> Vec<SecurityRequirement> {
    schemes.iter().map(|scheme| SecurityRequirement::new(*scheme, Vec::<String>::new())).collect()
}

fn common_components() -> Components {
    let bearer = |description: &str| {
        SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(description)).build())
    };
    let cookie =
        |name: &str, why: &str| SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::with_description(name, why)));
    let header = ApiKey::Header(ApiKeyValue::with_description("api-key", "A value of ADMIN_API_KEYS"));
    let components = ComponentsBuilder::new()
        .security_scheme("bearer", bearer("The header `st-access-token` or `st-refresh-token` of an earlier response"))
        .security_scheme("accessCookie", cookie("sAccessToken", "`__Host-sAccessToken` on https"))
        .security_scheme("refreshCookie", cookie("sRefreshToken", "`__Secure-sRefreshToken` on https"))
        .security_scheme("adminKey", SecurityScheme::ApiKey(header))
        .security_scheme("adminBearer", bearer("A value of ADMIN_API_KEYS"))
        .security_scheme("metricsToken", bearer("METRICS_TOKEN"));
    errors::components(components).build()
}
