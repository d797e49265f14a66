//! The ends of sessions that somebody asks for.
//!
//! Deleting a session's row is what ends it; everything else follows from that. What is begun here is carried through even
//! if the client goes away meanwhile.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::database::Attempt;
use crate::events::{EventKind, RevokeReason};
use crate::http::trace;
use crate::session::http::signed_in::SignedIn;
use crate::session::service::Sessions;
use crate::session::{Error, SessionHandle, UserId};

/// For sessions whenever they began.
const ANY_TIME: Timestamp = Timestamp::from_millis(i64::MAX);
/// When to try again to end what must be ended.
const AGAIN: Duration = Duration::from_secs(5);

/// Which sessions of a user a revocation ends.
#[derive(Clone, Debug)]
pub struct RevokedSessions {
    pub user: UserId,
    /// A session that stays.
    pub but: Option<SessionHandle>,
    /// Sessions that began later stay.
    pub begun_by: Timestamp,
}

impl Sessions {
    /// Ends a session. False: there was none.
    ///
    /// # Errors
    /// The database fails.
    pub async fn revoke(&self, handle: &SessionHandle, reason: RevokeReason) -> Result<bool, Error> {
        let (sessions, handle) = (self.clone(), handle.clone());
        let ended = trace::spawn(async move {
            let user = sessions.store().delete(&handle).await?;
            match &user {
                Some(user) => sessions.finish_revocation(&[(handle, user.clone())], reason).await,
                // Whoever deleted the row may not have come to delete the token.
                None => sessions.clean_up(std::slice::from_ref(&handle)).await,
            }
            Ok(user.is_some())
        });
        ended.await?
    }

    /// Ends a session of the person who asks. False: they have none of that name.
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

    /// Ends several sessions. Tells which of them there were.
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

    /// Ends all sessions of a user, those that are just beginning as well. Tells which.
    ///
    /// # Errors
    /// The database fails: nothing happened.
    pub async fn revoke_all(&self, user: &UserId, reason: RevokeReason) -> Result<Vec<SessionHandle>, Error> {
        let user = user.clone();
        self.revoke_of(RevokedSessions { user, but: None, begun_by: ANY_TIME }, reason).await
    }

    /// Ends all sessions of the person who asks, but the one they ask with. Tells which.
    ///
    /// # Errors
    /// The database fails: nothing happened.
    pub async fn revoke_others(&self, owner: &SignedIn, reason: RevokeReason) -> Result<Vec<SessionHandle>, Error> {
        let (user, but) = (owner.user().clone(), Some(owner.handle().clone()));
        self.revoke_of(RevokedSessions { user, but, begun_by: ANY_TIME }, reason).await
    }

    /// Ends all sessions of a user, but one where one is to be kept; where the database does not answer, in the background as
    /// soon as it does, but then not those that begin from now on. For whoever has just changed what the user is let in for: that
    /// is done, and this must follow.
    pub async fn revoke_at_last(&self, user: &UserId, but: Option<&SessionHandle>, reason: RevokeReason) {
        let changed_at = self.now();
        let revoked = RevokedSessions { user: user.clone(), but: but.cloned(), begun_by: ANY_TIME };
        let Err(error) = self.revoke_of(revoked.clone(), reason).await else { return };
        self.revoke_later(RevokedSessions { begun_by: changed_at, ..revoked }, reason, error);
    }

    /// The same for a change that was made at `revoked.begun_by` and is noticed only now.
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

    /// Deletes the rows of these sessions, and cancels those that are just being made.
    async fn delete_of_user(&self, attempt: Attempt, revoked: &RevokedSessions) -> Result<Vec<SessionHandle>, Error> {
        let mut transaction = attempt.begin().await?;
        let mut ended = self.store().delete_of_user(&mut transaction, revoked).await?;
        // A session that is just being made cannot be made any more from here on, or is there already: on a server it may have
        // come while this waited. Sessions first, as a refresh does it, so that none waits for the other.
        self.token_provider().cancel_pending(&mut transaction, revoked).await?;
        ended.extend(self.store().delete_of_user(&mut transaction, revoked).await?);
        transaction.commit().await?;
        Ok(ended)
    }

    /// After the rows of these sessions were deleted.
    pub(in crate::session) async fn finish_revocation(&self, ended: &[(SessionHandle, UserId)], reason: RevokeReason) {
        for (handle, user) in ended {
            self.publish(user, handle, EventKind::SessionEnded { reason });
        }
        let handles: Vec<SessionHandle> = ended.iter().map(|(handle, _)| handle.clone()).collect();
        self.clean_up(&handles).await;
    }

    /// Refuses the access tokens of these sessions in this process, and has what belonged to them deleted.
    async fn clean_up(&self, handles: &[SessionHandle]) {
        if !handles.is_empty() {
            self.verified().revoke(handles, self.now(), self.settings().access_token_lifetime);
            self.token_provider().on_revoked(handles).await;
        }
    }
}
