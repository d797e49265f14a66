//! The OpenAPI document of the site, served at `/api/openapi.json`.
//!
//! Each feature describes its operations beside its handlers with `utoipa` and passes them to [`Routes::describe`]. What follows
//! from the route table is added here, so that no handler repeats it: who may use an operation, and the errors that every
//! operation of its kind can answer.

use actix_web::HttpResponse;
use actix_web::http::{Method, header};
use actix_web::web::{Bytes, Data};
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Schema, SchemaType, Type};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{
    Components, ComponentsBuilder, Content, Info, OpenApi, OpenApiBuilder, Ref, RefOr, Response, ResponseBuilder,
    Server,
};

use crate::http::routes::{Access, Resource, Route, RouteTable, Routes};

const DESCRIPTION: &str = "Requests that change something must come from an allowed origin if a browser sends them. \
    Errors are `application/problem+json` (RFC 9457); answers to SuperTokens clients have the members those clients read. \
    Every error answer has the id of the request, which the log has too.";

/// The document as JSON.
pub struct ApiDocument {
    text: Bytes,
}

impl ApiDocument {
    /// The document about the described routes of `table`.
    pub fn new(table: &RouteTable, app_name: &str) -> Self {
        let text = document(table, app_name).to_json().unwrap_or_default();
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

fn document(table: &RouteTable, app_name: &str) -> OpenApi {
    let mut info = Info::new(app_name, env!("CARGO_PKG_VERSION"));
    info.description = Some(DESCRIPTION.to_owned());
    let mut document = OpenApiBuilder::new().info(info).servers(Some([Server::new("/")])).build();
    document.merge(table.descriptions().clone());
    for route in table.routes() {
        if let Some(operation) = operation(&mut document, route) {
            complete(operation, route);
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
fn complete(operation: &mut Operation, route: &Route) {
    let (security, refusals): (_, &[_]) = match route.access {
        // A visitor may send a session that is refused.
        Access::Public | Access::MailedLink => (vec![SecurityRequirement::default()], &["401"]),
        Access::RefreshToken => (one_of(&["refreshCookie", "bearer"]), &["401", "403"]),
        Access::SignedIn | Access::SignedInPage => (one_of(&["accessCookie", "bearer"]), &["401", "403"]),
        // All of them are 404 while there is no such key.
        Access::AdminKey => (one_of(&["adminKey", "adminBearer"]), &["401", "403", "404"]),
        Access::MetricsToken => (one_of(&["metricsToken"]), &["401", "404"]),
    };
    operation.security = Some(security);
    let is_unsafe = route.method != Method::GET;
    let takes_input = operation.parameters.as_ref().is_some_and(|parameters| !parameters.is_empty());
    let mut answers = vec!["400", "408", "429", "500", "503"];
    answers.extend(refusals);
    if is_unsafe {
        answers.extend(["403", "409", "413", "415"]);
    }
    if takes_input || is_unsafe {
        answers.push("404");
    }
    for status in answers {
        let answer = RefOr::Ref(Ref::from_response_name(format!("Error{status}")));
        operation.responses.responses.entry(status.to_owned()).or_insert(answer);
    }
}

/// Alternatives: any of these schemes suffices.
fn one_of(schemes: &[&str]) -> Vec<SecurityRequirement> {
    schemes.iter().map(|scheme| SecurityRequirement::new(*scheme, Vec::<String>::new())).collect()
}

fn common_components() -> Components {
    let answers = [
        ("400", "The request is malformed; the message names the field, never its value"),
        ("401", "No session, or one that must be refreshed"),
        ("403", "Refused: another origin, a claim that does not hold, or not yours"),
        ("404", "Not found"),
        ("408", "The request did not arrive in time"),
        ("409", "It contradicts what is stored, such as an address that another account has"),
        ("413", "The body is too large"),
        ("415", "The body has another content type than expected"),
        ("429", "Too many requests; `Retry-After` says when to repeat"),
        ("500", "A defect of the server; the log has the cause"),
        ("503", "A database or Fauna does not answer; nothing has changed, cookies neither"),
    ];
    let bearer = |description: &str| {
        SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(description)).build())
    };
    let cookie =
        |name: &str, why: &str| SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::with_description(name, why)));
    let header = ApiKey::Header(ApiKeyValue::with_description("api-key", "A value of ADMIN_API_KEYS"));
    let mut components = ComponentsBuilder::new()
        .schema("Problem", problem_schema())
        .security_scheme("bearer", bearer("The header `st-access-token` or `st-refresh-token` of an earlier response"))
        .security_scheme("accessCookie", cookie("sAccessToken", "`__Host-sAccessToken` on https"))
        .security_scheme("refreshCookie", cookie("sRefreshToken", "`__Secure-sRefreshToken` on https"))
        .security_scheme("adminKey", SecurityScheme::ApiKey(header))
        .security_scheme("adminBearer", bearer("A value of ADMIN_API_KEYS"))
        .security_scheme("metricsToken", bearer("METRICS_TOKEN"));
    for (status, description) in answers {
        components = components.response(format!("Error{status}"), error_response(description));
    }
    components.build()
}

fn error_response(description: &str) -> Response {
    let body = || Content::new(Some(Ref::from_schema_name("Problem")));
    ResponseBuilder::new()
        .description(description)
        .content("application/problem+json", body())
        .content("application/json", body())
        .build()
}

/// RFC 9457. `message` is always there; the other members are missing where a SuperTokens client is expected.
fn problem_schema() -> Schema {
    let text = |why: &str| ObjectBuilder::new().schema_type(SchemaType::new(Type::String)).description(Some(why));
    let whole = ObjectBuilder::new().schema_type(SchemaType::new(Type::Integer));
    let any = |why: &str| ObjectBuilder::new().schema_type(SchemaType::new(Type::Array)).description(Some(why));
    ObjectBuilder::new()
        .property("type", text("Always `about:blank`: the status says what kind of error it is"))
        .property("title", text("The standard phrase of the status"))
        .property("status", OneOfBuilder::new().item(whole).item(text("`GENERAL_ERROR`")))
        .property("detail", text("The same as `message`"))
        .property("message", text("For people"))
        .property("requestId", text("Id of the request in the log"))
        .property("claimValidationErrors", any("The claims that do not hold, for SuperTokens clients"))
        .required("message")
        .into()
}
