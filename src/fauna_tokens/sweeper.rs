//! Deletes tokens in Fauna that are no longer live.
//!
//! A session's row decides: when it is deleted, by whatever means, its tokens are to be deleted. The request that revokes a
//! session does that at once ([`Sweeper::on_revoked`]). What it could not do – because it was interrupted, Fauna was down, or
//! the row was deleted by hand – is found in the ledger ([`Sweeper::sweep`]); tokens with our mark that are in no ledger are
//! found in Fauna ([`Sweeper::reconcile`]). Every step can be interrupted and repeated.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fauna_client::{AsApp, DocumentId};
use futures_util::future::try_join_all;
use serde::de::IgnoredAny;

use crate::clock::{Clock, Timestamp};
use crate::events::{EventBus, EventKind};
use crate::fauna_tokens::ledger::{BATCH, Ledger};
use crate::fauna_tokens::lifetime::{Action, Session, Token};
use crate::fauna_tokens::revocation_delay::RevocationDelays;
use crate::fauna_tokens::{Error, lifetime, store};
use crate::session::SessionHandle;

/// Most pages of tokens that one reconciliation reads.
const PAGES_MAX: usize = 200;
/// Most promotions that wait to be settled.
const PROMOTIONS_MAX: usize = 1000;

#[derive(Clone)]
pub struct Sweeper {
    /// Queries with the key of the application.
    pub fauna: AsApp,
    pub ledger: Ledger,
    /// Name of the users collection.
    pub users: String,
    pub clock: Clock,
    /// Period in which a superseded refresh token is still accepted; its Fauna token lives as long.
    pub grace: Duration,
    /// Longest time from a ledger row until Fauna has created its token; an unconfirmed row that is older was given up.
    pub issue_timeout: Duration,
    pub events: EventBus,
    pub delays: RevocationDelays,
    pub promotions: Promotions,
}

/// Promotions whose superseded tokens are still to be deleted, each with the end of its grace period. Clones share them.
///
/// Under load many sessions are promoted at the same time. One request deletes the tokens of all of them, with one query and
/// one transaction.
#[derive(Clone, Default)]
pub struct Promotions {
    waiting: Arc<Mutex<Vec<(SessionHandle, Timestamp)>>>,
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl Promotions {
    fn lock(&self) -> MutexGuard<'_, Vec<(SessionHandle, Timestamp)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a promotion. If there are too many, [`Sweeper::sweep`] finds the tokens.
    fn push(&self, handle: &SessionHandle, grace_until: Timestamp) {
        let mut waiting = self.lock();
        if waiting.len() < PROMOTIONS_MAX {
            waiting.push((handle.clone(), grace_until));
        }
    }
}

impl Sweeper {
    /// Deletes or blocks every token of the ledger that needs it.
    pub async fn sweep(&self) -> Result<(), Error> {
        let started = self.clock.now();
        loop {
            let now = self.clock.now();
            let candidates = self.ledger.deletion_candidates(now, self.grace, now.before(self.issue_timeout)).await?;
            let full = i64::try_from(candidates.len()).unwrap_or(BATCH) >= BATCH;
            let done = self.delete_or_block(candidates, now).await?;
            if !full || done == 0 {
                self.delays.cancel_before(started);
                return Ok(());
            }
        }
    }

    /// Deletes the tokens of sessions that have just been revoked.
    pub async fn on_revoked(&self, handles: &[SessionHandle]) -> Result<(), Error> {
        for handle in handles {
            self.delays.begin(handle.as_str(), self.clock.now());
        }
        for handle in handles {
            let tokens = self.ledger.of_session(handle).await?;
            self.delete_or_block(tokens, self.clock.now()).await?;
            self.delays.cancel(handle.as_str());
        }
        Ok(())
    }

    /// Deletes the tokens of a session that a promotion has superseded, together with those of other sessions that wait for the
    /// same.
    pub async fn on_promoted(&self, handle: &SessionHandle, grace_until: Timestamp) -> Result<(), Error> {
        self.promotions.push(handle, grace_until);
        let _turn = self.promotions.turn.lock().await;
        let waiting = std::mem::take(&mut *self.promotions.lock());
        let mut all = Vec::new();
        let found = try_join_all(waiting.iter().map(|(handle, _)| self.ledger.of_session(handle))).await?;
        for (tokens, (_, grace_until)) in found.into_iter().zip(waiting) {
            self.publish_in_grace(&tokens, grace_until);
            all.extend(tokens);
        }
        self.delete_or_block(all, self.clock.now()).await?;
        Ok(())
    }

    fn publish_in_grace(&self, tokens: &[(Token, Option<Session>)], until: Timestamp) {
        for (token, session) in tokens {
            let belongs_to = |lineage: &String| token.lineage == *lineage || token.parent.as_ref() == Some(lineage);
            let is_in_grace = session.as_ref().is_some_and(|session| {
                let previous = session.previous.as_ref();
                !belongs_to(&session.current) && previous.is_some_and(|(previous, _)| belongs_to(previous))
            });
            if let Some(fingerprint) = token.fingerprint.clone().filter(|_| is_in_grace) {
                let kind = EventKind::TokenInGrace { fingerprint, until };
                self.events.publish(&token.user, &token.handle, self.clock.now(), kind);
            }
        }
    }

    /// Deletes the oldest tokens of a session beyond `kept`.
    pub async fn delete_surplus(&self, handle: &SessionHandle, kept: usize) -> Result<(), Error> {
        let mut tokens = self.ledger.of_session(handle).await?;
        tokens.retain(|(token, _)| token.confirmed);
        if tokens.len() <= kept {
            return Ok(());
        }
        let Some(session) = tokens.iter().find_map(|(_, session)| session.clone()) else { return Ok(()) };
        let tokens = tokens.into_iter().map(|(token, _)| token).collect();
        let surplus = lifetime::surplus(tokens, &session.current, kept);
        let ids: Vec<DocumentId> = surplus.iter().map(|token| token.id.clone()).collect();
        self.delete(&ids).await?;
        let deleted: Vec<_> = surplus.into_iter().map(|token| (token, false)).collect();
        self.publish_deleted(&deleted);
        Ok(())
    }

    fn publish_deleted(&self, tokens: &[(Token, bool)]) {
        let now = self.clock.now();
        let mut delays = HashMap::new();
        for (token, is_over) in tokens {
            let delay = match (is_over, delays.get(&token.handle)) {
                (false, _) => None,
                (true, Some(known)) => *known,
                (true, None) => self.delays.finish(&token.handle, now),
            };
            if *is_over {
                delays.insert(token.handle.clone(), delay);
            }
            let delay_millis = delay.map(|delay| u64::try_from(delay.as_millis()).unwrap_or(u64::MAX));
            let kind = EventKind::TokenDeleted { fingerprint: token.fingerprint.clone(), delay_millis };
            self.events.publish(&token.user, &token.handle, now, kind);
        }
    }

    /// Deletes or blocks those of the tokens that are not live. Returns their number.
    async fn delete_or_block(&self, tokens: Vec<(Token, Option<Session>)>, now: Timestamp) -> Result<usize, Error> {
        let (mut dead, mut lost) = (Vec::new(), Vec::new());
        for (token, session) in tokens {
            let live = lifetime::is_live(token.descent(), session.as_ref(), self.grace, now);
            match lifetime::action(&token, live, self.issue_timeout, now) {
                Action::Keep => {}
                Action::Delete => dead.push((token, session.is_none())),
                Action::BlockId => lost.push(token),
            }
        }
        let ids: Vec<DocumentId> = dead.iter().map(|(token, _)| token.id.clone()).collect();
        self.delete(&ids).await?;
        self.publish_deleted(&dead);
        for token in &lost {
            self.block_id(token, now).await?;
        }
        Ok(dead.len() + lost.len())
    }

    /// Deletes tokens in Fauna, then their rows.
    pub async fn delete(&self, ids: &[DocumentId]) -> Result<(), Error> {
        if ids.is_empty() {
            return Ok(());
        }
        let _same: IgnoredAny = self.fauna.query_idempotent(&store::delete(ids)).await?;
        Ok(self.ledger.delete_rows(ids).await?)
    }

    /// Makes sure that a token whose creation was not confirmed does not exist and cannot be created any more.
    async fn block_id(&self, token: &Token, now: Timestamp) -> Result<(), Error> {
        if !self.ledger.block_unconfirmed(&token.id, now).await? {
            return Ok(());
        }
        let blocked = store::NewToken {
            users: &self.users,
            id: &token.id,
            user: &token.user,
            session: &token.handle,
            life: self.issue_timeout,
        };
        let _what: IgnoredAny = self.fauna.query_idempotent(&store::block_id(&blocked)).await?;
        Ok(self.ledger.delete_rows(std::slice::from_ref(&token.id)).await?)
    }

    /// Deletes tokens that have our mark and are in no ledger. Ages are compared on Fauna's own clock. Young tokens are left: a
    /// blocked id must stay taken until no late request can use it.
    pub async fn reconcile(&self) -> Result<(), Error> {
        let mut after = None;
        for _ in 0..PAGES_MAX {
            let marked: store::MarkedTokens =
                self.fauna.query_idempotent(&store::marked_tokens(after.as_ref())).await?;
            let issued_before = Timestamp::from_millis(marked.now.millis()).before(self.issue_timeout).millis();
            let mut orphans = Vec::new();
            for (made, token) in marked.page.data {
                if made.div_euclid(1000) < issued_before && !self.ledger.contains(&token.id).await? {
                    orphans.push(token.id);
                }
            }
            if !orphans.is_empty() {
                tracing::warn!(count = orphans.len(), "Fauna tokens that belong to no session are deleted");
                self.delete(&orphans).await?;
            }
            after = marked.page.after;
            if after.is_none() {
                break;
            }
        }
        Ok(())
    }
}
