//! Where to go afterwards: a path of this site, and of no other.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Longest path that is followed, in bytes.
const BYTES_MAX: usize = 1024;

/// A path of this site with an optional query, safe to redirect to and to write into a page.
///
/// Browsers read `//host`, `/\host` and, after dropping tabs and line breaks, `/<tab>/host` as another site
/// (WHATWG URL, 4.4), so there is exactly one leading slash, no backslash, and nothing but printable ASCII.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct SitePath(String);

impl SitePath {
    /// The default: the page of comments.
    pub fn home() -> Self {
        Self("/".to_owned())
    }

    /// None for anything but a path of this site.
    pub fn parse(text: &str) -> Option<Self> {
        let printable = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
        let ours = text.starts_with('/') && !text.starts_with("//");
        (printable && ours && text.len() <= BYTES_MAX).then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Text as the value of a query's parameter (RFC 3986, 2.3: everything but unreserved characters is encoded).
pub fn in_query(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes().map(|b| if is_plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

impl fmt::Display for SitePath {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// Whatever leads elsewhere leads home: a page with a bad link in its address is still a page.
impl<'de> Deserialize<'de> for SitePath {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Self::parse(&String::deserialize(from)?).unwrap_or_else(Self::home))
    }
}

impl Default for SitePath {
    fn default() -> Self {
        Self::home()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_sites_are_not_followed() {
        let long = format!("/{}", "x".repeat(BYTES_MAX));
        for text in [
            "",
            "account",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\/evil.example",
            "/\t/evil.example",
            "/\n/evil.example",
            " /x",
            "https://evil.example",
            "javascript:alert(1)",
            "/ü",
            "/a b",
            "/a\\b",
            "/\u{7f}",
            &long,
        ] {
            assert_eq!(SitePath::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn paths_of_this_site_are() {
        for text in ["/", "/account", "/?after=a%20b&x=1#comment-1", "/a//b", "/@evil.example"] {
            assert_eq!(SitePath::parse(text).as_ref().map(SitePath::as_str), Some(text));
        }
    }

    #[test]
    fn in_a_query_text_stays_one_value() {
        assert_eq!(in_query("/?a=b&c=%25+ü#x"), "%2F%3Fa%3Db%26c%3D%2525%2B%C3%BC%23x");
    }
}
