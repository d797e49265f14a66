//! What became of a session that has ended, and of its Fauna token, for whoever held it.
//!
//! A browser whose session is gone can still name it. Only sessions that a page was shown for are found again, by their
//! unguessable handle, and only while this process remembers them.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use fauna_client as fauna;
use fauna_client::{AsUser, fql};

use crate::events::{EventBus, EventKind, RevokeReason};
use crate::fauna_tokens::FaunaTokens;
use crate::session::{SessionHandle, SignedIn, UserId};

/// Sessions that are remembered; the one whose page was shown the longest ago gives way.
const SESSIONS_MAX: usize = 500;

/// Sessions that pages were shown for.
#[derive(Debug)]
pub struct EndedSessions {
    events: EventBus,
    /// Whether tokens are remembered with their sessions. In development only: their secrets stay in memory.
    keeps_tokens: bool,
    known: Mutex<VecDeque<RememberedSession>>,
}

#[derive(Clone, Debug)]
struct RememberedSession {
    handle: SessionHandle,
    user: UserId,
    token: Option<AsUser>,
}

/// A session that has ended.
#[derive(Debug)]
pub struct Ended {
    reason: RevokeReason,
    /// Time from the end of the session to Fauna's word that the token is gone; none where that is not known.
    delay_millis: Option<u64>,
    /// Fauna's answer to a query with the token's secret, asked just now.
    probe: Option<Probe>,
}

/// A query with the secret of a token whose session has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// Fauna answered 401: the token is gone.
    Refused,
    /// Fauna still takes the token.
    Accepted,
    Unanswered,
}

impl EndedSessions {
    pub fn new(events: EventBus, keeps_tokens: bool) -> Self {
        Self { events, keeps_tokens, known: Mutex::default() }
    }

    pub fn events(&self) -> &EventBus {
        &self.events
    }

    /// Remembers a session that a page is shown for, with its present token.
    pub async fn remember(&self, session: &SignedIn, tokens: &FaunaTokens) {
        let token = if self.keeps_tokens { tokens.user_client(session).await.ok() } else { None };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|known| known.handle != *session.handle());
        known.push_back(RememberedSession { handle: session.handle().clone(), user: session.user().clone(), token });
        if known.len() > SESSIONS_MAX {
            known.pop_front();
        }
    }

    /// The events of the user of a remembered session, and that session's token.
    fn find(&self, handle: &str) -> Option<RememberedSession> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().find(|known| known.handle.as_str() == handle).cloned()
    }

    /// What became of a session; none where it goes on or is not remembered.
    pub async fn describe(&self, handle: &str) -> Option<Ended> {
        let known = self.find(handle)?;
        let events = self.events.history(known.user.as_str(), 0);
        let of_session = || events.iter().rev().filter(|event| &*event.session == handle);
        let reason = of_session().find_map(|event| match event.kind {
            EventKind::SessionEnded { reason } => Some(reason),
            _ => None,
        })?;
        let delay_millis = of_session().find_map(|event| match event.kind {
            EventKind::TokenDeleted { delay_millis, .. } => delay_millis,
            _ => None,
        });
        let probe = match &known.token {
            Some(token) => Some(probe(token).await),
            None => None,
        };
        Some(Ended { reason, delay_millis, probe })
    }
}

/// Asks Fauna who the holder of a token is.
pub async fn probe(token: &AsUser) -> Probe {
    let started = Instant::now();
    let answer = token.query_idempotent::<serde_json::Value>(&fql::current_identity()).await;
    tracing::debug!(elapsed = ?started.elapsed(), "a token was probed after its session had ended");
    match answer {
        Err(fauna::Error::Unauthorized) => Probe::Refused,
        Ok(_) => Probe::Accepted,
        Err(_) => Probe::Unanswered,
    }
}

impl Ended {
    /// Whether the session was ended by its own sign-out.
    pub fn was_asked_for(&self) -> bool {
        self.reason == RevokeReason::SignedOut
    }

    /// A sentence for the user: the reason, and what became of the token.
    pub fn sentence(&self) -> String {
        let why = reason(self.reason);
        let deleted = match self.delay_millis {
            Some(0) => " Its Fauna token was deleted in less than a millisecond".to_owned(),
            Some(millis) => format!(" Its Fauna token was deleted in Fauna after {millis} ms"),
            None => " Its Fauna token no longer works".to_owned(),
        };
        let probed = match self.probe {
            Some(Probe::Refused) => "; asked again with it just now: 401.",
            Some(Probe::Accepted) => "; asked again with it just now: still accepted, the deletion is pending.",
            Some(Probe::Unanswered) => "; asked again with it just now: no answer.",
            None => ".",
        };
        format!("{why}{deleted}{probed}")
    }
}

/// Why a session has ended, as a sentence to its user.
pub fn reason(reason: RevokeReason) -> &'static str {
    match reason {
        RevokeReason::SignedOut => "You are signed out.",
        RevokeReason::EndedFromAnotherDevice => "Your session was ended from another device.",
        RevokeReason::StolenRefreshToken => {
            "Your session was ended because a stolen refresh token was used: a token came back after its successor."
        }
        RevokeReason::TooManySessions => "Your session was ended because you signed in on too many other devices.",
        RevokeReason::PasswordChanged => "Your session was ended because the password was changed.",
        RevokeReason::AccountDeleted => "The account is deleted, and all its sessions have ended.",
        RevokeReason::Expired => "Your session has expired.",
        RevokeReason::Administrator => "Your session was ended by an administrator.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signed_out_page_says_what_became_of_the_token() {
        let ended = |delay_millis, probe| Ended { reason: RevokeReason::SignedOut, delay_millis, probe }.sentence();
        assert_eq!(
            ended(Some(4), Some(Probe::Refused)),
            "You are signed out. Its Fauna token was deleted in Fauna after 4 ms; asked again with it just now: 401."
        );
        assert_eq!(ended(None, None), "You are signed out. Its Fauna token no longer works.");
    }
}
