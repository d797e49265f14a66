//! How long a Fauna token lives: exactly as long as the access token it was minted with can be used (design section 5).

use std::time::Duration;

use fauna_client::DocumentId;

use crate::clock::Timestamp;

/// What the ledger says about a token.
#[derive(Clone, Debug)]
pub struct Token {
    /// Its document in Fauna.
    pub id: DocumentId,
    /// Its session.
    pub handle: String,
    /// Whose it is.
    pub user: String,
    /// Lineage of the refresh token that was handed out with it.
    pub lineage: String,
    /// Lineage of the refresh token that was effective then; none for the first one of a session.
    pub parent: Option<String>,
    /// Whether the session's transaction has confirmed it.
    pub confirmed: bool,
    /// See [`crate::events::fingerprint`]; none where it is not confirmed, or was confirmed by an older version.
    pub fingerprint: Option<String>,
    /// When its row was written.
    pub created_at: Timestamp,
    /// When Fauna lets it end by itself.
    pub expires_at: Timestamp,
}

/// What the session's row says.
#[derive(Clone, Debug)]
pub struct Session {
    /// Lineage of the effective refresh token.
    pub current: String,
    /// Of the one before, and when it stopped being effective.
    pub previous: Option<(String, Timestamp)>,
    /// When the session ends by itself.
    pub expires_at: Timestamp,
}

/// Which refresh tokens an access token, and the Fauna token minted with it, descend from.
#[derive(Clone, Copy, Debug)]
pub struct Descent<'a> {
    /// Lineage of the refresh token that was handed out with it.
    pub lineage: &'a str,
    /// Of the one that was effective then.
    pub parent: Option<&'a str>,
}

impl Token {
    /// Which refresh tokens it descends from.
    pub fn descent(&self) -> Descent<'_> {
        Descent { lineage: &self.lineage, parent: self.parent.as_deref() }
    }
}

/// Whether a token of that descent may still be used. Pure; once it says no it never says yes again.
pub fn is_live(token: Descent<'_>, session: Option<&Session>, grace: Duration, now: Timestamp) -> bool {
    let Some(session) = session.filter(|session| now < session.expires_at) else { return false };
    let belongs_to = |lineage: &str| token.lineage == lineage || token.parent == Some(lineage);
    // Of the effective refresh token, or an unused child of it whose answer may still be on its way.
    belongs_to(&session.current)
        || session.previous.as_ref().is_some_and(|(lineage, stopped)| now < stopped.after(grace) && belongs_to(lineage))
}

/// What is to be done with a token now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Nothing.
    Keep,
    /// It is deleted in Fauna.
    Collect,
    /// Nobody has confirmed it and nobody will, but it may exist, or still come into being.
    Bury,
}

/// What is to be done with a token. `patience` is how long a request that mints may take.
pub fn fate(token: &Token, live: bool, patience: Duration, now: Timestamp) -> Fate {
    match (token.confirmed, live) {
        (true, false) => Fate::Collect,
        // Its access token has ended: it is of no use, and Fauna has let it end.
        (true, true) if token.expires_at <= now => Fate::Collect,
        (false, _) if token.created_at.after(patience) <= now => Fate::Bury,
        (true, true) | (false, _) => Fate::Keep,
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
    fn what_was_not_confirmed_in_time_is_buried() {
        let patience = Duration::from_secs(10);
        let unconfirmed = Token { confirmed: false, ..token("a", "") };
        for (what, token, live, now, expected) in [
            ("in use", &token("a", ""), true, 50, Fate::Keep),
            ("dead", &token("a", ""), false, 1, Fate::Collect),
            ("in use for the last time", &token("a", ""), true, 499, Fate::Keep),
            ("expired, though its session goes on", &token("a", ""), true, 500, Fate::Collect),
            ("being minted for a session not yet there", &unconfirmed, false, 9, Fate::Keep),
            ("being minted for a refresh", &unconfirmed, true, 9, Fate::Keep),
            ("never confirmed", &unconfirmed, false, 10, Fate::Bury),
            ("never confirmed, though its parent is effective", &unconfirmed, true, 10, Fate::Bury),
        ] {
            assert_eq!(fate(token, live, patience, at(now)), expected, "{what}");
        }
    }
}
