//! When a refresh token is taken, and what that makes of the session (design D1, session.md 2.3–2.7).
//!
//! A refresh with the effective token only mints a child. The child becomes effective when it is first used: as an access
//! token that is verified, or as a refresh token that is presented. So a lost answer costs nothing, and of two branches that
//! both go on, the second one to be refreshed is theft. A token that stopped being effective a moment ago is answered with
//! a child of the current one, because two tabs whose answers crossed look just like that. Pure: no clock, no database.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::session::Lineage;

/// Where a session stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// Lineage of the refresh token that is effective.
    pub current: Lineage,
    /// Of the one before it.
    pub previous: Option<Lineage>,
    /// When it took over.
    pub rotated_at: Option<Timestamp>,
    /// When the session ends unless it is used.
    pub expires_at: Timestamp,
}

/// Where a token stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descent {
    /// Of the refresh token itself, or of the one that an access token was handed out with.
    pub lineage: Lineage,
    /// Of the token that was effective when it was minted.
    pub parent: Option<Lineage>,
}

/// What becomes of a presented refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refresh {
    /// It is the effective one: mint a child of it.
    Mint,
    /// It is an unused child of the effective one: make it effective, and mint a child of it.
    Promote,
    /// It stopped being effective within the grace period: mint a child of the effective one.
    Regrant,
    /// The session has ended by itself.
    Expired,
    /// It comes back after its successor was used: two parties hold it. End the session.
    Theft,
}

/// What becomes of a presented access token that has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Accept it as it is.
    Keep,
    /// Make its refresh token effective, and replace it by one without a parent.
    Promote,
    /// Another request has promoted it already: replace it by one without a parent.
    Renew,
}

/// Decides about a refresh token.
pub fn refresh(presented: &Descent, session: &Position, grace: Duration, now: Timestamp) -> Refresh {
    let is = |lineage: &Option<Lineage>, other: &Lineage| lineage.as_ref() == Some(other);
    let of_previous = is(&session.previous, &presented.lineage)
        || presented.parent.as_ref().is_some_and(|parent| is(&session.previous, parent));
    let within_grace = session.rotated_at.is_some_and(|rotated_at| now < rotated_at.after(grace));
    if session.expires_at < now {
        Refresh::Expired
    } else if presented.lineage == session.current {
        Refresh::Mint
    } else if is(&presented.parent, &session.current) {
        Refresh::Promote
    } else if of_previous && within_grace {
        Refresh::Regrant
    } else {
        Refresh::Theft
    }
}

/// Decides about an access token. One of an outdated branch is no theft: only refreshing it is.
pub fn access(presented: &Descent, session: &Position) -> Use {
    match &presented.parent {
        Some(parent) if *parent == session.current => Use::Promote,
        Some(_) if presented.lineage == session.current => Use::Renew,
        Some(_) | None => Use::Keep,
    }
}
