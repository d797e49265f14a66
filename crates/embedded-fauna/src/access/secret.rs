//! The secrets of keys and tokens, in FaunaDB's layout.
//!
//! A secret names its document (and a token its database), so that it can be found; the rest is random. Only a hash of the random
//! part is kept: 160 random bits need no slow hash.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::{digest, rand};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::ir::{Fault, Outcome};

/// The document that a secret belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The key with this id.
    Key(i64),
    /// The token with this id in the database with this global number.
    Token(i64, i64),
}

/// A secret taken apart.
#[derive(Clone, Debug)]
pub struct Secret {
    pub kind: Kind,
    random: [u8; 20],
}

impl Secret {
    /// Takes a secret apart; `None` where it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (kind, rest) = match bytes.as_slice() {
            [0x7e, 0x70, rest @ ..] => {
                let (id, rest) = integer(rest)?;
                (Kind::Key(id), rest)
            }
            [0x7e, 0x71, rest @ ..] => {
                let (id, rest) = integer(rest)?;
                let (database, rest) = integer(rest)?;
                (Kind::Token(id, database), rest)
            }
            _ => return None,
        };
        Some(Self { kind, random: rest.try_into().ok()? })
    }

    /// The text that its owner shows.
    pub fn text(&self) -> String {
        let mut bytes = match self.kind {
            Kind::Key(id) => [&[0x7e, 0x70][..], &id.to_be_bytes()].concat(),
            Kind::Token(id, database) => [&[0x7e, 0x71][..], &id.to_be_bytes(), &database.to_be_bytes()].concat(),
        };
        bytes.extend(self.random);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The hash that is stored.
    pub fn hash(&self) -> String {
        hash(&self.random)
    }

    /// Whether this is what was kept of it; takes the same time for every answer.
    pub fn matches(&self, kept: &str) -> bool {
        verify_slices_are_equal(self.hash().as_bytes(), kept.as_bytes()).is_ok()
    }
}

/// A big-endian integer and what follows it.
fn integer(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<8>()?;
    Some((i64::from_be_bytes(*head), rest))
}

pub fn hash(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, bytes))
}

/// A new secret for a key or a token.
///
/// # Errors
/// If there is no randomness.
pub fn new_secret(kind: Kind) -> Outcome<Secret> {
    let mut random = [0; 20];
    rand::fill(&mut random).map_err(|_unspecified| Fault::Internal("no randomness".to_owned()))?;
    Ok(Secret { kind, random })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_is_that_of_faunadb() {
        let random = std::array::from_fn(|index| u8::try_from(index).unwrap());
        let token = Secret { kind: Kind::Token(300_000_000_000_000_001, 300_000_000_000_000_002), random };
        assert_eq!(token.text(), "fnEEKdBpGJ4AAQQp0GkYngACAAECAwQFBgcICQoLDA0ODxAREhM");
        let key = Secret { kind: Kind::Key(300_000_000_000_000_001), random };
        assert_eq!(key.text(), "fnAEKdBpGJ4AAQABAgMEBQYHCAkKCwwNDg8QERIT");
        let parsed = Secret::parse(&token.text()).unwrap();
        assert_eq!(parsed.kind, token.kind);
        assert!(parsed.matches(&token.hash()));
        assert!(!parsed.matches(&hash(b"")));
        assert!(Secret::parse("fnA").is_none());
    }
}
