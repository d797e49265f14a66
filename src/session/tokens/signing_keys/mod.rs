//! The keys that sign access tokens and authenticate refresh tokens.
//!
//! A dynamic key signs for one interval and verifies for two access token lifetimes longer. Its successor is published one overlap
//! before it starts to sign, so that other processes and readers of the JWKS know it in time. Processes on one database agree on
//! keys: a new key is inserted under a unique generation, and a process whose insert fails reads the other's key. Private keys are
//! encrypted in SQL, so a copy of the database cannot sign. Keys that were encrypted with a key that is not at hand are left aside;
//! [`KeyPolicy`] says what follows if that are all.

mod schedule;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use aws_lc_rs::rand;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::KeyPair as _;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{DecodingKey, EncodingKey};
use secrecy::ExposeSecret as _;
use serde::Serialize;

use crate::clock::Timestamp;
use crate::seal::SealRing;
use crate::session::identifiers::uuid_v4;
use crate::session::store::{KeyRow, Store};
use crate::session::tokens::refresh_token::RefreshKey;
use crate::session::{Error, KeyPolicy};
pub use schedule::Schedule;

/// Minimum time between two reloads that were caused by tokens with an unknown key.
const UNKNOWN_KID_PAUSE: Duration = Duration::from_secs(10);

pub struct SigningKey {
    /// The header field `kid` of tokens and the JWKS.
    pub kid: String,
    pub created_at: Timestamp,
    /// Tokens signed with it are refused from then on; for static keys the end of time.
    pub verifies_until: Timestamp,
    pub encoding: EncodingKey,
    pub decoding: DecodingKey,
    jwk: Jwk,
}

/// A public key as JSON (RFC 7517 and RFC 7518, section 6.2).
#[derive(Clone, Serialize, utoipa::ToSchema)]
pub struct Jwk {
    kty: &'static str,
    kid: String,
    crv: &'static str,
    x: String,
    y: String,
    alg: &'static str,
    #[serde(rename = "use")]
    usage: &'static str,
}

/// The use of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Signs access tokens, and is replaced after each interval.
    Dynamic,
    /// Signs access tokens, and is never replaced.
    Static,
    /// Authenticates refresh tokens, and is never replaced.
    Refresh,
}

impl Kind {
    /// The value in SQL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dynamic => "dynamic",
            Self::Static => "static",
            Self::Refresh => "refresh",
        }
    }
}

/// The ring that seals stored keys, and whether they may be written.
pub struct Sealing {
    pub ring: Arc<SealRing>,
    pub policy: KeyPolicy,
}

/// The keys in the database.
#[derive(Clone, Debug, Default)]
pub struct StoredKeys {
    /// Number of keys that were unsealed.
    pub opened: usize,
    /// `kid` of those that were sealed with a key that is not in the ring: what they signed is refused.
    pub unreadable: Vec<String>,
}

impl StoredKeys {
    pub fn none_opens(&self) -> bool {
        self.opened == 0 && !self.unreadable.is_empty()
    }
}

#[derive(Default)]
struct KeySet {
    dynamic: Vec<Arc<SigningKey>>,
    /// Static keys, newest first; an import may have added some.
    fixed: Vec<Arc<SigningKey>>,
    refresh: Vec<RefreshKey>,
    stored: StoredKeys,
    /// The newest generation of each kind, including keys that cannot be unsealed.
    generations: HashMap<String, i64>,
}

/// The keys of this process, reloaded from SQL when needed.
pub struct SigningKeys {
    store: Store,
    sealing: Sealing,
    schedule: Schedule,
    /// The kind that signs access tokens.
    signs: Kind,
    known: RwLock<Arc<KeySet>>,
    /// Keys of [`KeyPolicy::InMemory`], oldest first.
    in_memory: Mutex<Vec<KeyRow>>,
    /// The last reload that was caused by an unknown key.
    reloaded_at: Mutex<Option<Timestamp>>,
    /// Held during a reload, so that an older result cannot overwrite a newer one.
    reading: tokio::sync::Mutex<()>,
}

impl SigningKeys {
    /// Loads the keys and creates those that are missing.
    pub async fn open(
        store: Store,
        sealing: Sealing,
        schedule: Schedule,
        signs: Kind,
        now: Timestamp,
    ) -> Result<Self, Error> {
        let (known, in_memory) = (RwLock::default(), Mutex::default());
        let (reloaded_at, reading) = (Mutex::default(), tokio::sync::Mutex::default());
        let keys = Self { store, sealing, schedule, signs, known, in_memory, reloaded_at, reading };
        if keys.sealing.policy != KeyPolicy::InMemory {
            keys.seal_again().await?;
        }
        keys.reload().await?;
        let stored = keys.stored();
        if stored.none_opens() {
            let names = stored.unreadable.join(", ");
            match keys.sealing.policy {
                KeyPolicy::Create => {
                    tracing::warn!("SEAL_KEYS opens none of the stored keys ({names}): new ones sign everybody out");
                }
                KeyPolicy::CreateUnlessNoneOpens => return Err(Error::NoKeyOpens(names)),
                KeyPolicy::InMemory => {}
            }
        }
        if keys.key_set().refresh.is_empty() {
            keys.make(Kind::Refresh, now).await?;
        }
        keys.signing(now).await?;
        Ok(keys)
    }

    pub async fn signing(&self, now: Timestamp) -> Result<Arc<SigningKey>, Error> {
        self.signing_of(self.signs, now).await
    }

    /// The key of this kind that signs now; created if it is due.
    pub async fn signing_of(&self, kind: Kind, now: Timestamp) -> Result<Arc<SigningKey>, Error> {
        let missing = |keys: &KeySet| match kind {
            Kind::Dynamic => self.schedule.is_next_due(keys.newest(), now),
            Kind::Static | Kind::Refresh => keys.fixed.is_empty(),
        };
        if missing(&self.key_set()) {
            self.make(kind, now).await?;
        }
        let keys = self.key_set();
        let signing = match (kind, keys.dynamic.as_slice()) {
            (Kind::Dynamic, [newest, older, ..])
                if self.schedule.older_signs(newest.created_at, older.created_at, now) =>
            {
                Some(older)
            }
            (Kind::Dynamic, [newest, ..]) => Some(newest),
            (Kind::Dynamic, []) => None,
            (Kind::Static | Kind::Refresh, _) => keys.fixed.first(),
        };
        signing.map(Arc::clone).ok_or(Error::NoKey)
    }

    /// The key with this `kid`, if it still verifies. An unknown `kid` causes a reload, because another process may have created
    /// the key, but at most one per [`UNKNOWN_KID_PAUSE`].
    pub async fn verifying(&self, kid: &str, now: Timestamp) -> Result<Option<Arc<SigningKey>>, Error> {
        if let Some(key) = self.key_set().find(kid) {
            return Ok(Some(key).filter(|key| key.verifies_until >= now));
        }
        // When the next key is due in this process, it is due in all: this reads it, whichever process has created it.
        self.signing(now).await?;
        if self.key_set().find(kid).is_none() && self.may_reload(now) {
            self.reload().await?;
        }
        Ok(self.key_set().find(kid).filter(|key| key.verifies_until >= now))
    }

    /// Whether the key is of the kind that signs now; tokens of the other kind must be refreshed.
    pub fn is_current_kind(&self, kid: &str) -> bool {
        kid.starts_with(if self.signs == Kind::Dynamic { "d-" } else { "s-" })
    }

    /// Calls `then` with the keys of refresh tokens, newest first.
    pub fn with_refresh_keys<T>(&self, then: impl FnOnce(&[RefreshKey]) -> T) -> T {
        then(&self.key_set().refresh)
    }

    /// Reloads the keys, but at most once per [`UNKNOWN_KID_PAUSE`].
    pub async fn reload_if_due(&self, now: Timestamp) -> Result<(), Error> {
        if self.may_reload(now) { self.reload().await } else { Ok(()) }
    }

    /// All keys that still verify, newest first.
    pub async fn usable(&self, now: Timestamp) -> Result<Vec<Arc<SigningKey>>, Error> {
        self.signing(now).await?;
        let keys = self.key_set();
        let usable = keys.dynamic.iter().filter(|key| key.verifies_until >= now);
        Ok(usable.chain(&keys.fixed).map(Arc::clone).collect())
    }

    /// The public keys, and for how long no key will be added.
    pub async fn published(&self, now: Timestamp) -> Result<(Vec<Jwk>, Duration), Error> {
        let keys = self.usable(now).await?.iter().map(|key| key.jwk.clone()).collect();
        Ok((keys, self.schedule.complete_for(self.key_set().newest(), now)))
    }

    pub fn stored(&self) -> StoredKeys {
        self.key_set().stored.clone()
    }

    /// Deletes dynamic keys that no longer verify.
    pub async fn delete_expired(&self, now: Timestamp) -> Result<(), Error> {
        Ok(self.store.delete_keys(Kind::Dynamic.as_str(), self.schedule.expired_before(now)).await?)
    }

    fn key_set(&self) -> Arc<KeySet> {
        Arc::clone(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn may_reload(&self, now: Timestamp) -> bool {
        let mut reloaded_at = self.reloaded_at.lock().unwrap_or_else(PoisonError::into_inner);
        let may = reloaded_at.is_none_or(|at| at.after(UNKNOWN_KID_PAUSE) <= now || at > now);
        if may {
            *reloaded_at = Some(now);
        }
        may
    }

    async fn reload(&self) -> Result<(), Error> {
        let _reading = self.reading.lock().await;
        let mut set = KeySet::default();
        for row in self.in_memory.lock().unwrap_or_else(PoisonError::into_inner).iter().rev() {
            self.add(&mut set, row);
        }
        for row in self.store.keys().await? {
            if self.add(&mut set, &row) {
                set.stored.opened = set.stored.opened.saturating_add(1);
            } else {
                set.stored.unreadable.push(row.kid);
            }
        }
        self.warn_of_unreadable(&set.stored);
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(set);
        Ok(())
    }

    /// Adds a key to the set, and says whether it could be unsealed.
    fn add(&self, set: &mut KeySet, row: &KeyRow) -> bool {
        let newest = set.generations.entry(row.kind.clone()).or_insert(row.generation);
        *newest = row.generation.max(*newest);
        let Ok(secret) = self.sealing.ring.open(&row.sealed, &row.kid) else { return false };
        let bytes = URL_SAFE_NO_PAD.decode(secret.expose_secret()).unwrap_or_default();
        if row.kind == Kind::Refresh.as_str() {
            set.refresh.extend(RefreshKey::new(&bytes));
        } else if let Some(key) = self.signing_key(row, &bytes) {
            let is_dynamic = row.kind == Kind::Dynamic.as_str();
            if is_dynamic { set.dynamic.push(Arc::new(key)) } else { set.fixed.push(Arc::new(key)) }
        }
        true
    }

    /// Once for each key: keys are read several times, already at a start. Where none opens, [`SigningKeys::open`] says so.
    fn warn_of_unreadable(&self, read: &StoredKeys) {
        let known = self.stored();
        let new: Vec<&str> =
            read.unreadable.iter().filter(|kid| !known.unreadable.contains(kid)).map(String::as_str).collect();
        if !new.is_empty() && !read.none_opens() {
            let names = new.join(", ");
            tracing::warn!(
                "SEAL_KEYS does not open the stored keys {names}: they are left aside, `doctor` says what to do"
            );
        }
    }

    /// Seals with the newest key what an older one has sealed, because keys of refresh tokens are never replaced and the older key
    /// is dropped some day.
    async fn seal_again(&self) -> Result<(), Error> {
        for row in self.store.keys().await? {
            if self.sealing.ring.is_sealed_with_first(&row.sealed) {
                continue;
            }
            let Ok(secret) = self.sealing.ring.open(&row.sealed, &row.kid) else { continue };
            let sealed = self.sealing.ring.seal(secret.expose_secret(), &row.kid)?;
            self.store.replace_sealed_key(&row, &sealed).await?;
        }
        Ok(())
    }

    /// Creates the next key of a kind, unless another process is faster, and reloads.
    async fn make(&self, kind: Kind, now: Timestamp) -> Result<(), Error> {
        let generation = self.key_set().generations.get(kind.as_str()).copied().unwrap_or(0).saturating_add(1);
        let mut random = [0; 32];
        rand::fill(&mut random)?;
        let bytes = match kind {
            Kind::Dynamic | Kind::Static => {
                let pair = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())?;
                pair.as_ref().to_vec()
            }
            Kind::Refresh => random.to_vec(),
        };
        let (uuid, _) = random.split_first_chunk::<16>().ok_or(Error::NoKey)?;
        let name = match kind {
            Kind::Dynamic => format!("d-{}", now.millis()),
            Kind::Static => format!("s-{}", uuid_v4(*uuid)),
            Kind::Refresh => format!("r-{generation}"),
        };
        let sealed = self.sealing.ring.seal(&URL_SAFE_NO_PAD.encode(bytes), &name)?;
        let row = KeyRow { kid: name, kind: kind.as_str().to_owned(), generation, created_at: now, sealed };
        match self.sealing.policy {
            KeyPolicy::Create | KeyPolicy::CreateUnlessNoneOpens => self.store.insert_key(&row).await?,
            KeyPolicy::InMemory => self.in_memory.lock().unwrap_or_else(PoisonError::into_inner).push(row),
        }
        self.reload().await
    }

    /// `None` if the bytes are not a P-256 key in PKCS #8.
    fn signing_key(&self, row: &KeyRow, pkcs8: &[u8]) -> Option<SigningKey> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).ok()?;
        let point = pair.public_key().as_ref();
        let (x, y) = point.strip_prefix(&[4])?.split_at_checked(32)?;
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        let forever = Timestamp::from_millis(i64::MAX);
        let is_dynamic = row.kind == Kind::Dynamic.as_str();
        Some(SigningKey {
            kid: row.kid.clone(),
            created_at: row.created_at,
            verifies_until: if is_dynamic { self.schedule.verifies_until(row.created_at) } else { forever },
            encoding: EncodingKey::from_ec_der(pkcs8),
            decoding: DecodingKey::from_ec_components(&x, &y).ok()?,
            jwk: Jwk { kty: "EC", kid: row.kid.clone(), crv: "P-256", x, y, alg: "ES256", usage: "sig" },
        })
    }
}

impl KeySet {
    fn find(&self, kid: &str) -> Option<Arc<SigningKey>> {
        self.dynamic.iter().chain(&self.fixed).find(|key| key.kid == kid).map(Arc::clone)
    }

    fn newest(&self) -> Option<Timestamp> {
        self.dynamic.first().map(|key| key.created_at)
    }
}
