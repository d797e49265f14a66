//! Rotation of refresh tokens: pure decisions about a presented token and the state of its session.
//!
//! A refresh with the effective token only issues a child. The child becomes effective at its first use: when its access token is
//! verified, or when it is presented itself. So a lost response does no harm, and if two branches of tokens are both continued, the
//! second one to be refreshed is treated as theft. A token that stopped being effective within the grace period is exchanged for a
//! child of the current one, because two tabs whose responses crossed look the same. `docs/decisions.md` has the reasons.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::session::Lineage;

/// The state of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RotationState {
    /// Lineage of the effective refresh token.
    pub current: Lineage,
    /// Lineage of the refresh token that was effective before.
    pub previous: Option<Lineage>,
    /// When `current` became effective; `None` for the first token of a session.
    pub rotated_at: Option<Timestamp>,
    /// The end of the session unless it is refreshed.
    pub expires_at: Timestamp,
}

/// The origin of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descent {
    /// Lineage of the refresh token itself, or of the one that an access token was issued with.
    pub lineage: Lineage,
    /// Lineage of the refresh token that was effective when this one was issued; none for the first token of a session.
    pub parent: Option<Lineage>,
}

/// The consequence of a presented refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshDecision {
    /// It is the effective one: issue a child of it.
    IssueChild,
    /// It is an unused child of the effective one: make it effective, and issue a child of it.
    Promote,
    /// It stopped being effective within the grace period: issue a child of the effective one.
    IssueSibling,
    /// The session has expired.
    Expired,
    /// It is used again after its successor was used, so two parties have it: revoke the session.
    Theft,
}

/// The consequence of a presented access token that has not expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessDecision {
    Accept,
    /// Make its refresh token effective, and replace it by an access token without a parent.
    Promote,
    /// Another request has promoted it already: replace it by an access token without a parent.
    Replace,
}

pub fn refresh(presented: &Descent, session: &RotationState, grace: Duration, now: Timestamp) -> RefreshDecision {
    let is = |lineage: &Option<Lineage>, other: &Lineage| lineage.as_ref() == Some(other);
    let of_previous = is(&session.previous, &presented.lineage)
        || presented.parent.as_ref().is_some_and(|parent| is(&session.previous, parent));
    let within_grace = session.rotated_at.is_some_and(|rotated_at| now < rotated_at.after(grace));
    if session.expires_at < now {
        RefreshDecision::Expired
    } else if presented.lineage == session.current {
        RefreshDecision::IssueChild
    } else if is(&presented.parent, &session.current) {
        RefreshDecision::Promote
    } else if of_previous && within_grace {
        RefreshDecision::IssueSibling
    } else {
        RefreshDecision::Theft
    }
}

/// An access token of an outdated branch is accepted until it expires: only refreshing that branch is theft.
pub fn access(presented: &Descent, session: &RotationState) -> AccessDecision {
    match &presented.parent {
        Some(parent) if *parent == session.current => AccessDecision::Promote,
        Some(_) if presented.lineage == session.current => AccessDecision::Replace,
        Some(_) | None => AccessDecision::Accept,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    const GRACE: Duration = Duration::from_secs(30);

    /// One step of a scenario: the token presented, the expected decision, and the token that is effective afterwards.
    enum Step {
        /// Refreshes with the first token; the child, if there is one, gets the second name.
        Refreshes(&'static str, &'static str, RefreshDecision, &'static str),
        /// Uses the access token that was issued with it.
        Uses(&'static str, AccessDecision, &'static str),
        /// Advances the clock, in seconds.
        Pass(u64),
    }
    use Step::{Pass, Refreshes, Uses};

    /// A session and its tokens, moved by the decisions.
    struct Story {
        session: RotationState,
        tokens: HashMap<String, Descent>,
        now: Timestamp,
    }

    fn lineage(name: &str) -> Lineage {
        Lineage::stored(name.to_owned())
    }

    impl Story {
        fn begin() -> Self {
            let expires_at = Timestamp::from_millis(0).after(Duration::from_hours(24));
            let session = RotationState { current: lineage("P"), previous: None, rotated_at: None, expires_at };
            let first = Descent { lineage: lineage("P"), parent: None };
            Self { session, tokens: HashMap::from([("P".to_owned(), first)]), now: Timestamp::from_millis(1000) }
        }

        fn promote(&mut self, to: &Lineage) {
            self.session.previous = Some(std::mem::replace(&mut self.session.current, to.clone()));
            self.session.rotated_at = Some(self.now);
        }

        fn refresh(&mut self, token: &str, child: &str, grace: Duration) -> RefreshDecision {
            let presented = self.tokens[token].clone();
            let decided = refresh(&presented, &self.session, grace, self.now);
            if decided == RefreshDecision::Promote {
                self.promote(&presented.lineage);
            }
            if matches!(decided, RefreshDecision::IssueChild | RefreshDecision::Promote | RefreshDecision::IssueSibling)
            {
                let parent = Some(self.session.current.clone());
                self.tokens.insert(child.to_owned(), Descent { lineage: lineage(child), parent });
            }
            decided
        }

        fn access(&mut self, token: &str) -> AccessDecision {
            let presented = self.tokens[token].clone();
            let decided = access(&presented, &self.session);
            if decided == AccessDecision::Promote {
                self.promote(&presented.lineage);
            }
            decided
        }

        fn assert_outcomes(steps: &[Step], grace: Duration) {
            let mut story = Self::begin();
            for (number, step) in steps.iter().enumerate() {
                let effective = match step {
                    Refreshes(token, child, expected, effective) => {
                        assert_eq!(story.refresh(token, child, grace), *expected, "step {number}");
                        *effective
                    }
                    Uses(token, expected, effective) => {
                        assert_eq!(story.access(token), *expected, "step {number}");
                        *effective
                    }
                    Pass(seconds) => {
                        story.now = story.now.after(Duration::from_secs(*seconds));
                        continue;
                    }
                };
                assert_eq!(story.session.current, lineage(effective), "step {number}");
            }
        }
    }

    /// Every combination of presented token and state, without the grace period.
    #[test]
    fn the_outcome_matrix_holds() {
        let none = Duration::ZERO;
        let lost_answer = [
            Refreshes("P", "C", RefreshDecision::IssueChild, "P"),
            Refreshes("P", "D", RefreshDecision::IssueChild, "P"),
        ];
        Story::assert_outcomes(&lost_answer, none);
        let reuse_after_use = [
            Refreshes("P", "C", RefreshDecision::IssueChild, "P"),
            Uses("C", AccessDecision::Promote, "C"),
            Refreshes("P", "", RefreshDecision::Theft, "C"),
        ];
        Story::assert_outcomes(&reuse_after_use, none);
        let reuse_after_refresh = [
            Refreshes("P", "C", RefreshDecision::IssueChild, "P"),
            Refreshes("C", "D", RefreshDecision::Promote, "C"),
            Refreshes("C", "E", RefreshDecision::IssueChild, "C"),
            Refreshes("P", "", RefreshDecision::Theft, "C"),
        ];
        Story::assert_outcomes(&reuse_after_refresh, none);
        let siblings = [
            Refreshes("P", "C", RefreshDecision::IssueChild, "P"),
            Refreshes("P", "C'", RefreshDecision::IssueChild, "P"),
            Uses("C", AccessDecision::Promote, "C"),
            Uses("C", AccessDecision::Replace, "C"),
            Uses("C'", AccessDecision::Accept, "C"),
            Refreshes("C'", "", RefreshDecision::Theft, "C"),
        ];
        Story::assert_outcomes(&siblings, none);
        let old_access_token = [
            Refreshes("P", "C", RefreshDecision::IssueChild, "P"),
            Uses("C", AccessDecision::Promote, "C"),
            Refreshes("C", "D", RefreshDecision::IssueChild, "C"),
            Uses("P", AccessDecision::Accept, "C"),
            Uses("D", AccessDecision::Promote, "D"),
            Uses("P", AccessDecision::Accept, "D"),
            Uses("C", AccessDecision::Accept, "D"),
        ];
        Story::assert_outcomes(&old_access_token, none);
    }

    #[test]
    fn within_the_grace_period_crossed_answers_are_no_theft() {
        let crossed = [
            Refreshes("P", "C", RefreshDecision::IssueChild, "P"),
            Refreshes("P", "C'", RefreshDecision::IssueChild, "P"),
            Uses("C", AccessDecision::Promote, "C"),
            Pass(29),
            Refreshes("C'", "D", RefreshDecision::IssueSibling, "C"),
            Refreshes("P", "E", RefreshDecision::IssueSibling, "C"),
            Uses("D", AccessDecision::Promote, "D"),
            Uses("C", AccessDecision::Accept, "D"),
        ];
        Story::assert_outcomes(&crossed, GRACE);
        let too_late = [
            Refreshes("P", "C", RefreshDecision::IssueChild, "P"),
            Refreshes("P", "C'", RefreshDecision::IssueChild, "P"),
            Uses("C", AccessDecision::Promote, "C"),
            Pass(30),
            Refreshes("C'", "", RefreshDecision::Theft, "C"),
            Refreshes("P", "", RefreshDecision::Theft, "C"),
        ];
        Story::assert_outcomes(&too_late, GRACE);
        let two_generations_old = [
            Refreshes("P", "C", RefreshDecision::IssueChild, "P"),
            Refreshes("C", "D", RefreshDecision::Promote, "C"),
            Refreshes("D", "E", RefreshDecision::Promote, "D"),
            Refreshes("P", "", RefreshDecision::Theft, "D"),
        ];
        Story::assert_outcomes(&two_generations_old, GRACE);
    }

    #[test]
    fn at_its_last_moment_a_session_is_still_there() {
        let mut story = Story::begin();
        story.now = story.session.expires_at;
        assert_eq!(story.refresh("P", "C", GRACE), RefreshDecision::IssueChild);
        story.now = story.now.after(Duration::from_millis(1));
        assert_eq!(story.refresh("P", "D", GRACE), RefreshDecision::Expired);
        assert_eq!(story.refresh("C", "D", GRACE), RefreshDecision::Expired);
    }

    proptest! {
        /// A client that loses responses, but never uses a token older than one it has used, is never treated as a thief.
        #[test]
        fn an_honest_client_is_never_a_thief(steps in prop::collection::vec((0..3u8, 0..40u64), 1..60)) {
            let mut story = Story::begin();
            let mut held = "P".to_owned();
            for (number, (kind, seconds)) in steps.into_iter().enumerate() {
                story.now = story.now.after(Duration::from_secs(seconds));
                let child = format!("t{number}");
                match kind {
                    0 => { story.access(&held); }
                    lost => {
                        let decided = story.refresh(&held, &child, GRACE);
                        prop_assert!(matches!(decided, RefreshDecision::IssueChild | RefreshDecision::Promote), "{decided:?}");
                        if lost == 1 { held = child; }
                    }
                }
            }
        }

        /// Two parties that continue from one token are not both served for ever: by the second refresh of each after the grace
        /// period, the theft is detected.
        #[test]
        fn two_branches_are_found_out(order in prop::collection::vec(any::<bool>(), 40)) {
            let mut story = Story::begin();
            let mut held = ["P".to_owned(), "P".to_owned()];
            let mut found_out = false;
            let mut turns = [0, 0];
            for (number, is_second) in order.into_iter().enumerate() {
                story.now = story.now.after(GRACE);
                let who = usize::from(is_second);
                let child = format!("t{number}");
                turns[who] += 1;
                if story.refresh(&held[who], &child, GRACE) == RefreshDecision::Theft {
                    found_out = true;
                    break;
                }
                held[who] = child;
                story.access(&held[who]);
            }
            prop_assert!(found_out || turns.contains(&0));
        }
    }
}
