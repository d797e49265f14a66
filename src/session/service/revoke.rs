//! Revocation of sessions.
//!
//! Deleting a session's row revokes it; everything else follows from that. A revocation that was started is completed even if
//! the client disconnects.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::database::Attempt;
use crate::events::{EventKind, RevokeReason};
use crate::http::trace;
use crate::session::http::signed_in::SignedIn;
use crate::session::service::Sessions;
use crate::session::{Error, SessionHandle, UserId};

/// The bound that includes every session.
const ANY_TIME: Timestamp = Timestamp::from_millis(i64::MAX);
/// Pauses between attempts of [`Sessions::revoke_at_last`].
const AGAIN: Duration = Duration::from_secs(5);

/// The sessions that a revocation ends: all of a user, with two exceptions.
#[derive(Clone, Debug)]
pub struct RevokedSessions {
    pub user: UserId,
    /// A session that stays.
    pub but: Option<SessionHandle>,
    /// Sessions that began later stay.
    pub begun_by: Timestamp,
}

impl Sessions {
    /// Revokes a session. False if it does not exist.
    ///
    /// # Errors
    /// The database fails.
    pub async fn revoke(&self, handle: &SessionHandle, reason: RevokeReason) -> Result<bool, Error> {
        let (sessions, handle) = (self.clone(), handle.clone());
        let ended = trace::spawn(async move {
            let user = sessions.store().delete(&handle).await?;
            match &user {
                Some(user) => sessions.finish_revocation(&[(handle, user.clone())], reason).await,
                // The process that deleted the row may have stopped before it deleted the token.
                None => sessions.clean_up(std::slice::from_ref(&handle)).await,
            }
            Ok(user.is_some())
        });
        ended.await?
    }

    /// Revokes a session of the signed-in user. False if the user has no such session.
    ///
    /// # Errors
    /// The database fails.
    pub async fn revoke_own(&self, owner: &SignedIn, handle: &SessionHandle) -> Result<bool, Error> {
        let (sessions, user, handle) = (self.clone(), owner.user().clone(), handle.clone());
        let ended = trace::spawn(async move {
            let ended = sessions.store().delete_own(&user, &handle).await?;
            if ended {
                sessions.finish_revocation(&[(handle, user)], RevokeReason::EndedFromAnotherDevice).await;
            }
            Ok(ended)
        });
        ended.await?
    }

    /// Revokes several sessions. Returns those that existed.
    ///
    /// # Errors
    /// The database fails; some may have been ended.
    pub async fn revoke_multiple(
        &self,
        handles: &[SessionHandle],
        reason: RevokeReason,
    ) -> Result<Vec<SessionHandle>, Error> {
        let mut ended = Vec::new();
        for handle in handles {
            if self.revoke(handle, reason).await? {
                ended.push(handle.clone());
            }
        }
        Ok(ended)
    }

    /// Revokes all sessions of a user, including those that are being created. Returns the handles of those that existed.
    ///
    /// # Errors
    /// The database fails: nothing happened.
    pub async fn revoke_all(&self, user: &UserId, reason: RevokeReason) -> Result<Vec<SessionHandle>, Error> {
        let user = user.clone();
        self.revoke_of(RevokedSessions { user, but: None, begun_by: ANY_TIME }, reason).await
    }

    /// Revokes all sessions of the signed-in user except the one of this request. Returns their handles.
    ///
    /// # Errors
    /// The database fails: nothing happened.
    pub async fn revoke_others(&self, owner: &SignedIn, reason: RevokeReason) -> Result<Vec<SessionHandle>, Error> {
        let (user, but) = (owner.user().clone(), Some(owner.handle().clone()));
        self.revoke_of(RevokedSessions { user, but, begun_by: ANY_TIME }, reason).await
    }

    /// Revokes all sessions of a user except `but`, after a change that makes them invalid, such as a new password. If the
    /// database does not respond, this is repeated in the background until it succeeds, but only for sessions that began before
    /// the call.
    pub async fn revoke_at_last(&self, user: &UserId, but: Option<&SessionHandle>, reason: RevokeReason) {
        let changed_at = self.now();
        let revoked = RevokedSessions { user: user.clone(), but: but.cloned(), begun_by: ANY_TIME };
        let Err(error) = self.revoke_of(revoked.clone(), reason).await else { return };
        self.revoke_later(RevokedSessions { begun_by: changed_at, ..revoked }, reason, error);
    }

    /// Revokes these sessions after a change that was made at `revoked.begun_by` and is noticed only now; repeated like
    /// [`Sessions::revoke_at_last`].
    pub async fn revoke_after_change(&self, revoked: RevokedSessions, reason: RevokeReason) {
        let Err(error) = self.revoke_of(revoked.clone(), reason).await else { return };
        self.revoke_later(revoked, reason, error);
    }

    /// Tries in the background until the database answers.
    fn revoke_later(&self, revoked: RevokedSessions, reason: RevokeReason, mut error: Error) {
        let sessions = self.clone();
        trace::spawn(async move {
            loop {
                tracing::warn!(%error, "sessions that are over cannot be ended yet");
                sessions.clock().sleep(AGAIN).await;
                match sessions.revoke_of(revoked.clone(), reason).await {
                    Ok(_ended) => return,
                    Err(again) => error = again,
                }
            }
        });
    }

    async fn revoke_of(&self, revoked: RevokedSessions, reason: RevokeReason) -> Result<Vec<SessionHandle>, Error> {
        let sessions = self.clone();
        let ended = trace::spawn(async move {
            let ended = sessions.store().repeat(|attempt| sessions.delete_of_user(attempt, &revoked)).await?;
            let of_user: Vec<_> = ended.iter().map(|handle| (handle.clone(), revoked.user.clone())).collect();
            sessions.finish_revocation(&of_user, reason).await;
            Ok(ended)
        });
        ended.await?
    }

    /// Deletes the rows of these sessions, and cancels the tokens of sessions that are being created.
    async fn delete_of_user(&self, attempt: Attempt, revoked: &RevokedSessions) -> Result<Vec<SessionHandle>, Error> {
        let mut transaction = attempt.begin().await?;
        let mut ended = self.store().delete_of_user(&mut transaction, revoked).await?;
        // From here on, a session that is being created cannot be stored, or is stored already: on a database server it may
        // have been committed while this statement waited. Sessions are locked before tokens, as in a refresh, so that the two
        // cannot deadlock.
        self.token_provider().cancel_pending(&mut transaction, revoked).await?;
        ended.extend(self.store().delete_of_user(&mut transaction, revoked).await?);
        transaction.commit().await?;
        Ok(ended)
    }

    /// Completes the revocation after the rows were deleted.
    pub(in crate::session) async fn finish_revocation(&self, ended: &[(SessionHandle, UserId)], reason: RevokeReason) {
        for (handle, user) in ended {
            self.publish(user, handle, EventKind::SessionEnded { reason });
        }
        let handles: Vec<SessionHandle> = ended.iter().map(|(handle, _)| handle.clone()).collect();
        self.clean_up(&handles).await;
    }

    /// Makes this process refuse the access tokens of these sessions, and has their Fauna tokens deleted.
    async fn clean_up(&self, handles: &[SessionHandle]) {
        if !handles.is_empty() {
            self.verified().revoke(handles, self.now(), self.settings().access_token_lifetime);
            self.token_provider().on_revoked(handles).await;
        }
    }
}
