//! Access tokens: what they say and how they are signed.
//!
//! Version 5 of SuperTokens' claims, in its order and with its nulls, because frontends compare payloads as text
//! (session.md 1.1), or version 2 for frontends of old; signed with ES256 (design D3). A token is judged by its own header. Which key signs is the business of `signing_keys`, whether a
//! session still exists that of `sessions`.

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

/// Tokens longer than this are not looked at.
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;

/// How far the clock of the process that signed may be ahead of ours.
const CLOCK_SKEW_S: i64 = 5;

/// Version 5 of the claims, as the token's header names it.
const VERSION_FIVE: &str = "5";

/// Claims that belong to the session; applications cannot write them. `stt` marks OAuth2 tokens.
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

/// The make of an access token (session.md 1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// Frontends of interface 1.8 to 1.15 get it.
    Two,
    /// All others.
    Five,
}

/// What an access token says.
#[derive(Clone, Debug, PartialEq)]
pub struct Claims {
    /// How it is written down; kept whenever the token is replaced by itself.
    pub version: Version,
    /// Whose session it is.
    pub user: UserId,
    /// Which session it is.
    pub handle: SessionHandle,
    /// When it was signed, in seconds.
    pub issued_at: i64,
    /// When it ends, in seconds.
    pub expires_at: i64,
    /// Hash of the refresh token that was handed out with it.
    pub hash1: String,
    /// What it descends from, until it is promoted.
    pub parent: Option<Parent>,
    /// What the header `anti-csrf` must say, in mode `VIA_TOKEN`.
    pub anti_csrf: Option<String>,
    /// Everything else: claims of the application and of the session's companion.
    pub payload: Map<String, Value>,
}

/// The refresh token that an unused access token descends from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parent {
    /// Its hash, as SuperTokens has it: the token itself was presented.
    Hash1(String),
    /// Its lineage only: the token was answered within the grace period, in place of one that is known to SQL alone.
    Lineage(Lineage),
}

impl Parent {
    /// Marks a lineage in the claim.
    const LINEAGE_MARK: &str = "2:";

    /// The lineage of that refresh token.
    pub fn lineage(&self) -> Lineage {
        match self {
            Self::Hash1(hash1) => Lineage::of_hash1(hash1),
            Self::Lineage(lineage) => lineage.clone(),
        }
    }

    /// As the claim `parentRefreshTokenHash1` holds it.
    pub fn claim(&self) -> String {
        match self {
            Self::Hash1(hash1) => hash1.clone(),
            Self::Lineage(lineage) => format!("{}{}", Self::LINEAGE_MARK, lineage.as_str()),
        }
    }

    pub fn of_claim(text: &str) -> Self {
        match text.strip_prefix(Self::LINEAGE_MARK) {
            Some(lineage) => Self::Lineage(Lineage::stored(lineage.to_owned())),
            None => Self::Hash1(text.to_owned()),
        }
    }
}

impl Claims {
    /// When it ends.
    pub fn expiry(&self) -> Timestamp {
        Timestamp::from_millis(self.expires_at.saturating_mul(1000))
    }

    /// Whether it may be used at this moment: not ended (exactly then it still holds, session.md 2.8) and not from the
    /// future.
    pub fn is_current(&self, now: Timestamp) -> bool {
        self.expiry() >= now && self.issued_at <= now.seconds().saturating_add(CLOCK_SKEW_S)
    }

    /// What frontends see: of version 5 the whole payload, of version 2 the application's part.
    pub fn seen_by_frontends(&self) -> Map<String, Value> {
        match self.version {
            Version::Two => self.payload.clone(),
            Version::Five => self.to_json(),
        }
    }

    /// The payload of a token of version 5. The session's own claims are not to be overridden, wherever the rest is from.
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

    /// The way back; nothing where a claim is missing or of another type, or where it is an OAuth2 token.
    fn of_json(mut all: Map<String, Value>) -> Option<Self> {
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
            parent: session.parent_refresh_token_hash1.as_deref().map(Parent::of_claim),
            anti_csrf: session.anti_csrf_token,
            payload: all,
        })
    }

    /// Signs them.
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

/// The claims that every session token has.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SessionClaims {
    /// User id.
    sub: String,
    /// Seconds.
    exp: i64,
    /// Seconds.
    iat: i64,
    /// Session handle.
    session_handle: SessionHandle,
    /// 64 hexadecimal digits.
    refresh_token_hash1: String,
    /// Null once promoted.
    parent_refresh_token_hash1: Option<String>,
    /// Null unless mode `VIA_TOKEN`.
    anti_csrf_token: Option<String>,
    /// Token type; 0 or absent: a session.
    #[serde(default)]
    stt: i64,
}

/// The header of our tokens; anything more (`jku`, `crit`, `x5c` …) makes it another's token.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Header {
    /// Pinned.
    typ: String,
    /// Pinned.
    alg: String,
    /// Names the key.
    kid: String,
    /// Pinned.
    version: String,
}

/// The key that a token says it is signed with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signer {
    /// The one of this name.
    Named(String),
    /// One of ours: version 2 does not say which.
    Unnamed,
    /// None of ours: the header is not one that we write.
    Foreign,
}

/// A text that has the form of an access token; nothing in it is proven.
pub struct Unverified<'a> {
    /// The whole token.
    text: &'a str,
    /// What it says.
    claims: Claims,
    /// The key it says it is signed with.
    signer: Signer,
}

impl<'a> Unverified<'a> {
    /// Takes what is structurally a session token: three parts, JSON, the claims of a session.
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
        Some(Self { text, claims: Claims::of_json(payload)?, signer: named.unwrap_or(Signer::Foreign) })
    }

    /// The whole token.
    pub fn text(&self) -> &str {
        self.text
    }

    /// The key to verify it with.
    pub fn signer(&self) -> &Signer {
        &self.signer
    }

    /// What it says, if this key signed it.
    pub fn verify(&self, key: &jsonwebtoken::DecodingKey) -> Option<Claims> {
        let is_signed = match self.claims.version {
            Version::Two => version_two::is_signed_by(self.text, key),
            Version::Five => self.is_jwt_of(key),
        };
        is_signed.then(|| self.claims.clone())
    }

    /// Whether it is a JWT that this key signed.
    fn is_jwt_of(&self, key: &jsonwebtoken::DecodingKey) -> bool {
        let mut signature_only = Validation::new(Algorithm::ES256);
        signature_only.required_spec_claims.clear();
        signature_only.validate_exp = false;
        signature_only.validate_aud = false;
        jsonwebtoken::decode::<serde::de::IgnoredAny>(self.text, key, &signature_only).is_ok()
    }
}
