//! What concerns every request, whoever answers it.
//!
//! Which other origins may call us (CORS), whether a request was meant by the person in front of the browser that sends it
//! (design D8), the headers that tell browsers to be strict, a deadline, and an answer in words even where a handler
//! panicked or actix-web refused by itself. Refusals are ordinary answers, so the layers outside still dress them.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use actix_cors::Cors;
use actix_web::Error;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue, InvalidHeaderValue};
use actix_web::http::{Method, StatusCode, header};
use actix_web::middleware::Next;
use actix_web::web::Data;
use futures_util::FutureExt as _;

use crate::http::problem::{Problem, ProblemPage, wants_page};

/// A request that took longer is answered with 408; what it began in the background goes on.
pub const REQUEST_DEADLINE: Duration = Duration::from_secs(20);
/// The same for what has thousands of things to do at once ([`Trusted::slow_path`]).
const SLOW_REQUEST_DEADLINE: Duration = Duration::from_secs(150);

/// The origins that a person's browser may send us cookies from.
#[derive(Clone, Debug)]
pub struct Trusted {
    /// Origin of the API, `scheme://host[:port]`.
    pub api: String,
    /// Origin of the pages.
    pub website: String,
    /// What pages may load and connect to, made once: it goes out with every answer.
    pub policy: HeaderValue,
    /// The path whose requests may take long; empty where there is none.
    pub slow_path: &'static str,
}

impl Trusted {
    /// These origins; `fauna` is where pages may connect to besides ourselves, if they may.
    ///
    /// # Errors
    /// Where `fauna` cannot stand in a header.
    pub fn new(api: &str, website: &str, fauna: Option<&str>) -> Result<Self, InvalidHeaderValue> {
        let policy = HeaderValue::from_str(&content_security_policy(fauna))?;
        Ok(Self { api: api.to_owned(), website: website.to_owned(), policy, slow_path: "" })
    }
}

/// Cross-origin rules of `spec/session.md` 3.4: one concrete origin, credentials, the headers the official clients send.
/// Which headers are exposed is added by the session room, response by response.
pub fn cors(trusted: &Trusted) -> Cors {
    Cors::default()
        .allowed_origin(&trusted.website)
        .allowed_methods(["GET", "POST", "PUT", "PATCH", "DELETE"])
        .allowed_headers(["content-type", "anti-csrf", "rid", "fdi-version", "authorization", "st-auth-mode", "accept"])
        .supports_credentials()
        .max_age(3600)
}

/// Refuses unsafe requests that come from another site.
pub async fn same_origin(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let meant = request
        .app_data::<Data<Trusted>>()
        .is_some_and(|trusted| is_meant(request.method(), request.headers(), host, trusted));
    if meant {
        return Ok(next.call(request).await?.map_into_boxed_body());
    }
    let text = |name: HeaderName| request.headers().get(name).and_then(|value| value.to_str().ok());
    tracing::info!(
        origin = text(header::ORIGIN),
        path = request.path(),
        "an unsafe request of another origin is refused; WEBSITE_DOMAIN names the one that may"
    );
    let refusal = Problem::new(StatusCode::FORBIDDEN, "cross-site request refused").respond_to(request.headers());
    Ok(request.into_response(refusal))
}

/// Whether the person in front of the browser can have meant this request. Pure.
///
/// `Sec-Fetch-Site` cannot be forged by a page; where it is missing (older browsers) `Origin` decides; where both are
/// missing it is no browser. Cookies are not asked for: a page elsewhere could sign somebody in to an account of its own, to
/// read there what they then write, and where cookies stay at home the answer could still remove them (S-C-17, S-C-18).
fn is_meant(method: &Method, headers: &HeaderMap, host: Option<&str>, trusted: &Trusted) -> bool {
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return true;
    }
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    match (text("sec-fetch-site"), text("origin")) {
        (Some("same-origin" | "none"), _) | (None, None) => true,
        (_, Some(origin)) => is_ours(origin, host, trusted),
        (Some(_), None) => false,
    }
}

/// Whether `origin` is one of ours: configured, or the very host that was asked.
fn is_ours(origin: &str, host: Option<&str>, trusted: &Trusted) -> bool {
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    origin == trusted.website || origin == trusted.api || (authority.is_some() && authority == host)
}

/// `HEAD` wherever there is `GET`, a deadline, an answer to a panic, words for every refusal that actix-web made itself, and
/// strict headers on all of it.
pub async fn finish_response(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let trusted = request.app_data::<Data<Trusted>>().cloned();
    let wants_page = wants_page(request.headers());
    let failed = |status, words| {
        let problem = Problem::new(status, words);
        if wants_page { ProblemPage::from(problem).into() } else { Error::from(problem) }
    };
    let is_slow = trusted.as_ref().is_some_and(|trusted| trusted.slow_path == request.path());
    let deadline = if is_slow { SLOW_REQUEST_DEADLINE } else { REQUEST_DEADLINE };
    // Routes know `GET`; the server, which remembers what it was asked, leaves the body out (RFC 9110, 9.3.2).
    if *request.method() == Method::HEAD {
        request.head_mut().method = Method::GET;
    }
    let answered = tokio::time::timeout(deadline, AssertUnwindSafe(next.call(request)).catch_unwind()).await;
    let answered = match answered {
        Ok(Ok(answered)) => answered.map(|response| in_words(response.map_into_boxed_body())),
        Ok(Err(_panic)) => {
            tracing::error!("a handler panicked");
            Err(failed(StatusCode::INTERNAL_SERVER_ERROR, "internal error"))
        }
        Err(_elapsed) => Err(failed(StatusCode::REQUEST_TIMEOUT, "the request took too long")),
    };
    let Some(trusted) = trusted else { return answered };
    match answered {
        Ok(mut response) => {
            harden(response.headers_mut(), &trusted);
            Ok(response)
        }
        // There is no response yet to dress, and no request to make one with: keeping a copy would forbid its routing.
        Err(mut error) => {
            error.add_response_mapper(move |mut response| {
                harden(response.headers_mut(), &trusted);
                response
            });
            Err(error)
        }
    }
}

/// Replaces the plain text of actix-web's own refusals by the page or the JSON that whoever asked expects.
fn in_words(response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let content_type = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let untyped = content_type.is_none_or(|text| text.starts_with("text/plain"));
    let empty_by_choice = content_type.is_none() && !matches!(status.as_u16(), 404 | 405);
    if !untyped || empty_by_choice {
        return response;
    }
    if let Some(error) = response.response().error().filter(|_| status.is_server_error()) {
        // Mostly a handler's `Data<…>` that nobody has given to the application.
        let path = response.request().path();
        tracing::error!(%error, path, "a handler could not be called; LOG=actix_web=debug names what is missing");
    }
    let allow = response.headers().get(header::ALLOW).map(with_head);
    let mut refusal = Problem::new(status, reason(status)).respond_to(response.request().headers());
    if let Some(allow) = allow {
        refusal.headers_mut().insert(header::ALLOW, allow);
    }
    ServiceResponse::new(response.request().clone(), refusal.map_into_boxed_body())
}

/// The methods that are allowed, `HEAD` among them wherever `GET` is.
fn with_head(allow: &HeaderValue) -> HeaderValue {
    let methods = allow.to_str().unwrap_or_default();
    if !methods.split(", ").any(|method| method == "GET") {
        return allow.clone();
    }
    HeaderValue::from_str(&format!("{methods}, HEAD")).unwrap_or_else(|_odd| allow.clone())
}

/// What a refusal without words of its own says.
pub fn reason(status: StatusCode) -> &'static str {
    match status {
        StatusCode::NOT_FOUND => "not found",
        StatusCode::METHOD_NOT_ALLOWED => "method not allowed",
        StatusCode::PAYLOAD_TOO_LARGE => "request body is too large",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "content type is not supported",
        _ if status.is_server_error() => "internal error",
        _ => "bad request",
    }
}

/// Headers that make browsers strict (ASVS 3.4): sniffing, framing, referrers, scripts, and TLS where we have it.
fn harden(headers: &mut HeaderMap, trusted: &Trusted) {
    let mut set = |name: &'static str, value: HeaderValue| {
        if !headers.contains_key(name) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    // What one person saw must not come back from a cache after they have signed out (ASVS 14.3.2); what may be kept says so.
    set("cache-control", HeaderValue::from_static("no-store"));
    set("x-content-type-options", HeaderValue::from_static("nosniff"));
    set("referrer-policy", HeaderValue::from_static("same-origin"));
    set("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
    set("content-security-policy", trusted.policy.clone());
    if trusted.api.starts_with("https://") {
        set("strict-transport-security", HeaderValue::from_static("max-age=31536000; includeSubDomains"));
    }
}

/// Only our own scripts and styles; connections also to Fauna where pages may use it.
fn content_security_policy(fauna: Option<&str>) -> String {
    let fauna = fauna.map(|endpoint| format!(" {endpoint}")).unwrap_or_default();
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'{fauna}; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
}

/// What a handler may read of a body unless it says otherwise, in bytes.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn trusted() -> Trusted {
        Trusted::new("https://api.example", "https://www.example", None).unwrap()
    }

    /// Asks for an unsafe request with these headers at host `api.example`.
    fn meant(headers: &[(&'static str, &'static str)]) -> bool {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        is_meant(&Method::POST, &map, Some("api.example"), &trusted())
    }

    #[test]
    fn a_page_of_another_site_is_refused() {
        assert!(!meant(&[("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")]));
        assert!(!meant(&[("sec-fetch-site", "same-site"), ("origin", "https://x.example")]));
        assert!(!meant(&[("sec-fetch-site", "cross-site")]));
        assert!(!meant(&[("origin", "null")]));
        assert!(!meant(&[("origin", "https://www.example.evil.example")]));
        assert!(!meant(&[("origin", "https://www.example:444")]));
    }

    #[test]
    fn our_own_pages_and_programs_pass() {
        assert!(meant(&[("sec-fetch-site", "same-origin"), ("origin", "https://api.example")]));
        assert!(meant(&[("sec-fetch-site", "same-site"), ("origin", "https://www.example")]));
        assert!(meant(&[("origin", "https://api.example")]));
        assert!(meant(&[("origin", "http://api.example")]));
        assert!(meant(&[]));
    }
}
