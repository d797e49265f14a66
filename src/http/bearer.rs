//! Bearer tokens of programs: the keys of administrators and the token of whoever reads the metrics.

use actix_web::HttpRequest;
use actix_web::http::header;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest;
use secrecy::{ExposeSecret as _, SecretString};

/// Longest name of a key, in characters.
const NAME_CHARS_MAX: usize = 40;

/// A key of the administration API.
#[derive(Clone, Debug)]
pub struct NamedKey {
    /// Named in the log of requests with this key.
    pub name: String,
    pub secret: SecretString,
}

impl NamedKey {
    /// Reads `NAME:KEY`. Names consist of letters, digits, `-`, `_` and `.`.
    pub fn parse(entry: &str) -> Option<Self> {
        let (name, key) = entry.trim().split_once(':')?;
        let is_name = !name.is_empty()
            && name.len() <= NAME_CHARS_MAX
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        (is_name && !key.is_empty()).then(|| Self { name: name.to_owned(), secret: key.to_owned().into() })
    }
}

/// The token of `Authorization: Bearer …`, if there is one.
pub fn token(request: &HttpRequest) -> Option<&str> {
    request.headers().get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

/// Compares digests, so that the time reveals neither the position of a difference nor the length.
pub fn secrets_equal(secret: &SecretString, sent: &str) -> bool {
    let hash = |text: &str| digest::digest(&digest::SHA256, text.as_bytes());
    verify_slices_are_equal(hash(secret.expose_secret()).as_ref(), hash(sent).as_ref()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_compared_whole() {
        let key = SecretString::from("key");
        assert!(secrets_equal(&key, "key"));
        for other in ["", "ke", "key ", "keys", "Key"] {
            assert!(!secrets_equal(&key, other), "{other:?}");
        }
    }
}
