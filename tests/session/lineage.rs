//! Lineages of refresh tokens, detection of theft, and a model of the rotation with random histories.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use secrecy::ExposeSecret as _;
use serde_json::json;
use starter::clock::Timestamp;
use starter::session::{
    Error, NewSession, RefreshAntiCsrf, Requirements, RevokeReason, SessionCheck, SessionHandle, SessionTokens, UserId,
};

use crate::server::{SECOND, World, claims};

/// As in `SessionTest2` of SuperTokens' core, theft "create, refresh, refresh new, refresh old": no access token is used.
#[tokio::test]
async fn theft_is_detected_if_tokens_are_only_refreshed() {
    let world = World::start().await;
    let ann = world.sign_in("ann").await;
    let thief = ann.clone();
    ann.refresh_without_rid().await;
    ann.refresh_without_rid().await;
    world.clock.advance(31 * SECOND);
    assert!(thief.refresh_without_rid().await.is_theft());
    assert_eq!(world.count("select count(*) from session").await, 0);
    assert!(ann.refresh_without_rid().await.is_unauthorised());
}

/// As in `SessionTest4` of SuperTokens' core: the access token of a grandparent is still valid, and promotes nothing.
#[tokio::test]
async fn the_access_token_of_a_grandparent_is_valid_and_promotes_nothing() {
    let world = World::start().await;
    let ann = world.sign_in("ann").await;
    let old = ann.clone();
    for _ in 0..2 {
        ann.refresh_without_rid().await;
        ann.get("/me").await;
    }
    for path in ["/me", "/now"] {
        let answer = old.get(path).await;
        assert_eq!((answer.status, answer.leaves_tokens_alone()), (200, true), "{path}");
    }
    assert!(ann.get("/me").await.leaves_tokens_alone(), "and it promotes nothing");
    assert_eq!(claims(ann.access_token())["parentRefreshTokenHash1"], json!(null));
    assert_eq!(ann.refresh_without_rid().await.status, 200);
}

/// A second sign-out finds no session; with an expired access token, a refresh must come first. S-R-13 in `docs/threats.md`.
#[tokio::test]
async fn a_second_or_late_sign_out_is_unauthorised() {
    let world = World::start().await;
    let ann = world.sign_in("ann").await;
    let copy = ann.clone();
    assert_eq!(ann.post_empty("/auth/signout").await.status, 200);
    let answer = ann.post_empty("/auth/signout").await;
    assert!(answer.is_unauthorised() && answer.leaves_tokens_alone(), "there is nothing to clear");
    let answer = copy.post_empty("/auth/signout").await;
    assert!(answer.is_unauthorised() && answer.clears_everything(), "the tokens of an ended session are cleared");

    let late = world.sign_in("ann").await;
    world.clock.advance(Duration::from_mins(16));
    assert!(late.post_empty("/auth/signout").await.is_try_refresh());
    assert_eq!(late.refresh_without_rid().await.status, 200);
    assert_eq!(late.post_empty("/auth/signout").await.status, 200);
    assert_eq!(world.count("select count(*) from session").await, 0);
}

/// A text that is no refresh token changes nothing in the database, however long it is. S-R-16 in `docs/threats.md`.
#[tokio::test]
async fn an_invalid_refresh_token_writes_nothing() {
    let world = World::start().await;
    let ann = world.sign_in("ann").await;
    let everything = async || {
        let statement =
            "select current_lineage || coalesce(previous_lineage, '') || refreshed_at || expires_at || payload
                         || data || (select count(*) from session) || (select count(*) from session_key) from session";
        sqlx::query_scalar::<_, String>(statement).fetch_one(world.server.database.write()).await.unwrap()
    };
    let before = everything().await;
    world.clock.advance(SECOND);
    let (long, good) = ("A".repeat(1 << 20), ann.refresh_token());
    for text in ["", "x", &long, &good.repeat(2), good.get(1..).unwrap(), &ann.access_token()] {
        let refused = world.server.sessions.refresh_with(text, RefreshAntiCsrf::Unneeded).await;
        assert!(matches!(refused, Err(Error::Ended(_))));
    }
    let nobody = ann.clone();
    nobody.set_cookie("sRefreshToken", "");
    let answer = nobody.refresh_without_rid().await;
    assert!(answer.is_unauthorised() && answer.clears_everything());
    assert_eq!(everything().await, before);
    assert_eq!(ann.clone().refresh_without_rid().await.status, 200);
    assert_ne!(everything().await, before, "this is how a write shows");
}

/// A step of one of three holders of tokens of the same session.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Refreshes; if true, the response is lost.
    Refresh(usize, bool),
    /// Uses the access token; if true, on a route that checks the database.
    Use(usize, bool),
    /// The second holder copies the tokens of the first.
    Copy(usize, usize),
    /// Advances the clock, in seconds.
    Pass(u64),
    /// Revokes the session by its handle.
    Revoke,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let holder = || 0..3_usize;
    // Sums of these are seconds before a limit, on it or after it, so that it does not matter how long a step takes.
    let spans = prop::sample::select(vec![10, 40, 960, 20 * 86_400, 20 * 86_400]);
    let step = prop_oneof![
        12 => (holder(), prop::bool::weighted(0.2)).prop_map(|(who, lost)| Step::Refresh(who, lost)),
        10 => (holder(), prop::bool::weighted(0.3)).prop_map(|(who, checked)| Step::Use(who, checked)),
        3 => (holder(), holder()).prop_map(|(from, to)| Step::Copy(from, to)),
        6 => spans.prop_map(Step::Pass),
        1 => Just(Step::Revoke),
    ];
    prop::collection::vec(step, 1..60)
}

#[derive(Clone)]
struct Held {
    refresh: String,
    access: String,
}

/// A model of SuperTokens' rotation rules, with numbers for refresh tokens instead of hashes.
struct Model {
    effective: usize,
    /// The token that was effective before, and when it stopped being effective.
    previous: Option<(usize, Timestamp)>,
    /// The parent of each token, by its number.
    parents: Vec<Option<usize>>,
    /// The numbers of refresh tokens by their text.
    numbers: BTreeMap<String, usize>,
    /// Access tokens by their text: number of the refresh token issued with it, whether it is an unused child, and expiry.
    statements: BTreeMap<String, (usize, bool, Timestamp)>,
    expires_at: Timestamp,
    ends_at: Timestamp,
    ended: bool,
}

const ACCESS: Duration = Duration::from_mins(15);
const MONTH: Duration = Duration::from_hours(30 * 24);
const WHOLE: Duration = Duration::from_hours(50 * 24);
const GRACE: Duration = Duration::from_secs(30);

impl Model {
    fn of(first: &SessionTokens, now: Timestamp) -> Self {
        let ends_at = now.after(WHOLE);
        let mut model = Self {
            effective: 0,
            previous: None,
            parents: Vec::new(),
            numbers: BTreeMap::new(),
            statements: BTreeMap::new(),
            expires_at: now.after(MONTH),
            ends_at,
            ended: false,
        };
        model.learn(first, None, now);
        model
    }

    /// Adds tokens that were issued.
    fn learn(&mut self, out: &SessionTokens, parent: Option<usize>, now: Timestamp) -> Held {
        let (refresh, access) = (text(out), out.access.expose_secret().to_owned());
        let number = self.parents.len();
        self.parents.push(parent);
        self.numbers.insert(refresh.clone(), number);
        self.statements.insert(access.clone(), (number, parent.is_some(), now.after(ACCESS).min(self.ends_at)));
        Held { refresh, access }
    }

    fn promote(&mut self, to: usize, now: Timestamp) {
        assert_eq!(self.parents[to], Some(self.effective), "the line has no gaps");
        self.previous = Some((self.effective, now));
        self.effective = to;
        self.expires_at = now.after(MONTH).min(self.ends_at);
    }

    /// The expected outcome of a refresh: the parent of the new child, or a refusal.
    fn refresh(&mut self, token: &str, now: Timestamp) -> Result<usize, &'static str> {
        let number = self.numbers[token];
        let (own, parent) = (Some(number), self.parents[number]);
        let recent = self.previous.filter(|(_, since)| now < since.after(GRACE)).map(|(number, _)| number);
        if self.ended || self.expires_at < now {
            Err("ended")
        } else if number == self.effective {
            Ok(number)
        } else if parent == Some(self.effective) {
            self.promote(number, now);
            Ok(number)
        } else if recent.is_some() && (own == recent || parent == recent) {
            Ok(self.effective)
        } else {
            self.ended = true;
            Err("theft")
        }
    }

    /// The expected outcome of a use: whether there is a new access token, or a refusal.
    fn access(&mut self, token: &str, checked: bool, now: Timestamp) -> Result<bool, &'static str> {
        let (number, is_unused, ends_at) = self.statements[token];
        if ends_at < now {
            return Err("try refresh");
        }
        if self.ended || ((is_unused || checked) && self.expires_at < now) {
            return Err("ended");
        }
        if is_unused && self.parents[number] == Some(self.effective) {
            self.promote(number, now);
            return Ok(true);
        }
        Ok(is_unused && number == self.effective)
    }
}

fn text(out: &SessionTokens) -> String {
    out.refresh.as_ref().unwrap().token.expose_secret().to_owned()
}

fn refusal(error: &Error) -> &'static str {
    match error {
        Error::Theft { .. } => "theft",
        Error::Ended(_) => "ended",
        Error::TryRefresh(_) => "try refresh",
        other => panic!("{other}"),
    }
}

/// Service, store and tokens agree with the model in every order of steps.
#[test]
fn the_service_agrees_with_the_model_in_random_histories() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let world = runtime.block_on(World::with(|options| options.settings.absolute_lifetime = WHOLE));
    let config = Config { cases: 200, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&steps(), |steps| {
            runtime.block_on(live(&world, &steps));
            Ok(())
        })
        .unwrap();
}

/// Runs the steps on one new session.
async fn live(world: &World, steps: &[Step]) {
    let (sessions, now) = (&world.server.sessions, || world.clock.now());
    let user = UserId::parse("ann").unwrap();
    let new = NewSession::of(user);
    let begun = now();
    let first = sessions.issue(new, false).await.unwrap();
    let handle: SessionHandle = first.handle().clone();
    let mut model = Model::of(&first, begun);
    let own = Held { refresh: text(&first), access: first.access.expose_secret().to_owned() };
    let mut holders = [own.clone(), own.clone(), own];
    for step in steps {
        let at = now();
        match *step {
            Step::Pass(seconds) => world.clock.advance(Duration::from_secs(seconds)),
            Step::Copy(from, to) => holders[to] = holders[from].clone(),
            Step::Revoke => {
                assert_eq!(
                    sessions.revoke(&handle, RevokeReason::Administrator).await.unwrap(),
                    !model.ended,
                    "{step:?} of {steps:?}"
                );
                model.ended = true;
            }
            Step::Refresh(who, lost) => {
                let token = holders[who].refresh.clone();
                let done = sessions.refresh_with(&token, RefreshAntiCsrf::Unneeded).await;
                let told = done.as_ref().map(|_| ()).map_err(refusal);
                let expected = model.refresh(&token, at);
                assert_eq!(told, expected.map(|_| ()), "{step:?} of {steps:?}");
                if let (Ok(out), Ok(parent)) = (done, expected) {
                    let held = model.learn(&out, Some(parent), at);
                    if !lost {
                        holders[who] = held;
                    }
                }
            }
            Step::Use(who, check_database) => {
                let token = holders[who].access.clone();
                let session = if check_database { SessionCheck::Database } else { SessionCheck::AccessToken };
                let requirements = Requirements { session, ..Requirements::default() };
                let done = sessions.session_of(&token, None, &requirements).await;
                let told = done.as_ref().map(|(_, renewed)| renewed.is_some()).map_err(refusal);
                assert_eq!(told, model.access(&token, check_database, at), "{step:?} of {steps:?}");
                if let Ok((_, Some(renewed))) = done {
                    let (number, _, ends_at) = model.statements[&token];
                    let access = renewed.access.expose_secret().to_owned();
                    model.statements.insert(access.clone(), (number, false, ends_at));
                    holders[who].access = access;
                }
            }
        }
        assert_eq!(sessions.info(&handle).await.unwrap().is_some(), !model.ended && model.expires_at > now());
    }
    world.sql("delete from session").await;
}
