//! Failures of the database, the token provider and the connection: the response is 503, no token changes, and sessions work
//! afterwards.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value, json};
use starter::database::Connection;
use starter::session::{
    Error, IssueError, IssuedToken, NewSession, RevokeReason, RevokedSessions, SessionHandle, SessionTokenProvider,
    TokenRequest, Unavailable, UserId,
};
use tokio::sync::Notify;

use crate::server::{World, claims};
use crate::support::client::{Response, TestClient};

/// Records its calls, and fails on request.
#[derive(Default)]
struct FailingProvider {
    issue_fails: AtomicBool,
    persist_fails: AtomicBool,
    /// The next token is cancelled before it is persisted.
    cancels_next: AtomicBool,
    requests: Mutex<Vec<TokenRequest>>,
    persisted: Mutex<Vec<String>>,
    ended: Mutex<BTreeSet<String>>,
    /// Makes [`SessionTokenProvider::issue`] notify `held` and wait for `may_go_on`.
    holds_issue: AtomicBool,
    held: Notify,
    may_go_on: Notify,
    abandoned: Mutex<Vec<UserId>>,
}

#[async_trait]
impl SessionTokenProvider for FailingProvider {
    async fn issue(&self, request: &TokenRequest) -> Result<IssuedToken, IssueError> {
        if self.issue_fails.load(Ordering::SeqCst) {
            return Err(Unavailable("down".into()).into());
        }
        if self.holds_issue.load(Ordering::SeqCst) {
            self.held.notify_one();
            self.may_go_on.notified().await;
        }
        let mut requests = self.requests.lock().unwrap();
        requests.push(request.clone());
        let id = requests.len().to_string();
        let claims = Map::from_iter([("secret".to_owned(), Value::from(format!("secret {id}")))]);
        Ok(IssuedToken { id, secret: None, claims })
    }

    async fn persist(
        &self,
        transaction: &mut Connection,
        request: &TokenRequest,
        issued: &IssuedToken,
    ) -> Result<(), sqlx::Error> {
        let is_cancelled = self.cancels_next.swap(false, Ordering::SeqCst);
        if is_cancelled || self.abandoned.lock().unwrap().contains(&request.user) {
            return Err(sqlx::Error::RowNotFound);
        }
        let statement = if self.persist_fails.load(Ordering::SeqCst) { "select * from nowhere" } else { "select 1" };
        sqlx::query(statement).execute(transaction).await?;
        self.persisted.lock().unwrap().push(issued.id.clone());
        Ok(())
    }

    async fn cancel_pending(&self, _: &mut Connection, revoked: &RevokedSessions) -> Result<(), sqlx::Error> {
        self.abandoned.lock().unwrap().push(revoked.user.clone());
        Ok(())
    }

    async fn on_revoked(&self, handles: &[SessionHandle]) {
        self.ended.lock().unwrap().extend(handles.iter().map(ToString::to_string));
    }

    fn reserved_claims(&self) -> &'static [&'static str] {
        &["secret"]
    }
}

async fn world() -> (World, Arc<FailingProvider>) {
    let provider = Arc::new(FailingProvider::default());
    let token_provider = Arc::clone(&provider);
    (World::with(|options| options.token_provider = token_provider).await, provider)
}

fn assert_unavailable(answer: &Response) {
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.find_header("retry-after").is_some());
    assert!(answer.leaves_tokens_alone(), "{answer:?}");
}

/// S-R-23 in `docs/threats.md`.
#[tokio::test]
async fn nothing_changes_if_the_token_provider_fails() {
    let (world, provider) = world().await;
    let ann = world.sign_in("ann").await;
    for broken in [&provider.issue_fails, &provider.persist_fails] {
        broken.store(true, Ordering::SeqCst);
        assert_unavailable(&ann.refresh_without_rid().await);
        assert_unavailable(&world.visitor().header("st-auth-mode", "cookie").post_empty("/login/bob").await);
        assert_eq!(ann.get("/me").await.status, 200);
        broken.store(false, Ordering::SeqCst);
        assert_eq!(world.count("select count(*) from session").await, 1);
    }
    assert_eq!(ann.refresh_without_rid().await.status, 200);
    assert_eq!(ann.get("/me").await.status, 200);
}

#[tokio::test]
async fn a_session_is_not_created_if_all_are_revoked_meanwhile() {
    let (world, provider) = world().await;
    world.sign_in("ann").await;
    provider.holds_issue.store(true, Ordering::SeqCst);
    let (begun, ended) =
        tokio::join!(world.server.sessions.issue(NewSession::of(UserId::parse("ann").unwrap()), false), async {
            provider.held.notified().await;
            let ended =
                world.server.sessions.revoke_all(&UserId::parse("ann").unwrap(), RevokeReason::Administrator).await;
            provider.may_go_on.notify_one();
            ended
        });
    assert_eq!(ended.unwrap().len(), 1);
    assert!(matches!(begun, Err(Error::RevokedMeanwhile)));
    assert_eq!(world.count("select count(*) from session").await, 0);
}

#[tokio::test]
async fn a_refresh_whose_token_is_cancelled_meanwhile_gets_another_one() {
    let (world, provider) = world().await;
    let ann = world.sign_in("ann").await;
    provider.cancels_next.store(true, Ordering::SeqCst);
    assert_eq!(ann.refresh_without_rid().await.status, 200);
    assert_eq!(ann.get("/me").await.status, 200);
    assert_eq!(*provider.persisted.lock().unwrap(), ["1", "3"], "the second was cancelled");
}

#[tokio::test]
async fn a_postponed_revocation_happens_as_soon_as_the_database_responds() {
    let (world, _) = world().await;
    let ann = world.sign_in("ann").await;
    world.sql("alter table session rename to gone").await;
    world.server.sessions.revoke_at_last(&UserId::parse("ann").unwrap(), None, RevokeReason::Administrator).await;
    world.sql("alter table gone rename to session").await;
    assert_eq!(world.count("select count(*) from session").await, 1);
    for _ in 0..1000 {
        if world.count("select count(*) from session").await == 0 {
            break;
        }
        world.clock.advance(Duration::from_secs(5));
        tokio::task::yield_now().await;
    }
    assert_eq!(world.count("select count(*) from session").await, 0);
    assert_eq!(ann.get("/now").await.status, 401);
}

#[tokio::test]
async fn a_promotion_is_rolled_back_if_the_token_provider_fails() {
    let (world, provider) = world().await;
    let ann = world.sign_in("ann").await;
    let first = ann.clone();
    ann.refresh_without_rid().await;
    provider.persist_fails.store(true, Ordering::SeqCst);
    assert_unavailable(&ann.refresh_without_rid().await);
    assert_eq!(world.count("select count(*) from session where previous_lineage is null").await, 1);
    provider.persist_fails.store(false, Ordering::SeqCst);
    world.clock.advance(Duration::from_mins(5));
    assert_eq!(first.clone().refresh_without_rid().await.status, 200, "it is still the effective one");
    assert_eq!(ann.refresh_without_rid().await.status, 200);
}

#[tokio::test]
async fn no_session_is_lost_if_the_database_fails() {
    let (world, _) = world().await;
    let ann = world.sign_in("ann").await;
    let unused = ann.clone();
    unused.refresh_without_rid().await;
    world.sql("alter table session rename to gone").await;
    assert_eq!(ann.get("/me").await.status, 200, "a good access token needs no database");
    assert_eq!(ann.get("/sessioninfo").await.status, 200, "it says what the access token says");
    for path in ["/now", "/api/sessions"] {
        assert_unavailable(&ann.get(path).await);
    }
    assert_unavailable(&unused.get("/me").await);
    assert_unavailable(&ann.refresh_without_rid().await);
    assert_unavailable(&ann.post_empty("/auth/signout").await);
    assert_unavailable(&ann.put_json("/payload", &json!({ "a": 1 })).await);
    world.sql("alter table gone rename to session").await;
    assert_eq!(unused.get("/me").await.status, 200);
    assert_eq!(ann.refresh_without_rid().await.status, 200);
    assert_eq!(ann.post_empty("/auth/signout").await.status, 200);
}

/// Everything but the deletion itself works: another table holds the row.
#[tokio::test]
async fn a_revocation_that_the_database_refuses_is_never_reported_as_done() {
    let (world, _) = world().await;
    let ann = world.sign_in("ann").await;
    let phone = world.sign_in("ann").await;
    let is_mysql = world.server.url.starts_with("mysql:");
    let like = if is_mysql { " engine = InnoDB default character set utf8mb4 collate utf8mb4_bin" } else { "" };
    let columns = "handle varchar(191) primary KEY, foreign KEY (handle) references session (handle)";
    world.sql(&format!("create table holds ({columns}){like}")).await;
    world.sql("insert into holds (handle) select handle from session").await;
    let handle = claims(phone.access_token())["sessionHandle"].as_str().unwrap().to_owned();
    assert_unavailable(&ann.post_empty("/auth/signout").await);
    assert_unavailable(&ann.post_empty("/api/sessions/revoke-others").await);
    assert_unavailable(&ann.delete(&format!("/api/sessions/{handle}")).await);
    for visitor in [&ann, &phone] {
        assert_eq!(visitor.get("/now").await.status, 200);
        assert_eq!(visitor.refresh_without_rid().await.status, 200);
    }
    world.sql("drop table holds").await;
    assert_eq!(ann.post_empty("/auth/signout").await.status, 200);
    assert!(ann.refresh_without_rid().await.is_unauthorised());
}

#[tokio::test]
async fn the_token_provider_is_called_for_every_access_token_and_every_revocation() {
    let (world, provider) = world().await;
    let ann = world.sign_in("ann").await;
    let phone = world.sign_in("ann").await;
    let handle_of = |token: String| claims(token)["sessionHandle"].as_str().unwrap().to_owned();
    let handles = [handle_of(ann.access_token()), handle_of(phone.access_token())];
    let has_ended = |handle: &String| provider.ended.lock().unwrap().contains(handle);

    ann.refresh_without_rid().await;
    {
        let requests = provider.requests.lock().unwrap();
        assert_eq!(requests.len(), 3);
        assert_eq!(requests[0].parent, None);
        assert_eq!(requests[2].parent.as_ref(), Some(&requests[0].lineage));
        assert_eq!(requests[2].user.as_str(), "ann");
        let ends = claims(ann.access_token())["exp"].as_i64().unwrap();
        assert_eq!(requests[2].expires_at.seconds(), ends);
        assert_eq!(*provider.persisted.lock().unwrap(), ["1", "2", "3"]);
    }
    ann.post_empty("/api/sessions/revoke-others").await;
    assert!(has_ended(&handles[1]));
    assert!(phone.refresh_without_rid().await.is_unauthorised());
    world.clock.advance(Duration::from_hours(31 * 24));
    world.server.sessions.sweep().await.unwrap();
    assert!(has_ended(&handles[0]));

    let victim = world.sign_in("eve").await;
    let thief = victim.clone();
    victim.refresh_without_rid().await;
    victim.get("/me").await;
    world.clock.advance(Duration::from_mins(1));
    let handle = handle_of(victim.access_token());
    provider.ended.lock().unwrap().clear();
    assert!(thief.clone().refresh_without_rid().await.is_theft());
    assert!(has_ended(&handle));
}

#[tokio::test]
async fn claims_of_the_token_provider_survive_promotion_and_cannot_be_written() {
    let (world, _) = world().await;
    let ann = world.sign_in("ann").await;
    assert_eq!(claims(ann.access_token())["secret"], "secret 1");
    ann.refresh_without_rid().await;
    assert_eq!(claims(ann.access_token())["secret"], "secret 2");
    assert_eq!(ann.get("/me").await.front()["up"]["secret"], "secret 2");
    ann.put_json("/payload", &json!({ "secret": "mine", "other": 1 })).await;
    let said = claims(ann.access_token());
    assert_eq!((&said["secret"], &said["other"]), (&json!("secret 2"), &json!(1)));
    assert!(ann.get("/now").await.leaves_tokens_alone(), "its claims are no change of the payload");
    assert_eq!(world.count("select count(*) from session where payload like '%secret%'").await, 0);
}

/// actix-web drops a handler when its client disconnects; the session must be created, and refreshed, completely nevertheless.
#[tokio::test]
async fn a_client_that_disconnects_leaves_complete_sessions() {
    let (world, provider) = world().await;
    let interrupt = async |visitor: TestClient, path: &'static str| {
        let before = world.server.interrupted.load(Ordering::SeqCst);
        provider.holds_issue.store(true, Ordering::SeqCst);
        let request = tokio::spawn(async move { visitor.send_only(reqwest::Method::POST, path, None).await });
        provider.held.notified().await;
        request.abort();
        assert!(request.await.unwrap_err().is_cancelled());
        eventually(async || world.server.interrupted.load(Ordering::SeqCst) > before, "the handler is interrupted")
            .await;
        provider.holds_issue.store(false, Ordering::SeqCst);
        provider.may_go_on.notify_one();
    };
    let persisted = || provider.persisted.lock().unwrap().len();

    interrupt(world.visitor(), "/login/ann").await;
    eventually(async || persisted() == 1, "the session's token is stored").await;
    let sessions = async || world.count("select count(*) from session").await == 1;
    eventually(sessions, "the session is stored in the same transaction").await;

    let bob = world.sign_in("bob").await;
    assert_eq!(persisted(), 2);
    interrupt(bob.clone(), "/auth/session/refresh").await;
    eventually(async || persisted() == 3, "the token of the refresh is stored").await;
    let bob = bob;
    assert_eq!(bob.refresh_without_rid().await.status, 200, "the lost response costs nothing");
    assert_eq!(bob.get("/me").await.status, 200);
    assert_eq!(world.server.interrupted.load(Ordering::SeqCst), 2);
}

/// Polls a condition that another task brings about; fails after ten seconds.
async fn eventually(condition: impl AsyncFn() -> bool, what: &str) {
    for _ in 0..1000 {
        if condition().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("did not happen: {what}");
}
