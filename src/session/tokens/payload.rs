//! The payload of access tokens: the claims of the application, and the header `front-token`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::session::Error;
use crate::session::tokens::access_token::{Claims, PROTECTED_CLAIMS};

/// Largest payload, so that the signed token and the `front-token` each fit into a cookie of 4096 bytes (ASVS 3.3.5).
const PAYLOAD_BYTES_MAX: usize = 2048;

/// Removes claims that an application may not write: the session's own and those reserved by the token provider.
pub fn application_claims(mut payload: Map<String, Value>, reserved: &[&str]) -> Map<String, Value> {
    payload.retain(|name, _| !PROTECTED_CLAIMS.contains(&name.as_str()) && !reserved.contains(&name.as_str()));
    payload
}

/// Whether it has one of the session's own claims, which only an import or a direct SQL statement can have written.
pub fn is_protected(payload: &Map<String, Value>) -> bool {
    PROTECTED_CLAIMS.iter().any(|name| payload.contains_key(*name))
}

/// The payload with an update merged in, one level deep: null removes a key.
pub fn merged(payload: &Map<String, Value>, update: Map<String, Value>, reserved: &[&str]) -> Map<String, Value> {
    let mut merged = payload.clone();
    for (name, value) in application_claims(update, reserved) {
        if value.is_null() {
            merged.shift_remove(&name)
        } else {
            merged.insert(name, value)
        };
    }
    merged
}

pub fn check_size(payload: &Map<String, Value>) -> Result<(), Error> {
    let size = Value::Object(payload.clone()).to_string().len();
    if size <= PAYLOAD_BYTES_MAX { Ok(()) } else { Err(Error::PayloadTooLarge) }
}

/// The header `front-token`: user id, expiry in milliseconds and payload for scripts, as JSON in standard base64.
pub fn front_token(claims: &Claims) -> String {
    let front =
        json!({ "uid": claims.user.as_str(), "ate": claims.expiry().millis(), "up": claims.frontend_payload() });
    STANDARD.encode(front.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn applications_cannot_write_the_sessions_own_claims() {
        let written = object(&json!({ "sub": "other", "stt": 1, "faunadbToken": "x", "role": "admin" }));
        assert_eq!(application_claims(written, &["faunadbToken"]), object(&json!({ "role": "admin" })));
    }

    #[test]
    fn merging_is_one_level_deep_and_null_removes() {
        let payload = object(&json!({ "iss": "i", "a": { "x": 1, "y": null }, "b": 2, "c": 3 }));
        let update = object(&json!({ "a": { "z": 1 }, "b": null, "tId": "other", "d": "łukasz 馬" }));
        let merged = merged(&payload, update, &[]);
        assert_eq!(Value::Object(merged).to_string(), r#"{"iss":"i","a":{"z":1},"c":3,"d":"łukasz 馬"}"#);
    }

    #[test]
    fn what_would_not_fit_into_a_cookie_is_refused() {
        assert!(check_size(&object(&json!({ "k": "x".repeat(2040) }))).is_ok());
        assert!(check_size(&object(&json!({ "k": "x".repeat(2041) }))).is_err());
    }
}
