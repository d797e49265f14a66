//! Identifiers of users, sessions and refresh tokens.

use std::fmt;

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};

const USER_ID_BYTES_MAX: usize = 128;

const HANDLE_BYTES_MAX: usize = 128;

/// An opaque user id. The session module never interprets it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct UserId(String);

impl UserId {
    /// Accepts 1 to 128 printable ASCII characters without spaces.
    pub fn parse(text: &str) -> Option<Self> {
        is_identifier(text, USER_ID_BYTES_MAX).then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// Identifies a session. It is not a secret: the user sees it, and access tokens contain it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct SessionHandle(String);

impl SessionHandle {
    /// Accepts 1 to 128 printable ASCII characters without spaces, in any form, so that imported sessions keep their handles.
    pub fn parse(text: &str) -> Option<Self> {
        is_identifier(text, HANDLE_BYTES_MAX).then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Formats 128 random bits as a version 4 UUID.
    pub fn random(bits: [u8; 16]) -> Self {
        Self(uuid_v4(bits))
    }
}

impl fmt::Display for SessionHandle {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for SessionHandle {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not a session handle"))
    }
}

/// Identifies a refresh token in SQL: the SHA-256 of its SHA-256 in hexadecimal (SuperTokens' `hash2`). Access tokens have the
/// inner hash, so that neither the database nor an access token reveals a refresh token.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Lineage(String);

impl Lineage {
    /// The lineage of the refresh token with the SHA-256 `hash1`, which is a claim of access tokens.
    pub fn of_hash1(hash1: &str) -> Self {
        Self(sha256_hex(hash1.as_bytes()))
    }

    /// Takes a value of the database without validation.
    pub fn stored(text: String) -> Self {
        Self(text)
    }

    /// The value, of 64 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// SHA-256 in lower-case hexadecimal.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

pub fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0x0f)]).collect()
}

/// Formats random bits as a version 4 UUID (RFC 9562, section 5.4).
pub fn uuid_v4(mut bits: [u8; 16]) -> String {
    bits[6] = (bits[6] & 0x0f) | 0x40;
    bits[8] = (bits[8] & 0x3f) | 0x80;
    let digits = hex(&bits);
    let groups = [(0, 8), (8, 12), (12, 16), (16, 20), (20, 32)];
    groups.iter().filter_map(|(from, to)| digits.get(*from..*to)).collect::<Vec<_>>().join("-")
}

fn is_identifier(text: &str, bytes_max: usize) -> bool {
    !text.is_empty() && text.len() <= bytes_max && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_the_specification() {
        assert_eq!(sha256_hex(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        let lineage = Lineage::of_hash1(&sha256_hex(b"abc"));
        assert_eq!(lineage.as_str(), "dfe7a23fefeea519e9bbfdd1a6be94c4b2e4529dd6b7cbea83f9959c2621b13c");
    }

    #[test]
    fn handles_have_the_form_of_a_uuid() {
        assert_eq!(SessionHandle::random([0xff; 16]).as_str(), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }

    #[test]
    fn identifiers_are_bounded_printable_ascii() {
        assert!(UserId::parse("412345678901234567").is_some());
        assert!(SessionHandle::parse("0af3_tenant").is_some());
        for text in ["", "a b", "ü", "a\n", &"x".repeat(129)] {
            assert!(UserId::parse(text).is_none(), "{text:?}");
            assert!(SessionHandle::parse(text).is_none(), "{text:?}");
        }
    }
}
