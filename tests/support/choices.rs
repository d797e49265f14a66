//! Seeded choices for tests that damage valid input, and the two ways to run them.

use std::ops::Range;
use std::time::{Duration, Instant};

/// Environment variable with the only seed of a short run, or the first one of a long run.
const SEED: &str = "FUZZ_SEED";
/// Environment variable with the length of a long run, in seconds.
const SECONDS: &str = "FUZZ_SECONDS";
const TEN_MINUTES: u64 = 600;
/// Of long runs, which are not those of short ones.
const FIRST_LONG: u64 = 1_000_000;

/// A deterministic source of choices (splitmix64: neighbouring seeds have nothing in common).
pub struct Choices(u64);

impl Choices {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `count`; 0 for an empty range.
    pub fn below(&mut self, count: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        usize::try_from(mixed % u64::try_from(count.max(1)).unwrap()).unwrap()
    }

    pub fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    pub fn of<'t, T>(&mut self, all: &'t [T]) -> &'t T {
        all.get(self.below(all.len())).unwrap()
    }

    pub fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap()
    }

    /// Cuts, doubles or exchanges bytes in up to `places` places; what is put in comes from `words` or is random.
    pub fn damage(&mut self, bytes: &mut Vec<u8>, places: usize, words: &[&[u8]]) {
        for _ in 0..self.below(places + 1) {
            let from = self.below(bytes.len() + 1);
            let to = from + self.below((bytes.len() - from).min(40) + 1);
            let part = bytes.get(from..to).unwrap().to_vec();
            let other = match self.below(5) {
                0 => Vec::new(),
                1 => part.repeat(2),
                2 => (0..self.below(10)).map(|_| self.byte()).collect(),
                3 => part.iter().map(|byte| byte ^ (1 << self.below(8))).collect(),
                _ => self.of(words).to_vec(),
            };
            bytes.splice(from..to, other);
        }
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap())
}

/// The seeds of plain `cargo test`: `count`, or the one of `FUZZ_SEED`.
pub fn short(count: u64) -> Range<u64> {
    number(SEED).map_or(0..count, |seed| seed..seed + 1)
}

/// Seeds for ten minutes, or for `FUZZ_SECONDS`.
pub fn long() -> impl Iterator<Item = u64> {
    let until = Instant::now() + Duration::from_secs(number(SECONDS).unwrap_or(TEN_MINUTES));
    let first = number(SEED).unwrap_or(FIRST_LONG);
    (first..).take_while(move |seed| {
        let goes_on = Instant::now() < until;
        if !goes_on {
            eprintln!("{} cases, from {SEED}={first} on", seed - first);
        }
        goes_on
    })
}

/// Prints the seed of the case when a check fails while this is alive.
pub struct CaseSeed(pub u64);

impl Drop for CaseSeed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{SEED}={}", self.0);
        }
    }
}
