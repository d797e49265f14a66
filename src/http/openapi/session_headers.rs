//! The headers that carry sessions: which an operation takes, and which its response has.

use actix_web::http::Method;
use utoipa::openapi::header::Header;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{Object, Type};
use utoipa::openapi::{RefOr, Required};

use crate::http::openapi::DocumentSettings;
use crate::http::openapi::errors::header;
use crate::http::routes::{Access, Route};

/// The parameter by which a handler describes that it begins a session.
const AUTH_MODE: &str = "st-auth-mode";

/// Adds the headers of a route that issues tokens, or that protects the session's cookies with another request header.
pub fn add(operation: &mut Operation, route: &Route, settings: &DocumentSettings<'_>) {
    let &DocumentSettings { anti_csrf, in_cookies, in_headers, .. } = settings;
    let is_auth_mode = |parameter: &RefOr<Parameter>| matches!(parameter, RefOr::T(known) if known.name == AUTH_MODE);
    let begins_session = operation.parameters.iter().flatten().any(is_auth_mode);
    let issues_tokens = begins_session || route.access == Access::RefreshToken;
    if issues_tokens && let Some(RefOr::T(response)) = operation.responses.responses.get_mut("200") {
        let is_sent = |name: &str| match name {
            "Set-Cookie" => in_cookies,
            "st-access-token" | "st-refresh-token" => in_headers,
            "anti-csrf" => in_cookies && anti_csrf == Some("anti-csrf"),
            _ => true,
        };
        let headers = token_headers().into_iter().filter(|(name, _)| is_sent(name));
        response.headers.extend(headers.map(|(name, header)| (name.to_owned(), header.into())));
    }
    if !(in_cookies && in_headers) {
        operation.parameters.iter_mut().for_each(|parameters| parameters.retain(|known| !is_auth_mode(known)));
    }
    let needs_session = matches!(route.access, Access::SignedIn | Access::RefreshToken);
    if let Some(name) = anti_csrf.filter(|_| in_cookies && needs_session && route.method != Method::GET) {
        operation.parameters.get_or_insert_default().push(anti_csrf_parameter(name).into());
    }
}

fn token_headers() -> [(&'static str, Header); 5] {
    let text = |description: &str, example: &str| header(Type::String, description, example.into());
    [
        ("Set-Cookie", text("The tokens, for cookies", "sAccessToken=…; Path=/; HttpOnly; SameSite=Lax")),
        ("front-token", text("User, expiry and payload for scripts, as JSON in Base64", "eyJ1aWQiOiI0MiJ9")),
        ("st-access-token", text("The access token, for headers", "eyJ…")),
        ("st-refresh-token", text("The refresh token, for headers", "…")),
        ("anti-csrf", text("For the request header `anti-csrf`, for cookies", "…")),
    ]
}

fn anti_csrf_parameter(name: &str) -> Parameter {
    let description = if name == "rid" { "Any text" } else { "`anti-csrf` of the response with the tokens" };
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(format!("{description}; required with cookies")))
        .schema(Some(Object::with_type(Type::String)))
        .build()
}
