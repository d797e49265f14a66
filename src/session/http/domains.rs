//! Decides whether two origins belong to one site, and parses the `Domain` of cookies.
//!
//! Browsers use the public suffix list, which is long and changes weekly. This module has its rule for countries and a few hosting
//! companies. If a suffix is missing here, two sites are taken for one, and cookies are `SameSite=Lax`, which browsers do not send
//! across sites: the setup fails safely, and `COOKIE_SAME_SITE` overrides it.

use std::net::IpAddr;

/// Labels that form a public suffix together with a country code: `co.uk`, `com.au`.
const SECOND_LEVEL_LABELS: [&str; 13] =
    ["ac", "co", "com", "edu", "gob", "gov", "govt", "ltd", "mil", "net", "or", "org", "plc"];

/// Public suffixes of hosting companies.
const HOSTING_SUFFIXES: [&str; 13] = [
    "azurewebsites.net",
    "cloudfront.net",
    "firebaseapp.com",
    "fly.dev",
    "github.io",
    "gitlab.io",
    "herokuapp.com",
    "netlify.app",
    "onrender.com",
    "pages.dev",
    "vercel.app",
    "web.app",
    "workers.dev",
];

/// Suffixes below which every host is a site of its own, as in SuperTokens.
const HOSTS_ARE_SITES: [&str; 2] = [".local", ".amazonaws.com"];

/// Whether two origins have the same scheme and hosts below the same registrable domain.
pub fn is_same_site(one: &str, other: &str) -> bool {
    let [one, other] = [one, other].map(|origin| {
        let (scheme, authority) = parts(origin);
        (scheme, site_of(authority))
    });
    one == other
}

fn parts(origin: &str) -> (&str, &str) {
    let (scheme, rest) = origin.split_once("://").unwrap_or(("http", origin));
    (scheme, rest.split('/').next().unwrap_or_default())
}

/// Whether an origin is `localhost` or an IP address.
pub fn is_local_origin(origin: &str) -> bool {
    is_local(&host_of(parts(origin).1))
}

/// The `Domain` of a cookie from a setting, which may also be a URL, as SuperTokens normalises it. Empty for `localhost` and IP
/// addresses, which browsers do not accept as a domain, and for an empty setting. None if it cannot be a domain.
pub fn parse_cookie_domain(named: &str) -> Option<String> {
    let named = named.trim();
    let rest = named.split_once("://").map_or(named, |(_, rest)| rest);
    let host = host_of(rest.split(['/', '?', '#']).next().unwrap_or_default());
    let name = host.strip_prefix('.').unwrap_or(&host);
    if named.is_empty() || is_local(name) {
        return Some(String::new());
    }
    let is_label = |label: &str| {
        let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        !label.is_empty() && label.bytes().all(is_inner) && !label.starts_with('-') && !label.ends_with('-')
    };
    name.split('.').all(is_label).then_some(host)
}

/// A host in lower case, without port and brackets.
fn host_of(authority: &str) -> String {
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let host = authority.rsplit_once(':').filter(|(_, port)| is_port(port)).map_or(authority, |(host, _)| host);
    host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.').to_ascii_lowercase()
}

/// The registrable domain of a host with an optional port. `localhost` and all IP addresses count as one, as in SuperTokens.
fn site_of(authority: &str) -> String {
    let host = host_of(authority);
    if is_local(&host) {
        return "localhost".to_owned();
    }
    if HOSTS_ARE_SITES.iter().any(|end| host.ends_with(end)) {
        return host;
    }
    let labels: Vec<&str> = host.rsplit('.').take(3).collect();
    let kept = match labels.as_slice() {
        [country, word, ..] if country.len() == 2 && SECOND_LEVEL_LABELS.contains(word) => 3,
        [top, name, ..] if HOSTING_SUFFIXES.contains(&format!("{name}.{top}").as_str()) => 3,
        _ => 2,
    };
    labels.into_iter().take(kept).collect::<Vec<_>>().join(".")
}

fn is_local(host: &str) -> bool {
    host.starts_with("localhost") || host.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_below_one_registrable_domain_are_one_site() {
        for (api, website, same) in [
            ("http://localhost:3000", "http://localhost:3000", true),
            ("http://localhost:8082", "http://127.0.0.1:8080", true),
            ("http://localhost.org:8080", "http://[::1]:8080", true),
            ("https://api.example.com", "https://www.example.com", true),
            ("https://API.example.com:8443", "https://example.com.", true),
            ("https://api.example.com", "http://www.example.com", false),
            ("https://api.example.com", "https://example.org", false),
            ("https://api.example.co.uk", "https://www.example.co.uk", true),
            ("https://one.co.uk", "https://other.co.uk", false),
            ("https://one.com.au", "https://other.com.au", false),
            ("https://one.example.de", "https://other.example.de", true),
            ("https://one.github.io", "https://other.github.io", false),
            ("https://a.one.github.io", "https://one.github.io", true),
            ("https://one.execute-api.amazonaws.com", "https://other.execute-api.amazonaws.com", false),
            ("https://one.local", "https://other.local", false),
            ("https://co.uk", "https://co.uk", true),
            ("https://intranet", "https://intranet", true),
        ] {
            assert_eq!(is_same_site(api, website), same, "{api} {website}");
            assert_eq!(is_same_site(website, api), same, "{website} {api}");
        }
    }

    #[test]
    fn a_cookie_domain_can_be_written_in_many_ways() {
        for (named, domain) in [
            ("example.com", Some("example.com")),
            (" .Example.COM ", Some(".example.com")),
            ("https://api.example.com:8443/auth?x#y", Some("api.example.com")),
            ("example.com.", Some("example.com")),
            ("intranet", Some("intranet")),
            ("", Some("")),
            ("localhost", Some("")),
            (".localhost", Some("")),
            ("http://localhost:3000", Some("")),
            ("127.0.0.1:3000", Some("")),
            ("[::1]:3000", Some("")),
            ("example..com", None),
            (".", None),
            ("..example.com", None),
            ("https://", None),
            ("exa mple.com", None),
            ("example.com; Path=/", None),
            ("-example.com", None),
            ("*.example.com", None),
            ("bücher.example", None),
            ("me@example.com", None),
        ] {
            assert_eq!(parse_cookie_domain(named).as_deref(), domain, "{named:?}");
        }
    }
}
