//! Lifetimes and transport of sessions: what SuperTokens lets its backends choose, under names of our own.

use std::net::IpAddr;
use std::time::Duration;

use super::Reader;
use crate::session::{AntiCsrf, SameSite, Transfer};

/// Lifetimes and transport of sessions.
#[derive(Clone, Debug)]
pub struct Session {
    /// Life of an access token.
    pub access_token_lifetime: Duration,
    /// Life of a session that is not used (slides with use).
    pub refresh_token_lifetime: Duration,
    /// Life of a session however much it is used.
    pub absolute_lifetime: Duration,
    /// How long a superseded refresh token is answered instead of taken for theft (design D1).
    pub grace: Duration,
    /// How long a key signs access tokens before another takes over.
    pub signing_key_interval: Duration,
    /// Whether access tokens are signed with keys that are replaced.
    pub dynamic_signing_key: bool,
    /// Where browsers reach the API, scheme and host; absent: `http://localhost:PORT`.
    pub api_domain: Option<String>,
    /// Where the pages live that use it; absent: the same.
    pub website_domain: Option<String>,
    /// Under which path the recipes answer.
    pub api_base_path: String,
    /// What a gateway takes off the front of paths before they reach us; empty: nothing.
    pub api_gateway_path: String,
    /// `Domain` of the session cookies; absent: this host only.
    pub cookie_domain: Option<String>,
    /// A `Domain` used formerly, whose cookies are to be removed; the empty string means this host only.
    pub older_cookie_domain: Option<String>,
    /// When browsers send the cookies along; absent: chosen by the two domains as SuperTokens does.
    pub same_site: Option<SameSite>,
    /// `NONE`, `VIA_TOKEN`, `VIA_CUSTOM_HEADER`; absent: chosen by SameSite as SuperTokens does.
    pub anti_csrf: Option<AntiCsrf>,
    /// How tokens may travel; absent: as the client asks for.
    pub transfer: Option<Transfer>,
    /// Whether scripts may read an access token that travels in a cookie.
    pub expose_access_token: bool,
}

impl Session {
    /// Reads the variables.
    pub(super) fn read(read: &mut Reader<'_>) -> Self {
        let session = Self {
            access_token_lifetime: read.seconds("ACCESS_TOKEN_LIFETIME_S", 900, 1..=86_400),
            refresh_token_lifetime: read.seconds("REFRESH_TOKEN_LIFETIME_S", 2_592_000, 2..=31_536_000),
            absolute_lifetime: read.seconds("SESSION_LIFETIME_S", 8_640_000, 2..=315_360_000),
            grace: read.seconds("SESSION_GRACE_S", 30, 0..=300),
            signing_key_interval: read.seconds("SIGNING_KEY_INTERVAL_S", 604_800, 3600..=31_536_000),
            dynamic_signing_key: read.flag("DYNAMIC_SIGNING_KEY", true),
            api_domain: read.origin("API_DOMAIN"),
            website_domain: read.origin("WEBSITE_DOMAIN"),
            api_base_path: api_base_path(read),
            api_gateway_path: api_gateway_path(read),
            cookie_domain: read.optional("COOKIE_DOMAIN"),
            older_cookie_domain: read.given("OLDER_COOKIE_DOMAIN"),
            same_site: same_site(read),
            anti_csrf: anti_csrf(read),
            transfer: transfer(read),
            expose_access_token: read.flag("EXPOSE_ACCESS_TOKEN_TO_FRONTEND", false),
        };
        if session.refresh_token_lifetime <= session.access_token_lifetime {
            read.refuse("REFRESH_TOKEN_LIFETIME_S", "must be longer than ACCESS_TOKEN_LIFETIME_S");
        }
        if session.absolute_lifetime < session.access_token_lifetime {
            read.refuse("SESSION_LIFETIME_S", "must not be shorter than ACCESS_TOKEN_LIFETIME_S");
        }
        session
    }
}

/// `LAX`, `STRICT` or `NONE`.
fn same_site(read: &mut Reader<'_>) -> Option<SameSite> {
    let choices =
        [("", None), ("LAX", Some(SameSite::Lax)), ("STRICT", Some(SameSite::Strict)), ("NONE", Some(SameSite::None))];
    read.choice("COOKIE_SAME_SITE", &choices, None)
}

/// `NONE`, `VIA_TOKEN` or `VIA_CUSTOM_HEADER`.
fn anti_csrf(read: &mut Reader<'_>) -> Option<AntiCsrf> {
    let choices = [
        ("", None),
        ("NONE", Some(AntiCsrf::None)),
        ("VIA_TOKEN", Some(AntiCsrf::ViaToken)),
        ("VIA_CUSTOM_HEADER", Some(AntiCsrf::ViaCustomHeader)),
    ];
    read.choice("ANTI_CSRF", &choices, None)
}

/// `any`, `cookie` or `header`.
fn transfer(read: &mut Reader<'_>) -> Option<Transfer> {
    let choices = [("any", None), ("cookie", Some(Transfer::Cookie)), ("header", Some(Transfer::Header))];
    read.choice("TOKEN_TRANSFER_METHOD", &choices, None)
}

/// `/auth`, normalised to one leading and no trailing slash.
fn api_base_path(read: &mut Reader<'_>) -> String {
    let text = read.text("API_BASE_PATH", "/auth");
    let inner = text.trim_matches('/');
    if inner.is_empty() || !is_path(inner) {
        read.refuse("API_BASE_PATH", "must be a path like /auth");
    }
    format!("/{inner}")
}

/// The same, or nothing.
fn api_gateway_path(read: &mut Reader<'_>) -> String {
    let text = read.text("API_GATEWAY_PATH", "");
    let inner = text.trim_matches('/');
    if !is_path(inner) {
        read.refuse("API_GATEWAY_PATH", "must be a path like /gateway");
    }
    if inner.is_empty() { String::new() } else { format!("/{inner}") }
}

/// Whether what is sent to that origin can be read on its way: it has no TLS, and is not this machine.
pub(super) fn is_in_clear(origin: &str) -> bool {
    let Some(host) = origin.strip_prefix("http://") else { return false };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.trim_matches(['[', ']']).parse::<IpAddr>();
    !(name == "localhost" || name.ends_with(".localhost") || address.is_ok_and(|address| address.is_loopback()))
}

/// Whether it can stand in a path, and in the `Path` of a cookie, as it is.
fn is_path(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || "/-_.~".contains(c))
}
