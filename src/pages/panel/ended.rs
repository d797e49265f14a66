//! What became of a session that has ended, and of its Fauna token, for whoever held it.
//!
//! A browser whose session is gone can still name it. Only sessions that a page was shown for are found again, by their
//! unguessable handle, and only while this process remembers them.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use fauna_client as fauna;
use fauna_client::{AsUser, fql};
use secrecy::ExposeSecret as _;
use serde::Serialize;

use crate::events::{Event, EventBus, EventKind, RevokeReason, fingerprint};
use crate::fauna_tokens::FaunaTokens;
use crate::pages::panel::Device;
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
    /// Address of the account, if it is one of the demo.
    demo_address: Option<String>,
}

/// A session that has ended.
#[derive(Debug)]
pub struct Ended {
    reason: RevokeReason,
    /// See [`crate::events::fingerprint`]; none where the token is not remembered.
    fingerprint: Option<String>,
    deletion: Deletion,
    /// Fingerprint of the token of whoever used a stolen refresh token, once it is deleted.
    attackers: Option<String>,
    /// Fauna's answer to a query with the token's secret, asked just now.
    probe: Option<Probe>,
}

/// Data for `templates/ended.html`, the notice about an ended session.
#[derive(Serialize)]
pub struct EndedNotice {
    pub sentence: String,
    /// Whether the session was ended by its own sign-out.
    pub was_asked_for: bool,
    pub fingerprint: Option<String>,
    /// Address to sign in again with, if the account is one of the demo.
    pub demo_address: Option<String>,
    /// Whether Fauna has refused a query with the token.
    pub was_refused: bool,
    /// `dead` where Fauna refuses the token, else `revoking`.
    pub state: &'static str,
}

/// State of the deletion of a token, as far as this process knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deletion {
    Pending,
    /// Time from the end of the session to Fauna's word that the token is gone; none where another process ended the session.
    Confirmed(Option<u64>),
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
        let before = known.iter().position(|known| known.handle == *session.handle());
        let demo_address = before.and_then(|index| known.remove(index)?.demo_address);
        let (handle, user) = (session.handle().clone(), session.user().clone());
        known.push_back(RememberedSession { handle, user, token, demo_address });
        if known.len() > SESSIONS_MAX {
            known.pop_front();
        }
    }

    /// Adds the address of a demo account to its remembered session.
    pub fn remember_demo_address(&self, session: &SignedIn, address: &str) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.iter_mut().find(|known| known.handle == *session.handle()) {
            known.demo_address = Some(address.to_owned());
        }
    }

    /// What became of another session of the user, which is called by the name of its device.
    pub fn sentence_about_device(&self, asking: &SignedIn, device: &Device) -> String {
        let events = self.events.history(asking.user().as_str(), 0);
        let after = deletions(&events, device.handle.as_str());
        let name = &device.name;
        let Some(delay) = after.iter().find_map(|deleted| deleted.delay_millis) else {
            return match after.first() {
                Some(_) => format!("{name} is signed out; its Fauna token was deleted."),
                None => format!("{name} is signed out; its Fauna token is being deleted."),
            };
        };
        let after: Vec<&str> = after.iter().filter_map(|deleted| deleted.fingerprint).collect();
        let tokens = match &after[..] {
            [single] => format!("token {single} was"),
            several => format!("tokens {} were", several.join(" and ")),
        };
        format!("{name} is signed out; its Fauna {tokens} deleted after {delay} ms.")
    }

    /// The events of the user of a remembered session, and that session's token.
    fn find(&self, handle: &str) -> Option<RememberedSession> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().find(|known| known.handle.as_str() == handle).cloned()
    }

    /// What became of a session; none where it goes on or is not remembered.
    pub async fn describe(&self, handle: &str) -> Option<EndedNotice> {
        let known = self.find(handle)?;
        let events = self.events.history(known.user.as_str(), 0);
        let of_session = || events.iter().rev().filter(|event| &*event.session == handle);
        let reason = of_session().find_map(|event| match event.kind {
            EventKind::SessionEnded { reason } => Some(reason),
            _ => None,
        })?;
        let deletions = deletions(&events, handle);
        let deletion = deletions.first().map_or(Deletion::Pending, |deleted| Deletion::Confirmed(deleted.delay_millis));
        let probe = match &known.token {
            Some(token) => Some(probe(token).await),
            None => None,
        };
        let fingerprint = known.token.as_ref().map(|token| fingerprint(token.secret().expose_secret()));
        let is_theft = reason == RevokeReason::StolenRefreshToken && fingerprint.is_some();
        let mut others = deletions.iter().filter_map(|deleted| deleted.fingerprint);
        let other = others.find(|other| is_theft && Some(*other) != fingerprint.as_deref());
        let ended = Ended { reason, attackers: other.map(str::to_owned), fingerprint, deletion, probe };
        Some(EndedNotice { demo_address: known.demo_address, ..ended.notice() })
    }
}

/// A deletion of a token of a session that has ended.
struct DeletedToken<'a> {
    fingerprint: Option<&'a str>,
    /// Time since the end of the session; none where another process ended it.
    delay_millis: Option<u64>,
}

/// The deletions after the end of a session, oldest first; empty where it goes on.
fn deletions<'a>(events: &'a [Event], handle: &str) -> Vec<DeletedToken<'a>> {
    let of_session = events.iter().filter(|event| &*event.session == handle);
    let since_end = of_session.skip_while(|event| !matches!(event.kind, EventKind::SessionEnded { .. }));
    let deletion = |event: &'a Event| match &event.kind {
        EventKind::TokenDeleted { fingerprint, delay_millis } => {
            Some(DeletedToken { fingerprint: fingerprint.as_deref(), delay_millis: *delay_millis })
        }
        _ => None,
    };
    since_end.filter_map(deletion).collect()
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
    fn notice(self) -> EndedNotice {
        EndedNotice {
            sentence: self.sentence(),
            was_asked_for: self.reason == RevokeReason::SignedOut,
            was_refused: self.probe == Some(Probe::Refused),
            state: if self.is_dead() { "dead" } else { "revoking" },
            fingerprint: self.fingerprint,
            demo_address: None,
        }
    }

    fn is_dead(&self) -> bool {
        match self.probe {
            Some(Probe::Refused) => true,
            Some(Probe::Accepted) => false,
            Some(Probe::Unanswered) | None => self.deletion != Deletion::Pending,
        }
    }

    /// A sentence for the user: the reason, and what became of the token.
    fn sentence(&self) -> String {
        let why = reason(self.reason);
        let deleted = match self.deletion {
            Deletion::Confirmed(Some(0)) => "was deleted in Fauna in less than a millisecond".to_owned(),
            Deletion::Confirmed(Some(millis)) => format!("was deleted in Fauna after {millis} ms"),
            Deletion::Confirmed(None) => "was deleted in Fauna".to_owned(),
            Deletion::Pending if self.is_dead() => "no longer works".to_owned(),
            Deletion::Pending => "is being deleted".to_owned(),
        };
        let probed = match self.probe {
            Some(Probe::Refused) => "; asked again with it just now: 401.",
            Some(Probe::Accepted) => "; asked again with it just now: still accepted.",
            Some(Probe::Unanswered) => "; Fauna does not answer right now.",
            None => ".",
        };
        let attackers = self.attackers.as_ref().map_or_else(String::new, |fingerprint| {
            format!(" The attacker's Fauna token {fingerprint} was deleted with it.")
        });
        format!("{why} The session's Fauna token {deleted}{probed}{attackers}")
    }
}

/// Why a session has ended, as a sentence to its user.
pub fn reason(reason: RevokeReason) -> &'static str {
    match reason {
        RevokeReason::SignedOut => "You are signed out.",
        RevokeReason::EndedFromAnotherDevice => "Your session was ended from another device.",
        RevokeReason::StolenRefreshToken => {
            "Your session was ended because a stolen refresh token was used: an old one came back after its replacement was in use."
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
        use Deletion::{Confirmed, Pending};
        use Probe::{Accepted, Refused, Unanswered};
        for (deletion, probe, state, rest) in [
            (
                Confirmed(Some(4)),
                Some(Refused),
                "dead",
                "was deleted in Fauna after 4 ms; asked again with it just now: 401.",
            ),
            (Confirmed(None), Some(Unanswered), "dead", "was deleted in Fauna; Fauna does not answer right now."),
            (Pending, Some(Refused), "dead", "no longer works; asked again with it just now: 401."),
            (Pending, Some(Accepted), "revoking", "is being deleted; asked again with it just now: still accepted."),
            (Pending, Some(Unanswered), "revoking", "is being deleted; Fauna does not answer right now."),
            (Pending, None, "revoking", "is being deleted."),
        ] {
            let ended = Ended { reason: RevokeReason::SignedOut, fingerprint: None, deletion, attackers: None, probe };
            let notice = ended.notice();
            assert_eq!(notice.sentence, format!("You are signed out. The session's Fauna token {rest}"));
            assert_eq!(notice.state, state, "{rest}");
        }
    }
}
