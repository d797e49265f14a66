//! Anti-CSRF protection in SuperTokens' modes. Tokens in headers need none, because browsers do not add those by themselves.
//!
//! | mode | a request with an access token in a cookie | a refresh with its token in a cookie |
//! |---|---|---|
//! | [`AntiCsrf::None`] | passes: `SameSite` cookies suffice | passes |
//! | [`AntiCsrf::ViaCustomHeader`] | must have a header `rid`, which no cross-site form can send | the same |
//! | [`AntiCsrf::ViaToken`] | header `anti-csrf` must match the access token | must match the refresh token, if that has one |
//!
//! [`AntiCsrfCheck`](crate::session::AntiCsrfCheck) selects the requests to which this applies.

use actix_web::http::header::HeaderMap;
use aws_lc_rs::constant_time::verify_slices_are_equal;

use crate::session::Error;
use crate::session::http::response_tokens::ANTI_CSRF;
use crate::session::settings::AntiCsrf;

const CUSTOM_HEADER: &str = "rid";

/// The value of the request header `anti-csrf`.
pub fn token(headers: &HeaderMap) -> Option<&str> {
    headers.get(ANTI_CSRF)?.to_str().ok()
}

/// Checks a request with an access token in a cookie; `expected` is the anti-CSRF token in that access token.
///
/// # Errors
/// [`Error::TryRefresh`].
pub fn check(mode: AntiCsrf, headers: &HeaderMap, expected: Option<&str>) -> Result<(), Error> {
    match mode {
        AntiCsrf::None => Ok(()),
        AntiCsrf::ViaCustomHeader if headers.contains_key(CUSTOM_HEADER) => Ok(()),
        AntiCsrf::ViaCustomHeader => Err(Error::TryRefresh("anti-CSRF: the header rid is missing")),
        AntiCsrf::ViaToken => check_token(expected, token(headers)),
    }
}

/// Checks the anti-CSRF token alone.
///
/// # Errors
/// [`Error::TryRefresh`].
pub fn check_token(expected: Option<&str>, sent: Option<&str>) -> Result<(), Error> {
    let is_match = expected.is_some_and(|expected| matches(expected, sent));
    if is_match {
        Ok(())
    } else {
        Err(Error::TryRefresh("anti-CSRF: the header anti-csrf is missing or of another token"))
    }
}

/// Checks a refresh with its token in a cookie, before that token is read.
///
/// # Errors
/// [`Error::Ended`].
pub fn check_refresh(mode: AntiCsrf, headers: &HeaderMap) -> Result<(), Error> {
    if mode == AntiCsrf::ViaCustomHeader && !headers.contains_key(CUSTOM_HEADER) {
        return Err(Error::Ended("anti-CSRF: the header rid is missing"));
    }
    Ok(())
}

/// Checks a refresh against the anti-CSRF token in its refresh token.
///
/// # Errors
/// [`Error::Ended`].
pub fn check_refresh_token(mode: AntiCsrf, expected: Option<&str>, sent: Option<&str>) -> Result<(), Error> {
    let passes = mode != AntiCsrf::ViaToken || expected.is_none_or(|expected| matches(expected, sent));
    if passes { Ok(()) } else { Err(Error::Ended("anti-CSRF: the header anti-csrf is missing or of another token")) }
}

/// Compares in constant time; a missing token counts as empty.
fn matches(expected: &str, sent: Option<&str>) -> bool {
    verify_slices_are_equal(expected.as_bytes(), sent.unwrap_or_default().as_bytes()).is_ok()
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
