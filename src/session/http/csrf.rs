//! Protection against cross-site requests, in SuperTokens' modes (session.md 1.5). Tokens in headers need none.

use actix_web::http::header::HeaderMap;
use aws_lc_rs::constant_time::verify_slices_are_equal;

use crate::session::Error;
use crate::session::http::response_tokens::ANTI_CSRF;
use crate::session::settings::AntiCsrf;

/// Any value of it proves that a script of an allowed origin sent the request.
const CUSTOM_HEADER: &str = "rid";

/// The anti-CSRF token of a request.
pub fn token(headers: &HeaderMap) -> Option<&str> {
    headers.get(ANTI_CSRF)?.to_str().ok()
}

/// Judges a request that came with an access token in a cookie. `expected` is what that token says.
///
/// # Errors
/// [`Error::TryRefresh`].
pub fn check(mode: AntiCsrf, headers: &HeaderMap, expected: Option<&str>) -> Result<(), Error> {
    match mode {
        AntiCsrf::None => Ok(()),
        AntiCsrf::ViaCustomHeader if headers.contains_key(CUSTOM_HEADER) => Ok(()),
        AntiCsrf::ViaCustomHeader => Err(Error::TryRefresh("anti-CSRF check failed: no header rid")),
        AntiCsrf::ViaToken => compare(expected, token(headers)),
    }
}

/// Compares the anti-CSRF token of an access token with the one that was sent.
///
/// # Errors
/// [`Error::TryRefresh`].
pub fn compare(expected: Option<&str>, sent: Option<&str>) -> Result<(), Error> {
    match (expected, sent) {
        (Some(expected), Some(sent)) if verify_slices_are_equal(expected.as_bytes(), sent.as_bytes()).is_ok() => Ok(()),
        _ => Err(Error::TryRefresh("anti-CSRF check failed")),
    }
}

/// Judges a refresh that came with its token in a cookie; the mode with tokens is judged with the refresh token itself.
///
/// # Errors
/// [`Error::Ended`].
pub fn check_refresh(mode: AntiCsrf, headers: &HeaderMap) -> Result<(), Error> {
    if mode == AntiCsrf::ViaCustomHeader && !headers.contains_key(CUSTOM_HEADER) {
        return Err(Error::Ended("anti-CSRF check failed: no header rid"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    fn headers(name: &'static str, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static(value))])
    }

    #[test]
    fn each_mode_asks_for_its_own_header() {
        for (mode, headers, expected, passes) in [
            (AntiCsrf::None, headers("x", "y"), None, true),
            (AntiCsrf::ViaCustomHeader, headers("x", "y"), None, false),
            (AntiCsrf::ViaCustomHeader, headers("rid", "anything"), None, true),
            (AntiCsrf::ViaToken, headers("rid", "session"), Some("t"), false),
            (AntiCsrf::ViaToken, headers("anti-csrf", "t"), Some("t"), true),
            (AntiCsrf::ViaToken, headers("anti-csrf", "T"), Some("t"), false),
            (AntiCsrf::ViaToken, headers("anti-csrf", "t"), None, false),
        ] {
            assert_eq!(check(mode, &headers, expected).is_ok(), passes, "{mode:?} {headers:?} {expected:?}");
        }
        assert!(check_refresh(AntiCsrf::ViaCustomHeader, &headers("x", "y")).is_err());
        assert!(check_refresh(AntiCsrf::ViaToken, &headers("x", "y")).is_ok());
    }
}
