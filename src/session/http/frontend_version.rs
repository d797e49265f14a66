//! Which generation of frontends a request comes from (design D18, session.md 3.8–3.9).
//!
//! Frontends before interface version 1.16 want a third cookie, `sIdRefreshToken`, and a header that names it, and get access
//! tokens of version 2. Nothing about this is stored: each refresh serves whoever asks, and an access
//! token belongs to an old frontend exactly where the cookie beside it was made for the same refresh token.

use actix_web::http::header::HeaderMap;
use aws_lc_rs::digest;

use crate::session::Version;
use crate::session::http::cookies;
use crate::session::http::cookies::Sent;
use crate::session::identifiers::uuid_v4;
use crate::session::tokens::access_token::Claims;

/// The cookie by which old frontends know that there is a session.
pub const ID_COOKIE: &str = "sIdRefreshToken";

/// The first interface version without that cookie.
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
    /// The make of access token that these frontends are used to (session.md 3.9).
    pub fn version(self) -> Version {
        match self {
            Self::Modern => Version::Five,
            Self::Legacy => Version::Two,
        }
    }
}

/// For a request that is to get new tokens.
pub fn of_request(headers: &HeaderMap) -> FrontendVersion {
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

/// For a request that shows an access token; nothing where the cookie beside it belongs to another session or another make.
pub fn of_token(headers: &HeaderMap, claims: &Claims) -> Option<FrontendVersion> {
    match cookies::find(headers, ID_COOKIE) {
        Sent::Never => Some(FrontendVersion::Modern),
        Sent::Once(id) if claims.version == Version::Two && id == self::id(&claims.hash1) => {
            Some(FrontendVersion::Legacy)
        }
        Sent::Once(_) | Sent::Twice => None,
    }
}

/// Whether the cookie of old frontends came along.
pub fn has_id_cookie(headers: &HeaderMap) -> bool {
    cookies::find(headers, ID_COOKIE) != Sent::Never
}

/// What the cookie says beside the tokens of that refresh token: another text with every refresh.
pub fn id(hash1: &str) -> String {
    let hash = digest::digest(&digest::SHA256, format!("id-refresh-token {hash1}").as_bytes());
    uuid_v4(hash.as_ref().first_chunk().copied().unwrap_or_default())
}

/// The newest of a comma-separated list of versions.
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
    fn what_a_request_says_about_its_frontend() {
        for (headers, profile) in [
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
            assert_eq!(of_request(&map), profile, "{headers:?}");
        }
    }
}
