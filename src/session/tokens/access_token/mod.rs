//! Access tokens: their claims and their signature.
//!
//! Version 5 of SuperTokens' claims, in its order and with its nulls, because frontends compare payloads as text, or version 2 for
//! old frontends ([`version_two`]); signed with ES256. Which of the two a token is, its own header decides. [`super::signing_keys`]
//! selects the key; whether the session still exists is not checked here.

#[cfg(test)]
mod tests;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Validation};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::session::compat::version_two;
use crate::session::{Lineage, SessionHandle, UserId};

/// Longer tokens are refused without decoding.
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;

/// Tolerance for the clock of another process that is ahead, in seconds.
const CLOCK_SKEW_S: i64 = 5;

/// The header field `version` of tokens of version 5.
const VERSION_FIVE: &str = "5";

/// The session's own claims; applications cannot write them. `stt` marks SuperTokens' OAuth2 tokens.
pub const PROTECTED_CLAIMS: [&str; 10] = [
    "sub",
    "exp",
    "iat",
    "sessionHandle",
    "refreshTokenHash1",
    "parentRefreshTokenHash1",
    "antiCsrfToken",
    "tId",
    "rsub",
    "stt",
];

/// The version of an access token's claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// For frontends of SuperTokens' interface 1.8 to 1.15.
    Two,
    /// For all other frontends.
    Five,
}

/// The claims of an access token.
#[derive(Clone, Debug, PartialEq)]
pub struct Claims {
    /// Kept when the token is replaced without a refresh.
    pub version: Version,
    pub user: UserId,
    pub handle: SessionHandle,
    /// In seconds since 1970.
    pub issued_at: i64,
    /// In seconds since 1970.
    pub expires_at: i64,
    /// SHA-256 of the refresh token that was issued with it, in hexadecimal.
    pub hash1: String,
    /// The refresh token whose exchange issued it; `None` once promoted.
    pub parent: Option<Parent>,
    /// The required value of the header `anti-csrf`, in mode `VIA_TOKEN`.
    pub anti_csrf: Option<String>,
    /// Claims of the application and of the token provider.
    pub payload: Map<String, Value>,
}

/// The refresh token that an unused access token descends from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parent {
    /// Its SHA-256, as in SuperTokens: the refresh token itself was presented.
    Hash1(String),
    /// Its lineage only: another token was presented within the grace period, and SQL knows no more of the effective one.
    Lineage(Lineage),
}

impl Parent {
    /// Prefix of a lineage in the claim.
    const LINEAGE_MARK: &str = "2:";

    pub fn lineage(&self) -> Lineage {
        match self {
            Self::Hash1(hash1) => Lineage::of_hash1(hash1),
            Self::Lineage(lineage) => lineage.clone(),
        }
    }

    /// The value of the claim `parentRefreshTokenHash1`.
    pub fn claim(&self) -> String {
        match self {
            Self::Hash1(hash1) => hash1.clone(),
            Self::Lineage(lineage) => format!("{}{}", Self::LINEAGE_MARK, lineage.as_str()),
        }
    }

    pub fn from_claim(text: &str) -> Self {
        match text.strip_prefix(Self::LINEAGE_MARK) {
            Some(lineage) => Self::Lineage(Lineage::stored(lineage.to_owned())),
            None => Self::Hash1(text.to_owned()),
        }
    }
}

impl Claims {
    pub fn expiry(&self) -> Timestamp {
        Timestamp::from_millis(self.expires_at.saturating_mul(1000))
    }

    /// Whether the token has not expired (at the very millisecond of its expiry it is still valid) and was not issued in the
    /// future.
    pub fn is_current(&self, now: Timestamp) -> bool {
        self.expiry() >= now && self.issued_at <= now.seconds().saturating_add(CLOCK_SKEW_S)
    }

    /// The payload that frontends see: all claims in version 5, only the application's in version 2.
    pub fn frontend_payload(&self) -> Map<String, Value> {
        match self.version {
            Version::Two => self.payload.clone(),
            Version::Five => self.to_json(),
        }
    }

    /// The payload of a token of version 5. Other claims cannot overwrite the session's own.
    fn to_json(&self) -> Map<String, Value> {
        let mut all = Map::new();
        let mut put = |name: &str, value: Value| all.insert(name.to_owned(), value);
        put("sub", self.user.as_str().into());
        put("exp", self.expires_at.into());
        put("iat", self.issued_at.into());
        put("sessionHandle", self.handle.as_str().into());
        put("refreshTokenHash1", self.hash1.as_str().into());
        put("parentRefreshTokenHash1", self.parent.as_ref().map(Parent::claim).into());
        put("antiCsrfToken", self.anti_csrf.as_deref().into());
        let others = self.payload.iter().filter(|(name, _)| !PROTECTED_CLAIMS.contains(&name.as_str()));
        all.extend(others.map(|(name, value)| (name.clone(), value.clone())));
        all.insert("tId".to_owned(), "public".into());
        all.insert("rsub".to_owned(), self.user.as_str().into());
        all
    }

    /// Inverse of [`Claims::to_json`]; `None` if a claim is missing or has another type, or for an OAuth2 token.
    fn from_json(mut all: Map<String, Value>) -> Option<Self> {
        let session: SessionClaims = serde_json::from_value(Value::Object(all.clone())).ok()?;
        all.retain(|name, _| !PROTECTED_CLAIMS.contains(&name.as_str()));
        (session.stt == 0).then_some(())?;
        Some(Self {
            version: Version::Five,
            user: UserId::parse(&session.sub)?,
            handle: session.session_handle,
            issued_at: session.iat,
            expires_at: session.exp,
            hash1: session.refresh_token_hash1,
            parent: session.parent_refresh_token_hash1.as_deref().map(Parent::from_claim),
            anti_csrf: session.anti_csrf_token,
            payload: all,
        })
    }

    /// Encodes and signs the claims.
    ///
    /// # Errors
    /// The key cannot sign.
    pub fn sign(&self, kid: &str, key: &EncodingKey) -> Result<String, jsonwebtoken::errors::Error> {
        if self.version == Version::Two {
            return version_two::sign(self, key);
        }
        let mut header = jsonwebtoken::Header::new(Algorithm::ES256);
        header.kid = Some(kid.to_owned());
        header.extras.insert("version", VERSION_FIVE);
        jsonwebtoken::encode(&header, &self.to_json(), key)
    }
}

/// The claims that every token of version 5 has.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SessionClaims {
    sub: String,
    exp: i64,
    iat: i64,
    session_handle: SessionHandle,
    refresh_token_hash1: String,
    parent_refresh_token_hash1: Option<String>,
    anti_csrf_token: Option<String>,
    /// Token type; 0 or absent for sessions.
    #[serde(default)]
    stt: i64,
}

/// The header of our tokens. A further field (`jku`, `crit`, `x5c` …) makes the signer [`Signer::Foreign`].
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Header {
    typ: String,
    alg: String,
    kid: String,
    version: String,
}

/// The key that a token's header names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signer {
    /// The key with this `kid`.
    Named(String),
    /// Any of our keys: tokens of version 2 have no `kid`.
    Unnamed,
    /// No key of ours: the header differs from those that we write.
    Foreign,
}

/// A text with the form of an access token, whose signature is not verified.
pub struct Unverified<'a> {
    text: &'a str,
    claims: Claims,
    signer: Signer,
}

impl<'a> Unverified<'a> {
    /// Parses a token: three parts, JSON, and the claims of a session.
    pub fn parse(text: &'a str) -> Option<Self> {
        if text.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let mut parts = text.split('.');
        let (header, payload, _signature) = (parts.next()?, parts.next()?, parts.next()?);
        parts.next().is_none().then_some(())?;
        if header == version_two::HEADER {
            return Some(Self { text, claims: version_two::read(payload)?, signer: Signer::Unnamed });
        }
        let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()?;
        let payload: Map<String, Value> = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
        let ours = |header: &Header| header.typ == "JWT" && header.alg == "ES256" && header.version == VERSION_FIVE;
        let named = serde_json::from_value(header).ok().filter(ours).map(|header| Signer::Named(header.kid));
        Some(Self { text, claims: Claims::from_json(payload)?, signer: named.unwrap_or(Signer::Foreign) })
    }

    pub fn text(&self) -> &str {
        self.text
    }

    /// The key that the header names.
    pub fn signer(&self) -> &Signer {
        &self.signer
    }

    /// The claims, if the signature is valid for this key.
    pub fn verify(&self, key: &jsonwebtoken::DecodingKey) -> Option<Claims> {
        let is_signed = match self.claims.version {
            Version::Two => version_two::is_signed_by(self.text, key),
            Version::Five => self.is_jwt_of(key),
        };
        is_signed.then(|| self.claims.clone())
    }

    fn is_jwt_of(&self, key: &jsonwebtoken::DecodingKey) -> bool {
        let mut signature_only = Validation::new(Algorithm::ES256);
        signature_only.required_spec_claims.clear();
        signature_only.validate_exp = false;
        signature_only.validate_aud = false;
        jsonwebtoken::decode::<serde::de::IgnoredAny>(self.text, key, &signature_only).is_ok()
    }
}
