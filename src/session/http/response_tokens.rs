//! Session cookies and headers of a response.
//!
//! No other module writes session headers into a response. A request's changes are queued in its [`ResponseTokens`], where the last
//! call wins, and [`attach`] writes them once, whatever the response is: a second `front-token` would break the client.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_web::HttpMessage as _;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpRequest};
use secrecy::ExposeSecret as _;
use secrecy::SecretString;

use crate::clock::Timestamp;
use crate::session::compat::FrontendVersion;
use crate::session::http::cookies::CookieRules;
use crate::session::http::transport::TokenDelivery;
use crate::session::settings::Transfer;
use crate::session::tokens::payload;
use crate::session::tokens::verified_cache::Verified;
use crate::session::{SessionHandle, compat};

/// Base64 of the part of the access token that scripts may read.
const FRONT_TOKEN: HeaderName = HeaderName::from_static("front-token");
/// Request and response header with the anti-CSRF token of mode `VIA_TOKEN`.
pub const ANTI_CSRF: HeaderName = HeaderName::from_static("anti-csrf");
const ACCESS_TOKEN: HeaderName = HeaderName::from_static("st-access-token");
const REFRESH_TOKEN: HeaderName = HeaderName::from_static("st-refresh-token");
const ID_REFRESH_TOKEN: HeaderName = HeaderName::from_static("id-refresh-token");

/// Much longer than the token in it lives, because an expired token still shows the client that there is a session to refresh.
const ACCESS_COOKIE_LIFE: Duration = Duration::from_hours(365 * 24);

/// Expiry of cookies that are to be removed.
const LONG_AGO: Timestamp = Timestamp::from_millis(0);

/// New tokens of a session, to be sent to the client.
pub struct SessionTokens {
    pub access: SecretString,
    /// The content of `access`.
    pub token: Arc<Verified>,
    /// `None` if only the access token is replaced.
    pub refresh: Option<NewRefreshToken>,
    /// Whether cookies with them have no expiry.
    pub ends_with_browser: bool,
}

/// A new refresh token, to be sent to the client.
pub struct NewRefreshToken {
    pub token: SecretString,
    /// The end of the session unless it is refreshed, and the expiry of the cookie.
    pub expires_at: Timestamp,
    /// Present in mode [`AntiCsrf::ViaToken`](crate::session::AntiCsrf::ViaToken).
    pub anti_csrf: Option<String>,
}

impl SessionTokens {
    pub fn handle(&self) -> &SessionHandle {
        &self.token.claims.handle
    }

    /// The header `front-token`: the part of the access token that scripts may read.
    pub fn front_token(&self) -> String {
        payload::front_token(&self.token.claims)
    }
}

/// The parameters that decide how new tokens are written into a response.
pub struct DeliveryContext {
    pub cookies: Arc<CookieRules>,
    pub delivery: TokenDelivery,
    /// Whether an access token in a cookie is also sent in a header, which scripts can read.
    pub expose_access_token: bool,
    pub now: Timestamp,
}

/// Session cookies and headers of the response to one request. Clones share the queue.
#[derive(Clone, Default)]
pub struct ResponseTokens(Arc<Mutex<Queued>>);

/// Cookies are pairs of value and expiry; without one they end with the browser.
#[derive(Default)]
struct Queued {
    access_cookie: Option<(String, Option<Timestamp>)>,
    refresh_cookie: Option<(String, Option<Timestamp>)>,
    access_header: Option<String>,
    refresh_header: Option<String>,
    front_token: Option<String>,
    anti_csrf: Option<String>,
    id_token: compat::IdToken,
    /// A `Domain` whose cookies are removed.
    removed_domain: Option<String>,
    /// Present as soon as anything is queued.
    cookies: Option<Arc<CookieRules>>,
}

impl ResponseTokens {
    pub fn of(request: &HttpRequest) -> Self {
        let mut extensions = request.extensions_mut();
        if let Some(response_tokens) = extensions.get::<Self>() {
            return response_tokens.clone();
        }
        let response_tokens = Self::default();
        extensions.insert(response_tokens.clone());
        response_tokens
    }

    pub fn set(&self, context: &DeliveryContext, tokens: SessionTokens) {
        let mut queued = self.queued(&context.cookies);
        let is_legacy = context.delivery.frontend == FrontendVersion::Legacy;
        let claims = &tokens.token.claims;
        let access = tokens.access.expose_secret().to_owned();
        queued.front_token = Some(payload::front_token(claims));
        let cookie_expiry = |at: Timestamp| (!tokens.ends_with_browser).then_some(at);
        match context.delivery.transfer {
            Transfer::Cookie => {
                let ends = if is_legacy { claims.expiry() } else { context.now.after(ACCESS_COOKIE_LIFE) };
                if context.expose_access_token {
                    queued.access_header = Some(access.clone());
                }
                queued.access_cookie = Some((access, cookie_expiry(ends)));
            }
            Transfer::Header => queued.access_header = Some(access),
        }
        let Some(refresh) = tokens.refresh else { return };
        let token = refresh.token.expose_secret().to_owned();
        match context.delivery.transfer {
            Transfer::Cookie => {
                queued.refresh_cookie = Some((token, cookie_expiry(refresh.expires_at)));
                queued.anti_csrf = refresh.anti_csrf;
            }
            Transfer::Header => queued.refresh_header = Some(token),
        }
        if is_legacy {
            queued.id_token.set(&claims.hash1, refresh.expires_at, tokens.ends_with_browser);
        }
    }

    /// Queues the removal of the tokens that are transferred this way.
    pub fn clear(&self, rules: &Arc<CookieRules>, transfer: Transfer) {
        if transfer == Transfer::Cookie {
            self.remove_cookies_of_host(rules);
        }
        let mut queued = self.queued(rules);
        queued.front_token = Some("remove".to_owned());
        queued.anti_csrf = None;
        match transfer {
            Transfer::Cookie => {
                queued.access_cookie = Some((String::new(), Some(LONG_AGO)));
                queued.refresh_cookie = Some((String::new(), Some(LONG_AGO)));
                queued.access_header = None;
            }
            Transfer::Header => {
                queued.access_header = Some(String::new());
                queued.refresh_header = Some(String::new());
            }
        }
    }

    /// Queues the removal of all tokens.
    pub fn clear_all(&self, rules: &Arc<CookieRules>) {
        self.clear(rules, Transfer::Cookie);
        self.clear(rules, Transfer::Header);
    }

    pub fn clear_id(&self, rules: &Arc<CookieRules>) {
        self.queued(rules).id_token.clear();
    }

    pub fn remove_id_cookie(&self, rules: &Arc<CookieRules>) {
        self.queued(rules).id_token.remove_cookie();
    }

    /// Queues the removal of host-only cookies if the session's cookies have a `Domain`: left over from before `COOKIE_DOMAIN` was
    /// set, they would be sent beside the others for a year. Call it only together with new cookies or without a session, because
    /// the host-only cookies may be the ones with the newest tokens.
    pub fn remove_cookies_of_host(&self, rules: &Arc<CookieRules>) {
        if rules.has_domain() {
            self.queued(rules).removed_domain.get_or_insert_default();
        }
    }

    /// Queues the removal of the cookies of another `Domain`; the empty string stands for host-only cookies.
    pub fn remove_of_domain(&self, rules: &Arc<CookieRules>, domain: &str) {
        self.queued(rules).removed_domain = Some(domain.to_owned());
    }

    fn queued(&self, rules: &Arc<CookieRules>) -> MutexGuard<'_, Queued> {
        let mut queued = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        queued.cookies.get_or_insert_with(|| Arc::clone(rules));
        queued
    }

    fn write_into(&self, headers: &mut HeaderMap) {
        let queued = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(rules) = &queued.cookies else { return };
        let named = [
            (&FRONT_TOKEN, &queued.front_token),
            (&ID_REFRESH_TOKEN, &queued.id_token.header),
            (&ANTI_CSRF, &queued.anti_csrf),
            (&ACCESS_TOKEN, &queued.access_header),
            (&REFRESH_TOKEN, &queued.refresh_header),
        ];
        for (name, value) in named {
            if let Some(value) = value.as_deref().and_then(|value| HeaderValue::from_str(value).ok()) {
                headers.insert(name.clone(), value);
                expose(headers, name);
            }
        }
        let access = queued.access_cookie.as_ref().map(|(value, ends)| rules.access(value, *ends));
        let refresh = queued.refresh_cookie.as_ref().map(|(value, ends)| rules.refresh(value, *ends));
        let id = queued.id_token.cookie.as_ref().map(|(value, ends)| rules.id(value, *ends));
        let removed = queued.removed_domain.as_deref().map(|domain| rules.remove_of(domain));
        let lines = access.into_iter().chain(refresh).chain(id).chain(removed.into_iter().flatten());
        for line in lines {
            if let Ok(value) = HeaderValue::from_str(&line) {
                headers.append(header::SET_COOKIE, value);
            }
        }
    }
}

/// Lets scripts of other origins read a header, beside those that are exposed already.
fn expose(headers: &mut HeaderMap, name: &HeaderName) {
    let exposed = headers.get(header::ACCESS_CONTROL_EXPOSE_HEADERS).and_then(|value| value.to_str().ok());
    let mut names: Vec<&str> = exposed.unwrap_or_default().split(',').map(str::trim).collect();
    names.retain(|other| !other.is_empty() && !other.eq_ignore_ascii_case(name.as_str()));
    names.push(name.as_str());
    if let Ok(value) = HeaderValue::from_str(&names.join(", ")) {
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, value);
    }
}

/// Writes the session cookies and headers that were queued for a request into its response, whatever its status.
pub fn write_queued<B>(response: &mut ServiceResponse<B>) {
    let response_tokens = response.request().extensions().get::<ResponseTokens>().cloned();
    if let Some(response_tokens) = response_tokens {
        response_tokens.write_into(response.headers_mut());
    }
}

/// [`write_queued`] as middleware, for applications that are put together otherwise.
///
/// # Errors
/// Those of the services inside.
pub async fn attach<B: MessageBody>(request: ServiceRequest, next: Next<B>) -> Result<ServiceResponse<B>, Error> {
    let mut response = next.call(request).await?;
    write_queued(&mut response);
    Ok(response)
}
