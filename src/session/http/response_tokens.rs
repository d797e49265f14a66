//! What a response says about the session (session.md 3.3, 3.4).
//!
//! Nobody writes session headers into a response directly. What a request leads to is noted in its [`ResponseTokens`], where a
//! later note replaces an earlier one, and [`attach`] renders it once, into whatever response comes back: a second
//! `front-token` would break the client.

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
use crate::session::SessionHandle;
use crate::session::http::cookies::CookieRules;
use crate::session::http::frontend_version;
use crate::session::http::frontend_version::FrontendVersion;
use crate::session::http::transport::Travel;
use crate::session::settings::Transfer;
use crate::session::tokens::payload;
use crate::session::tokens::verified_cache::Verified;

/// What scripts may read of the access token.
const FRONT_TOKEN: HeaderName = HeaderName::from_static("front-token");
/// The anti-CSRF token, both ways.
pub const ANTI_CSRF: HeaderName = HeaderName::from_static("anti-csrf");
/// The access token, in header mode.
const ACCESS_TOKEN: HeaderName = HeaderName::from_static("st-access-token");
/// The refresh token, in header mode.
const REFRESH_TOKEN: HeaderName = HeaderName::from_static("st-refresh-token");
/// What old frontends take for the session.
const ID_REFRESH_TOKEN: HeaderName = HeaderName::from_static("id-refresh-token");

/// Long after the token in it has ended: an ended token still tells that there is a session to refresh (session.md 3.3).
const ACCESS_COOKIE_LIFE: Duration = Duration::from_hours(365 * 24);

/// The end of cookies that are to be removed.
const LONG_AGO: Timestamp = Timestamp::from_millis(0);

/// Tokens to hand out.
pub struct HandOut {
    /// The access token.
    pub access: SecretString,
    /// What it says.
    pub token: Arc<Verified>,
    /// Present where a new refresh token goes along.
    pub refresh: Option<HandOutRefresh>,
}

/// A refresh token to hand out.
pub struct HandOutRefresh {
    /// The token.
    pub token: SecretString,
    /// When its cookie ends.
    pub expires_at: Timestamp,
    /// The anti-CSRF token that belongs to it.
    pub anti_csrf: Option<String>,
}

impl HandOut {
    /// The session that they belong to.
    pub fn handle(&self) -> &SessionHandle {
        &self.token.claims.handle
    }

    /// What scripts may read of the access token, as the header `front-token` has it.
    pub fn front_token(&self) -> String {
        payload::front_token(&self.token.claims)
    }
}

/// How tokens are handed out to a client.
pub struct Manner {
    /// How cookies are written.
    pub rules: Arc<CookieRules>,
    /// In cookies or headers, and for which frontend.
    pub travel: Travel,
    /// Whether scripts may read an access token that travels in a cookie.
    pub expose: bool,
    /// Now.
    pub now: Timestamp,
}

/// What a response will say about the session. Clones share it.
#[derive(Clone, Default)]
pub struct ResponseTokens(Arc<Mutex<Notes>>);

/// The last word on each header and cookie.
#[derive(Default)]
struct Notes {
    /// Cookie of the access token: value and end.
    access_cookie: Option<(String, Timestamp)>,
    /// Cookie of the refresh token: value and end.
    refresh_cookie: Option<(String, Timestamp)>,
    /// Cookie of old frontends: value and end.
    id_cookie: Option<(String, Timestamp)>,
    /// Header of the access token.
    access_header: Option<String>,
    /// Header of the refresh token.
    refresh_header: Option<String>,
    /// Header `front-token`.
    front: Option<String>,
    /// Header `anti-csrf`.
    anti_csrf: Option<String>,
    /// Header of old frontends.
    id_header: Option<String>,
    /// A domain whose cookies are removed.
    former_domain: Option<String>,
    /// How cookies are written; known as soon as anything is noted.
    rules: Option<Arc<CookieRules>>,
}

impl ResponseTokens {
    /// The one of this request.
    pub fn of(request: &HttpRequest) -> Self {
        let mut extensions = request.extensions_mut();
        if let Some(response_tokens) = extensions.get::<Self>() {
            return response_tokens.clone();
        }
        let response_tokens = Self::default();
        extensions.insert(response_tokens.clone());
        response_tokens
    }

    /// Notes tokens for the client.
    pub fn hand_out(&self, manner: &Manner, tokens: HandOut) {
        let mut notes = self.notes(&manner.rules);
        let is_legacy = manner.travel.profile == FrontendVersion::Legacy;
        let claims = &tokens.token.claims;
        let access = tokens.access.expose_secret().to_owned();
        notes.front = Some(payload::front_token(claims));
        match manner.travel.transfer {
            Transfer::Cookie => {
                let ends = if is_legacy { claims.expiry() } else { manner.now.after(ACCESS_COOKIE_LIFE) };
                if manner.expose {
                    notes.access_header = Some(access.clone());
                }
                notes.access_cookie = Some((access, ends));
            }
            Transfer::Header => notes.access_header = Some(access),
        }
        let Some(refresh) = tokens.refresh else { return };
        let token = refresh.token.expose_secret().to_owned();
        match manner.travel.transfer {
            Transfer::Cookie => {
                notes.refresh_cookie = Some((token, refresh.expires_at));
                notes.anti_csrf = refresh.anti_csrf;
            }
            Transfer::Header => notes.refresh_header = Some(token),
        }
        if is_legacy {
            let id = frontend_version::id(&claims.hash1);
            notes.id_header = Some(format!("{id};{}", refresh.expires_at.millis()));
            notes.id_cookie = Some((id, refresh.expires_at));
        }
    }

    /// Notes that the client is to forget the tokens that travel this way.
    pub fn clear(&self, rules: &Arc<CookieRules>, transfer: Transfer) {
        let mut notes = self.notes(rules);
        notes.front = Some("remove".to_owned());
        notes.anti_csrf = None;
        match transfer {
            Transfer::Cookie => {
                notes.access_cookie = Some((String::new(), LONG_AGO));
                notes.refresh_cookie = Some((String::new(), LONG_AGO));
                notes.access_header = None;
            }
            Transfer::Header => {
                notes.access_header = Some(String::new());
                notes.refresh_header = Some(String::new());
            }
        }
    }

    /// Notes that the client is to forget all tokens.
    pub fn clear_all(&self, rules: &Arc<CookieRules>) {
        self.clear(rules, Transfer::Cookie);
        self.clear(rules, Transfer::Header);
    }

    /// Notes that an old frontend is to forget that there is a session.
    pub fn clear_id(&self, rules: &Arc<CookieRules>) {
        self.notes(rules).id_header = Some("remove".to_owned());
        self.remove_id_cookie(rules);
    }

    /// Notes that the cookie of old frontends is to go.
    pub fn remove_id_cookie(&self, rules: &Arc<CookieRules>) {
        self.notes(rules).id_cookie = Some((String::new(), LONG_AGO));
    }

    /// Notes that the cookies of a former domain are to go.
    pub fn remove_former(&self, rules: &Arc<CookieRules>, domain: &str) {
        self.notes(rules).former_domain = Some(domain.to_owned());
    }

    /// The notes, for writing.
    fn notes(&self, rules: &Arc<CookieRules>) -> MutexGuard<'_, Notes> {
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        notes.rules.get_or_insert_with(|| Arc::clone(rules));
        notes
    }

    /// Writes the notes into a response.
    fn render(&self, headers: &mut HeaderMap) {
        let notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(rules) = &notes.rules else { return };
        let named = [
            (&FRONT_TOKEN, &notes.front),
            (&ID_REFRESH_TOKEN, &notes.id_header),
            (&ANTI_CSRF, &notes.anti_csrf),
            (&ACCESS_TOKEN, &notes.access_header),
            (&REFRESH_TOKEN, &notes.refresh_header),
        ];
        for (name, value) in named {
            if let Some(value) = value.as_deref().and_then(|value| HeaderValue::from_str(value).ok()) {
                headers.insert(name.clone(), value);
                expose(headers, name);
            }
        }
        let access = notes.access_cookie.as_ref().map(|(value, ends)| rules.access(value, *ends));
        let refresh = notes.refresh_cookie.as_ref().map(|(value, ends)| rules.refresh(value, *ends));
        let id = notes.id_cookie.as_ref().map(|(value, ends)| rules.id(value, *ends));
        let former = notes.former_domain.as_deref().map(|domain| rules.remove_of(domain));
        let lines = access.into_iter().chain(refresh).chain(id).chain(former.into_iter().flatten());
        for line in lines {
            if let Ok(value) = HeaderValue::from_str(&line) {
                headers.append(header::SET_COOKIE, value);
            }
        }
    }
}

/// Lets scripts of other origins read a header; keeps what others have exposed.
fn expose(headers: &mut HeaderMap, name: &HeaderName) {
    let exposed = headers.get(header::ACCESS_CONTROL_EXPOSE_HEADERS).and_then(|value| value.to_str().ok());
    let mut names: Vec<&str> = exposed.unwrap_or_default().split(',').map(str::trim).collect();
    names.retain(|other| !other.is_empty() && !other.eq_ignore_ascii_case(name.as_str()));
    names.push(name.as_str());
    if let Ok(value) = HeaderValue::from_str(&names.join(", ")) {
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, value);
    }
}

/// Middleware: writes what was noted about the session into the response, whatever its status.
///
/// # Errors
/// Those of the services inside; the guard and the routes of this room answer by themselves.
pub async fn attach<B: MessageBody>(request: ServiceRequest, next: Next<B>) -> Result<ServiceResponse<B>, Error> {
    let mut response = next.call(request).await?;
    let response_tokens = response.request().extensions().get::<ResponseTokens>().cloned();
    if let Some(response_tokens) = response_tokens {
        response_tokens.render(response.headers_mut());
    }
    Ok(response)
}
