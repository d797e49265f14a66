//! Request headers. A malformed one is refused before the secret is verified, as in FaunaDB.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hyper::HeaderMap;

use crate::ir::ApiVersion;

/// Query timeout of requests without `x-query-timeout`, in milliseconds.
const DEFAULT_TIMEOUT: u64 = 120_000;
/// The largest `x-query-timeout`, in milliseconds; what a caller really gets is limited by [`crate::Settings`].
const MAX_TIMEOUT: i64 = 600_000;
/// The most bytes of `x-fauna-tags`.
const MAX_TAGS: usize = 3000;
/// The most pairs in `x-fauna-tags`.
const MAX_PAIRS: usize = 25;

/// The headers that matter.
#[derive(Clone, Debug)]
pub struct RequestHeaders {
    pub version: ApiVersion,
    pub timeout: Duration,
    /// The latest transaction that the client has seen, in microseconds.
    pub last_seen: Option<i64>,
    /// Tags to be repeated in the answer, sorted by key.
    pub tags: Option<String>,
    pub secret: Option<String>,
    /// Whether the answer is to be laid out for people.
    pub pretty: bool,
}

fn text<'r>(headers: &'r HeaderMap, name: &str) -> Option<&'r str> {
    headers.get(name)?.to_str().ok()
}

/// Whether a browser sent the request: it names an origin or says how it was made (Fetch Metadata).
pub fn is_from_browser(headers: &HeaderMap) -> bool {
    ["origin", "sec-fetch-mode", "sec-fetch-site"].into_iter().any(|name| headers.contains_key(name))
}

/// Reads the headers.
///
/// # Errors
/// If one is malformed: the description for the client.
pub fn read(request: &HeaderMap) -> Result<RequestHeaders, String> {
    let version = match text(request, "x-faunadb-api-version") {
        None => ApiVersion::V21,
        Some(given) => ApiVersion::parse(given).ok_or_else(|| {
            format!("Invalid header 'x-faunadb-api-version': Unsupported or invalid API version '{given}'.")
        })?,
    };
    let timeout = match text(request, "x-query-timeout").map(|given| (given, given.parse::<i64>())) {
        None => DEFAULT_TIMEOUT,
        Some((given, Err(_))) => return Err(format!("Invalid header 'x-query-timeout': Invalid number '{given}'.")),
        Some((_, Ok(..=0))) => return Err("Invalid header 'x-query-timeout': Must be greater than 0.".to_owned()),
        Some((_, Ok(millis))) if millis > MAX_TIMEOUT => {
            return Err("Invalid header 'x-query-timeout': Must be less than or equal to 600000.".to_owned());
        }
        Some((_, Ok(millis))) => u64::try_from(millis).unwrap_or(DEFAULT_TIMEOUT),
    };
    let last_seen = match text(request, "x-last-seen-txn").map(|given| (given, given.parse::<i64>())) {
        None => None,
        Some((given, Err(_))) => return Err(format!("Invalid header 'x-last-seen-txn': Invalid timestamp '{given}'.")),
        Some((_, Ok(micros))) => Some(micros),
    };
    match text(request, "x-max-retries-on-contention").map(|given| (given, given.parse::<i64>())) {
        None | Some((_, Ok(0..=7))) => {}
        Some((_, Ok(_))) => {
            return Err("Invalid header 'x-max-retries-on-contention': Must be between 0 and 7.".to_owned());
        }
        Some((given, Err(_))) => {
            return Err(format!("Invalid header 'x-max-retries-on-contention': Invalid number '{given}'."));
        }
    }
    let tags = text(request, "x-fauna-tags").filter(|tags| !tags.is_empty());
    let tags = tags.map(sorted_tags).transpose().map_err(|what| format!("Invalid header 'x-fauna-tags': {what}"))?;
    let agent = text(request, "user-agent").unwrap_or_default();
    let pretty = request.contains_key("x-faunadb-formatted-json") || agent.contains("curl") || agent.contains("HTTPie");
    let secret = text(request, "authorization").and_then(credential);
    Ok(RequestHeaders { version, timeout: Duration::from_millis(timeout), last_seen, tags, secret, pretty })
}

fn sorted_tags(given: &str) -> Result<String, &'static str> {
    let is_word = |text: &str| {
        !text.is_empty() && text.chars().all(|character| character.is_ascii_alphanumeric() || character == '_')
    };
    if given.len() > MAX_TAGS {
        return Err("invalid tags");
    }
    let pairs: Option<Vec<(&str, &str)>> = given.split(',').map(|pair| pair.split_once('=')).collect();
    let mut pairs = pairs.ok_or("invalid tags")?;
    if pairs.len() > MAX_PAIRS {
        return Err("too many tags");
    }
    for (key, value) in &pairs {
        if key.len() > 40 {
            return Err("invalid key");
        }
        if value.len() > 80 {
            return Err("invalid value");
        }
        if !is_word(key) || !is_word(value) {
            return Err("invalid tags");
        }
    }
    pairs.sort_unstable();
    Ok(pairs.into_iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(","))
}

/// The secret in an `Authorization` header. The names of the schemes are case-sensitive, as in FaunaDB.
fn credential(header: &str) -> Option<String> {
    if let Some(secret) = header.strip_prefix("Bearer ") {
        return Some(secret.trim_start().to_owned());
    }
    let encoded = header.strip_prefix("Basic ")?.trim().trim_end_matches(':');
    let bytes =
        STANDARD.decode(encoded).or_else(|_not_padded| URL_SAFE_NO_PAD.decode(encoded.trim_end_matches('='))).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    Some(text.strip_suffix(':').map_or_else(|| text.clone(), str::to_owned))
}

/// The trace id of a valid `traceparent` (W3C Trace Context).
pub fn trace_of(request: &HeaderMap) -> Option<String> {
    let given = text(request, "traceparent")?;
    let parts: Vec<&str> = given.split('-').collect();
    let is_hex = |text: &str, length: usize| text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    match *parts.as_slice() {
        [version, trace, parent, flags]
            if is_hex(version, 2) && is_hex(trace, 32) && is_hex(parent, 16) && is_hex(flags, 2) =>
        {
            Some(trace.to_owned())
        }
        _ => None,
    }
}
