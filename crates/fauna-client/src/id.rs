//! Ids of documents.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::Error;
use crate::fql::Expr;

/// The id of a document: a number below 2^63, which JavaScript cannot hold and which therefore is always text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct DocumentId(String);

impl DocumentId {
    /// Takes decimal digits as Fauna writes them: one document has one name.
    pub fn parse(text: &str) -> Option<Self> {
        let number: i64 = text.parse().ok()?;
        (number >= 0 && number.to_string() == text).then(|| Self(text.to_owned()))
    }

    /// A new id, 62 random bits: a document whose id was chosen before it is made can be found when the answer was lost.
    pub fn random() -> Result<Self, Error> {
        let mut bytes = [0; 8];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|error| Error::Unavailable(format!("no randomness: {error}")))?;
        Ok(Self((u64::from_be_bytes(bytes) >> 2).to_string()))
    }

    /// One that was stored elsewhere as [`DocumentId::as_str`] shows it.
    pub fn stored(text: String) -> Self {
        Self(text)
    }

    /// Its digits.
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
    fn ids_are_what_fauna_takes() {
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
