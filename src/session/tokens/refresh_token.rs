//! The format of refresh tokens.
//!
//! `base64url(version | flags | handle | parent lineage? | anti-CSRF token? | 256 random bits | HMAC-SHA256)`. A token names its
//! session and the lineage it descends from, authenticates both, and needs no escaping in cookies and headers. SQL stores only the
//! hash of its hash.

use aws_lc_rs::{hmac, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::ExposeSecret as _;
use secrecy::SecretString;

use crate::session::identifiers::{hex, sha256_hex, uuid_v4};
use crate::session::{Lineage, SessionHandle};

/// Longer tokens are refused without decoding.
const TOKEN_BYTES_MAX: usize = 1024;

const VERSION: u8 = 1;

/// Flag: the lineage of the parent follows the handle.
const HAS_PARENT: u8 = 1;

/// Flag: an anti-CSRF token precedes the random bits.
const HAS_ANTI_CSRF: u8 = 2;

const KEY_BYTES: usize = 32;

/// Length of an HMAC-SHA256.
const TAG_BYTES: usize = 32;

/// A refresh token that was issued or authenticated by this module.
#[derive(Clone, Debug)]
pub struct RefreshToken {
    text: SecretString,
    pub handle: SessionHandle,
    /// Lineage of the token that was effective when this one was issued; `None` for the first of a session.
    pub parent: Option<Lineage>,
    /// The required value of the header `anti-csrf`, in mode `VIA_TOKEN`.
    pub anti_csrf: Option<String>,
}

/// A key that authenticates refresh tokens.
pub struct RefreshKey(hmac::Key);

impl RefreshKey {
    /// `None` unless there are exactly 32 bytes: a shorter key could be guessed, and anybody who knows it can forge tokens.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        (bytes.len() == KEY_BYTES).then(|| Self(hmac::Key::new(hmac::HMAC_SHA256, bytes)))
    }
}

impl RefreshToken {
    /// Issues a token.
    ///
    /// # Errors
    /// No random bytes are available.
    pub fn issue(
        key: &RefreshKey,
        handle: &SessionHandle,
        parent: Option<&Lineage>,
        with_anti_csrf: bool,
    ) -> Result<Self, aws_lc_rs::error::Unspecified> {
        let (mut random, mut csrf_bits) = ([0; 32], [0; 16]);
        rand::fill(&mut random)?;
        rand::fill(&mut csrf_bits)?;
        let parent_bytes = parent.and_then(|parent| unhex::<32>(parent.as_str()));
        let flags = u8::from(parent_bytes.is_some()) * HAS_PARENT + u8::from(with_anti_csrf) * HAS_ANTI_CSRF;
        let handle_bytes = handle.as_str().as_bytes();
        let mut bytes = vec![VERSION, flags, u8::try_from(handle_bytes.len()).unwrap_or(u8::MAX)];
        bytes.extend_from_slice(handle_bytes);
        bytes.extend(parent_bytes.into_iter().flatten());
        bytes.extend(with_anti_csrf.then_some(csrf_bits).into_iter().flatten());
        bytes.extend_from_slice(&random);
        let tag = hmac::sign(&key.0, &bytes);
        bytes.extend_from_slice(tag.as_ref());
        Ok(Self {
            text: URL_SAFE_NO_PAD.encode(bytes).into(),
            handle: handle.clone(),
            parent: parent.cloned(),
            anti_csrf: with_anti_csrf.then(|| uuid_v4(csrf_bits)),
        })
    }

    /// Decodes a token; `None` unless it is authenticated by one of these keys.
    pub fn read(keys: &[RefreshKey], text: &str) -> Option<Self> {
        if text.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (content, tag) = bytes.split_at_checked(bytes.len().checked_sub(TAG_BYTES)?)?;
        keys.iter().any(|key| hmac::verify(&key.0, content, tag).is_ok()).then_some(())?;
        let ([version, flags, length], rest) = content.split_first_chunk::<3>()?;
        (*version == VERSION).then_some(())?;
        let (handle, rest) = rest.split_at_checked(usize::from(*length))?;
        let (parent, rest) = split_if::<32>(flags & HAS_PARENT != 0, rest)?;
        let (csrf_bits, _random) = split_if::<16>(flags & HAS_ANTI_CSRF != 0, rest)?;
        Some(Self {
            text: text.into(),
            handle: SessionHandle::parse(std::str::from_utf8(handle).ok()?)?,
            parent: parent.map(|bytes| Lineage::stored(hex(&bytes))),
            anti_csrf: csrf_bits.map(uuid_v4),
        })
    }

    /// The encoded token, a secret.
    pub fn expose(&self) -> &str {
        self.text.expose_secret()
    }

    /// SHA-256 of the encoded token in hexadecimal, a claim of the access token.
    pub fn hash1(&self) -> String {
        sha256_hex(self.expose().as_bytes())
    }

    /// The lineage, which SQL stores.
    pub fn lineage(&self) -> Lineage {
        Lineage::of_hash1(&self.hash1())
    }
}

/// The next `N` bytes if `present`, and the rest.
fn split_if<const N: usize>(present: bool, bytes: &[u8]) -> Option<(Option<[u8; N]>, &[u8])> {
    if !present {
        return Some((None, bytes));
    }
    let (first, rest) = bytes.split_first_chunk::<N>()?;
    Some((Some(*first), rest))
}

fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let bytes: Option<Vec<u8>> = text
        .as_bytes()
        .chunks_exact(2)
        .map(|pair| std::str::from_utf8(pair).ok().and_then(|digits| u8::from_str_radix(digits, 16).ok()))
        .collect();
    bytes?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(byte: u8) -> RefreshKey {
        RefreshKey::new(&[byte; 32]).unwrap()
    }

    #[test]
    fn a_key_that_can_be_guessed_is_none() {
        assert!(RefreshKey::new(&[]).is_none() && RefreshKey::new(&[1; 31]).is_none());
    }

    fn handle() -> SessionHandle {
        SessionHandle::parse("0b5e-handle").unwrap()
    }

    #[test]
    fn says_what_it_was_made_of() {
        let parent = Lineage::of_hash1("parent");
        for (parent, csrf) in [(None, false), (Some(&parent), false), (None, true), (Some(&parent), true)] {
            let token = RefreshToken::issue(&key(1), &handle(), parent, csrf).unwrap();
            let read = RefreshToken::read(&[key(2), key(1)], token.expose()).unwrap();
            assert_eq!(read.handle, handle());
            assert_eq!(read.parent.as_ref(), parent);
            assert_eq!(read.anti_csrf, token.anti_csrf);
            assert_eq!(read.anti_csrf.is_some(), csrf);
            assert_eq!(read.lineage(), token.lineage());
        }
    }

    #[test]
    fn needs_no_escaping_and_never_repeats() {
        let tokens: Vec<_> = (0..2).map(|_| RefreshToken::issue(&key(1), &handle(), None, true).unwrap()).collect();
        assert_ne!(tokens[0].expose(), tokens[1].expose());
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        assert!(tokens[0].expose().bytes().all(plain));
        assert!(!format!("{:?}", tokens[0]).contains(tokens[0].expose()));
    }

    #[test]
    fn another_key_or_any_changed_byte_makes_it_nothing() {
        let token = RefreshToken::issue(&key(1), &handle(), Some(&Lineage::of_hash1("p")), true).unwrap();
        assert!(RefreshToken::read(&[key(2)], token.expose()).is_none());
        let bytes = URL_SAFE_NO_PAD.decode(token.expose()).unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(RefreshToken::read(&[key(1)], &URL_SAFE_NO_PAD.encode(changed)).is_none(), "byte {at}");
        }
        for length in 0..bytes.len() {
            assert!(RefreshToken::read(&[key(1)], &URL_SAFE_NO_PAD.encode(&bytes[..length])).is_none());
        }
    }

    proptest! {
        #[test]
        fn random_text_is_nothing(text in ".{0,200}") {
            prop_assert!(RefreshToken::read(&[key(1)], &text).is_none());
        }

        /// Content that is authenticated but malformed is refused or read, without a panic.
        #[test]
        fn authenticated_nonsense_is_read_or_left_but_never_panics(
            head in prop::option::of((0..3u8, any::<u8>(), 0..80u8)),
            body in prop::collection::vec(prop_oneof![any::<u8>(), b'!'..=b'~'], 0..300),
        ) {
            let mut bytes: Vec<u8> = head.map(|(version, flags, length)| [version, flags, length]).into_iter().flatten().collect();
            bytes.extend(body);
            let tag = hmac::sign(&key(1).0, &bytes);
            let text = URL_SAFE_NO_PAD.encode([&bytes, tag.as_ref()].concat());
            if let Some(read) = RefreshToken::read(&[key(1)], &text) {
                prop_assert_eq!(bytes[0], VERSION);
                prop_assert_eq!(read.handle.as_str().len(), usize::from(bytes[2]));
                prop_assert_eq!(read.parent.is_some(), bytes[1] & HAS_PARENT != 0);
                prop_assert_eq!(read.anti_csrf.is_some(), bytes[1] & HAS_ANTI_CSRF != 0);
            }
        }
    }
}
