//! Encryption of secrets that are stored: AES-256-GCM with keys from the environment.
//!
//! The first key of a ring seals, all of them open, so a key can be replaced without downtime. A sealed secret is bound to the
//! place it is stored in: copied to another row, it does not open. A failure to open does not reveal its reason (ASVS 11.2.5).

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretString;

/// Keys that seal and open secrets.
pub struct SealRing {
    /// The first key seals.
    keys: Vec<SealKey>,
}

struct SealKey {
    /// Prefix of everything that this key sealed.
    id: String,
    /// Every nonce is random, which is safe for up to 2^32 texts per key (NIST SP 800-38D, section 8.3); far fewer are sealed.
    cipher: LessSafeKey,
}

/// The text was sealed with another key or for another place, or it was changed.
#[derive(Debug, thiserror::Error)]
#[error("a stored secret cannot be opened with the keys at hand")]
pub struct CannotOpen;

/// No random bytes are available, or the ring is empty.
#[derive(Debug, thiserror::Error)]
#[error("a secret cannot be sealed")]
pub struct CannotSeal;

impl SealRing {
    /// A ring of named keys. Names must not contain a full stop; keys whose name does are left out.
    pub fn new(keys: impl IntoIterator<Item = (String, [u8; 32])>) -> Self {
        let keys = keys.into_iter().filter_map(|(id, bytes)| {
            let cipher = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &bytes).ok()?);
            (!id.contains('.')).then_some(SealKey { id, cipher })
        });
        Self { keys: keys.collect() }
    }

    /// Encrypts a text for the place that `place` names.
    ///
    /// # Errors
    /// [`CannotSeal`].
    pub fn seal(&self, secret: &str, place: &str) -> Result<String, CannotSeal> {
        self.try_seal(secret, place).ok_or(CannotSeal)
    }

    /// Whether a text was sealed with the key that seals now. Others open only as long as the older key is in the ring.
    pub fn is_sealed_with_first(&self, sealed: &str) -> bool {
        let id = sealed.split_once('.').map(|(id, _)| id);
        self.keys.first().is_some_and(|key| Some(key.id.as_str()) == id)
    }

    /// Decrypts a text that was sealed for `place`.
    ///
    /// # Errors
    /// [`CannotOpen`].
    pub fn open(&self, sealed: &str, place: &str) -> Result<SecretString, CannotOpen> {
        self.try_open(sealed, place).ok_or(CannotOpen)
    }

    /// The format is `key id.base64url(nonce | ciphertext | tag)`.
    fn try_seal(&self, secret: &str, place: &str) -> Option<String> {
        let key = self.keys.first()?;
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce).ok()?;
        let mut text = secret.as_bytes().to_vec();
        let unique = Nonce::assume_unique_for_key(nonce);
        key.cipher.seal_in_place_append_tag(unique, Aad::from(place), &mut text).ok()?;
        Some(format!("{}.{}", key.id, URL_SAFE_NO_PAD.encode([nonce.as_slice(), &text].concat())))
    }

    fn try_open(&self, sealed: &str, place: &str) -> Option<SecretString> {
        let (id, sealed) = sealed.split_once('.')?;
        let key = self.keys.iter().find(|key| key.id == id)?;
        let bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (nonce, text) = bytes.split_first_chunk::<NONCE_LEN>()?;
        let mut text = text.to_vec();
        let plain = key.cipher.open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(place), &mut text).ok()?;
        Some(SecretString::from(std::str::from_utf8(plain).ok()?))
    }
}

impl fmt::Debug for SealRing {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_list().entries(self.keys.iter().map(|key| &key.id)).finish()
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn ring(ids: &[(&str, u8)]) -> SealRing {
        SealRing::new(ids.iter().map(|(id, byte)| ((*id).to_owned(), [*byte; 32])))
    }

    #[test]
    fn opens_only_in_its_place() {
        let ring = ring(&[("a", 1)]);
        let sealed = ring.seal("fnsecret", "row 1").unwrap();
        assert_eq!(ring.open(&sealed, "row 1").unwrap().expose_secret(), "fnsecret");
        assert!(ring.open(&sealed, "row 2").is_err());
        assert_ne!(sealed, ring.seal("fnsecret", "row 1").unwrap(), "a nonce is used once");
    }

    #[test]
    fn an_older_key_still_opens_and_the_newest_seals() {
        let sealed = ring(&[("old", 1)]).seal("x", "p").unwrap();
        let both = ring(&[("new", 2), ("old", 1)]);
        assert!(both.open(&sealed, "p").is_ok());
        assert!(both.seal("x", "p").unwrap().starts_with("new."));
        assert!(ring(&[("new", 2)]).open(&sealed, "p").is_err());
        assert!(ring(&[("old", 2)]).open(&sealed, "p").is_err(), "same name, other key");
    }

    #[test]
    fn every_changed_character_is_noticed() {
        let ring = ring(&[("k", 1)]);
        let sealed = ring.seal("secret", "p").unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert!(ring.open(&String::from_utf8(changed).unwrap(), "p").is_err(), "at {at}");
        }
        assert!(ring.open("", "p").is_err());
        assert!(ring.open("k.", "p").is_err());
    }
}
