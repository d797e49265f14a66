//! Lifetime of Fauna tokens, as pure functions: a token is live exactly as long as the access token it was issued with is accepted.

use std::time::Duration;

use fauna_client::DocumentId;

use crate::clock::Timestamp;

/// One row of the ledger.
#[derive(Clone, Debug)]
pub struct Token {
    /// Id of its document in Fauna.
    pub id: DocumentId,
    /// Handle of its session.
    pub handle: String,
    pub user: String,
    /// Lineage of the refresh token that was issued with it.
    pub lineage: String,
    /// Lineage of the refresh token that was effective then; `None` for the first token of a session.
    pub parent: Option<String>,
    /// Whether the transaction that stored the session's new tokens has committed.
    pub confirmed: bool,
    /// See [`crate::events::fingerprint`]; `None` if it is not confirmed, or was confirmed by an older version of this site.
    pub fingerprint: Option<String>,
    /// Insertion of the row, which precedes the request to Fauna.
    pub created_at: Timestamp,
    /// The `ttl` of the document in Fauna.
    pub expires_at: Timestamp,
}

/// The rotation state of a session.
#[derive(Clone, Debug)]
pub struct Session {
    /// Lineage of the effective refresh token.
    pub current: String,
    /// Lineage that was effective before, and when it stopped being effective.
    pub previous: Option<(String, Timestamp)>,
    /// The end of the session unless it is refreshed.
    pub expires_at: Timestamp,
}

/// The refresh tokens from which an access token and its Fauna token descend.
#[derive(Clone, Copy, Debug)]
pub struct Descent<'a> {
    /// Lineage of the refresh token that was handed out with it.
    pub lineage: &'a str,
    /// Lineage of the refresh token that was effective then.
    pub parent: Option<&'a str>,
}

impl Token {
    pub fn descent(&self) -> Descent<'_> {
        Descent { lineage: &self.lineage, parent: self.parent.as_deref() }
    }
}

/// Whether a token of that descent may still be used. Once false, it never becomes true again.
pub fn is_live(token: Descent<'_>, session: Option<&Session>, grace: Duration, now: Timestamp) -> bool {
    let Some(session) = session.filter(|session| now < session.expires_at) else { return false };
    let belongs_to = |lineage: &str| token.lineage == lineage || token.parent == Some(lineage);
    // Of the effective refresh token, or an unused child of it whose answer may still be on its way.
    belongs_to(&session.current)
        || session.previous.as_ref().is_some_and(|(lineage, stopped)| now < stopped.after(grace) && belongs_to(lineage))
}

/// The tokens of a session that are to be deleted if only `kept` of them may be live: the oldest, but not the newest one of the
/// effective refresh token, which the session is using.
pub fn surplus(mut tokens: Vec<Token>, current: &str, kept: usize) -> Vec<Token> {
    tokens.sort_by(|one, other| (other.created_at, other.id.as_str()).cmp(&(one.created_at, one.id.as_str())));
    if let Some(position) = tokens.iter().position(|token| token.lineage == current) {
        let in_use = tokens.remove(position);
        tokens.insert(0, in_use);
    }
    tokens.split_off(kept.min(tokens.len()))
}

/// The sweeper's action on a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Keep,
    /// Delete it in Fauna, then its row.
    Delete,
    /// It was never confirmed, but it may exist in Fauna or still be created by a late request: delete it, and occupy its id.
    BlockId,
}

/// `issue_timeout` is the longest time that a request that issues a token can take.
pub fn action(token: &Token, live: bool, issue_timeout: Duration, now: Timestamp) -> Action {
    match (token.confirmed, live) {
        (true, false) => Action::Delete,
        // Its access token has ended: it is of no use, and Fauna has let it end.
        (true, true) if token.expires_at <= now => Action::Delete,
        (false, _) if token.created_at.after(issue_timeout) <= now => Action::BlockId,
        (true, true) | (false, _) => Action::Keep,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(30);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn token(lineage: &str, parent: &str) -> Token {
        Token {
            id: DocumentId::stored("1".to_owned()),
            handle: "h".to_owned(),
            user: "2".to_owned(),
            lineage: lineage.to_owned(),
            parent: (!parent.is_empty()).then(|| parent.to_owned()),
            confirmed: true,
            fingerprint: None,
            created_at: at(0),
            expires_at: at(500),
        }
    }

    fn session(current: &str, previous: &str) -> Session {
        let previous = (!previous.is_empty()).then(|| (previous.to_owned(), at(100)));
        Session { current: current.to_owned(), previous, expires_at: at(1000) }
    }

    #[test]
    fn the_oldest_tokens_are_surplus_but_not_the_one_in_use() {
        let tokens = |rows: &[(&str, &str, i64)]| -> Vec<Token> {
            let row = |&(id, lineage, created): &(&str, &str, i64)| Token {
                id: DocumentId::stored(id.to_owned()),
                created_at: at(created),
                ..token(lineage, "a")
            };
            rows.iter().map(row).collect()
        };
        let children = [("1", "a", 1), ("2", "b", 2), ("3", "c", 3), ("4", "d", 4), ("5", "e", 5)];
        let twice = [("1", "a", 1), ("2", "a", 2), ("3", "b", 2), ("4", "a", 2)];
        for (what, rows, current, kept, expected) in [
            ("children go, their parent stays", &children[..], "a", 3, &["3", "2"][..]),
            ("the newest is in use", &children, "e", 2, &["3", "2", "1"]),
            ("of unknown use", &children, "x", 4, &["1"]),
            ("as many as allowed", &children, "a", 5, &[]),
            ("several of the effective refresh token", &twice, "a", 2, &["2", "1"]),
            ("none", &[], "a", 2, &[]),
        ] {
            let surplus = surplus(tokens(rows), current, kept);
            let ids: Vec<&str> = surplus.iter().map(|token| token.id.as_str()).collect();
            assert_eq!(ids, expected, "{what}");
        }
    }

    #[test]
    fn a_token_lives_as_long_as_its_access_token_can_be_used() {
        for (what, token, session, now, expected) in [
            ("the first of a session", token("a", ""), session("a", ""), 50, true),
            ("an unused child", token("b", "a"), session("a", ""), 50, true),
            ("one of several unused children", token("c", "a"), session("a", ""), 50, true),
            ("a child after its promotion", token("b", "a"), session("b", "a"), 101, true),
            ("a child long after it", token("b", "a"), session("b", "a"), 900, true),
            ("the parent in the grace period", token("a", ""), session("b", "a"), 129, true),
            ("the parent after it", token("a", ""), session("b", "a"), 130, false),
            ("a sibling in the grace period", token("c", "a"), session("b", "a"), 129, true),
            ("a sibling after it", token("c", "a"), session("b", "a"), 130, false),
            ("a grandparent", token("z", ""), session("b", "a"), 101, false),
            ("of another family", token("x", "y"), session("b", "a"), 101, false),
            ("before the session expires", token("a", ""), session("a", ""), 999, true),
            ("when the session expires", token("a", ""), session("a", ""), 1000, false),
        ] {
            assert_eq!(is_live(token.descent(), Some(&session), GRACE, at(now)), expected, "{what}");
        }
        assert!(!is_live(token("a", "").descent(), None, GRACE, at(0)), "the session is gone");
        assert!(
            !is_live(token("a", "").descent(), Some(&session("b", "a")), Duration::ZERO, at(100)),
            "no grace at all"
        );
    }

    #[test]
    fn the_id_of_a_token_that_is_not_confirmed_in_time_is_blocked() {
        let issue_timeout = Duration::from_secs(10);
        let unconfirmed = Token { confirmed: false, ..token("a", "") };
        for (what, token, live, now, expected) in [
            ("in use", &token("a", ""), true, 50, Action::Keep),
            ("dead", &token("a", ""), false, 1, Action::Delete),
            ("in use for the last time", &token("a", ""), true, 499, Action::Keep),
            ("expired, though its session goes on", &token("a", ""), true, 500, Action::Delete),
            ("being issued for a session not yet there", &unconfirmed, false, 9, Action::Keep),
            ("being issued for a refresh", &unconfirmed, true, 9, Action::Keep),
            ("never confirmed", &unconfirmed, false, 10, Action::BlockId),
            ("never confirmed, though its parent is effective", &unconfirmed, true, 10, Action::BlockId),
        ] {
            assert_eq!(action(token, live, issue_timeout, at(now)), expected, "{what}");
        }
    }
}
