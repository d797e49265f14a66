//! Refresh: old tokens in, new ones out, in one step.
//!
//! The child's companion is minted first, then one transaction confirms that the session still stands where it was judged
//! (and promotes the presented token where that is its first use), then the tokens are handed out. If anything fails before
//! the commit the old tokens keep working; if the answer is lost they do, too.

use aws_lc_rs::constant_time::verify_slices_are_equal;

use crate::events::{EventKind, RevokeReason};
use crate::session::http::response_tokens::HandOut;
use crate::session::rotation::{Descent, Refresh};
use crate::session::service::{Sessions, Unsigned};
use crate::session::settings::AntiCsrf;
use crate::session::store::{Promotion, Session};
use crate::session::tokens::access_token::Parent;
use crate::session::tokens::payload;
use crate::session::tokens::refresh_token::RefreshToken;
use crate::session::{Error, IssueError, Lineage, Version, rotation};

/// How often others may change the session under our hands before we give up.
const ATTEMPTS: usize = 8;

/// What a refresh has to do with anti-CSRF tokens, where the mode is the one with tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefreshAntiCsrf {
    /// The header must say what the refresh token says; the new tokens get a new one.
    Checked(Option<String>),
    /// The request could send no header; the new tokens get a new one all the same.
    Unchecked,
    /// Tokens that travel in headers need none.
    Unneeded,
}

impl Sessions {
    /// Takes a refresh token.
    ///
    /// # Errors
    /// [`Error::Ended`], [`Error::Theft`] (the session has been ended), or what keeps us from answering; then nothing
    /// happened.
    pub async fn refresh_with(&self, text: &str, anti_csrf: RefreshAntiCsrf) -> Result<HandOut, Error> {
        self.refresh_as(text, anti_csrf, Version::Five).await
    }

    /// The same for an access token of another make.
    pub(in crate::session) async fn refresh_as(
        &self,
        text: &str,
        anti_csrf: RefreshAntiCsrf,
        version: Version,
    ) -> Result<HandOut, Error> {
        let presented = self.read_refresh(text).await?;
        let is_via_token = self.settings().anti_csrf() == AntiCsrf::ViaToken;
        let with_anti_csrf = is_via_token && anti_csrf != RefreshAntiCsrf::Unneeded;
        if let RefreshAntiCsrf::Checked(sent) = anti_csrf
            && let Some(expected) = presented.anti_csrf.as_deref().filter(|_| is_via_token)
            && verify_slices_are_equal(expected.as_bytes(), sent.unwrap_or_default().as_bytes()).is_err()
        {
            return Err(Error::Ended("the anti-CSRF token does not belong to the refresh token"));
        }
        let descent = Descent { lineage: presented.lineage(), parent: presented.parent.clone() };
        let mut child: Option<Unsigned> = None;
        for _ in 0..ATTEMPTS {
            let now = self.now();
            let Some(session) = self.store().find(&presented.handle).await? else {
                return Err(Error::Ended("there is no such session"));
            };
            // Of version 2 it stands apart and does no harm (session.md 1.1).
            if version == Version::Five && payload::is_protected(&session.payload) {
                return Err(Error::Ended("its payload holds a claim of the session's own"));
            }
            let decided = rotation::refresh(&descent, &session.position, self.settings().grace, now);
            let parent = match decided {
                Refresh::Mint | Refresh::Promote => Parent::Hash1(presented.hash1()),
                Refresh::Regrant => Parent::Lineage(session.position.current.clone()),
                Refresh::Expired => return Err(Error::Ended("the session has expired")),
                Refresh::Theft if self.end_for_theft(&session).await? => {
                    return Err(Error::Theft { handle: session.handle, user: session.user });
                }
                Refresh::Theft => continue,
            };
            let ready = match child.take() {
                Some(child) if child.parent.as_ref() == Some(&parent) => child,
                _ => self.prepare_child(&session, parent, (with_anti_csrf, version)).await?,
            };
            if let Some(issued) = self.confirm(&session, &descent.lineage, decided, &ready).await? {
                return Ok(issued);
            }
            child = Some(ready);
        }
        Err(Error::Contended)
    }

    /// Of several refresh tokens, the one that still serves. Foreign ones count for nothing; tokens of two sessions for none,
    /// because which person is meant cannot be told.
    ///
    /// # Errors
    /// [`Error::Ended`], or what keeps us from answering.
    pub async fn choose_refresh(&self, texts: &[&str]) -> Result<String, Error> {
        let read = |text: &&str| self.keys().with_refresh_keys(|keys| RefreshToken::read(keys, text));
        let ours: Vec<RefreshToken> = texts.iter().filter_map(read).collect();
        let first = ours.first().ok_or(Error::Ended("none of the refresh tokens is one of ours"))?;
        if ours.iter().any(|token| token.handle != first.handle) {
            return Err(Error::Ended("the refresh tokens belong to two sessions"));
        }
        let Some(session) = self.store().find(&first.handle).await? else {
            return Err(Error::Ended("there is no such session"));
        };
        let (grace, now) = (self.settings().grace, self.now());
        let serves = |token: &&RefreshToken| {
            let descent = Descent { lineage: token.lineage(), parent: token.parent.clone() };
            rotation::refresh(&descent, &session.position, grace, now) != Refresh::Theft
        };
        Ok(ours.iter().find(serves).unwrap_or(first).expose().to_owned())
    }

    /// Reads a refresh token. One that no known key has authenticated may be of a key that another process made.
    async fn read_refresh(&self, text: &str) -> Result<RefreshToken, Error> {
        let read = || self.keys().with_refresh_keys(|keys| RefreshToken::read(keys, text));
        if let Some(token) = read() {
            return Ok(token);
        }
        self.keys().ask_again(self.now()).await?;
        read().ok_or(Error::Ended("the refresh token is not one of ours"))
    }

    /// Makes the child and what is born with it.
    async fn prepare_child(
        &self,
        session: &Session,
        parent: Parent,
        (with_anti_csrf, version): (bool, Version),
    ) -> Result<Unsigned, Error> {
        let refresh = self.mint_refresh(&session.handle, Some(&parent.lineage()), with_anti_csrf)?;
        let request = self.request(session, &refresh, self.now());
        let minted = match self.token_provider().issue(&request).await {
            Err(IssueError::Refused(why)) => {
                self.revoke(&session.handle, RevokeReason::AccountDeleted).await?;
                return Err(Error::Ended(why));
            }
            minted => minted?,
        };
        Ok(Unsigned { refresh, parent: Some(parent), request, minted, version })
    }

    /// Makes the child good, if the session still stands where it was judged; nothing where it does not.
    async fn confirm(
        &self,
        session: &Session,
        presented: &Lineage,
        decided: Refresh,
        child: &Unsigned,
    ) -> Result<Option<HandOut>, Error> {
        let issued = self.sign_pair(session, child).await?;
        let current = &session.position.current;
        let now = self.now();
        let mut transaction = self.store().begin().await?;
        let stands = if decided == Refresh::Promote {
            let expires_at = now.after(self.settings().refresh_token_lifetime);
            let change = Promotion { handle: &session.handle, from: current, to: presented, at: now, expires_at };
            self.store().promote_in(&mut transaction, change).await?
        } else {
            self.store().confirm(&mut transaction, &session.handle, current, now).await?
        };
        if !stands {
            transaction.rollback().await?;
            return Ok(None);
        }
        self.token_provider().persist(&mut transaction, &child.request, &child.minted).await?;
        transaction.commit().await?;
        if decided == Refresh::Promote {
            self.announce_promotion(session, now);
        }
        self.publish(&session.user, &session.handle, EventKind::SessionRefreshed);
        self.token_provider().on_persisted(&child.request, &child.minted);
        Ok(Some(issued))
    }

    /// Ends a session because a token of it was used twice. False: it has moved on meanwhile; judge again.
    async fn end_for_theft(&self, session: &Session) -> Result<bool, Error> {
        let ended = self.store().delete_if(&session.handle, &session.position.current).await?;
        if ended {
            tracing::warn!(session = %session.handle, user = %session.user, "refresh token used twice, session ended");
            let ended = [(session.handle.clone(), session.user.clone())];
            self.has_ended(&ended, RevokeReason::StolenRefreshToken).await;
        }
        Ok(ended)
    }
}
