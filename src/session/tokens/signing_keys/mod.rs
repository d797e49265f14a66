//! The keys that sign access tokens and authenticate refresh tokens.
//!
//! A dynamic key signs for an interval and verifies for two lives of an access token longer. Its successor is published one
//! overlap before it signs, so that other processes and readers of the JWKS know it in time (session.md 1.2). All
//! processes on one database agree: the next key is inserted under a unique generation, and who comes second reads it.
//! Private keys are stored sealed: a copy of the database signs nothing.

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
use crate::session::Error;
use crate::session::identifiers::uuid_v4;
use crate::session::store::{KeyRow, Store};
use crate::session::tokens::refresh_token::RefreshKey;
pub use schedule::Schedule;

/// How often a token that names an unknown key may make us ask the database again.
const UNKNOWN_KID_PAUSE: Duration = Duration::from_secs(10);

/// A key pair for access tokens.
pub struct SigningKey {
    /// Its name in tokens and in the JWKS.
    pub kid: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops to verify; static keys do not.
    pub verifies_until: Timestamp,
    /// The private half.
    pub encoding: EncodingKey,
    /// The public half.
    pub decoding: DecodingKey,
    /// The public half as others read it.
    jwk: Jwk,
}

/// A public key (RFC 7517, RFC 7518 6.2).
#[derive(Clone, Serialize)]
pub struct Jwk {
    /// Always `EC`.
    kty: &'static str,
    /// Its name.
    kid: String,
    /// Always `P-256`.
    crv: &'static str,
    /// Coordinate, base64url.
    x: String,
    /// Coordinate, base64url.
    y: String,
    /// Always `ES256`.
    alg: &'static str,
    /// Always `sig`.
    #[serde(rename = "use")]
    usage: &'static str,
}

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Signs access tokens, and is replaced.
    Dynamic,
    /// Signs access tokens, and is not.
    Static,
    /// Authenticates refresh tokens.
    Refresh,
}

impl Kind {
    /// As it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dynamic => "dynamic",
            Self::Static => "static",
            Self::Refresh => "refresh",
        }
    }
}

/// All keys that this process knows.
#[derive(Default)]
struct KeySet {
    /// Newest first.
    dynamic: Vec<Arc<SigningKey>>,
    /// Those that are not replaced, newest first; imports may have left several.
    fixed: Vec<Arc<SigningKey>>,
    /// Newest first.
    refresh: Vec<RefreshKey>,
    /// The newest generation of each kind, those that we cannot open included.
    generations: HashMap<String, i64>,
}

/// The keys, kept up to date.
pub struct SigningKeys {
    /// Where they are.
    store: Store,
    /// Opens them.
    seal: Arc<SealRing>,
    /// When they are made and forgotten.
    schedule: Schedule,
    /// Which kind signs access tokens.
    signs: Kind,
    /// As of the last time we asked.
    known: RwLock<Arc<KeySet>>,
    /// When an unknown name last made us ask.
    asked_at: Mutex<Option<Timestamp>>,
    /// Held while the keys are read, so that what was read earlier is not noted later.
    reading: tokio::sync::Mutex<()>,
}

impl SigningKeys {
    /// Reads the keys, and makes those that are missing.
    pub async fn open(
        store: Store,
        seal: Arc<SealRing>,
        schedule: Schedule,
        signs: Kind,
        now: Timestamp,
    ) -> Result<Self, Error> {
        let known = RwLock::default();
        let (asked_at, reading) = (Mutex::default(), tokio::sync::Mutex::default());
        let keys = Self { store, seal, schedule, signs, known, asked_at, reading };
        keys.reload().await?;
        if keys.known().refresh.is_empty() {
            keys.make(Kind::Refresh, now).await?;
        }
        keys.signing(now).await?;
        Ok(keys)
    }

    /// The key that signs access tokens now.
    pub async fn signing(&self, now: Timestamp) -> Result<Arc<SigningKey>, Error> {
        self.signing_of(self.signs, now).await
    }

    /// The key of that kind that signs now.
    pub async fn signing_of(&self, kind: Kind, now: Timestamp) -> Result<Arc<SigningKey>, Error> {
        let missing = |known: &KeySet| match kind {
            Kind::Dynamic => self.schedule.wants_next(known.newest(), now),
            Kind::Static | Kind::Refresh => known.fixed.is_empty(),
        };
        if missing(&self.known()) {
            self.make(kind, now).await?;
        }
        let known = self.known();
        let signing = match (kind, known.dynamic.as_slice()) {
            (Kind::Dynamic, [newest, older, ..])
                if self.schedule.older_signs(newest.created_at, older.created_at, now) =>
            {
                Some(older)
            }
            (Kind::Dynamic, [newest, ..]) => Some(newest),
            (Kind::Dynamic, []) => None,
            (Kind::Static | Kind::Refresh, _) => known.fixed.first(),
        };
        signing.map(Arc::clone).ok_or(Error::NoKey)
    }

    /// The key of that name, if it may still verify. A name that is not known makes us ask the database, now and then:
    /// another process may have made a key.
    pub async fn verifying(&self, kid: &str, now: Timestamp) -> Result<Option<Arc<SigningKey>>, Error> {
        if let Some(key) = self.known().find(kid) {
            return Ok(Some(key).filter(|key| key.verifies_until >= now));
        }
        // When the next key is due here it is due everywhere: whoever made it first, we know it then.
        self.signing(now).await?;
        if self.known().find(kid).is_none() && self.may_ask(now) {
            self.reload().await?;
        }
        Ok(self.known().find(kid).filter(|key| key.verifies_until >= now))
    }

    /// Whether tokens signed by this key are of the kind that we sign now; others are renewed by a refresh.
    pub fn is_of_our_kind(&self, kid: &str) -> bool {
        kid.starts_with(if self.signs == Kind::Dynamic { "d-" } else { "s-" })
    }

    /// Does something with the keys of refresh tokens, newest first.
    pub fn with_refresh_keys<T>(&self, then: impl FnOnce(&[RefreshKey]) -> T) -> T {
        then(&self.known().refresh)
    }

    /// Asks the database again, if nobody did for this reason a moment ago.
    pub async fn ask_again(&self, now: Timestamp) -> Result<(), Error> {
        if self.may_ask(now) { self.reload().await } else { Ok(()) }
    }

    /// All keys that may still verify, newest first.
    pub async fn usable(&self, now: Timestamp) -> Result<Vec<Arc<SigningKey>>, Error> {
        self.signing(now).await?;
        let known = self.known();
        let usable = known.dynamic.iter().filter(|key| key.verifies_until >= now);
        Ok(usable.chain(&known.fixed).map(Arc::clone).collect())
    }

    /// What others verify with, and for how long the list is complete.
    pub async fn published(&self, now: Timestamp) -> Result<(Vec<Jwk>, Duration), Error> {
        let keys = self.usable(now).await?.iter().map(|key| key.jwk.clone()).collect();
        Ok((keys, self.schedule.complete_for(self.known().newest(), now)))
    }

    /// Deletes dynamic keys that verify nothing any more.
    pub async fn forget(&self, now: Timestamp) -> Result<(), Error> {
        Ok(self.store.delete_keys(Kind::Dynamic.as_str(), self.schedule.forgotten_before(now)).await?)
    }

    /// The keys as of now.
    fn known(&self) -> Arc<KeySet> {
        Arc::clone(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// At most once a pause.
    fn may_ask(&self, now: Timestamp) -> bool {
        let mut asked_at = self.asked_at.lock().unwrap_or_else(PoisonError::into_inner);
        let may = asked_at.is_none_or(|at| at.after(UNKNOWN_KID_PAUSE) <= now || at > now);
        if may {
            *asked_at = Some(now);
        }
        may
    }

    /// Reads all keys.
    async fn reload(&self) -> Result<(), Error> {
        let _reading = self.reading.lock().await;
        let mut set = KeySet::default();
        for row in self.store.keys().await? {
            let newest = set.generations.entry(row.kind.clone()).or_insert(row.generation);
            *newest = row.generation.max(*newest);
            let Ok(secret) = self.seal.open(&row.sealed, &row.kid) else {
                tracing::warn!(kid = row.kid, "a session key was sealed with a key we do not have; it is left aside");
                continue;
            };
            let bytes = URL_SAFE_NO_PAD.decode(secret.expose_secret()).unwrap_or_default();
            if row.kind == Kind::Refresh.as_str() {
                set.refresh.extend(RefreshKey::new(&bytes));
            } else if let Some(key) = self.signing_key(&row, &bytes) {
                let is_dynamic = row.kind == Kind::Dynamic.as_str();
                if is_dynamic { set.dynamic.push(Arc::new(key)) } else { set.fixed.push(Arc::new(key)) }
            }
        }
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(set);
        Ok(())
    }

    /// Makes the next key of a kind, unless another process was faster, and reads what there is then.
    async fn make(&self, kind: Kind, now: Timestamp) -> Result<(), Error> {
        let generation = self.known().generations.get(kind.as_str()).copied().unwrap_or(0).saturating_add(1);
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
        let sealed = self.seal.seal(&URL_SAFE_NO_PAD.encode(bytes), &name)?;
        let row = KeyRow { kid: name, kind: kind.as_str().to_owned(), generation, created_at: now, sealed };
        self.store.insert_key(&row).await?;
        self.reload().await
    }

    /// Both halves of a key, from its private half.
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
    /// The key of that name.
    fn find(&self, kid: &str) -> Option<Arc<SigningKey>> {
        self.dynamic.iter().chain(&self.fixed).find(|key| key.kid == kid).map(Arc::clone)
    }

    /// When the newest dynamic key was made.
    fn newest(&self) -> Option<Timestamp> {
        self.dynamic.first().map(|key| key.created_at)
    }
}
