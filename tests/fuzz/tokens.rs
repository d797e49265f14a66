//! The readers of access tokens, refresh tokens and the header that carries them.

use actix_web::http::header;
use actix_web::http::header::{HeaderMap, HeaderValue};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use serde_json::json;

use crate::session::fuzz::choices::{self, CaseSeed, Choices};
use crate::session::http::transport;
use crate::session::tokens::access_token::{Claims, Parent, Unverified, Version};
use crate::session::tokens::refresh_token::{RefreshKey, RefreshToken};
use crate::session::{Lineage, SessionHandle, UserId};

const REFRESH_KEY: [u8; 32] = [7; 32];

const WORDS: [&[u8]; 18] = [
    b".",
    b"=",
    b"-_",
    b"+/",
    b" ",
    b"null",
    b"1e999",
    b"-9223372036854775808",
    b"9223372036854775807",
    b"\"",
    b"{\"",
    b"[[[[",
    b"\\ud800",
    b"\"alg\":\"none\"",
    b"\"version\":\"2\"",
    b"\"exp\":1,",
    b"\"2:",
    b"\xff",
];

struct Keys {
    sign: EncodingKey,
    verify: DecodingKey,
    refresh: [RefreshKey; 1],
}

impl Keys {
    fn new() -> Self {
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref()).unwrap();
        Self {
            sign: EncodingKey::from_ec_der(pkcs8.as_ref()),
            verify: DecodingKey::from_ec_der(pair.public_key().as_ref()),
            refresh: [RefreshKey::new(&REFRESH_KEY).unwrap()],
        }
    }
}

fn claims(choices: &mut Choices) -> Claims {
    let parent = [None, Some(Parent::Hash1("bb".to_owned())), Some(Parent::Lineage(Lineage::of_hash1("cc")))];
    let payload = json!({"iss": "http://localhost/auth", "roles": ["a", {"b": null}], "n": 1.5, "ł": "馬"});
    Claims {
        version: *choices.of(&[Version::Two, Version::Five]),
        user: UserId::parse("277082848991642117").unwrap(),
        handle: SessionHandle::parse("h-1").unwrap(),
        issued_at: 1000,
        expires_at: 1900,
        hash1: "aa".to_owned(),
        parent: choices.of(&parent).clone(),
        anti_csrf: choices.one_in(2).then(|| "t".to_owned()),
        payload: payload.as_object().unwrap().clone(),
    }
}

fn read(keys: &Keys, token: &str) -> Option<Claims> {
    Unverified::parse(token).and_then(|unverified| unverified.verify(&keys.verify))
}

/// The text after damage; bytes that are no text are replaced.
fn damaged(text: &str, choices: &mut Choices) -> String {
    let mut bytes = text.as_bytes().to_vec();
    choices.damage(&mut bytes, 4, &WORDS);
    if choices.one_in(4) {
        bytes.extend_from_slice(choices.of::<&[u8]>(&WORDS));
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn a_changed_access_token_is_none(keys: &Keys, choices: &mut Choices) {
    let good = claims(choices).sign("d-1", &keys.sign).unwrap();
    let token = damaged(&good, choices);
    assert_eq!(read(keys, &token).is_some(), token == good, "{token}");
}

/// What somebody with our key signs, such as a later version of this program, is read as it stands or not at all.
fn a_signed_access_token_is_read_as_it_stands(keys: &Keys, choices: &mut Choices) {
    let claims = claims(choices);
    let good = claims.sign("d-1", &keys.sign).unwrap();
    let is_two = claims.version == Version::Two;
    let engine = if is_two { &STANDARD } else { &URL_SAFE_NO_PAD };
    let mut parts: Vec<Vec<u8>> = good.split('.').take(2).map(|part| engine.decode(part).unwrap()).collect();
    // More often the payload than the header.
    let part = usize::from(!choices.one_in(4));
    choices.damage(&mut parts[part], 3, &WORDS);
    let message = format!("{}.{}", engine.encode(&parts[0]), engine.encode(&parts[1]));
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &keys.sign, Algorithm::ES256).unwrap();
    let signature = if is_two { STANDARD.encode(URL_SAFE_NO_PAD.decode(signature).unwrap()) } else { signature };
    let token = format!("{message}.{signature}");
    let Some(claims) = read(keys, &token) else { return };
    let again = claims.sign("d-1", &keys.sign).unwrap();
    assert_eq!(read(keys, &again), Some(claims), "{token}");
}

fn refresh_token(keys: &Keys, choices: &mut Choices) -> RefreshToken {
    let (parent, handle) = (Lineage::of_hash1("parent"), SessionHandle::parse("0b5e-handle").unwrap());
    let parent = choices.one_in(2).then_some(&parent);
    RefreshToken::issue(&keys.refresh[0], &handle, parent, choices.one_in(2)).unwrap()
}

fn a_changed_refresh_token_is_none(keys: &Keys, choices: &mut Choices) {
    let good = refresh_token(keys, choices).expose().to_owned();
    let token = damaged(&good, choices);
    assert_eq!(RefreshToken::read(&keys.refresh, &token).is_some(), token == good, "{token}");
}

fn a_signed_refresh_token_is_read_as_it_stands(keys: &Keys, choices: &mut Choices) {
    let good = URL_SAFE_NO_PAD.decode(refresh_token(keys, choices).expose()).unwrap();
    let mut content = good[..good.len() - 32].to_vec();
    choices.damage(&mut content, 3, &WORDS);
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &REFRESH_KEY), &content);
    let text = URL_SAFE_NO_PAD.encode([&content, tag.as_ref()].concat());
    let Some(token) = RefreshToken::read(&keys.refresh, &text) else { return };
    let handle = token.handle.as_str().as_bytes();
    assert_eq!(content.get(3..3 + handle.len()), Some(handle));
    assert_eq!((token.parent.is_some(), token.anti_csrf.is_some()), (content[1] & 1 != 0, content[1] & 2 != 0));
}

fn a_header_carries_a_part_of_itself(keys: &Keys, choices: &mut Choices) {
    let token = refresh_token(keys, choices).expose().to_owned();
    let mut value = format!("Bearer {token}").into_bytes();
    choices.damage(&mut value, 3, &WORDS);
    value.retain(|byte| (*byte >= b' ' && *byte != 0x7f) || *byte == b'\t');
    let mut headers = HeaderMap::new();
    headers.insert(header::AUTHORIZATION, HeaderValue::from_bytes(&value).unwrap());
    let Some(carried) = transport::bearer(&headers) else { return };
    assert!(value[..7].eq_ignore_ascii_case(b"bearer ") && !carried.is_empty() && carried.trim_ascii() == carried);
    assert!(value[7..].trim_ascii() == carried.as_bytes(), "{value:?}");
}

/// One case, of one of five kinds.
fn is_read_as_it_stands_or_not_at_all(keys: &Keys, seed: u64) {
    let _printed = CaseSeed(seed);
    let choices = &mut Choices::new(seed);
    match choices.below(5) {
        0 => a_changed_access_token_is_none(keys, choices),
        1 => a_signed_access_token_is_read_as_it_stands(keys, choices),
        2 => a_changed_refresh_token_is_none(keys, choices),
        3 => a_signed_refresh_token_is_read_as_it_stands(keys, choices),
        _ => a_header_carries_a_part_of_itself(keys, choices),
    }
}

#[test]
fn damaged_tokens_are_read_as_they_stand_or_not_at_all() {
    let keys = Keys::new();
    choices::short(3_000).for_each(|seed| is_read_as_it_stands_or_not_at_all(&keys, seed));
}

#[test]
#[ignore = "takes ten minutes"]
fn ten_minutes_of_damaged_tokens_are_read_as_they_stand_or_not_at_all() {
    let keys = Keys::new();
    choices::long().for_each(|seed| is_read_as_it_stands_or_not_at_all(&keys, seed));
}
