//! Settings of sessions, named as in SuperTokens' backends.

use std::net::IpAddr;
use std::time::Duration;

use super::{Reader, website};
use crate::http::origins::is_public_suffix;
use crate::session::{AntiCsrf, SameSite, Transfer};

/// Sessions that a user may have unless another number is set.
const SESSIONS_PER_USER: u32 = 100;
/// Live Fauna tokens that a session may have unless another number is set: more than browser tabs that refresh at once need.
const FAUNA_TOKENS_PER_SESSION: u32 = 10;

/// Lifetimes of sessions, and how their tokens travel.
#[derive(Clone, Debug)]
pub struct Session {
    pub access_token_lifetime: Duration,
    /// Life of a session that is not used; each refresh starts it again.
    pub refresh_token_lifetime: Duration,
    /// Life of a session however much it is used.
    pub absolute_lifetime: Duration,
    /// How long a superseded refresh token is answered with new tokens instead of being treated as stolen.
    pub grace: Duration,
    /// How many sessions a user may have; a further sign-in ends the oldest.
    pub sessions_per_user: u32,
    /// How many live Fauna tokens a session may have; a further one ends the oldest.
    pub fauna_tokens_per_session: u32,
    /// How long a key signs access tokens before the next one takes over.
    pub signing_key_interval: Duration,
    /// Whether signing keys are rotated.
    pub dynamic_signing_key: bool,
    /// Origin at which browsers reach the API; `None`: `http://localhost:PORT`.
    pub api_domain: Option<String>,
    /// Origin of the pages, to which mailed links lead; `None`: the same as the API.
    pub website_domain: Option<String>,
    /// Path below which the SuperTokens interface answers.
    pub api_base_path: String,
    /// Prefix that a gateway removes from every path; empty: none.
    pub api_gateway_path: String,
    /// `Domain` of the session cookies; `None`: this host only.
    pub cookie_domain: Option<String>,
    /// A `Domain` used formerly, whose cookies are to be removed; the empty string means this host only.
    pub older_cookie_domain: Option<String>,
    /// `None`: chosen by the two domains, as SuperTokens does.
    pub same_site: Option<SameSite>,
    /// `None`: chosen by [`Session::same_site`], as SuperTokens does.
    pub anti_csrf: Option<AntiCsrf>,
    /// `None`: as each client asks for.
    pub transfer: Option<Transfer>,
    /// Whether the pages ask visitors if they want to stay signed in.
    pub remember_me: bool,
    /// Whether scripts may read an access token that travels in a cookie.
    pub expose_access_token: bool,
}

impl Session {
    pub(super) fn read(read: &mut Reader<'_>) -> Self {
        let session = Self {
            access_token_lifetime: read.seconds("ACCESS_TOKEN_LIFETIME_S", 900, 1..=86_400),
            refresh_token_lifetime: read.seconds("REFRESH_TOKEN_LIFETIME_S", 2_592_000, 2..=31_536_000),
            absolute_lifetime: read.seconds("SESSION_LIFETIME_S", 8_640_000, 2..=315_360_000),
            grace: read.seconds("SESSION_GRACE_S", 30, 0..=300),
            sessions_per_user: limit(read.count("SESSIONS_PER_USER", 1..=10_000), SESSIONS_PER_USER),
            fauna_tokens_per_session: limit(read.count("FAUNA_TOKENS_PER_SESSION", 2..=1000), FAUNA_TOKENS_PER_SESSION),
            signing_key_interval: read.seconds("SIGNING_KEY_INTERVAL_S", 604_800, 3600..=31_536_000),
            dynamic_signing_key: read.flag("DYNAMIC_SIGNING_KEY", true),
            api_domain: read.origin("API_DOMAIN"),
            website_domain: read.origin("WEBSITE_DOMAIN"),
            api_base_path: website::api_base_path(read),
            api_gateway_path: api_gateway_path(read),
            cookie_domain: read.optional("COOKIE_DOMAIN"),
            older_cookie_domain: read.trimmed("OLDER_COOKIE_DOMAIN"),
            same_site: same_site(read),
            anti_csrf: anti_csrf(read),
            transfer: transfer(read),
            remember_me: read.flag("REMEMBER_ME", false),
            expose_access_token: read.flag("EXPOSE_ACCESS_TOKEN_TO_FRONTEND", false),
        };
        if session.refresh_token_lifetime <= session.access_token_lifetime {
            read.refuse("REFRESH_TOKEN_LIFETIME_S", "must be longer than ACCESS_TOKEN_LIFETIME_S");
        }
        if session.absolute_lifetime < session.access_token_lifetime {
            read.refuse("SESSION_LIFETIME_S", "must not be shorter than ACCESS_TOKEN_LIFETIME_S");
        }
        session.check_cookie_domain(read);
        session
    }

    /// Browsers accept cookies for the host's own domain or a parent domain, unless that is a public suffix.
    fn check_cookie_domain(&self, read: &mut Reader<'_>) {
        let named = self.cookie_domain.as_deref().and_then(crate::session::cookie_domain);
        let Some(domain) = named.as_deref().map(|domain| domain.trim_start_matches('.')).filter(|d| !d.is_empty())
        else {
            return;
        };
        let Some(api_domain) = &self.api_domain else {
            read.refuse(
                "API_DOMAIN",
                &format!("must be set, and be {domain} or below it, because COOKIE_DOMAIN is set"),
            );
            return;
        };
        let host = host_of(api_domain);
        if host != domain && !host.ends_with(&format!(".{domain}")) {
            read.refuse(
                "COOKIE_DOMAIN",
                &format!("must contain the host of API_DOMAIN: {host} is not {domain} or below it, so browsers drop the cookies"),
            );
        } else if host != domain && is_public_suffix(domain) {
            read.refuse(
                "COOKIE_DOMAIN",
                &format!("must be a domain that you own: {domain} is a public suffix, for which browsers drop cookies"),
            );
        }
    }

    /// Whether one of the two domains is `localhost` and the other a loopback address: one machine, but two sites to a browser.
    pub(super) fn mixes_loopback_names(&self) -> bool {
        let Some(website) = &self.website_domain else { return false };
        let (api, website) = (self.api_domain.as_deref().map_or("localhost", host_of), host_of(website));
        let (api_is_name, website_is_name) = (is_local_name(api), is_local_name(website));
        is_local(api) && is_local(website) && api_is_name != website_is_name
    }
}

fn limit(set: Option<usize>, unset: u32) -> u32 {
    set.and_then(|set| u32::try_from(set).ok()).unwrap_or(unset)
}

fn same_site(read: &mut Reader<'_>) -> Option<SameSite> {
    let choices =
        [("", None), ("LAX", Some(SameSite::Lax)), ("STRICT", Some(SameSite::Strict)), ("NONE", Some(SameSite::None))];
    read.choice("COOKIE_SAME_SITE", &choices, None)
}

fn anti_csrf(read: &mut Reader<'_>) -> Option<AntiCsrf> {
    let choices = [
        ("", None),
        ("NONE", Some(AntiCsrf::None)),
        ("VIA_TOKEN", Some(AntiCsrf::ViaToken)),
        ("VIA_CUSTOM_HEADER", Some(AntiCsrf::ViaCustomHeader)),
    ];
    read.choice("ANTI_CSRF", &choices, None)
}

fn transfer(read: &mut Reader<'_>) -> Option<Transfer> {
    let choices = [("any", None), ("cookie", Some(Transfer::Cookie)), ("header", Some(Transfer::Header))];
    read.choice("TOKEN_TRANSFER_METHOD", &choices, None)
}

fn api_gateway_path(read: &mut Reader<'_>) -> String {
    if read.optional("API_GATEWAY_PATH").is_some_and(|path| path.trim_matches('/').is_empty()) {
        return String::new();
    }
    read.path("API_GATEWAY_PATH", "")
}

/// Whether what is sent to an address is not encrypted and leaves this machine.
pub(super) fn is_unencrypted(address: &str) -> bool {
    address.starts_with("http://") && !is_local(host_of(address))
}

/// Whether a host is this machine.
pub(super) fn is_local(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    is_local_name(host) || address.is_ok_and(|address| address.is_loopback())
}

fn is_local_name(host: &str) -> bool {
    host == "localhost" || host.ends_with(".localhost")
}

/// The host of an origin or another address, without its port; an IPv6 address keeps its brackets.
pub(super) fn host_of(address: &str) -> &str {
    let authority = address.split_once("://").map_or(address, |(_, authority)| authority);
    let authority = authority.split('/').next().unwrap_or_default();
    match authority.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => authority,
    }
}
