//! The timeline of a user's sessions: events as sentences, each with the exchange it stands for and the source file of the step.

use std::borrow::Cow;

use serde::Serialize;

use crate::clock::Timestamp;
use crate::events::{Event, EventKind, RevokeReason};
use crate::pages::display_time::DisplayTime;

/// Characters of a session handle that are shown.
const HANDLE_CHARS: usize = 8;

/// Exchange of a refresh, and of the first use of its tokens.
const REFRESH: &str = "POST /auth/session/refresh";
const PROMOTE: &str = "update session set current_lineage = … where current_lineage = …";

/// An event as it is shown, in pages and in the event stream.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The `id` of the server-sent event.
    pub id: u64,
    pub at: Timestamp,
    #[serde(flatten)]
    pub event: EventKind,
    /// First characters of the session's handle.
    pub session: String,
    /// Whether it happened to the session that asks.
    pub current: bool,
    pub text: String,
    /// `live`, `grace`, `wrong`, or empty.
    pub tone: &'static str,
    /// One line for the exchange: FQL with its values masked, SQL, or a request.
    pub exchange: String,
    /// Status and duration, where there was an answer.
    pub outcome: String,
    /// Path of the source file of this step; of a query with the line that has built it.
    pub source: String,
    /// Whether timelines leave it out: another entry tells it, or a page has read what it shows.
    pub background: bool,
}

impl Entry {
    /// For the session with this handle.
    pub fn new(event: &Event, current: &str) -> Self {
        let Step { text, tone, exchange, outcome, source, background } = Step::of(&event.kind, event.at);
        Self {
            id: event.id,
            at: event.at,
            event: event.kind.clone(),
            session: short(&event.session),
            current: &*event.session == current,
            text,
            tone,
            exchange,
            outcome,
            source: source.into_owned(),
            background,
        }
    }

    /// The same with at most so many characters of the exchange.
    pub fn cut(mut self, chars: usize) -> Self {
        if let Some((end, _)) = self.exchange.char_indices().nth(chars) {
            self.exchange.truncate(end);
            self.exchange.push('…');
        }
        self
    }

    pub fn time(&self) -> DisplayTime {
        self.at.into()
    }
}

/// The first characters of a session handle.
pub fn short(handle: &str) -> String {
    handle.chars().take(HANDLE_CHARS).collect()
}

struct Step {
    text: String,
    tone: &'static str,
    exchange: String,
    outcome: String,
    source: Cow<'static, str>,
    background: bool,
}

impl Step {
    fn new(
        text: impl Into<String>,
        tone: &'static str,
        exchange: impl Into<String>,
        source: impl Into<Cow<'static, str>>,
    ) -> Self {
        let (text, exchange, source) = (text.into(), exchange.into(), source.into());
        Self { text, tone, exchange, outcome: String::new(), source, background: false }
    }

    fn in_background(self) -> Self {
        Self { background: true, ..self }
    }

    fn of(kind: &EventKind, at: Timestamp) -> Self {
        match kind {
            EventKind::SessionCreated { .. } => Self::new(
                "Session created",
                "live",
                "insert into session (handle, user_id, …)",
                "src/session/service/create.rs",
            ),
            EventKind::SessionRefreshed => Self::new(
                "Refreshed: new access and refresh tokens issued",
                "",
                REFRESH,
                "src/session/service/refresh.rs",
            )
            .in_background(),
            EventKind::SessionPromoted { .. } => Self::new(
                "The new tokens are in use; the previous ones are superseded",
                "",
                PROMOTE,
                "src/session/service/verify.rs",
            )
            .in_background(),
            EventKind::SessionEnded { reason } => Self::new(
                format!("Session ended: {}", revoke_reason(*reason)),
                "wrong",
                "delete from session where handle = …",
                "src/session/service/revoke.rs",
            ),
            token => Self::of_token(token, at),
        }
    }

    fn of_token(kind: &EventKind, at: Timestamp) -> Self {
        match kind {
            EventKind::TokenIssued { fingerprint, at_refresh: true, .. } => Self::new(
                format!("Refreshed: new access and refresh tokens, Fauna token {fingerprint} issued"),
                "live",
                REFRESH,
                "src/session/service/refresh.rs",
            ),
            EventKind::TokenIssued { fingerprint, .. } => Self::new(
                format!("Fauna token {fingerprint} issued"),
                "live",
                "Create(Tokens(), { instance: Ref(Collection(\"users\"), •), ttl: • })",
                "src/fauna_tokens/store.rs",
            ),
            EventKind::TokenUsed { fingerprint, query, built_at, status, duration_micros } => {
                let Action { done, attempted, is_read } = action(query);
                let background = is_read && matches!(status, Some(200..300));
                let (text, tone) = match status {
                    Some(200..300) => (format!("{done} with token {fingerprint}"), ""),
                    Some(status @ (400 | 401 | 403)) => {
                        (format!("{attempted} with token {fingerprint}: refused by Fauna, {status}"), "wrong")
                    }
                    Some(status) => (format!("{attempted} with token {fingerprint}: Fauna answered {status}"), "wrong"),
                    None => (format!("{attempted} with token {fingerprint}: Fauna did not answer"), "wrong"),
                };
                let status = status.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
                let outcome = format!("{status} after {}", millis(*duration_micros));
                Self { outcome, background, ..Self::new(text, tone, query.clone(), built_at.clone()) }
            }
            EventKind::TokenInGrace { fingerprint, until } => Self::new(
                format!(
                    "The new tokens are in use; Fauna token {fingerprint} in grace for {} s",
                    at.until(*until).as_secs_f64().ceil()
                ),
                "grace",
                PROMOTE,
                "src/session/service/verify.rs",
            ),
            EventKind::TokenDeleted { fingerprint, delay_millis } => {
                let name = fingerprint.as_deref().map_or_else(String::new, |fingerprint| format!(" {fingerprint}"));
                let after =
                    delay_millis.map_or_else(String::new, |delay| format!(", {delay} ms after the session ended"));
                Self::new(
                    format!("Fauna token{name} deleted in Fauna{after}"),
                    "dead",
                    "Delete(Ref(Tokens(), •))",
                    "src/fauna_tokens/sweeper.rs",
                )
            }
            EventKind::TokenRefused { fingerprint } => Self::new(
                format!("Fauna refused token {fingerprint}; it is replaced"),
                "wrong",
                "401 unauthorized",
                "src/fauna_tokens/mod.rs",
            ),
            EventKind::SessionCreated { .. }
            | EventKind::SessionRefreshed
            | EventKind::SessionPromoted { .. }
            | EventKind::SessionEnded { .. } => Self::new("Session changed", "", "", "src/session/mod.rs"),
        }
    }
}

/// Why a session has ended, in a few words.
pub fn revoke_reason(reason: RevokeReason) -> &'static str {
    match reason {
        RevokeReason::SignedOut => "signed out",
        RevokeReason::EndedFromAnotherDevice => "ended from another device",
        RevokeReason::StolenRefreshToken => "a stolen refresh token was used",
        RevokeReason::TooManySessions => "too many sessions, this was the oldest",
        RevokeReason::PasswordChanged => "the password was changed",
        RevokeReason::AccountDeleted => "the account was deleted",
        RevokeReason::Expired => "expired",
        RevokeReason::Administrator => "ended by an administrator",
    }
}

struct Action {
    /// Words for a query that Fauna has answered.
    done: &'static str,
    /// Words for one that it has refused or not answered.
    attempted: &'static str,
    /// Whether pages make such queries to show what they show.
    is_read: bool,
}

/// Names a query of this application by the functions and indexes in it, and those of the demo by what they ask for.
fn action(query: &str) -> Action {
    let calls = |name| query.contains(&format!("Function(\"{name}\")")) || query.contains(&format!("Call(\"{name}\""));
    let write = |done, attempted| Action { done, attempted, is_read: false };
    let read = |done, attempted| Action { done, attempted, is_read: true };
    if calls("unlike") {
        write("Like taken back", "Taking a like back")
    } else if calls("like") {
        write("Comment liked", "Liking a comment")
    } else if calls("remove_comment") {
        write("Comment deleted", "Deleting a comment")
    } else if query.starts_with("CreateKey(") {
        write("Key created", "Creating a key")
    } else if query.starts_with("Delete(") {
        write("Document deleted", "Deleting a document")
    } else if query.starts_with("Update(") {
        write("Document changed", "Changing a document")
    } else if query.starts_with("Get(Ref(") {
        write("Document read", "Reading a document")
    } else if query.contains("Create(Collection(\"comments\")") || query.contains("Create(Ref(Collection(\"comments\")")
    {
        write("Comment posted", "Posting a comment")
    } else if query.contains("comments_newest") {
        read("Comments read", "Reading comments")
    } else if query.contains("CurrentIdentity()") {
        read("Your document read", "Reading your document")
    } else {
        write("Query answered", "A query")
    }
}

fn millis(micros: u64) -> String {
    format!("{}.{} ms", micros / 1000, micros % 1000 / 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_told_in_sentences() {
        let at = Timestamp::from_millis(0);
        let text = |kind: EventKind| Step::of(&kind, at).text;
        let used = EventKind::TokenUsed {
            fingerprint: "0015ad".to_owned(),
            query: "Call(Function(\"like\"), •)".to_owned(),
            built_at: "src/comments/store.rs:219".to_owned(),
            status: Some(200),
            duration_micros: 1_834,
        };
        assert_eq!(Step::of(&used, at).outcome, "200 after 1.8 ms");
        assert_eq!(Step::of(&used, at).source, "src/comments/store.rs:219");
        let failed = |status| match used.clone() {
            EventKind::TokenUsed { fingerprint, query, built_at, duration_micros, .. } => {
                text(EventKind::TokenUsed { fingerprint, query, built_at, status, duration_micros })
            }
            other => text(other),
        };
        assert_eq!(failed(Some(503)), "Liking a comment with token 0015ad: Fauna answered 503");
        assert_eq!(failed(Some(403)), "Liking a comment with token 0015ad: refused by Fauna, 403");
        assert_eq!(failed(None), "Liking a comment with token 0015ad: Fauna did not answer");
        assert_eq!(text(used), "Comment liked with token 0015ad");
        let deleted = EventKind::TokenDeleted { fingerprint: Some("0015ad".to_owned()), delay_millis: Some(84) };
        assert_eq!(text(deleted), "Fauna token 0015ad deleted in Fauna, 84 ms after the session ended");
        let ended = EventKind::SessionEnded { reason: RevokeReason::StolenRefreshToken };
        assert_eq!(text(ended), "Session ended: a stolen refresh token was used");
        let until = at.after(std::time::Duration::from_secs(30));
        let grace = EventKind::TokenInGrace { fingerprint: "0015ad".to_owned(), until };
        assert_eq!(text(grace), "The new tokens are in use; Fauna token 0015ad in grace for 30 s");
    }

    #[test]
    fn what_pages_read_is_left_out_unless_it_fails() {
        let is_left_out = |query: &str, status| {
            let used = EventKind::TokenUsed {
                fingerprint: String::new(),
                query: query.to_owned(),
                built_at: String::new(),
                status,
                duration_micros: 0,
            };
            Step::of(&used, Timestamp::from_millis(0)).background
        };
        let list = "Map(Paginate(Match(Index(\"comments_newest\")), …)";
        for (query, status, expected) in [
            (list, Some(200), true),
            ("Get(CurrentIdentity())", Some(200), true),
            (list, Some(503), false),
            (list, None, false),
            ("Get(CurrentIdentity())", Some(401), false),
            ("Call(Function(\"like\"), •)", Some(200), false),
        ] {
            assert_eq!(is_left_out(query, status), expected, "{query} {status:?}");
        }
    }

    #[test]
    fn the_source_files_exist() {
        let is_file = |path: &str| {
            assert!(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path).is_file(), "{path}");
        };
        let reason = RevokeReason::SignedOut;
        let (fingerprint, at) = (String::new(), Timestamp::from_millis(0));
        for kind in [
            EventKind::SessionCreated { expires_at: at },
            EventKind::SessionRefreshed,
            EventKind::SessionPromoted { grace_until: at },
            EventKind::SessionEnded { reason },
            EventKind::TokenIssued { fingerprint: fingerprint.clone(), expires_at: at, at_refresh: false },
            EventKind::TokenIssued { fingerprint: fingerprint.clone(), expires_at: at, at_refresh: true },
            EventKind::TokenInGrace { fingerprint: fingerprint.clone(), until: at },
            EventKind::TokenDeleted { fingerprint: None, delay_millis: None },
            EventKind::TokenRefused { fingerprint },
        ] {
            is_file(&Step::of(&kind, at).source);
        }
        // The way of a like, as the first screen tells it.
        let about = include_str!("../../../templates/about.html");
        let told: Vec<&str> = about
            .split("<li><code>")
            .skip(1)
            .filter_map(|rest| rest.split_once("</code>"))
            .map(|(path, _)| path)
            .collect();
        assert!(told.len() > 4);
        told.into_iter().for_each(is_file);
    }
}
