//! Document ids: 63-bit numbers in decimal text.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::Error;
use crate::fql::Expr;

/// The id of a document: a number below 2^63, kept as text because JavaScript cannot represent it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct DocumentId(String);

impl DocumentId {
    /// Accepts decimal digits without sign or leading zeros, so that an id has one spelling.
    pub fn parse(text: &str) -> Option<Self> {
        let number: i64 = text.parse().ok()?;
        (number >= 0 && number.to_string() == text).then(|| Self(text.to_owned()))
    }

    /// A new id of 62 random bits. A document whose id is chosen before the write can be found even if the answer is lost.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the operating system provides no randomness.
    pub fn random() -> Result<Self, Error> {
        let mut bytes = [0; 8];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|error| Error::Unavailable(format!("no randomness: {error}")))?;
        Ok(Self::from_bytes(bytes))
    }

    /// An id of the first 62 bits of bytes that are random or a digest.
    pub fn from_bytes(bytes: [u8; 8]) -> Self {
        Self((u64::from_be_bytes(bytes) >> 2).to_string())
    }

    /// Wraps an id that was stored with [`DocumentId::as_str`], without checking it.
    pub fn stored(text: String) -> Self {
        Self(text)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for DocumentId {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(from)?).ok_or_else(|| D::Error::custom("not a document id"))
    }
}

impl From<&DocumentId> for Expr {
    fn from(id: &DocumentId) -> Self {
        Self::from(id.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_spelling() {
        for text in ["0", "101", "9223372036854775807"] {
            assert_eq!(DocumentId::parse(text).as_ref().map(DocumentId::as_str), Some(text));
        }
        for text in ["", "007", "00", "-1", "+1", "abc", "9223372036854775808", "1.0", " 1"] {
            assert!(DocumentId::parse(text).is_none(), "{text:?}");
        }
        let (one, other) = (DocumentId::random().unwrap(), DocumentId::random().unwrap());
        assert!(one != other && DocumentId::parse(one.as_str()).is_some());
    }
}
