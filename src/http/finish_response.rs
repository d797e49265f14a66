//! The layer around all handlers: a time-out, an answer if a handler panicked, the same form for refusals that actix-web makes
//! itself, and security headers on every response.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use actix_cors::CorsError;
use actix_web::Error;
use actix_web::HttpMessage as _;
use actix_web::HttpResponse;
use actix_web::ResponseError as _;
use actix_web::body;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode, header};
use actix_web::web::Data;
use futures_util::FutureExt as _;
use tracing_actix_web::RequestId;

use crate::http::problem::{Brand, ErrorPage, Problem, ProblemDetails, ProblemPage, wants_page};
use crate::http::request_body::HeldBody;
use crate::http::same_origin;
use crate::http::same_origin::Trusted;
use crate::http::trace;

/// Requests that take longer are answered with 408. Work they began in the background goes on.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);
/// The same for [`Trusted::slow_path`].
const SLOW_REQUEST_TIMEOUT: Duration = Duration::from_secs(150);
/// What a handler may read of a request body unless it says otherwise, in bytes.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// Calls what is inside of this layer and finishes its response.
///
/// # Errors
/// The error of `inside`, which makes a response of itself with the same headers.
pub async fn finish_response<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    inside: impl AsyncFnOnce(ServiceRequest) -> Result<ServiceResponse<B>, Error>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let trusted = request.app_data::<Data<Trusted>>().cloned();
    let wants_page = wants_page(request.head());
    let failed = |status, words| {
        let problem = Problem::new(status, words);
        if wants_page { ProblemPage::from(problem).into() } else { Error::from(problem) }
    };
    let is_slow = trusted.as_ref().is_some_and(|trusted| trusted.slow_path == request.path());
    let deadline = if is_slow { SLOW_REQUEST_TIMEOUT } else { REQUEST_TIMEOUT };
    // HEAD is routed as GET; the server leaves the body out (RFC 9110, 9.3.2).
    let is_head = *request.method() == Method::HEAD;
    if is_head {
        request.head_mut().method = Method::GET;
    }
    let audience = Audience::of(&request, trusted.as_ref().map(Data::get_ref));
    let held_body = HeldBody::of(&mut request);
    let trace = trace::of_request(&request);
    let answer = tokio::time::timeout(deadline, AssertUnwindSafe(inside(request)).catch_unwind());
    let answered = match trace {
        Some(trace) => Box::pin(trace.scope(answer)).await,
        None => answer.await,
    };
    let answered = match answered {
        Ok(Ok(answered)) => answered.map(|response| {
            let response = replace_plain_text(response.map_into_boxed_body());
            if is_head { without_stream(response) } else { response }
        }),
        Ok(Err(_panic)) => {
            tracing::error!("a handler panicked");
            Err(failed(StatusCode::INTERNAL_SERVER_ERROR, "internal error"))
        }
        Err(_elapsed) => Err(failed(StatusCode::REQUEST_TIMEOUT, "the request took too long")),
    };
    let Some(trusted) = trusted else { return answered };
    match answered {
        Ok(response) => {
            let (request, mut response) = response.into_parts();
            set_security_headers(response.headers_mut(), &trusted);
            let response = ServiceResponse::new(request, audience.with_details(response));
            Ok(match held_body {
                Some(held) => response.map_body(|_, body| held.held_by(body)),
                None => response,
            })
        }
        // A response is made of the error further out, where the request is, and outside of CORS.
        Err(mut error) => {
            error.add_response_mapper(move |mut response| {
                set_security_headers(response.headers_mut(), &trusted);
                if let Some(origin) = &audience.origin {
                    same_origin::let_read(response.headers_mut(), origin);
                }
                let response = audience.with_details(response);
                match held_body.clone() {
                    Some(held) => response.map_body(|_, body| held.held_by(body)),
                    None => response,
                }
            });
            Err(error)
        }
    }
}

/// Drops a body whose length is not known, such as that of an event stream: the server would read all of it, to send nothing.
fn without_stream(response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    match response.response().body().size() {
        BodySize::Stream => response.map_body(|_, _| BoxBody::new(body::None::new())),
        BodySize::None | BodySize::Sized(_) => response,
    }
}

/// What the form of an error response depends on.
struct Audience {
    is_for_supertokens: bool,
    request_id: Option<RequestId>,
    /// The other origin that may read the response.
    origin: Option<HeaderValue>,
    brand: Option<Data<Brand>>,
}

impl Audience {
    fn of(request: &ServiceRequest, trusted: Option<&Trusted>) -> Self {
        Self {
            is_for_supertokens: trusted.is_some_and(|trusted| trusted.is_supertokens_path(request.path())),
            request_id: request.extensions().get::<RequestId>().copied(),
            origin: trusted.and_then(|trusted| trusted.allowed_origin(request.headers())),
            brand: request.app_data::<Data<Brand>>().cloned(),
        }
    }

    /// Renders problems as RFC 9457 says, unless SuperTokens' clients read them, and pages with the name of the site. Names the
    /// request in every error response.
    fn with_details(&self, mut response: HttpResponse<BoxBody>) -> HttpResponse<BoxBody> {
        let status = response.status();
        if !status.is_client_error() && !status.is_server_error() {
            return response;
        }
        let request_id = self.request_id.map(|id| id.to_string());
        if let Some(id) = request_id.as_deref().and_then(|id| HeaderValue::from_str(id).ok()) {
            response.headers_mut().insert(HeaderName::from_static("x-request-id"), id);
        }
        let page = response.extensions_mut().remove::<ErrorPage>();
        if let (Some(page), Some(brand)) = (page, &self.brand) {
            return response.map_body(|_, _| BoxBody::new(page.html(brand)));
        }
        let details = response.extensions_mut().remove::<ProblemDetails>();
        let Some(details) = details.filter(|_| !self.is_for_supertokens) else {
            return response;
        };
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        response.map_body(|_, _| BoxBody::new(details.to_json(request_id)))
    }
}

/// Replaces the plain text of actix-web's own refusals by a page or JSON, as the client expects.
fn replace_plain_text(response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    if let Some(refused) = response.response().error().and_then(|error| error.as_error::<CorsError>()) {
        let message = same_origin::preflight_refusal(refused, response.request().headers());
        let mut refusal = Problem::new(StatusCode::FORBIDDEN, message).error_response();
        refusal.headers_mut().insert(header::VARY, HeaderValue::from_static("Origin"));
        return ServiceResponse::new(response.request().clone(), refusal);
    }
    let content_type = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let untyped = content_type.is_none_or(|text| text.starts_with("text/plain"));
    let empty_by_choice = content_type.is_none() && !matches!(status.as_u16(), 404 | 405);
    if !untyped || empty_by_choice {
        return response;
    }
    if let Some(error) = response.response().error().filter(|_| status.is_server_error()) {
        // Mostly a handler's `Data<…>` that was not registered.
        let path = response.request().path();
        tracing::error!(%error, path, "a handler could not be called; LOG=actix_web=debug names what is missing");
    }
    let allow = response.headers().get(header::ALLOW).map(with_head);
    let problem = match status {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::body_too_large(BODY_BYTES_MAX),
        status => Problem::new(status, reason(status)),
    };
    let mut refusal = problem.respond_to(response.request().head());
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

/// The message for a status without a message of its own.
pub fn reason(status: StatusCode) -> &'static str {
    match status {
        StatusCode::NOT_FOUND => "not found",
        StatusCode::METHOD_NOT_ALLOWED => "method not allowed",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "content type is not supported",
        _ if status.is_server_error() => "internal error",
        _ => "bad request",
    }
}

/// Headers that make browsers strict (ASVS 3.4): sniffing, framing, referrers, scripts, and TLS where we have it.
fn set_security_headers(headers: &mut HeaderMap, trusted: &Trusted) {
    let mut set = |name: HeaderName, value: HeaderValue| {
        if !headers.contains_key(&name) {
            headers.insert(name, value);
        }
    };
    // A user's pages must not come back from a cache after signing out (ASVS 14.3.2). Handlers of cacheable responses set their own.
    set(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    set(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    set(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    set(header::CROSS_ORIGIN_OPENER_POLICY, HeaderValue::from_static("same-origin"));
    set(header::CONTENT_SECURITY_POLICY, trusted.policy.clone());
    if trusted.api.starts_with("https://") {
        set(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000; includeSubDomains"));
    }
}
