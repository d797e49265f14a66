//! Session cookies: read byte by byte, written with the `cookie` crate.
//!
//! The reader is our own, because actix-web percent-decodes cookie names (`%5F%5FHost-…` passes for `__Host-…`), trims Unicode
//! spaces around them, takes the first of two cookies of one name, and drops all cookies if one byte is invalid. This reader
//! compares names byte for byte, trims only spaces and tabs, skips an invalid pair alone, and reports a name that occurs twice.

use actix_web::http::header;
use actix_web::http::header::HeaderMap;
use cookie::{Cookie, CookieBuilder};
use time::OffsetDateTime;

use crate::clock::Timestamp;
use crate::session::compat::ID_COOKIE;
use crate::session::settings::{SameSite, Settings};

/// The end of the year 9999, the latest expiry that a cookie can have; in seconds since 1970.
const LAST_SECOND: i64 = 253_402_300_799;

/// The occurrences of a cookie in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CookieMatch<'a> {
    Absent,
    Single(&'a str),
    /// Set for two domains or paths; the request does not show which one is which (RFC 6265, section 8.6).
    Duplicate,
}

/// Looks for a cookie in all `Cookie` headers (HTTP/2 may send several).
pub fn find<'a>(headers: &'a HeaderMap, name: &str) -> CookieMatch<'a> {
    let mut sent = CookieMatch::Absent;
    for value in headers.get_all(header::COOKIE) {
        for pair in value.as_bytes().split(|byte| *byte == b';') {
            let Some(value) = value_of(pair, name) else { continue };
            sent = match sent {
                CookieMatch::Absent => CookieMatch::Single(value),
                CookieMatch::Single(_) | CookieMatch::Duplicate => return CookieMatch::Duplicate,
            };
        }
    }
    sent
}

/// All values of a cookie, in the order of the request.
pub fn all<'a>(headers: &'a HeaderMap, name: &str) -> Vec<&'a str> {
    let pairs = headers.get_all(header::COOKIE).flat_map(|value| value.as_bytes().split(|byte| *byte == b';'));
    pairs.filter_map(|pair| value_of(pair, name)).collect()
}

fn value_of<'a>(pair: &'a [u8], name: &str) -> Option<&'a str> {
    let equals = pair.iter().position(|byte| *byte == b'=')?;
    let (pair_name, value) = pair.split_at_checked(equals)?;
    if trim(pair_name) != name.as_bytes() {
        return None;
    }
    std::str::from_utf8(trim(value.strip_prefix(b"=")?)).ok()
}

fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// Names of the cookies with the access token and the refresh token.
const PLAIN_NAMES: (&str, &str) = ("sAccessToken", "sRefreshToken");

/// The same with prefixes, for host-only cookies over https (RFC 6265bis, section 4.1.3).
const PREFIXED_NAMES: (&str, &str) = ("__Host-sAccessToken", "__Secure-sRefreshToken");

/// Names and attributes of the session cookies.
#[derive(Clone, Debug)]
pub struct CookieRules {
    pub access_name: &'static str,
    pub refresh_name: &'static str,
    refresh_path: String,
    /// The attribute `Domain`; `None` makes host-only cookies.
    domain: Option<String>,
    secure: bool,
    same_site: SameSite,
}

impl CookieRules {
    pub fn new(settings: &Settings) -> Self {
        let (access_name, refresh_name) = if settings.has_plain_names() { PLAIN_NAMES } else { PREFIXED_NAMES };
        Self {
            access_name,
            refresh_name,
            refresh_path: format!("{}/session/refresh", settings.visible_base_path()),
            domain: settings.cookie_domain.clone(),
            secure: settings.is_secure(),
            same_site: settings.same_site(),
        }
    }

    /// `Set-Cookie` for the access token; an empty value removes it. Without an expiry it ends with the browser.
    pub fn access(&self, value: &str, expires_at: impl Into<Option<Timestamp>>) -> String {
        self.set(self.access_name, value, "/", expires_at.into()).to_string()
    }

    /// `Set-Cookie` for the refresh token; an empty value removes it. Without an expiry it ends with the browser.
    pub fn refresh(&self, value: &str, expires_at: impl Into<Option<Timestamp>>) -> String {
        self.set(self.refresh_name, value, &self.refresh_path, expires_at.into()).to_string()
    }

    /// `Set-Cookie` for the cookie `sIdRefreshToken` of old frontends; an empty value removes it. Without an expiry it ends with
    /// the browser.
    pub fn id(&self, value: &str, expires_at: impl Into<Option<Timestamp>>) -> String {
        self.set(ID_COOKIE, value, "/", expires_at.into()).to_string()
    }

    /// `Set-Cookie` headers that remove the cookies of a domain used formerly; the empty string stands for host-only cookies, whose
    /// names may have had prefixes or, in SuperTokens' own backends, not.
    pub fn remove_of(&self, domain: &str) -> Vec<String> {
        let never = Timestamp::from_millis(0);
        let domain = (!domain.is_empty()).then(|| domain.to_owned());
        let has_prefixes = self.secure && domain.is_none() && self.has_plain_names();
        let remove = |(access_name, refresh_name)| {
            let of = Self { access_name, refresh_name, domain: domain.clone(), ..self.clone() };
            [of.access("", never), of.refresh("", never)]
        };
        [Some(PLAIN_NAMES), has_prefixes.then_some(PREFIXED_NAMES)].into_iter().flatten().flat_map(remove).collect()
    }

    pub fn has_domain(&self) -> bool {
        self.domain.is_some()
    }

    /// Whether cookies of another `Domain` can have the same names as ours.
    pub fn has_plain_names(&self) -> bool {
        self.access_name == PLAIN_NAMES.0
    }

    /// Whether the request has session cookies with the other set of names, which were set before `COOKIE_DOMAIN` was changed.
    pub fn has_cookies_of_other_names(&self, headers: &HeaderMap) -> bool {
        let (access, refresh) = if self.has_plain_names() { PREFIXED_NAMES } else { PLAIN_NAMES };
        find(headers, access) != CookieMatch::Absent || find(headers, refresh) != CookieMatch::Absent
    }

    fn set<'a>(
        &'a self,
        name: &'a str,
        value: &'a str,
        path: &'a str,
        expires_at: Option<Timestamp>,
    ) -> CookieBuilder<'a> {
        let same_site = match self.same_site {
            SameSite::Lax => cookie::SameSite::Lax,
            SameSite::Strict => cookie::SameSite::Strict,
            SameSite::None => cookie::SameSite::None,
        };
        let expires = expires_at.map(|at| {
            let seconds = at.seconds().min(LAST_SECOND);
            OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
        });
        let cookie = Cookie::build((name, value)).path(path).http_only(true).same_site(same_site);
        let cookie = if let Some(expires) = expires { cookie.expires(expires) } else { cookie };
        let cookie = if self.secure { cookie.secure(true) } else { cookie };
        match &self.domain {
            Some(domain) => cookie.domain(domain.as_str()),
            None => cookie,
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use crate::seal::SealRing;

    use super::*;

    fn sent(headers: &HeaderMap) -> CookieMatch<'_> {
        find(headers, "__Host-sAccessToken")
    }

    fn headers(lines: &[&[u8]]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::COOKIE, HeaderValue::from_bytes(line).unwrap());
        }
        headers
    }

    #[test]
    fn names_count_byte_for_byte() {
        for line in [
            &b"%5F%5FHost-sAccessToken=evil"[..],
            b"\xe2\x80\x80__Host-sAccessToken=evil",
            b"__Host-sAccessToken\xc2\xa0=evil",
            b"\xe3\x80\x80__Host-sAccessToken=evil",
            b"\x85__Host-sAccessToken=evil",
            b"__host-saccesstoken=evil",
            b"=__Host-sAccessToken=x",
            b"__Host-sAccessToken",
            b"a=b,__Host-sAccessToken=evil",
            b"",
        ] {
            assert_eq!(sent(&headers(&[line])), CookieMatch::Absent, "{line:?}");
            let both = headers(&[line, b"__Host-sAccessToken=genuine"]);
            assert_eq!(sent(&both), CookieMatch::Single("genuine"), "{line:?}");
        }
    }

    #[test]
    fn a_bad_pair_spoils_nothing_but_itself() {
        let line = b"tracking=\xff\xfe; \t__Host-sAccessToken \t= abc\t; other=1";
        assert_eq!(sent(&headers(&[line])), CookieMatch::Single("abc"));
        assert_eq!(sent(&headers(&[b"__Host-sAccessToken=\xff; x=1"])), CookieMatch::Absent);
        assert_eq!(sent(&headers(&[b"__Host-sAccessToken=\"a;b\""])), CookieMatch::Single("\"a"));
    }

    #[test]
    fn twice_is_twice_even_in_two_headers() {
        assert_eq!(sent(&headers(&[b"__Host-sAccessToken=a; __Host-sAccessToken=a"])), CookieMatch::Duplicate);
        assert_eq!(sent(&headers(&[b"__Host-sAccessToken=a", b"x=y; __Host-sAccessToken=b"])), CookieMatch::Duplicate);
    }

    /// Browsers remove a cookie only if its name, path and domain equal those with which it was set. S-C-09 in `docs/threats.md`.
    #[test]
    fn a_cookie_is_removed_as_it_was_set() {
        let attributes = |line: String| {
            let (_, attributes) = line.split_once("; ").unwrap();
            let kept = attributes.split("; ").filter(|attribute| !attribute.starts_with("Expires="));
            kept.map(str::to_owned).collect::<Vec<_>>()
        };
        for (api, domain) in
            [("https://a.example", None), ("http://a.example", None), ("https://a.example", Some("example"))]
        {
            let mut settings = Settings::new(api, "https://b.example", SealRing::new([]));
            settings.cookie_domain = domain.map(str::to_owned);
            settings.api_gateway_path = "/gateway".to_owned();
            let rules = CookieRules::new(&settings);
            let (day, never) = (Timestamp::from_millis(86_400_000), Timestamp::from_millis(0));
            for set in [CookieRules::access, CookieRules::refresh, CookieRules::id] {
                assert_eq!(attributes(set(&rules, "x", day)), attributes(set(&rules, "", never)));
            }
            assert!(rules.refresh("x", day).contains("Path=/gateway/auth/session/refresh; "));
        }
    }

    /// `OLDER_COOKIE_DOMAIN`: cookies are removed by the names they were set with; a cookie with a domain never had a prefix.
    #[test]
    fn the_cookies_of_a_former_domain_are_removed_by_their_names() {
        const PATH: &str = "Path=/auth/session/refresh";
        let https = "https://a.example.com";
        for (api, domain, former, expected) in [
            (https, None, "example.com", &["sAccessToken Domain=example.com", "sRefreshToken Domain=example.com"][..]),
            (https, None, "", &["sAccessToken", "sRefreshToken"]),
            (
                https,
                Some("example.com"),
                "",
                &["sAccessToken", "sRefreshToken", "__Host-sAccessToken", "__Secure-sRefreshToken"],
            ),
            ("http://a.example.com", Some("example.com"), "", &["sAccessToken", "sRefreshToken"]),
        ] {
            let mut settings = Settings::new(api, api, SealRing::new([]));
            settings.cookie_domain = domain.map(str::to_owned);
            let lines = CookieRules::new(&settings).remove_of(former);
            let said: Vec<String> = lines
                .iter()
                .map(|line| {
                    assert!(line.contains("=; ") && line.contains("Expires=Thu, 01 Jan 1970"), "{line}");
                    assert_eq!(line.contains("Secure; "), api == https, "{line}");
                    assert_eq!(line.contains(PATH), line.contains("RefreshToken="), "{line}");
                    let domain = line.split("; ").find(|part| part.starts_with("Domain="));
                    let name = line.split_once('=').unwrap().0;
                    domain.map_or_else(|| name.to_owned(), |domain| format!("{name} {domain}"))
                })
                .collect();
            assert_eq!(said, expected);
        }
    }

    #[test]
    fn prefixes_wherever_browsers_accept_them() {
        let rules = |api: &str, domain: Option<&str>| {
            let mut settings = Settings::new(api, api, SealRing::new([]));
            settings.cookie_domain = domain.map(str::to_owned);
            CookieRules::new(&settings)
        };
        let day = Timestamp::from_millis(86_400_000);
        assert_eq!(
            rules("https://a.example", None).access("x", day),
            "__Host-sAccessToken=x; HttpOnly; SameSite=Lax; Secure; Path=/; Expires=Fri, 02 Jan 1970 00:00:00 GMT"
        );
        assert_eq!(
            rules("https://a.example", None).refresh("x", day),
            "__Secure-sRefreshToken=x; HttpOnly; SameSite=Lax; Secure; Path=/auth/session/refresh; \
             Expires=Fri, 02 Jan 1970 00:00:00 GMT"
        );
        assert!(rules("https://a.example", Some("example")).access("x", day).starts_with("sAccessToken=x;"));
        let plain = rules("http://localhost:3000", None).refresh("", Timestamp::from_millis(0));
        assert!(plain.starts_with("sRefreshToken=;"), "{plain}");
        assert!(plain.ends_with("Expires=Thu, 01 Jan 1970 00:00:00 GMT"), "{plain}");
        assert!(!plain.contains("Secure"), "{plain}");
    }
}
