//! The OpenAPI document of the site, served at `/api/openapi.json`.
//!
//! Each feature describes its operations beside its handlers with `utoipa` and passes them to [`Routes::describe`]. What follows
//! from the route table is added here, so that no handler repeats it: who may use an operation, and the errors that every
//! operation of its kind can answer.

mod errors;
mod session_headers;

use actix_web::HttpResponse;
use actix_web::http::{Method, header};
use actix_web::web::{Bytes, Data};
use serde_json::{Map, Value};
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

/// The part of the configuration that the document describes.
pub struct DocumentSettings<'a> {
    pub app_name: &'a str,
    /// Prefix of all paths as clients see them; may be empty.
    pub gateway_path: &'a str,
    pub access_cookie: &'a str,
    pub refresh_cookie: &'a str,
    /// The header that unsafe requests with cookies must have.
    pub anti_csrf: Option<&'static str>,
    /// Whether cookies may carry sessions.
    pub in_cookies: bool,
    /// Whether headers may carry sessions.
    pub in_headers: bool,
}

/// The document as JSON.
pub struct ApiDocument {
    text: Bytes,
}

impl ApiDocument {
    /// The document about the described routes of `table`; `trusted` knows which of them SuperTokens' clients call.
    pub fn new(table: &RouteTable, settings: &DocumentSettings<'_>, trusted: &Trusted) -> Self {
        let mut document = serde_json::to_value(document(table, settings, trusted)).unwrap_or_default();
        show_examples(&mut document);
        Self { text: Bytes::from(document.to_string()) }
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
    responses((status = 200, description = "An OpenAPI 3.1 document", body = Object, example = json!({"openapi": "3.1.0"}))))]
async fn serve(document: Data<ApiDocument>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/json")
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .body(document.text.clone())
}

fn document(table: &RouteTable, settings: &DocumentSettings<'_>, trusted: &Trusted) -> OpenApi {
    let mut info = Info::new(settings.app_name, env!("CARGO_PKG_VERSION"));
    info.description = Some(DESCRIPTION.to_owned());
    let root = if settings.gateway_path.is_empty() { "/" } else { settings.gateway_path };
    let mut document = OpenApiBuilder::new().info(info).servers(Some([Server::new(root)])).build();
    document.merge(table.descriptions().clone());
    for route in table.routes() {
        if let Some(operation) = operation(&mut document, route) {
            let is_for_supertokens = trusted.is_supertokens_path(&route.path);
            let audience = if is_for_supertokens { Audience::SuperTokens } else { Audience::Api };
            complete(operation, route, audience, settings);
            session_headers::add(operation, route, settings);
        }
    }
    document.merge(OpenApiBuilder::new().components(Some(common_components(settings))).build());
    document
}

/// Shows the example of a schema with every request and response body that consists of it.
fn show_examples(document: &mut Value) {
    let schemas = document.pointer("/components/schemas").cloned().unwrap_or_default();
    let operations =
        document.get_mut("paths").and_then(Value::as_object_mut).into_iter().flat_map(|paths| {
            paths.values_mut().filter_map(Value::as_object_mut).flat_map(|methods| methods.values_mut())
        });
    for operation in operations.filter_map(Value::as_object_mut) {
        let (mut holders, mut bodies) = (Vec::new(), Vec::new());
        for (name, part) in operation {
            match (name.as_str(), part) {
                ("requestBody", body) => holders.push(body),
                ("responses", Value::Object(responses)) => holders.extend(responses.values_mut()),
                _ => {}
            }
        }
        for holder in holders {
            bodies
                .extend(holder.get_mut("content").and_then(Value::as_object_mut).into_iter().flat_map(Map::values_mut));
        }
        for body in bodies.into_iter().filter_map(Value::as_object_mut) {
            let reference = body.get("schema").and_then(|schema| schema.get("$ref")).and_then(Value::as_str);
            let name = reference.and_then(|reference| reference.rsplit('/').next()).unwrap_or_default();
            if let Some(example) = schemas.get(name).and_then(|schema| schema.get("example")) {
                body.entry("example").or_insert_with(|| example.clone());
            }
        }
    }
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
fn complete(operation: &mut Operation, route: &Route, audience: Audience, settings: &DocumentSettings<'_>) {
    let session = |cookie: &'static str, bearer: &'static str| {
        let schemes = [settings.in_cookies.then_some(cookie), settings.in_headers.then_some(bearer)];
        one_of(schemes.into_iter().flatten())
    };
    let security = match route.access {
        Access::Public | Access::MailedLink => vec![SecurityRequirement::default()],
        Access::MaybeSignedIn => [vec![SecurityRequirement::default()], session("accessCookie", "bearer")].concat(),
        Access::RefreshToken => session("refreshCookie", "refreshBearer"),
        Access::SignedIn | Access::SignedInPage => session("accessCookie", "bearer"),
        Access::AdminKey => one_of(["adminKey", "adminBearer"]),
        Access::MetricsToken => one_of(["metricsToken"]),
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
fn one_of(schemes: impl IntoIterator<Item = &'static str>) -> Vec<SecurityRequirement> {
    schemes.into_iter().map(|scheme| SecurityRequirement::new(scheme, Vec::<String>::new())).collect()
}

fn common_components(settings: &DocumentSettings<'_>) -> Components {
    let bearer = |description: &str| {
        SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(description)).build())
    };
    let cookie =
        |name: &str, why: &str| SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::with_description(name, why)));
    let keys = "ADMIN_API_KEY, or a key of ADMIN_API_KEYS without its name";
    let header = ApiKey::Header(ApiKeyValue::with_description("api-key", keys));
    let mut components = ComponentsBuilder::new();
    if settings.in_headers {
        components = components
            .security_scheme("bearer", bearer("The header `st-access-token` of an earlier response"))
            .security_scheme("refreshBearer", bearer("The header `st-refresh-token` of an earlier response"));
    }
    if settings.in_cookies {
        components = components
            .security_scheme("accessCookie", cookie(settings.access_cookie, "The access token"))
            .security_scheme("refreshCookie", cookie(settings.refresh_cookie, "The refresh token"));
    }
    let components = components
        .security_scheme("adminKey", SecurityScheme::ApiKey(header))
        .security_scheme("adminBearer", bearer(keys))
        .security_scheme("metricsToken", bearer("METRICS_TOKEN"));
    errors::components(components).build()
}
