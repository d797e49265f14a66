//! Everything that exists only for frontends of 2020 to 2022 (SuperTokens' interface versions 1.8 to 1.15).
//!
//! They need a third cookie, `sIdRefreshToken`, and a header `id-refresh-token` with the same text; access tokens of version 2
//! ([`version_two`]); and a sign-out that succeeds without a session. Nothing about this is stored: each refresh serves the
//! frontend that sends it, and an access token belongs to an old frontend if the cookie beside it was made for the same refresh
//! token.

pub mod version_two;

use actix_web::http::header::HeaderMap;
use aws_lc_rs::digest;

use crate::clock::Timestamp;
use crate::session::http::cookies;
use crate::session::http::cookies::CookieMatch;
use crate::session::identifiers::uuid_v4;
use crate::session::tokens::access_token::Claims;
use crate::session::{Error, Version};

/// The cookie that shows old frontends that there is a session.
pub const ID_COOKIE: &str = "sIdRefreshToken";

/// The first interface version without that cookie, major and minor.
const MODERN: (u32, u32) = (1, 16);

/// A generation of frontends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrontendVersion {
    /// Interface 1.16 and later.
    Modern,
    /// Interface 1.8 to 1.15.
    Legacy,
}

impl FrontendVersion {
    /// The version of access tokens that these frontends read.
    pub fn token_version(self) -> Version {
        match self {
            Self::Modern => Version::Five,
            Self::Legacy => Version::Two,
        }
    }
}

/// The frontend of a request whose response will have new tokens.
pub fn frontend_of_request(headers: &HeaderMap) -> FrontendVersion {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if text("st-auth-mode").is_some() {
        return FrontendVersion::Modern;
    }
    match text("fdi-version").and_then(newest) {
        Some(version) if version >= MODERN => FrontendVersion::Modern,
        Some(_) => FrontendVersion::Legacy,
        None if text("rid").is_some() => FrontendVersion::Legacy,
        None => FrontendVersion::Modern,
    }
}

/// The frontend of a request with an access token; `None` if the cookie beside it belongs to another session or token version.
pub fn frontend_of_token(headers: &HeaderMap, claims: &Claims) -> Option<FrontendVersion> {
    match cookies::find(headers, ID_COOKIE) {
        CookieMatch::Absent => Some(FrontendVersion::Modern),
        CookieMatch::Single(sent) if claims.version == Version::Two && sent == id(&claims.hash1) => {
            Some(FrontendVersion::Legacy)
        }
        CookieMatch::Single(_) | CookieMatch::Duplicate => None,
    }
}

pub fn has_id_cookie(headers: &HeaderMap) -> bool {
    cookies::find(headers, ID_COOKIE) != CookieMatch::Absent
}

/// Whether a sign-out without a session gets a success response, which old frontends expect.
pub fn counts_as_signed_out(headers: &HeaderMap, error: &Error) -> bool {
    matches!(error, Error::Missing | Error::Ended(_)) && frontend_of_request(headers) == FrontendVersion::Legacy
}

/// The cookie `sIdRefreshToken` and the header `id-refresh-token` of a response.
#[derive(Default)]
pub struct IdToken {
    /// The value and expiry of the cookie.
    pub cookie: Option<(String, Option<Timestamp>)>,
    pub header: Option<String>,
}

impl IdToken {
    /// Sets cookie and header for the refresh token with this SHA-256; the text differs after every refresh.
    pub fn set(&mut self, hash1: &str, expires_at: Timestamp, ends_with_browser: bool) {
        let id = id(hash1);
        self.header = Some(format!("{id};{}", expires_at.millis()));
        self.cookie = Some((id, (!ends_with_browser).then_some(expires_at)));
    }

    pub fn clear(&mut self) {
        self.header = Some("remove".to_owned());
        self.remove_cookie();
    }

    pub fn remove_cookie(&mut self) {
        self.cookie = Some((String::new(), Some(Timestamp::from_millis(0))));
    }
}

fn id(hash1: &str) -> String {
    let hash = digest::digest(&digest::SHA256, format!("id-refresh-token {hash1}").as_bytes());
    uuid_v4(hash.as_ref().first_chunk().copied().unwrap_or_default())
}

/// The highest version in a comma-separated list.
fn newest(list: &str) -> Option<(u32, u32)> {
    let version = |text: &str| {
        let (major, minor) = text.trim().split_once('.')?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    };
    list.split(',').filter_map(version).max()
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn the_headers_of_a_request_tell_its_frontend() {
        for (headers, frontend) in [
            (&[][..], FrontendVersion::Modern),
            (&[("rid", "session")], FrontendVersion::Legacy),
            (&[("rid", "anti-csrf"), ("st-auth-mode", "cookie")], FrontendVersion::Modern),
            (&[("rid", "session"), ("fdi-version", "1.8,1.9")], FrontendVersion::Legacy),
            (&[("fdi-version", "1.9, 1.15")], FrontendVersion::Legacy),
            (&[("rid", "session"), ("fdi-version", "1.8,1.16")], FrontendVersion::Modern),
            (&[("fdi-version", "1.16,4.2")], FrontendVersion::Modern),
        ] {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
            assert_eq!(frontend_of_request(&map), frontend, "{headers:?}");
        }
    }
}
