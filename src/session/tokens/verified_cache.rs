//! Cache of the access tokens that this process has verified: checking a signature is most of the cost of a request.
//!
//! It is bounded and keyed by the whole text of the token. A token is removed when it expires, when its key is retired, or when
//! this process revokes its session; tokens of such a session are then refused at once, although their signatures are valid.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use quick_cache::sync::Cache;

use crate::clock::Timestamp;
use crate::session::rotation::Descent;
use crate::session::tokens::access_token::{Claims, Parent};
use crate::session::{Lineage, SessionHandle};

/// Number of revoked sessions from which on expired entries are removed at every insertion.
const ENDED_SESSIONS_SWEEP: usize = 1024;

/// The content of a verified access token.
#[derive(Debug)]
pub struct Verified {
    pub claims: Claims,
    pub descent: Descent,
    pub kid: String,
    /// The expiry of the token or of its key, whichever is earlier.
    pub usable_until: Timestamp,
}

impl Verified {
    /// `key_ends` is when the key that signed the claims stops to verify.
    pub fn new(claims: Claims, kid: &str, key_ends: Timestamp) -> Self {
        let lineage = Lineage::of_hash1(&claims.hash1);
        let parent = claims.parent.as_ref().map(Parent::lineage);
        let usable_until = claims.expiry().min(key_ends);
        Self { claims, descent: Descent { lineage, parent }, kid: kid.to_owned(), usable_until }
    }
}

pub struct VerifiedTokens {
    tokens: Cache<String, Arc<Verified>>,
    /// Sessions that this process revoked, with the latest expiry of their access tokens.
    revoked: RwLock<HashMap<SessionHandle, Timestamp>>,
}

impl VerifiedTokens {
    /// Holds at most `tokens_max` tokens.
    pub fn new(tokens_max: usize) -> Self {
        Self { tokens: Cache::new(tokens_max), revoked: RwLock::default() }
    }

    /// A cached token that is still valid.
    pub fn get(&self, token: &str, now: Timestamp) -> Option<Arc<Verified>> {
        let verified = self.tokens.get(token)?;
        if verified.usable_until >= now && verified.claims.is_current(now) {
            return Some(verified);
        }
        self.tokens.remove(token);
        None
    }

    pub fn insert(&self, token: String, verified: Arc<Verified>) {
        self.tokens.insert(token, verified);
    }

    /// Refuses the access tokens of these sessions from now on; `token_lifetime` is how long they can still be valid.
    pub fn revoke(&self, handles: &[SessionHandle], now: Timestamp, token_lifetime: Duration) {
        let mut ended = self.revoked.write().unwrap_or_else(PoisonError::into_inner);
        if ended.len() >= ENDED_SESSIONS_SWEEP {
            ended.retain(|_, until| *until >= now);
        }
        ended.extend(handles.iter().map(|handle| (handle.clone(), now.after(token_lifetime))));
        drop(ended);
        self.tokens.retain(|_, verified| !handles.contains(&verified.claims.handle));
    }

    /// Whether this process has revoked that session.
    pub fn is_revoked(&self, handle: &SessionHandle) -> bool {
        self.revoked.read().unwrap_or_else(PoisonError::into_inner).contains_key(handle)
    }
}
