//! Stored password hashes: our own, and those of imported accounts.
//!
//! New hashes are argon2id. Argon2id, argon2i and argon2d in the PHC format and bcrypt can be checked. A hash contains its own
//! cost parameters; hashes that cost too much are refused, so that an import cannot cause a denial of service.

use std::ops::RangeInclusive;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;

const PASSES: u32 = 2;
const LANES: u32 = 1;
/// Bytes of salt in a new hash.
const SALT_BYTES: usize = 16;
/// Bytes of a new hash.
const HASH_BYTES: usize = 32;
/// Largest memory of a stored hash, KiB.
const MEMORY_KIB_MAX: u32 = 262_144;
const LANES_MAX: u32 = 16;
/// Largest work of a stored hash: memory times passes, KiB. About half a second.
const WORK_KIB_MAX: u32 = 1_048_576;
/// A bcrypt hash of this cost takes about as long as argon2 with this work, KiB.
const BCRYPT_COST_ALIKE: u32 = 9;
const BCRYPT_WORK_KIB_ALIKE: u32 = HashCost::DEFAULT_MEMORY_KIB * PASSES;
/// Largest cost of a bcrypt hash. About a second.
const BCRYPT_COST_MAX: u32 = 14;
/// Longest salt or hash that is read, bytes.
const PART_BYTES_MAX: usize = 64;

/// Cost of a new hash: two passes over this much memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashCost {
    memory_kib: u32,
}

impl HashCost {
    /// OWASP's first choice for argon2id with two passes and one lane.
    pub const DEFAULT_MEMORY_KIB: u32 = 19_456;
    /// The least that argon2 can work with is 8 KiB; the most is what is accepted of a stored hash.
    pub const MEMORY_KIB: RangeInclusive<usize> = 8..=262_144;

    /// `memory_kib` must be within [`HashCost::MEMORY_KIB`], or hashing fails.
    pub const fn with_memory_kib(memory_kib: u32) -> Self {
        Self { memory_kib }
    }

    pub fn memory_kib(self) -> u32 {
        self.memory_kib
    }

    /// Memory in blocks of argon2, which have 1 KiB.
    pub fn memory_blocks(self) -> usize {
        usize::try_from(self.memory_kib).unwrap_or(usize::MAX)
    }

    /// Memory times passes, KiB.
    pub fn work_kib(self) -> u32 {
        self.memory_kib.saturating_mul(PASSES)
    }
}

/// A hash that can be checked.
pub enum StoredHash {
    Argon2 {
        argon2: Box<Argon2<'static>>,
        algorithm: Algorithm,
        version: Version,
        salt: Vec<u8>,
        hash: Vec<u8>,
    },
    /// The whole text, which the bcrypt crate reads itself.
    Bcrypt(String),
}

impl StoredHash {
    /// Parses a stored hash; `None` if its format is unknown or it costs too much.
    pub fn parse(text: &str) -> Option<Self> {
        match text.split('$').collect::<Vec<_>>().as_slice() {
            ["", "2a" | "2b" | "2x" | "2y", cost, rest] if rest.len() == 53 && rest.bytes().all(is_bcrypt_digit) => {
                (cost.parse::<u32>().ok()? <= BCRYPT_COST_MAX).then(|| Self::Bcrypt(text.to_owned()))
            }
            ["", name, version, params, salt, hash] => {
                Self::argon2(name, version.strip_prefix("v=")?, params, [salt, hash])
            }
            ["", name, params, salt, hash] => Self::argon2(name, "16", params, [salt, hash]),
            _ => None,
        }
    }

    fn argon2(name: &str, version: &str, params: &str, parts: [&&str; 2]) -> Option<Self> {
        let algorithm = match name {
            "argon2id" => Algorithm::Argon2id,
            "argon2i" => Algorithm::Argon2i,
            "argon2d" => Algorithm::Argon2d,
            _ => return None,
        };
        let version = Version::try_from(version.parse::<u32>().ok()?).ok()?;
        let [memory, passes, lanes] = cost(params)?;
        if memory > MEMORY_KIB_MAX || lanes > LANES_MAX || memory.saturating_mul(passes) > WORK_KIB_MAX {
            return None;
        }
        let [salt, hash] =
            parts.map(|part| BASE64_STANDARD_NO_PAD.decode(part).ok().filter(|p| p.len() <= PART_BYTES_MAX));
        let (salt, hash) = (salt?, hash?);
        let params = Params::new(memory, passes, lanes, Some(hash.len())).ok()?;
        let argon2 = Box::new(Argon2::new(algorithm, version, params));
        Some(Self::Argon2 { argon2, algorithm, version, salt, hash })
    }

    /// Whether this is the hash of the password. `memory` grows as needed.
    pub fn verify(&self, password: &str, memory: &mut Vec<Block>) -> bool {
        match self {
            Self::Argon2 { argon2, salt, hash, .. } => {
                let mut computed = vec![0; hash.len()];
                hash_into(argon2, password, salt, &mut computed, memory)
                    && verify_slices_are_equal(&computed, hash).is_ok()
            }
            // bcrypt cannot distinguish `pw` from `pw`, NUL, `pw`.
            Self::Bcrypt(text) => bcrypt::verify(password, text).unwrap_or(false) && !password.contains('\0'),
        }
    }

    /// Work by which checking is cheaper than for a new hash, in KiB for [`equalize_timing`].
    pub fn shortfall(&self, new: HashCost) -> u32 {
        let work = match self {
            Self::Argon2 { argon2, .. } => work_of(argon2.params()),
            Self::Bcrypt(text) => {
                let cost = bcrypt_cost(text).unwrap_or(0);
                if cost >= BCRYPT_COST_ALIKE {
                    BCRYPT_WORK_KIB_ALIKE.saturating_mul(1 << (cost - BCRYPT_COST_ALIKE).min(BCRYPT_COST_MAX))
                } else {
                    BCRYPT_WORK_KIB_ALIKE >> (BCRYPT_COST_ALIKE - cost)
                }
            }
        };
        new.work_kib().saturating_sub(work)
    }

    /// Whether the parameters differ from those of new hashes. More expensive hashes are replaced too at the next sign-in,
    /// because the time of an attempt reveals that there is an account.
    pub fn is_outdated(&self, new: HashCost) -> bool {
        let Self::Argon2 { argon2, algorithm, version, salt, hash } = self else { return true };
        let params = argon2.params();
        !matches!((algorithm, version), (Algorithm::Argon2id, Version::V0x13))
            || [params.m_cost(), params.t_cost(), params.p_cost()] != [new.memory_kib, PASSES, LANES]
            || (salt.len(), hash.len()) != (SALT_BYTES, HASH_BYTES)
    }
}

fn is_bcrypt_digit(digit: u8) -> bool {
    digit.is_ascii_alphanumeric() || matches!(digit, b'.' | b'/')
}

/// Memory times passes, KiB.
fn work_of(params: &Params) -> u32 {
    params.m_cost().saturating_mul(params.t_cost())
}

fn bcrypt_cost(text: &str) -> Option<u32> {
    text.split('$').nth(2)?.parse().ok()
}

fn cost(params: &str) -> Option<[u32; 3]> {
    let mut parts = params.split(',');
    let values = ["m=", "t=", "p="].map(|name| parts.next()?.strip_prefix(name)?.parse().ok());
    let [memory, passes, lanes] = values;
    parts.next().is_none().then_some([memory?, passes?, lanes?])
}

/// Computes a hash in reused memory; fresh pages would cost a third of the time. False if the parameters are invalid.
fn hash_into(argon2: &Argon2<'_>, password: &str, salt: &[u8], out: &mut [u8], memory: &mut Vec<Block>) -> bool {
    let blocks = argon2.params().block_count();
    if memory.len() < blocks {
        memory.resize(blocks, Block::new());
    }
    let Some(blocks) = memory.get_mut(..blocks) else { return false };
    argon2.hash_password_into_with_memory(password.as_bytes(), salt, out, blocks).is_ok()
}

/// Hashes a new password; `None` if the system's random generator fails.
pub fn hash(password: &str, cost: HashCost, memory: &mut Vec<Block>) -> Option<String> {
    let mut salt = [0; SALT_BYTES];
    aws_lc_rs::rand::fill(&mut salt).ok()?;
    let kib = cost.memory_kib;
    let params = Params::new(kib, PASSES, LANES, Some(HASH_BYTES)).ok()?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let mut out = [0; HASH_BYTES];
    hash_into(&argon2, password, &salt, &mut out, memory).then(|| {
        let [salt, out] = [&salt[..], &out[..]].map(|part| BASE64_STANDARD_NO_PAD.encode(part));
        format!("$argon2id$v=19$m={kib},t={PASSES},p={LANES}${salt}${out}")
    })
}

/// Does work in KiB of memory times passes and drops the result: an unknown address must take as long as a wrong password.
pub fn equalize_timing(work_kib: u32, memory: &mut Vec<Block>) {
    let Ok(params) = Params::new(work_kib / PASSES, PASSES, LANES, Some(HASH_BYTES)) else { return };
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    hash_into(&argon2, "", &[0; SALT_BYTES], &mut [0; HASH_BYTES], memory);
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULT: HashCost = HashCost::with_memory_kib(HashCost::DEFAULT_MEMORY_KIB);

    #[test]
    fn hashes_of_supertokens_verify() {
        let mut memory = Vec::new();
        for (password, text) in [
            ("testPass123", "$argon2id$v=19$m=16,t=2,p=1$VG1Oa1lMbzZLbzk5azQ2Qg$kjcNNtZ/b0t/8HgXUiQ76A"),
            ("testing123", "$argon2i$v=19$m=16,t=2,p=1$alJQU1VpOG9VWXlqV0dlYw$mThT4E5LULSyn/XhCZc9Hw"),
            ("testing123", "$argon2d$v=19$m=16,t=2,p=1$alJQU1VpOG9VWXlqV0dlYw$Ktlqf9xi1Toyx1XcbCwVUQ"),
            ("testPass123", "$2a$10$GzEm3vKoAqnJCTWesRARCe/ovjt/07qjvcH9jbLUg44Fn77gMZkmm"),
            ("testPass123", "$2x$05$vTNtOWhKVVLxCQDePmmsa.Loz9RuwwWajZtkchIVLIu4/.ncSTwfq"),
            ("testPass123", "$2y$10$lib5x4nbosKuK31FI8gG1OPVi/EuVHRVM7qmg1EiGADYYcIxTMJfa"),
        ] {
            let stored = StoredHash::parse(text).unwrap();
            assert!(stored.verify(password, &mut memory), "{text}");
            assert!(!stored.verify("testPass124", &mut memory), "{text}");
            assert!(stored.is_outdated(DEFAULT), "{text}");
        }
    }

    #[test]
    fn what_was_made_in_another_way_is_outdated() {
        let parts = "$VG1Oa1lMbzZLbzk5azQ2Qg$W2NsZWFyIG9mIGFueSBtZWFuaW5nXSB4eHh4eHh4eHg";
        let is_outdated = |start: &str| StoredHash::parse(&format!("{start}{parts}")).unwrap().is_outdated(DEFAULT);
        assert!(!is_outdated("$argon2id$v=19$m=19456,t=2,p=1"));
        for start in [
            "$argon2id$v=16$m=19456,t=2,p=1",
            "$argon2i$v=19$m=19456,t=2,p=1",
            "$argon2id$v=19$m=9728,t=4,p=1",
            "$argon2id$v=19$m=87795,t=1,p=2",
            "$argon2id$v=19$m=65536,t=3,p=4",
        ] {
            assert!(is_outdated(start), "{start}");
        }
    }

    #[test]
    fn our_own_verify_and_are_not_outdated() {
        let mut memory = Vec::new();
        let text = hash("correct horse 1", DEFAULT, &mut memory).unwrap();
        let stored = StoredHash::parse(&text).unwrap();
        assert!(stored.verify("correct horse 1", &mut memory) && !stored.verify("correct horse 2", &mut memory));
        assert!(!stored.is_outdated(DEFAULT));
        assert!(stored.is_outdated(HashCost::with_memory_kib(65_536)), "the setting was raised");
        assert_eq!(stored.shortfall(DEFAULT), 0);
    }

    #[test]
    fn what_is_cheaper_than_a_new_one_knows_by_how_much() {
        let rest = "$VG1Oa1lMbzZLbzk5azQ2Qg$kjcNNtZ/b0t/8HgXUiQ76A";
        let bcrypt = "$GzEm3vKoAqnJCTWesRARCe/ovjt/07qjvcH9jbLUg44Fn77gMZkmm";
        for (text, expected) in [
            (format!("$argon2id$v=19$m=19456,t=2,p=1{rest}"), 0),
            (format!("$argon2id$v=19$m=65536,t=3,p=4{rest}"), 0),
            (format!("$argon2id$v=19$m=19456,t=1,p=1{rest}"), 19_456),
            (format!("$argon2id$v=19$m=16,t=2,p=1{rest}"), 38_880),
            (format!("$2a$12{bcrypt}"), 0),
            (format!("$2a$09{bcrypt}"), 0),
            (format!("$2a$08{bcrypt}"), 19_456),
            (format!("$2a$04{bcrypt}"), 37_696),
        ] {
            assert_eq!(StoredHash::parse(&text).unwrap().shortfall(DEFAULT), expected, "{text}");
        }
    }

    /// S-P-33 in the table of `docs/threats.md`.
    #[test]
    fn a_nul_ends_no_password() {
        let stored = StoredHash::parse(&bcrypt::hash("pw", 4).unwrap()).unwrap();
        let mut memory = Vec::new();
        assert!(stored.verify("pw", &mut memory));
        assert!(!stored.verify("pw\0pw", &mut memory) && !stored.verify("pw\0", &mut memory));
    }

    #[test]
    fn what_costs_too_much_is_not_read() {
        for text in [
            "",
            "plain",
            "$argon2id$v=19$m=4194304,t=1,p=1$VG1Oa1lMbzZLbzk5azQ2Qg$kjcNNtZ/b0t/8HgXUiQ76A",
            "$argon2id$v=19$m=262144,t=5,p=1$VG1Oa1lMbzZLbzk5azQ2Qg$kjcNNtZ/b0t/8HgXUiQ76A",
            "$argon2id$v=19$m=65536,t=1,p=64$VG1Oa1lMbzZLbzk5azQ2Qg$kjcNNtZ/b0t/8HgXUiQ76A",
            "$argon2id$v=19$m=16,t=2$VG1Oa1lMbzZLbzk5azQ2Qg$kjcNNtZ/b0t/8HgXUiQ76A",
            "$argon2id$v=19$m=16,t=2,p=1,x=1$VG1Oa1lMbzZLbzk5azQ2Qg$kjcNNtZ/b0t/8HgXUiQ76A",
            "$2a$10$GzEm3vKoAqnJCTWesRARCe/ovjt/07qjvcH9jbLUg44Fn77gMZ\u{e9}m",
            "$2a$10$GzEm3vKoAqnJCTWesRARCe/ovjt/07qjvcH9jbLUg44Fn77gMZkm+",
            "$2a$15$GzEm3vKoAqnJCTWesRARCe/ovjt/07qjvcH9jbLUg44Fn77gMZkmm",
            "$f_scrypt$x$y$m=14$r=8$s=Bw==",
        ] {
            assert!(StoredHash::parse(text).is_none(), "{text}");
        }
    }
}
