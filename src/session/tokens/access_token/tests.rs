//! Tests of the texts that are accepted as access tokens.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::KeyPair as _;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::DecodingKey;
use proptest::prelude::*;
use serde_json::json;

use super::*;

struct Keys(EncodingKey, DecodingKey);

fn keys() -> Keys {
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref()).unwrap();
    Keys(EncodingKey::from_ec_der(pkcs8.as_ref()), DecodingKey::from_ec_der(pair.public_key().as_ref()))
}

fn claims() -> Claims {
    Claims {
        version: Version::Five,
        user: UserId::parse("277082848991642117").unwrap(),
        handle: SessionHandle::parse("h-1").unwrap(),
        issued_at: 1000,
        expires_at: 1900,
        hash1: "aa".to_owned(),
        parent: None,
        anti_csrf: None,
        payload: json!({ "iss": "http://localhost/auth", "n": 9_007_199_254_740_993_i64 }).as_object().unwrap().clone(),
    }
}

/// Signs a payload with a header, both unchecked.
fn sign(keys: &Keys, header: &Value, payload: &Value) -> String {
    let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let message = format!("{}.{}", encode(header), encode(payload));
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &keys.0, Algorithm::ES256).unwrap();
    format!("{message}.{signature}")
}

fn header() -> Value {
    json!({ "typ": "JWT", "alg": "ES256", "kid": "d-1", "version": "5" })
}

#[test]
fn says_what_it_was_signed_with_nulls_and_order_kept() {
    let keys = keys();
    for parent in [None, Some(Parent::Hash1("bb".to_owned())), Some(Parent::Lineage(Lineage::of_hash1("cc")))] {
        let claims = Claims { parent, ..claims() };
        let token = claims.sign("d-1", &keys.0).unwrap();
        let unverified = Unverified::parse(&token).unwrap();
        assert_eq!(*unverified.signer(), Signer::Named("d-1".to_owned()));
        assert_eq!(unverified.verify(&keys.1), Some(claims));
    }
    let text = Value::Object(claims().to_json()).to_string();
    let expected = concat!(
        r#"{"sub":"277082848991642117","exp":1900,"iat":1000,"sessionHandle":"h-1","refreshTokenHash1":"aa","#,
        r#""parentRefreshTokenHash1":null,"antiCsrfToken":null,"iss":"http://localhost/auth","n":9007199254740993,"#,
        r#""tId":"public","rsub":"277082848991642117"}"#
    );
    assert_eq!(text, expected);
}

/// The text equals that of SuperTokens' core, except for the algorithm; absent claims are left out.
#[test]
fn version_two_is_written_as_it_was() {
    let keys = keys();
    for (parent, anti_csrf) in [(None, None), (Some("bb"), Some("t"))] {
        let parent = parent.map(|hash| Parent::Hash1(hash.to_owned()));
        let payload = json!({ "name": "łukasz 馬", "sub": null }).as_object().unwrap().clone();
        let anti_csrf = anti_csrf.map(str::to_owned);
        let claims = Claims { version: Version::Two, parent, anti_csrf, payload, ..claims() };
        let token = claims.sign("d-1", &keys.0).unwrap();
        let unverified = Unverified::parse(&token).unwrap();
        assert_eq!(*unverified.signer(), Signer::Unnamed);
        assert_eq!(unverified.verify(&keys.1), Some(claims.clone()));
        assert_eq!(unverified.verify(&self::keys().1), None);
        assert_eq!(claims.frontend_payload(), claims.payload);
    }
    let token = Claims { version: Version::Two, ..claims() }.sign("d-1", &keys.0).unwrap();
    let mut parts = token.split('.').map(|part| String::from_utf8(STANDARD.decode(part).unwrap_or_default()).ok());
    assert_eq!(parts.next().unwrap().unwrap(), r#"{"alg":"ES256","typ":"JWT","version":"2"}"#);
    let expected = concat!(
        r#"{"userId":"277082848991642117","sessionHandle":"h-1","refreshTokenHash1":"aa","#,
        r#""userData":{"iss":"http://localhost/auth","n":9007199254740993},"expiryTime":1900000,"timeCreated":1000000}"#
    );
    assert_eq!(parts.next().unwrap().unwrap(), expected);
}

/// A changed payload, a header without padding, a missing claim. S-J-02 and S-J-10 in `docs/threats.md`.
#[test]
fn of_version_two_nothing_else_passes() {
    let keys = keys();
    let good = Claims { version: Version::Two, ..claims() }.sign("d-1", &keys.0).unwrap();
    let (message, signature) = good.rsplit_once('.').unwrap();
    let (header, payload) = message.split_once('.').unwrap();
    let changed = |from: &str, to: &str| {
        let text = String::from_utf8(STANDARD.decode(payload).unwrap()).unwrap();
        assert!(text.contains(from));
        format!("{header}.{}.{signature}", STANDARD.encode(text.replace(from, to)))
    };
    let forged = changed("277082848991642117", "277082848991642118");
    let other_signature = format!("{message}.{}", STANDARD.encode([7; 64]));
    let of_five = format!("{message}.{}", URL_SAFE_NO_PAD.encode(STANDARD.decode(signature).unwrap()));
    for token in [forged, other_signature, of_five, format!("{message}.")] {
        assert_eq!(Unverified::parse(&token).unwrap().verify(&keys.1), None, "{token}");
    }
    for token in [
        changed("userId", "sub"),
        changed("1900000", "\"1900000\""),
        changed("h-1", "h 1"),
        changed("{\"iss", "[\"iss"),
        format!("{}.{payload}.{signature}", header.trim_end_matches('=')),
    ] {
        let parsed = Unverified::parse(&token);
        assert!(parsed.is_none_or(|token| *token.signer() == Signer::Foreign), "{token}");
    }
}

/// A token with another header than ours gets no verification key. S-J-01, S-J-04, S-J-07, S-J-08 and S-J-16 in `docs/threats.md`.
#[test]
fn a_header_that_is_not_ours_names_no_key() {
    let (keys, payload) = (keys(), Value::Object(claims().to_json()));
    let changed = |name: &str, value: Value| {
        let mut header = header();
        header[name] = value;
        header
    };
    for header in [
        changed("alg", json!("none")),
        changed("alg", json!("None")),
        changed("alg", json!("HS256")),
        changed("alg", json!("RS256")),
        changed("typ", json!("at+jwt")),
        changed("version", json!("2")),
        changed("version", json!("99")),
        changed("version", json!(5)),
        changed("kid", json!(7)),
        changed("kid", Value::Null),
        changed("jku", json!("https://evil.example/jwks.json")),
        changed("jwk", json!({ "kty": "EC" })),
        changed("x5u", json!("https://evil.example")),
        changed("x5c", json!(["MII"])),
        changed("crit", json!(["b64"])),
        changed("b64", json!(false)),
        json!({ "alg": "ES256" }),
        json!([]),
    ] {
        let token = sign(&keys, &header, &payload);
        assert_eq!(*Unverified::parse(&token).unwrap().signer(), Signer::Foreign, "{header}");
    }
}

/// A text without the claims of a session is not parsed. S-J-10, S-J-16, S-J-17 and S-R-19 in `docs/threats.md`.
#[test]
fn what_is_no_session_is_no_token() {
    let keys = keys();
    let changed = |name: &str, value: Value| {
        let mut payload = Value::Object(claims().to_json());
        payload[name] = value;
        sign(&keys, &header(), &payload)
    };
    let mut wrong: Vec<String> = [json!("1900"), json!(1900.5), json!(1e30), Value::Null, json!([1900]), json!({})]
        .into_iter()
        .flat_map(|value| [changed("exp", value.clone()), changed("iat", value)])
        .collect();
    wrong.extend([
        changed("sub", json!(1)),
        changed("sub", json!("")),
        changed("sessionHandle", json!("a b")),
        changed("refreshTokenHash1", Value::Null),
        changed("stt", json!(1)),
        sign(&keys, &header(), &json!([])),
        sign(&keys, &header(), &json!({ "sub": "x", "exp": 1, "iat": 1 })),
    ]);
    let good = claims().sign("d-1", &keys.0).unwrap();
    wrong.extend([
        String::new(),
        "..".to_owned(),
        "a.b.c".to_owned(),
        format!("{good}.x"),
        good.rsplit_once('.').unwrap().0.to_owned(),
        format!("{good}{}", "x".repeat(TOKEN_BYTES_MAX)),
    ]);
    for token in wrong {
        assert!(Unverified::parse(&token).is_none(), "{token}");
    }
}

/// S-J-03, S-J-05 and S-J-06 in `docs/threats.md`.
#[test]
fn every_other_signature_is_refused() {
    let (keys, others) = (keys(), keys());
    let good = claims().sign("d-1", &keys.0).unwrap();
    let (message, signature) = good.rsplit_once('.').unwrap();
    let raw = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let mut flipped = raw.clone();
    flipped[40] ^= 1;
    let of = |bytes: &[u8]| format!("{message}.{}", URL_SAFE_NO_PAD.encode(bytes));
    let other_payload = sign(&keys, &header(), &json!({ "sub": "eve" }));

    assert!(Unverified::parse(&good).unwrap().verify(&keys.1).is_some(), "the untouched one holds");
    for token in
        [of(&[]), of(&[0; 64]), of(&[0xff; 64]), of(&flipped), of(&raw[..63]), format!("{message}.{signature}=")]
    {
        assert!(Unverified::parse(&token).unwrap().verify(&keys.1).is_none(), "{token}");
    }
    assert!(Unverified::parse(&good).unwrap().verify(&others.1).is_none());
    assert!(Unverified::parse(&other_payload).is_none());
}

/// An integer in ASN.1 DER.
fn der_integer(big_endian: &[u8]) -> Vec<u8> {
    let skipped: Vec<u8> = big_endian.iter().copied().skip_while(|byte| *byte == 0).collect();
    let sign = skipped.first().is_none_or(|byte| *byte >= 0x80).then_some(0);
    let bytes: Vec<u8> = sign.into_iter().chain(skipped).collect();
    [&[2, u8::try_from(bytes.len()).unwrap()], bytes.as_slice()].concat()
}

/// Other encodings of a valid signature, and numbers that are not in the group. S-J-05 and S-J-06 in `docs/threats.md`.
#[test]
fn a_signature_has_one_form() {
    /// The order of the group P-256.
    const ORDER: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad,
        0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let keys = keys();
    let sign = |version| Claims { version, ..claims() }.sign("d-1", &keys.0).unwrap();
    let special = |token: &String| token.rsplit_once('.').unwrap().1.contains(['-', '_']);
    let five = std::iter::repeat_with(|| sign(Version::Five)).find(special).unwrap();
    for (token, engine) in [(five, &URL_SAFE_NO_PAD), (sign(Version::Two), &STANDARD)] {
        let (message, signature) = token.rsplit_once('.').unwrap();
        let raw = engine.decode(signature).unwrap();
        let (r, s) = raw.split_at(32);
        let integers = [der_integer(r), der_integer(s)].concat();
        let der = [&[0x30, u8::try_from(integers.len()).unwrap()], integers.as_slice()].concat();
        for other in
            [der, [&ORDER, s].concat(), [r, &ORDER].concat(), [r, &[0; 32]].concat(), [&[0], raw.as_slice()].concat()]
        {
            let token = format!("{message}.{}", engine.encode(other));
            assert_eq!(Unverified::parse(&token).unwrap().verify(&keys.1), None, "{token}");
        }
        let other_alphabet = signature.replace('-', "+").replace('_', "/").trim_end_matches('=').to_owned();
        for signature in [other_alphabet, format!("{signature} "), format!("{signature}=")] {
            let token = format!("{message}.{signature}");
            assert_eq!(Unverified::parse(&token).unwrap().verify(&keys.1), None, "{token}");
        }
        assert!(Unverified::parse(&token).unwrap().verify(&keys.1).is_some());
    }
}

/// One random edit of a text.
#[derive(Clone, Debug)]
enum Change {
    Put(prop::sample::Index, char),
    Insert(prop::sample::Index, String),
    Cut(prop::sample::Index, prop::sample::Index),
    Repeat(prop::sample::Index, prop::sample::Index),
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        (at(), any::<char>()).prop_map(|(at, to)| Change::Put(at, to)),
        (at(), "[A-Za-z0-9+/=._-]").prop_map(|(at, to)| Change::Put(at, to.chars().next().unwrap())),
        (at(), "[A-Za-z0-9+/=._-]{1,8}").prop_map(|(at, text)| Change::Insert(at, text)),
        (at(), at()).prop_map(|(from, to)| Change::Cut(from, to)),
        (at(), at()).prop_map(|(from, to)| Change::Repeat(from, to)),
    ]
}

fn changed(text: &str, change: &Change) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    let length = letters.len() + 1;
    let span = |from: &prop::sample::Index, to: &prop::sample::Index| {
        let (from, to) = (from.index(length), to.index(length));
        from.min(to)..from.max(to)
    };
    match change {
        Change::Put(at, to) => letters.splice(at.index(length)..(at.index(length) + 1).min(length - 1), [*to]).count(),
        Change::Insert(at, text) => letters.splice(at.index(length)..at.index(length), text.chars()).count(),
        Change::Cut(from, to) => letters.splice(span(from, to), []).count(),
        Change::Repeat(from, to) => {
            let part = letters[span(from, to)].to_vec();
            letters.splice(0..0, part).count()
        }
    };
    letters.into_iter().collect()
}

proptest! {
    /// Edits of the token's text or of the decoded parts make it invalid. S-J-06 in `docs/threats.md`.
    #[test]
    fn a_changed_token_never_verifies(
        is_two in any::<bool>(),
        part in 0..4_usize,
        inside in any::<bool>(),
        changes in prop::collection::vec(change(), 1..4),
    ) {
        let keys = keys();
        let version = if is_two { Version::Two } else { Version::Five };
        let good = Claims { version, parent: Some(Parent::Hash1("bb".to_owned())), ..claims() }.sign("d-1", &keys.0).unwrap();
        let mut parts: Vec<String> = good.split('.').map(str::to_owned).collect();
        let change_all = |text: &str| changes.iter().fold(text.to_owned(), |text, change| changed(&text, change));
        let token = match parts.get_mut(part) {
            None => change_all(&good),
            Some(text) => {
                let written = |text: &str| {
                    let bytes = if is_two { STANDARD.decode(text) } else { URL_SAFE_NO_PAD.decode(text) };
                    String::from_utf8_lossy(&bytes.unwrap()).into_owned()
                };
                *text = match (inside, is_two) {
                    (false, _) => change_all(text),
                    (true, true) => STANDARD.encode(change_all(&written(text))),
                    (true, false) => URL_SAFE_NO_PAD.encode(change_all(&written(text))),
                };
                parts.join(".")
            }
        };
        let verified = Unverified::parse(&token).and_then(|unverified| unverified.verify(&keys.1));
        prop_assert!(verified.is_none() || token == good, "{token}");
        prop_assert!(Unverified::parse(&good).and_then(|unverified| unverified.verify(&keys.1)).is_some());
    }
}

/// The application's payload cannot overwrite the session's own claims.
#[test]
fn a_payload_overrides_none_of_the_sessions_own_claims() {
    let keys = keys();
    let mut payload = claims().payload;
    payload.extend(PROTECTED_CLAIMS.iter().map(|name| ((*name).to_owned(), json!("of the payload"))));
    let token = Claims { payload, ..claims() }.sign("d-1", &keys.0).unwrap();
    assert_eq!(Unverified::parse(&token).unwrap().verify(&keys.1), Some(claims()));
}

/// S-J-10 and S-J-11 in `docs/threats.md`.
#[test]
fn times_have_no_leeway_but_for_a_clock_that_is_ahead() {
    let claims = claims();
    let at = |seconds: i64| claims.is_current(Timestamp::from_millis(seconds * 1000));
    assert!(at(1900));
    assert!(!claims.is_current(Timestamp::from_millis(1_900_001)));
    assert!(at(995));
    assert!(!at(994));
}
