//! The reader of cookies against a second one.

use actix_web::http::header;
use actix_web::http::header::{HeaderMap, HeaderValue};

use crate::session::fuzz::choices::{self, CaseSeed, Choices};
use crate::session::http::cookies::{self, CookieMatch};

const NAMES: [&str; 4] = ["sAccessToken", "sRefreshToken", "__Host-sAccessToken", "__Secure-sRefreshToken"];

/// What lines of cookies are made of.
const PARTS: [&[u8]; 22] = [
    b"sAccessToken=genuine",
    b"__Host-sAccessToken=genuine",
    b"__Secure-sRefreshToken=genuine",
    b"sRefreshToken=genuine",
    b"sAccessToken",
    b"=sAccessToken=x",
    b"%5F%5FHost-sAccessToken=evil",
    b"__Host-sAccessToken =spaced ",
    b"\t__Host-sAccessToken\t=\ttabbed\t",
    b"\xe2\x80\x80__Host-sAccessToken=evil",
    b"__Host-sAccessToken\xc2\xa0=evil",
    b"__host-saccesstoken=evil",
    b"x__Host-sAccessToken=evil",
    b"__Host-sAccessTokenx=evil",
    b"tracking=\xff\xfe",
    b"sAccessToken=\xff",
    b"sAccessToken=",
    b"quoted=\"a",
    b"sAccessToken=a=b==",
    b"",
    b" ",
    b"a=b,__Host-sAccessToken=evil",
];

const WORDS: [&[u8]; 9] =
    [b";", b"; ", b"=", b" ", b"\t", b"__Host-", b"sAccessToken", b"; sAccessToken=other", b"\xc3\xa9"];

/// All values of a cookie, found by looking for its name and then at what stands around it.
fn values_by_search(lines: &[Vec<u8>], name: &str) -> Vec<String> {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let mut values = Vec::new();
    for line in lines {
        let starts = line.windows(name.len()).enumerate().filter(|(_, window)| *window == name.as_bytes());
        for (start, _) in starts {
            let before = line[..start].iter().rev().find(|byte| !is_blank(byte));
            let after: Vec<u8> = line[start + name.len()..].iter().skip_while(|byte| is_blank(byte)).copied().collect();
            if before.is_some_and(|byte| *byte != b';') || after.first() != Some(&b'=') {
                continue;
            }
            let value: Vec<u8> = after[1..].iter().copied().take_while(|byte| *byte != b';').collect();
            values.extend(String::from_utf8(value).map(|value| value.trim_matches([' ', '\t']).to_owned()));
        }
    }
    values
}

fn lines(choices: &mut Choices) -> Vec<Vec<u8>> {
    let line = |choices: &mut Choices| {
        let parts: Vec<&[u8]> = (0..choices.below(6)).map(|_| *choices.of(&PARTS)).collect();
        let mut line = parts.join(if choices.one_in(2) { b"; ".as_slice() } else { b";" });
        if choices.one_in(2) {
            choices.damage(&mut line, 4, &WORDS);
        }
        // No HTTP parser lets others through.
        line.retain(|byte| (*byte >= b' ' && *byte != 0x7f) || *byte == b'\t');
        line
    };
    (0..=choices.below(3)).map(|_| line(choices)).collect()
}

fn is_read_like_by_search(seed: u64) {
    let _printed = CaseSeed(seed);
    let lines = lines(&mut Choices::new(seed));
    let mut headers = HeaderMap::new();
    for line in &lines {
        headers.append(header::COOKIE, HeaderValue::from_bytes(line).unwrap());
    }
    for name in NAMES {
        let expected = values_by_search(&lines, name);
        assert_eq!(cookies::all(&headers, name), expected, "{name}: {lines:?}");
        let found = match expected.as_slice() {
            [] => CookieMatch::Absent,
            [one] => CookieMatch::Single(one),
            _ => CookieMatch::Duplicate,
        };
        assert_eq!(cookies::find(&headers, name), found, "{name}: {lines:?}");
    }
}

#[test]
fn damaged_cookies_are_read_alike_by_two_readers() {
    choices::short(20_000).for_each(is_read_like_by_search);
}

#[test]
#[ignore = "takes ten minutes"]
fn ten_minutes_of_damaged_cookies_are_read_alike_by_two_readers() {
    choices::long().for_each(is_read_like_by_search);
}
