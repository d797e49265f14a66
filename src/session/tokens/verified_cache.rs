//! Access tokens that this process has verified, so that a signature costs once and not with every request (design D4).
//!
//! Bounded, keyed by the whole text of the token. A token leaves when it ends, when its key is retired, or when its session
//! is ended by this process; such a session's tokens are then refused here at once, although they are still well signed.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use quick_cache::sync::Cache;

use crate::clock::Timestamp;
use crate::session::rotation::Descent;
use crate::session::tokens::access_token::{Claims, Parent};
use crate::session::{Lineage, SessionHandle};

/// Ended sessions are looked through for old ones when there are this many.
const ENDED_SESSIONS_SWEEP: usize = 1024;

/// What a verified access token says.
#[derive(Debug)]
pub struct Verified {
    /// All of it.
    pub claims: Claims,
    /// Where its refresh token stands.
    pub descent: Descent,
    /// The key that signed it.
    pub kid: String,
    /// When it or its key ends, whichever is first.
    pub usable_until: Timestamp,
}

impl Verified {
    /// From claims that a key has signed which verifies until `key_ends`.
    pub fn new(claims: Claims, kid: &str, key_ends: Timestamp) -> Self {
        let lineage = Lineage::of_hash1(&claims.hash1);
        let parent = claims.parent.as_ref().map(Parent::lineage);
        let usable_until = claims.expiry().min(key_ends);
        Self { claims, descent: Descent { lineage, parent }, kid: kid.to_owned(), usable_until }
    }
}

/// The tokens that are remembered.
pub struct VerifiedTokens {
    /// By their text.
    tokens: Cache<String, Arc<Verified>>,
    /// Sessions that this process has ended, and until when one of their tokens could come back.
    ended: RwLock<HashMap<SessionHandle, Timestamp>>,
}

impl VerifiedTokens {
    /// Remembers up to `tokens_max`.
    pub fn new(tokens_max: usize) -> Self {
        Self { tokens: Cache::new(tokens_max), ended: RwLock::default() }
    }

    /// A token that was verified before and still holds.
    pub fn get(&self, token: &str, now: Timestamp) -> Option<Arc<Verified>> {
        let verified = self.tokens.get(token)?;
        if verified.usable_until >= now && verified.claims.is_current(now) {
            return Some(verified);
        }
        self.tokens.remove(token);
        None
    }

    /// Remembers a token.
    pub fn insert(&self, token: String, verified: Arc<Verified>) {
        self.tokens.insert(token, verified);
    }

    /// Refuses the tokens of these sessions from now on, and for as long as they live at most.
    pub fn end(&self, handles: &[SessionHandle], now: Timestamp, token_lifetime: Duration) {
        let mut ended = self.ended.write().unwrap_or_else(PoisonError::into_inner);
        if ended.len() >= ENDED_SESSIONS_SWEEP {
            ended.retain(|_, until| *until >= now);
        }
        ended.extend(handles.iter().map(|handle| (handle.clone(), now.after(token_lifetime))));
        drop(ended);
        self.tokens.retain(|_, verified| !handles.contains(&verified.claims.handle));
    }

    /// Whether this process has ended that session.
    pub fn has_ended(&self, handle: &SessionHandle) -> bool {
        self.ended.read().unwrap_or_else(PoisonError::into_inner).contains_key(handle)
    }
}
