//! Version 2 of the claims: what frontends before interface 1.16 are used to, and what their sessions bring along.
//!
//! Its header is one text, without the name of a key; the application's claims stand apart from the session's; its parts are
//! written in standard base64 with padding (session.md 1.1), which is why no library for JWTs reads it. The key is the one
//! that signs everything else (design D3).

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::session::tokens::access_token::{Claims, Parent, Version};
use crate::session::{SessionHandle, UserId};

/// `{"alg":"ES256","typ":"JWT","version":"2"}`.
pub const HEADER: &str = "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCIsInZlcnNpb24iOiIyIn0=";

/// The claims, in their order.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Content {
    /// Whose session it is.
    user_id: String,
    /// Which session it is.
    session_handle: SessionHandle,
    /// Hash of the refresh token that was handed out with it.
    refresh_token_hash1: String,
    /// What it descends from; absent once promoted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parent_refresh_token_hash1: Option<String>,
    /// Everything of the application and the session's companion.
    user_data: Map<String, Value>,
    /// Absent unless mode `VIA_TOKEN`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    anti_csrf_token: Option<String>,
    /// Milliseconds.
    expiry_time: i64,
    /// Milliseconds.
    time_created: i64,
}

/// Signs claims.
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

/// What the middle part of a token says; nothing where a claim is missing or of another type.
pub fn read(payload: &str) -> Option<Claims> {
    let content: Content = serde_json::from_slice(&STANDARD.decode(payload).ok()?).ok()?;
    Some(Claims {
        version: Version::Two,
        user: UserId::parse(&content.user_id)?,
        handle: content.session_handle,
        issued_at: content.time_created.div_euclid(1000),
        expires_at: content.expiry_time.div_euclid(1000),
        hash1: content.refresh_token_hash1,
        parent: content.parent_refresh_token_hash1.as_deref().map(Parent::of_claim),
        anti_csrf: content.anti_csrf_token,
        payload: content.user_data,
    })
}

/// Whether this key signed the whole token.
pub fn is_signed_by(token: &str, key: &DecodingKey) -> bool {
    let holds = || {
        let (message, signature) = token.rsplit_once('.')?;
        let signature = URL_SAFE_NO_PAD.encode(STANDARD.decode(signature).ok()?);
        jsonwebtoken::crypto::verify(&signature, message.as_bytes(), key, Algorithm::ES256).ok()
    };
    holds().unwrap_or(false)
}
