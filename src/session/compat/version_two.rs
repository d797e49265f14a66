//! Access tokens of version 2, which frontends before interface 1.16 expect and imported sessions have.
//!
//! The header is a constant text without `kid`; the application's claims are an object of their own; the parts are encoded in
//! standard base64 with padding, so no JWT library reads them. The signing key is the same as for version 5.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::session::tokens::access_token::{Claims, Parent, Version};
use crate::session::{SessionHandle, UserId};

/// The header `{"alg":"ES256","typ":"JWT","version":"2"}` in Base64.
pub const HEADER: &str = "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCIsInZlcnNpb24iOiIyIn0=";

/// The payload; the order of the fields is that of the JSON.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Content {
    user_id: String,
    session_handle: SessionHandle,
    /// SHA-256 of the refresh token that was issued with it, in hexadecimal.
    refresh_token_hash1: String,
    /// [`Parent::claim`]; absent once promoted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parent_refresh_token_hash1: Option<String>,
    /// Claims of the application and of the token provider.
    user_data: Map<String, Value>,
    /// Present in mode `VIA_TOKEN`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    anti_csrf_token: Option<String>,
    /// In milliseconds since 1970.
    expiry_time: i64,
    /// In milliseconds since 1970.
    time_created: i64,
}

/// Encodes and signs claims.
///
/// # Errors
/// The key cannot sign.
pub fn sign(claims: &Claims, key: &EncodingKey) -> Result<String, jsonwebtoken::errors::Error> {
    let content = Content {
        user_id: claims.user.to_string(),
        session_handle: claims.handle.clone(),
        refresh_token_hash1: claims.hash1.clone(),
        parent_refresh_token_hash1: claims.parent.as_ref().map(Parent::claim),
        user_data: claims.payload.clone(),
        anti_csrf_token: claims.anti_csrf.clone(),
        expiry_time: claims.expires_at.saturating_mul(1000),
        time_created: claims.issued_at.saturating_mul(1000),
    };
    let message = format!("{HEADER}.{}", STANDARD.encode(serde_json::to_vec(&content)?));
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), key, Algorithm::ES256)?;
    Ok(format!("{message}.{}", STANDARD.encode(URL_SAFE_NO_PAD.decode(signature)?)))
}

/// Decodes the payload part of a token; `None` if a claim is missing or has another type.
pub fn read(payload: &str) -> Option<Claims> {
    let content: Content = serde_json::from_slice(&STANDARD.decode(payload).ok()?).ok()?;
    Some(Claims {
        version: Version::Two,
        user: UserId::parse(&content.user_id)?,
        handle: content.session_handle,
        issued_at: content.time_created.div_euclid(1000),
        expires_at: content.expiry_time.div_euclid(1000),
        hash1: content.refresh_token_hash1,
        parent: content.parent_refresh_token_hash1.as_deref().map(Parent::from_claim),
        anti_csrf: content.anti_csrf_token,
        payload: content.user_data,
    })
}

/// Whether the signature of the token is valid for this key.
pub fn is_signed_by(token: &str, key: &DecodingKey) -> bool {
    let holds = || {
        let (message, signature) = token.rsplit_once('.')?;
        let signature = URL_SAFE_NO_PAD.encode(STANDARD.decode(signature).ok()?);
        jsonwebtoken::crypto::verify(&signature, message.as_bytes(), key, Algorithm::ES256).ok()
    };
    holds().unwrap_or(false)
}
