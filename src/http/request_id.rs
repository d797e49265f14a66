//! The id of a request: in its line of the access log, in every other line that it causes, and in error responses.

use std::cell::RefCell;
use std::fmt;

use aws_lc_rs::rand;

/// Bytes of an id.
const LENGTH: usize = 16;
/// Random bytes that are fetched at a time: fetching has a price of its own, whatever the number.
const BATCH: usize = 64 * LENGTH;

/// 128 random bits, shown as 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestId([u8; LENGTH]);

/// Random bytes of a thread, and how many of them are used.
struct Batch([u8; BATCH], usize);

thread_local! {
    static RANDOM: RefCell<Batch> = const { RefCell::new(Batch([0; BATCH], BATCH)) };
}

impl RequestId {
    pub fn random() -> Self {
        RANDOM.with_borrow_mut(|Batch(bytes, used)| {
            if *used >= BATCH {
                // Without randomness ids repeat, which confuses only the reader of the log.
                let _no_randomness = rand::fill(bytes);
                *used = 0;
            }
            let id = bytes.get(*used..).and_then(|rest| rest.first_chunk()).copied().unwrap_or_default();
            *used += LENGTH;
            Self(id)
        })
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = [0; 2 * LENGTH];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(self.0) {
            let digit = |value: u8| if value < 10 { b'0' + value } else { b'a' + value - 10 };
            pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
        }
        out.write_str(std::str::from_utf8(&digits).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_are_different_and_have_32_digits() {
        let ids: HashSet<String> = (0..1000).map(|_| RequestId::random().to_string()).collect();
        assert_eq!(ids.len(), 1000);
        assert!(ids.iter().all(|id| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())));
        assert_eq!(RequestId([0x0f; LENGTH]).to_string(), "0f".repeat(LENGTH));
    }
}
