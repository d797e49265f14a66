//! Patterns of web origins that may call the API with a user's cookies.

use std::fmt;
use std::str::FromStr;

/// An entry of `ALLOWED_ORIGINS`: `https://app.example.com`, or `https://*.example.com` for every sub domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OriginPattern {
    Exact(String),
    /// Any number of labels below a registered domain.
    SubDomains {
        /// Scheme with slashes, `https://`.
        scheme: String,
        /// Rest of the origin, `.example.com` or `.example.com:8443`.
        suffix: String,
    },
}

impl FromStr for OriginPattern {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let text = text.to_ascii_lowercase();
        let (scheme, authority) = text.split_once("://").ok_or(())?;
        if !matches!(scheme, "http" | "https") {
            return Err(());
        }
        let Some(domain) = authority.strip_prefix("*.") else {
            return is_authority(authority).then(|| Self::Exact(text.clone())).ok_or(());
        };
        let host = domain.split(':').next().unwrap_or_default();
        let is_owned = is_authority(domain) && !is_public_suffix(host);
        is_owned.then(|| Self::SubDomains { scheme: format!("{scheme}://"), suffix: format!(".{domain}") }).ok_or(())
    }
}

impl fmt::Display for OriginPattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(exact) => out.write_str(exact),
            Self::SubDomains { scheme, suffix } => write!(out, "{scheme}*{suffix}"),
        }
    }
}

impl OriginPattern {
    /// Whether pages of such an origin are sent unencrypted.
    pub fn is_unencrypted(&self) -> bool {
        match self {
            Self::Exact(exact) => exact.starts_with("http://"),
            Self::SubDomains { scheme, .. } => scheme == "http://",
        }
    }

    /// Whether an `Origin` header has this value. Browsers send origins in lower case and leave default ports out.
    pub fn matches(&self, origin: &str) -> bool {
        match self {
            Self::Exact(exact) => origin == exact,
            Self::SubDomains { scheme, suffix } => origin
                .strip_prefix(scheme.as_str())
                .and_then(|authority| authority.strip_suffix(suffix.as_str()))
                .is_some_and(is_host),
        }
    }
}

/// Whether this is a public suffix (`com`, `co.uk`, `github.io`): different parties can own the names directly below it.
pub fn is_public_suffix(domain: &str) -> bool {
    psl::domain_str(domain).is_none()
}

fn is_authority(authority: &str) -> bool {
    match authority.rsplit_once(':') {
        Some((host, port)) => is_host(host) && port.parse::<u16>().is_ok(),
        None => is_host(authority),
    }
}

fn is_host(host: &str) -> bool {
    let is_label =
        |label: &str| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    host.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_what_they_name_and_nothing_else() {
        for (pattern, origin, expected) in [
            ("https://app.example.com", "https://app.example.com", true),
            ("https://app.example.com", "https://app.example.com:8443", false),
            ("https://app.example.com", "http://app.example.com", false),
            ("https://*.example.com", "https://a.example.com", true),
            ("https://*.example.com", "https://a.b.example.com", true),
            ("https://*.example.com", "https://example.com", false),
            ("https://*.example.com", "https://.example.com", false),
            ("https://*.example.com", "https://evilexample.com", false),
            ("https://*.example.com", "https://a.example.com.evil.org", false),
            ("https://*.example.com", "https://evil.org/a.example.com", false),
            ("https://*.example.com", "https://evil.org#a.example.com", false),
            ("https://*.example.com", "https://user@a.example.com", false),
            ("https://*.example.com", "https://a.example.com:444", false),
            ("https://*.example.com:444", "https://a.example.com:444", true),
            ("https://*.example.com", "http://a.example.com", false),
        ] {
            let pattern: OriginPattern = pattern.parse().unwrap();
            assert_eq!(pattern.matches(origin), expected, "{pattern:?} {origin}");
        }
    }

    #[test]
    fn patterns_that_would_admit_strangers_are_refused() {
        for bad in [
            "*",
            "https://*",
            "https://*.com",
            "https://*.co.uk",
            "https://*.github.io",
            "https://a.*.example.com",
            "https://example.com/",
            "https://user@example.com",
            "ftp://example.com",
            "example.com",
            "null",
            "",
        ] {
            assert_eq!(bad.parse::<OriginPattern>(), Err(()), "{bad}");
        }
        assert!("http://localhost:8080".parse::<OriginPattern>().is_ok());
    }
}
