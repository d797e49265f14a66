//! CORS, the refusal of unsafe requests from other origins, and of requests for development pages under foreign host names.

use std::net::IpAddr;

use actix_cors::{Cors, CorsError};
use actix_web::HttpResponse;
use actix_web::dev::ServiceRequest;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue, InvalidHeaderValue};
use actix_web::http::{Method, StatusCode, header};
use actix_web::web::Data;

use crate::http::origins::OriginPattern;
use crate::http::problem::Problem;

/// Message of the refusal of another origin's request.
pub const CROSS_SITE: &str =
    "cross-site request refused; WEBSITE_DOMAIN and ALLOWED_ORIGINS name the origins that may call the API";
const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
/// Request headers that scripts of allowed origins may set: those of SuperTokens' clients, of W3C Trace Context and Baggage
/// (which OpenTelemetry in browsers sends), and the one that resumes an event stream.
const REQUEST_HEADERS: [&str; 11] = [
    "accept",
    "anti-csrf",
    "authorization",
    "baggage",
    "content-type",
    "fdi-version",
    "last-event-id",
    "rid",
    "st-auth-mode",
    "traceparent",
    "tracestate",
];
/// Response headers that scripts of allowed origins may read; the session module adds those of its tokens.
const EXPOSED_HEADERS: [&str; 3] = ["x-request-id", "retry-after", "www-authenticate"];
/// Characters of a refused method or header that are repeated.
const NAME_CHARS_MAX: usize = 60;

/// The origins whose pages may use a user's session.
#[derive(Clone, Debug)]
pub struct Trusted {
    /// Origin of the API, `scheme://host[:port]`.
    pub api: String,
    /// Origin of the pages.
    pub website: String,
    /// The patterns of `ALLOWED_ORIGINS`.
    pub others: Vec<OriginPattern>,
    /// Value of the header `Content-Security-Policy`.
    pub policy: HeaderValue,
    /// Path of the SuperTokens interface.
    pub supertokens_path: String,
    /// The path whose requests may take minutes; empty: none.
    pub slow_path: &'static str,
}

impl Trusted {
    /// `fauna` is where pages may connect to besides the site itself.
    ///
    /// # Errors
    /// `fauna` contains characters that a header cannot.
    pub fn new(api: &str, website: &str, fauna: Option<&str>) -> Result<Self, InvalidHeaderValue> {
        let policy = HeaderValue::from_str(&content_security_policy(fauna))?;
        let (api, website) = (api.to_owned(), website.to_owned());
        Ok(Self { api, website, others: Vec::new(), policy, supertokens_path: String::new(), slow_path: "" })
    }

    /// Whether pages of this origin may use a user's session.
    pub fn allows(&self, origin: &str) -> bool {
        origin == self.website || origin == self.api || self.others.iter().any(|pattern| pattern.matches(origin))
    }

    /// The origin of a request whose pages may read the response.
    pub fn allowed_origin(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let origin = headers.get(header::ORIGIN)?;
        origin.to_str().is_ok_and(|text| self.allows(text)).then(|| origin.clone())
    }

    /// Whether SuperTokens' clients call this path.
    pub fn is_supertokens_path(&self, path: &str) -> bool {
        let below = path.strip_prefix(self.supertokens_path.as_str());
        !self.supertokens_path.is_empty() && below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Whether a `Host` header names this machine by `localhost` or an address, or is the host of the API or the pages. Any
    /// other name may be an attacker's that resolves to this machine (DNS rebinding); an address cannot be.
    fn is_own_host(&self, host: &str) -> bool {
        let name = host_name(host);
        let is_address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok();
        let of_origin = |origin: &str| origin.split_once("://").map(|(_, host)| host_name(host).to_ascii_lowercase());
        let name = name.to_ascii_lowercase();
        is_address
            || name == "localhost"
            || [&self.api, &self.website].iter().any(|own| of_origin(own).as_ref() == Some(&name))
    }

    /// The origin for links in mails that this request causes: its own origin if `ALLOWED_ORIGINS` contains it, otherwise the
    /// website.
    pub fn link_origin<'a>(&'a self, headers: &'a HeaderMap) -> &'a str {
        let origin = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
        origin.filter(|origin| self.others.iter().any(|pattern| pattern.matches(origin))).unwrap_or(&self.website)
    }
}

/// CORS with credentials for the allowed origins.
pub fn cors(trusted: &Trusted) -> Cors {
    let others = trusted.others.clone();
    Cors::default()
        .allowed_origin(&trusted.website)
        .allowed_origin_fn(move |origin, _| {
            origin.to_str().is_ok_and(|origin| others.iter().any(|pattern| pattern.matches(origin)))
        })
        .allowed_methods(METHODS)
        .allowed_headers(REQUEST_HEADERS)
        .expose_headers(EXPOSED_HEADERS)
        .supports_credentials()
        .max_age(3600)
}

/// Lets scripts of an allowed origin read a response that [`cors`] does not see.
pub fn let_read(headers: &mut HeaderMap, origin: &HeaderValue) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("x-request-id"));
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
}

/// The message about a preflight request with `headers` that is refused.
pub fn preflight_refusal(error: &CorsError, headers: &HeaderMap) -> String {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let start = |name: &str| name.chars().take(NAME_CHARS_MAX).collect::<String>();
    match error {
        CorsError::OriginNotAllowed => CROSS_SITE.to_owned(),
        // Whoever is told this has sent a valid method, or valid names: anything else is another error.
        CorsError::MethodNotAllowed => {
            let method = start(text(header::ACCESS_CONTROL_REQUEST_METHOD));
            format!("the method \"{method}\" is not allowed, expected {}", METHODS.join(", "))
        }
        CorsError::HeadersNotAllowed => {
            let is_refused = |name: &&str| !REQUEST_HEADERS.iter().any(|known| name.eq_ignore_ascii_case(known));
            let refused = text(header::ACCESS_CONTROL_REQUEST_HEADERS).split(',').map(str::trim).find(is_refused);
            let (refused, known) = (start(refused.unwrap_or_default()), REQUEST_HEADERS.join(", "));
            format!("the request header \"{refused}\" is not allowed, expected {known}")
        }
        other => other.to_string(),
    }
}

/// The response to an unsafe request from another origin; `None` if the request is allowed.
pub fn refusal(request: &ServiceRequest) -> Option<HttpResponse> {
    let trusted = request.app_data::<Data<Trusted>>();
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let names_this_site = |host| trusted.is_some_and(|trusted| trusted.is_own_host(host));
    if is_development_path(request.path()) && !host.is_some_and(names_this_site) {
        let problem = Problem::new(StatusCode::FORBIDDEN, "use the site's own host name");
        return Some(problem.respond_to(request.head()));
    }
    if trusted.is_some_and(|trusted| is_allowed_request(request.method(), request.headers(), host, trusted)) {
        return None;
    }
    let text = |name: HeaderName| request.headers().get(name).and_then(|value| value.to_str().ok());
    // Without the path, which may contain an id.
    tracing::info!(
        origin = text(header::ORIGIN),
        "refused a request from another origin; WEBSITE_DOMAIN and ALLOWED_ORIGINS name those that are allowed"
    );
    Some(Problem::new(StatusCode::FORBIDDEN, CROSS_SITE).respond_to(request.head()))
}

/// Whether the user can have intended this request.
///
/// Pages cannot forge `Sec-Fetch-Site`. Older browsers do not send it; then `Origin` decides. Clients that send neither are not
/// browsers. This does not depend on cookies: a foreign page could also sign its visitor in to an account of its own, to read
/// there what they then write, and an answer to a request without cookies could still delete them.
fn is_allowed_request(method: &Method, headers: &HeaderMap, host: Option<&str>, trusted: &Trusted) -> bool {
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return true;
    }
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    match (text("sec-fetch-site"), text("origin")) {
        (Some("same-origin" | "none"), _) | (None, None) => true,
        (_, Some(origin)) => is_allowed_origin(origin, host, trusted),
        (Some(_), None) => false,
    }
}

/// Whether `origin` is allowed, or is the host that the request was sent to.
fn is_allowed_origin(origin: &str, host: Option<&str>, trusted: &Trusted) -> bool {
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    trusted.allows(origin) || (authority.is_some() && authority == host)
}

/// Pages and forms of development, which show mail and control the demo without a session.
fn is_development_path(path: &str) -> bool {
    path.starts_with("/dev/") || path.starts_with("/demo/")
}

/// A `Host` without its port.
fn host_name(host: &str) -> &str {
    let end_of_address = host.rfind(']').unwrap_or(0);
    match host.rfind(':') {
        Some(colon) if colon > end_of_address => host.split_at(colon).0,
        _ => host,
    }
}

fn content_security_policy(fauna: Option<&str>) -> String {
    let fauna = fauna.map(|endpoint| format!(" {endpoint}")).unwrap_or_default();
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'{fauna}; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trusted() -> Trusted {
        Trusted::new("https://api.example", "https://www.example", None).unwrap()
    }

    #[test]
    fn development_pages_answer_to_own_host_names_only() {
        for host in [
            "localhost",
            "LOCALHOST:3000",
            "127.0.0.1:3000",
            "[::1]:3000",
            "[::1]",
            "192.0.2.7",
            "api.example",
            "www.example:80",
        ] {
            assert!(trusted().is_own_host(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example:3000",
            "api.example.evil.example",
            "127.0.0.1.evil.example",
            "[::1",
        ] {
            assert!(!trusted().is_own_host(host), "{host}");
        }
    }

    /// Asks for an unsafe request with these headers at host `api.example`.
    fn is_allowed(headers: &[(&'static str, &'static str)]) -> bool {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        is_allowed_request(&Method::POST, &map, Some("api.example"), &trusted())
    }

    #[test]
    fn a_page_of_another_site_is_refused() {
        assert!(!is_allowed(&[("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")]));
        assert!(!is_allowed(&[("sec-fetch-site", "same-site"), ("origin", "https://x.example")]));
        assert!(!is_allowed(&[("sec-fetch-site", "cross-site")]));
        assert!(!is_allowed(&[("origin", "null")]));
        assert!(!is_allowed(&[("origin", "https://www.example.evil.example")]));
        assert!(!is_allowed(&[("origin", "https://www.example:444")]));
    }

    #[test]
    fn allowed_origins_pass_and_get_their_links() {
        let others = vec!["https://*.preview.example".parse().unwrap()];
        let trusted = Trusted { others, ..trusted() };
        let links = |origin: &'static str| {
            let mut map = HeaderMap::new();
            map.insert(header::ORIGIN, HeaderValue::from_static(origin));
            (
                is_allowed_request(&Method::POST, &map, Some("api.example"), &trusted),
                trusted.link_origin(&map).to_owned(),
            )
        };
        assert_eq!(links("https://a.preview.example"), (true, "https://a.preview.example".to_owned()));
        assert_eq!(links("https://preview.example"), (false, "https://www.example".to_owned()));
        assert_eq!(links("https://api.example"), (true, "https://www.example".to_owned()));
    }

    #[test]
    fn our_own_pages_and_programs_pass() {
        assert!(is_allowed(&[("sec-fetch-site", "same-origin"), ("origin", "https://api.example")]));
        assert!(is_allowed(&[("sec-fetch-site", "same-site"), ("origin", "https://www.example")]));
        assert!(is_allowed(&[("origin", "https://api.example")]));
        assert!(is_allowed(&[("origin", "http://api.example")]));
        assert!(is_allowed(&[]));
    }
}
