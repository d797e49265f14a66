//! Refresh: exchanges tokens for new ones, completely or not at all.
//!
//! The token provider issues the child's token first, then one transaction checks that the session's rotation state has not
//! changed since the decision (and promotes the presented token if this is its first use), then the new tokens are sent. If
//! anything fails before the commit, or if the response is lost, the old tokens keep working.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::database::Attempt;
use crate::events::{EventKind, RevokeReason};
use crate::session::error::{REVOKED, SESSION_EXPIRED};
use crate::session::http::anti_csrf;
use crate::session::http::response_tokens::SessionTokens;
use crate::session::rotation::{Descent, RefreshDecision};
use crate::session::service::{Sessions, TokenFormat, UnsignedTokens};
use crate::session::settings::AntiCsrf;
use crate::session::store::{Promotion, Session};
use crate::session::tokens::access_token::Parent;
use crate::session::tokens::payload;
use crate::session::tokens::refresh_token::RefreshToken;
use crate::session::{Error, IssueError, Lineage, Version, rotation};

/// Attempts while other requests change the session at the same time.
const ATTEMPTS: usize = 8;
/// The same text for every token that is not authenticated, so that it reveals nothing about keys or sessions.
const NOT_OURS: &str = "malformed: the refresh token was not issued by this site";

/// The anti-CSRF token of a refresh, in mode [`AntiCsrf::ViaToken`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefreshAntiCsrf {
    /// The client must send the one of the refresh token; the new tokens get a new one.
    Checked(Option<String>),
    /// The client cannot send one; the new tokens get a new one nevertheless.
    Unchecked,
    /// Tokens that travel in headers need none.
    Unneeded,
}

/// A session, the lineage that was presented for it, and what follows from both.
#[derive(Clone, Copy)]
struct Judged<'a> {
    session: &'a Session,
    presented: &'a Lineage,
    decision: RefreshDecision,
}

impl Sessions {
    /// Exchanges a refresh token for new tokens.
    ///
    /// # Errors
    /// [`Error::Ended`], [`Error::Theft`] (the session has been ended), or a failure of SQL or of the token provider; then nothing
    /// happened.
    pub async fn refresh_with(&self, text: &str, anti_csrf: RefreshAntiCsrf) -> Result<SessionTokens, Error> {
        self.refresh_as(text, anti_csrf, Version::Five).await
    }

    pub(in crate::session) async fn refresh_as(
        &self,
        text: &str,
        anti_csrf: RefreshAntiCsrf,
        version: Version,
    ) -> Result<SessionTokens, Error> {
        let presented = self.read_refresh_token(text).await?;
        let mode = self.settings().anti_csrf();
        let with_anti_csrf = mode == AntiCsrf::ViaToken && anti_csrf != RefreshAntiCsrf::Unneeded;
        if let RefreshAntiCsrf::Checked(sent) = anti_csrf {
            anti_csrf::check_refresh_token(mode, presented.anti_csrf.as_deref(), sent.as_deref())?;
        }
        let format = TokenFormat { with_anti_csrf, version };
        let descent = Descent { lineage: presented.lineage(), parent: presented.parent.clone() };
        let mut child: Option<UnsignedTokens> = None;
        for _ in 0..ATTEMPTS {
            let now = self.now();
            let Some(session) = self.store().find(&presented.handle).await? else {
                return Err(Error::Ended(REVOKED));
            };
            // In tokens of version 2 the application's claims stand apart and cannot override the session's.
            if version == Version::Five && payload::is_protected(&session.payload) {
                return Err(Error::Ended("revoked: its payload holds a claim of the session's own"));
            }
            let decision = rotation::refresh(&descent, &session.rotation, self.settings().grace, now);
            let parent = match decision {
                RefreshDecision::IssueChild | RefreshDecision::Promote => Parent::Hash1(presented.hash1()),
                RefreshDecision::IssueSibling => Parent::Lineage(session.rotation.current.clone()),
                RefreshDecision::Expired => return Err(Error::Ended(SESSION_EXPIRED)),
                RefreshDecision::Theft if self.end_for_theft(&session).await? => {
                    return Err(Error::Theft { handle: session.handle, user: session.user });
                }
                RefreshDecision::Theft => continue,
            };
            let ready = match child.take() {
                Some(child) if child.parent.as_ref() == Some(&parent) => child,
                _ => self.prepare_child(&session, parent, format).await?,
            };
            let judged = Judged { session: &session, presented: &descent.lineage, decision };
            match self.confirm(judged, &ready).await {
                // Its token was cancelled, as it is when it waits for too long; the session may live all the same.
                Err(Error::RevokedMeanwhile) => {}
                Ok(None) => child = Some(ready),
                Ok(Some(issued)) => return Ok(issued),
                Err(error) => return Err(error),
            }
        }
        Err(Error::Contended)
    }

    /// Selects the one of several refresh tokens that is still valid. Texts that this site has not issued are ignored.
    ///
    /// # Errors
    /// [`Error::Ended`], also if they belong to two sessions, because which user is meant cannot be told; or a failure of SQL.
    pub(in crate::session) async fn choose_refresh_token(&self, texts: &[&str]) -> Result<String, Error> {
        let read = |text: &&str| self.keys().with_refresh_keys(|keys| RefreshToken::read(keys, text));
        let ours: Vec<RefreshToken> = texts.iter().filter_map(read).collect();
        let first = ours.first().ok_or(Error::Ended(NOT_OURS))?;
        if ours.iter().any(|token| token.handle != first.handle) {
            return Err(Error::Ended("malformed: the refresh tokens belong to two sessions"));
        }
        let Some(session) = self.store().find(&first.handle).await? else {
            return Err(Error::Ended(REVOKED));
        };
        let (grace, now) = (self.settings().grace, self.now());
        let serves = |token: &&RefreshToken| {
            let descent = Descent { lineage: token.lineage(), parent: token.parent.clone() };
            rotation::refresh(&descent, &session.rotation, grace, now) != RefreshDecision::Theft
        };
        Ok(ours.iter().find(serves).unwrap_or(first).expose().to_owned())
    }

    /// Decodes a refresh token. If no known key authenticates it, the keys are reloaded, because another process may have
    /// created a new one.
    async fn read_refresh_token(&self, text: &str) -> Result<RefreshToken, Error> {
        let read = || self.keys().with_refresh_keys(|keys| RefreshToken::read(keys, text));
        if let Some(token) = read() {
            return Ok(token);
        }
        self.keys().reload_if_due(self.now()).await?;
        read().ok_or(Error::Ended(NOT_OURS))
    }

    async fn prepare_child(
        &self,
        session: &Session,
        parent: Parent,
        format: TokenFormat,
    ) -> Result<UnsignedTokens, Error> {
        let refresh = self.issue_refresh_token(&session.handle, Some(&parent.lineage()), format.with_anti_csrf)?;
        let request = self.token_request(session, &refresh, self.now());
        let provider_token = match self.token_provider().issue(&request).await {
            Err(IssueError::Refused(why)) => {
                self.revoke(&session.handle, RevokeReason::AccountDeleted).await?;
                return Err(Error::Ended(why));
            }
            issued => issued?,
        };
        Ok(UnsignedTokens { refresh, parent: Some(parent), request, provider_token, version: format.version })
    }

    /// Commits the child; `None` if the rotation state is not that of `session` any more.
    async fn confirm(&self, judged: Judged<'_>, child: &UnsignedTokens) -> Result<Option<SessionTokens>, Error> {
        let Judged { session, decision, .. } = judged;
        let issued = self.sign_pair(session, child).await?;
        let stored = self.store().repeat(|attempt| self.store_child(attempt, judged, child)).await?;
        let Some(at) = stored else { return Ok(None) };
        if decision == RefreshDecision::Promote {
            self.announce_promotion(session, at);
        }
        self.publish(&session.user, &session.handle, EventKind::SessionRefreshed);
        self.token_provider().on_persisted(&child.request, &child.provider_token).await;
        Ok(Some(issued))
    }

    /// The transaction of [`Sessions::confirm`]. Returns the time that it stored; `None` if the rotation state has changed.
    async fn store_child(
        &self,
        attempt: Attempt,
        judged: Judged<'_>,
        child: &UnsignedTokens,
    ) -> Result<Option<Timestamp>, Error> {
        let Judged { session, presented, decision } = judged;
        let current = &session.rotation.current;
        let now = self.now();
        let mut transaction = attempt.begin().await?;
        let stands = if decision == RefreshDecision::Promote {
            let expires_at = self.next_expiry(session, now);
            let change = Promotion { handle: &session.handle, from: current, to: presented, at: now, expires_at };
            self.store().promote_in(&mut transaction, change).await?
        } else {
            self.store().confirm(&mut transaction, &session.handle, current, now).await?
        };
        if !stands {
            transaction.rollback().await?;
            return Ok(None);
        }
        self.persist_token(&mut transaction, child).await?;
        transaction.commit().await?;
        Ok(Some(now))
    }

    /// The new end of a session that is used now.
    pub(in crate::session) fn next_expiry(&self, session: &Session, now: Timestamp) -> Timestamp {
        now.after(self.unused_life(session.unused_life)).min(session.ends_at)
    }

    /// Lifetime without a refresh: the setting, or that of the session if it is shorter.
    pub(in crate::session) fn unused_life(&self, own: Option<Duration>) -> Duration {
        let set = self.settings().refresh_token_lifetime;
        own.map_or(set, |own| own.min(set))
    }

    /// Revokes a session of which a refresh token was used twice. False if the session has changed meanwhile, so that the
    /// decision must be repeated.
    async fn end_for_theft(&self, session: &Session) -> Result<bool, Error> {
        let ended = self.store().delete_if(&session.handle, &session.rotation.current).await?;
        if ended {
            tracing::warn!(session = %session.handle, user = %session.user, "refresh token used twice, session ended");
            let ended = [(session.handle.clone(), session.user.clone())];
            self.finish_revocation(&ended, RevokeReason::StolenRefreshToken).await;
        }
        Ok(ended)
    }
}
