//! What we depend on fails: 503, no token changed, and all well afterwards (design D9; security.md 4.2, 4.3).

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value, json};
use sqlx::AnyConnection;
use starter::session::{
    Error, IssueError, IssuedToken, NewSession, RevokeReason, SessionHandle, SessionTokenProvider, TokenRequest,
    Unavailable, UserId,
};
use tokio::sync::Notify;

use crate::world::{Response, World, claims};

/// Remembers what it was told, and fails where it is told to.
#[derive(Default)]
struct Fragile {
    mint_fails: AtomicBool,
    keep_fails: AtomicBool,
    births: Mutex<Vec<TokenRequest>>,
    kept: Mutex<Vec<String>>,
    ended: Mutex<BTreeSet<String>>,
    /// Where somebody waits in [`SessionTokenProvider::issue`] until they may go on.
    holds_mints: AtomicBool,
    held: Notify,
    may_go_on: Notify,
    abandoned: Mutex<Vec<UserId>>,
}

#[async_trait]
impl SessionTokenProvider for Fragile {
    async fn issue(&self, request: &TokenRequest) -> Result<IssuedToken, IssueError> {
        if self.mint_fails.load(Ordering::SeqCst) {
            return Err(Unavailable("down".into()).into());
        }
        if self.holds_mints.load(Ordering::SeqCst) {
            self.held.notify_one();
            self.may_go_on.notified().await;
        }
        let mut births = self.births.lock().unwrap();
        births.push(request.clone());
        let id = births.len().to_string();
        let claims = Map::from_iter([("secret".to_owned(), Value::from(format!("secret {id}")))]);
        Ok(IssuedToken { id, secret: None, claims })
    }

    async fn persist(
        &self,
        transaction: &mut AnyConnection,
        request: &TokenRequest,
        minted: &IssuedToken,
    ) -> Result<(), sqlx::Error> {
        if self.abandoned.lock().unwrap().contains(&request.user) {
            return Err(sqlx::Error::RowNotFound);
        }
        let statement = if self.keep_fails.load(Ordering::SeqCst) { "select * from nowhere" } else { "select 1" };
        sqlx::query(statement).execute(transaction).await?;
        self.kept.lock().unwrap().push(minted.id.clone());
        Ok(())
    }

    async fn cancel_pending(
        &self,
        _: &mut AnyConnection,
        user: &UserId,
        _: Option<&SessionHandle>,
    ) -> Result<(), sqlx::Error> {
        self.abandoned.lock().unwrap().push(user.clone());
        Ok(())
    }

    async fn on_revoked(&self, handles: &[SessionHandle]) {
        self.ended.lock().unwrap().extend(handles.iter().map(ToString::to_string));
    }

    fn reserved_claims(&self) -> &'static [&'static str] {
        &["secret"]
    }
}

async fn world() -> (World, Arc<Fragile>) {
    let fragile = Arc::new(Fragile::default());
    let token_provider = Arc::clone(&fragile);
    (World::with(|options| options.token_provider = token_provider).await, fragile)
}

fn assert_unavailable(answer: &Response) {
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.header("retry-after").is_some());
    assert!(answer.leaves_tokens_alone(), "{answer:?}");
}

/// S-R-23.
#[tokio::test]
async fn nothing_happens_where_the_companion_fails() {
    let (world, fragile) = world().await;
    let mut ann = world.sign_in("ann").await;
    for broken in [&fragile.mint_fails, &fragile.keep_fails] {
        broken.store(true, Ordering::SeqCst);
        assert_unavailable(&ann.refresh().await);
        assert_unavailable(&world.visitor().header("st-auth-mode", "cookie").post("/login/bob").await);
        assert_eq!(ann.get("/me").await.status, 200);
        broken.store(false, Ordering::SeqCst);
        assert_eq!(world.count("select count(*) from session").await, 1);
    }
    assert_eq!(ann.refresh().await.status, 200);
    assert_eq!(ann.get("/me").await.status, 200);
}

#[tokio::test]
async fn a_session_that_begins_while_all_are_ended_does_not_begin() {
    let (world, fragile) = world().await;
    world.sign_in("ann").await;
    fragile.holds_mints.store(true, Ordering::SeqCst);
    let (begun, ended) =
        tokio::join!(world.sessions.issue(NewSession::of(UserId::parse("ann").unwrap()), false), async {
            fragile.held.notified().await;
            let ended = world.sessions.revoke_all(&UserId::parse("ann").unwrap(), RevokeReason::Administrator).await;
            fragile.may_go_on.notify_one();
            ended
        });
    assert_eq!(ended.unwrap().len(), 1);
    assert!(matches!(begun, Err(Error::Abandoned)));
    assert_eq!(world.count("select count(*) from session").await, 0);
}

#[tokio::test]
async fn what_must_be_ended_is_ended_as_soon_as_the_database_answers() {
    let (world, _) = world().await;
    let mut ann = world.sign_in("ann").await;
    world.sql("alter table session rename to gone").await;
    world.sessions.revoke_at_last(&UserId::parse("ann").unwrap(), None, RevokeReason::Administrator).await;
    world.sql("alter table gone rename to session").await;
    assert_eq!(world.count("select count(*) from session").await, 1);
    while world.count("select count(*) from session").await > 0 {
        world.clock.advance(Duration::from_secs(5));
        tokio::task::yield_now().await;
    }
    assert_eq!(ann.get("/now").await.status, 401);
}

#[tokio::test]
async fn a_promotion_is_undone_where_the_companion_fails() {
    let (world, fragile) = world().await;
    let mut ann = world.sign_in("ann").await;
    let first = ann.clone();
    ann.refresh().await;
    fragile.keep_fails.store(true, Ordering::SeqCst);
    assert_unavailable(&ann.refresh().await);
    assert_eq!(world.count("select count(*) from session where previous_lineage is null").await, 1);
    fragile.keep_fails.store(false, Ordering::SeqCst);
    world.clock.advance(Duration::from_mins(5));
    assert_eq!(first.clone().refresh().await.status, 200, "it is still the effective one");
    assert_eq!(ann.refresh().await.status, 200);
}

#[tokio::test]
async fn nothing_is_lost_where_the_database_fails() {
    let (world, _) = world().await;
    let mut ann = world.sign_in("ann").await;
    let mut unused = ann.clone();
    unused.refresh().await;
    world.sql("alter table session rename to gone").await;
    assert_eq!(ann.get("/me").await.status, 200, "a good access token needs no database");
    for path in ["/now", "/sessioninfo", "/api/sessions"] {
        assert_unavailable(&ann.get(path).await);
    }
    assert_unavailable(&unused.get("/me").await);
    assert_unavailable(&ann.refresh().await);
    assert_unavailable(&ann.post("/auth/signout").await);
    assert_unavailable(&ann.put("/payload", &json!({ "a": 1 })).await);
    world.sql("alter table gone rename to session").await;
    assert_eq!(unused.get("/me").await.status, 200);
    assert_eq!(ann.refresh().await.status, 200);
    assert_eq!(ann.post("/auth/signout").await.status, 200);
}

#[tokio::test]
async fn the_companion_hears_of_every_birth_and_every_end() {
    let (world, fragile) = world().await;
    let mut ann = world.sign_in("ann").await;
    let mut phone = world.sign_in("ann").await;
    let handle_of = |token: &str| claims(token)["sessionHandle"].as_str().unwrap().to_owned();
    let handles = [handle_of(ann.access_token()), handle_of(phone.access_token())];
    let has_ended = |handle: &String| fragile.ended.lock().unwrap().contains(handle);

    ann.refresh().await;
    {
        let births = fragile.births.lock().unwrap();
        assert_eq!(births.len(), 3);
        assert_eq!(births[0].parent, None);
        assert_eq!(births[2].parent.as_ref(), Some(&births[0].lineage));
        assert_eq!(births[2].user.as_str(), "ann");
        let ends = claims(ann.access_token())["exp"].as_i64().unwrap();
        assert_eq!(births[2].expires_at.seconds(), ends);
        assert_eq!(*fragile.kept.lock().unwrap(), ["1", "2", "3"]);
    }
    ann.post("/api/sessions/revoke-others").await;
    assert!(has_ended(&handles[1]));
    assert!(phone.refresh().await.is_unauthorised());
    world.clock.advance(Duration::from_hours(31 * 24));
    world.sessions.sweep().await.unwrap();
    assert!(has_ended(&handles[0]));

    let mut victim = world.sign_in("eve").await;
    let thief = victim.clone();
    victim.refresh().await;
    victim.get("/me").await;
    world.clock.advance(Duration::from_mins(1));
    let handle = handle_of(victim.access_token());
    fragile.ended.lock().unwrap().clear();
    assert!(thief.clone().refresh().await.is_theft());
    assert!(has_ended(&handle));
}

#[tokio::test]
async fn what_the_companion_says_stays_through_promotion_and_cannot_be_written() {
    let (world, _) = world().await;
    let mut ann = world.sign_in("ann").await;
    assert_eq!(claims(ann.access_token())["secret"], "secret 1");
    ann.refresh().await;
    assert_eq!(claims(ann.access_token())["secret"], "secret 2");
    assert_eq!(ann.get("/me").await.front()["up"]["secret"], "secret 2");
    ann.put("/payload", &json!({ "secret": "mine", "other": 1 })).await;
    let said = claims(ann.access_token());
    assert_eq!((&said["secret"], &said["other"]), (&json!("secret 2"), &json!(1)));
    assert!(ann.get("/now").await.leaves_tokens_alone(), "what it says is no change of the payload");
    assert_eq!(world.count("select count(*) from session where payload like '%secret%'").await, 0);
}

/// security.md F7: a client that goes away in the middle leaves nothing half done.
#[tokio::test]
async fn a_client_that_goes_away_leaves_whole_sessions_behind() {
    let (world, fragile) = world().await;
    for round in 0..30 {
        let visitor = world.visitor();
        let leaving = tokio::time::timeout(
            Duration::from_micros(200 * round),
            visitor.send_only(reqwest::Method::POST, "/login/ann", None),
        );
        leaving.await.ok();
    }
    world.sign_in("bob").await;
    let kept = || i64::try_from(fragile.kept.lock().unwrap().len()).unwrap();
    for _ in 0..1000 {
        if world.count("select count(*) from session").await == kept() {
            return;
        }
    }
    panic!("{} were kept", kept());
}
