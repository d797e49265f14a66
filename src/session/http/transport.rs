//! Transfer of tokens in cookies or in headers.

use actix_web::http::header;
use actix_web::http::header::{HeaderMap, HeaderName};

use crate::session::compat::FrontendVersion;
use crate::session::http::cookies;
use crate::session::http::cookies::{CookieMatch, CookieRules};
use crate::session::settings::Transfer;

/// Request header by which a client chooses the transfer: `cookie` or `header`.
const AUTH_MODE: HeaderName = HeaderName::from_static("st-auth-mode");

const SCHEME: &[u8] = b"bearer ";

/// The way in which a client sends and receives its tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenDelivery {
    pub transfer: Transfer,
    pub frontend: FrontendVersion,
}

/// The token in `Authorization: Bearer …`.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked(SCHEME.len())?;
    if !scheme.eq_ignore_ascii_case(SCHEME) {
        return None;
    }
    // Not `HeaderValue::to_str`: it looks at each byte of a long token by itself, which is a tenth of what a request costs.
    std::str::from_utf8(token.trim_ascii()).ok().filter(|token| !token.is_empty())
}

/// Transfer of a new session's tokens: the setting `set`, else the client's choice. A client without a choice is not a browser
/// frontend and gets headers.
pub fn for_create(headers: &HeaderMap, set: Option<Transfer>) -> Transfer {
    let mode = headers.get(AUTH_MODE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let asked = if mode.eq_ignore_ascii_case("cookie") { Transfer::Cookie } else { Transfer::Header };
    set.unwrap_or(asked)
}

pub fn is_allowed(transfer: Transfer, set: Option<Transfer>) -> bool {
    set.is_none_or(|set| set == transfer)
}

/// Whether a request carries an access token in this way, valid or not.
pub fn carries_access(headers: &HeaderMap, rules: &CookieRules, transfer: Transfer) -> bool {
    match transfer {
        Transfer::Cookie => cookies::find(headers, rules.access_name) != CookieMatch::Absent,
        Transfer::Header => bearer(headers).is_some(),
    }
}
