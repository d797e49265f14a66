//! The Fauna token of a session: it works for its owner, is renewed with the session, and dies with it.

use std::time::Duration;

use serde_json::json;

use crate::client::TestClient;
use crate::world::World;

/// How long after the request that ends a session its token may still work.
const AT_ONCE: Duration = Duration::from_secs(1);
/// Time within which the token of a row that was deleted by hand is deleted.
const SOON: Duration = Duration::from_secs(10);

/// A site that shows people their Fauna token.
async fn open_world() -> World {
    World::with(&[("ACCESS_FAUNADB_TOKEN_FROM_FRONTEND", "true")]).await
}

async fn assert_dead(world: &World, token: &str, within: Duration) {
    let dead = world.eventually(within, async || !world.fauna().accepts(token).await).await;
    assert!(dead, "the Fauna token still works");
}

async fn handle(person: &TestClient) -> String {
    person.get("/sessioninfo").await.json()["sessionHandle"].as_str().unwrap().to_owned()
}

#[actix_rt::test]
async fn the_token_is_its_owner_in_fauna() {
    let world = open_world().await;
    let ann = world.sign_up("ann@example.com").await;
    let (status, body) =
        world.fauna().ask(&ann.fauna_token(), &json!({"select": "id", "from": {"current_identity": null}})).await;
    assert_eq!((status, &body["resource"]), (200, &ann.payload()["sub"]));
    assert_eq!(world.count_tokens().await, 1);
}

#[actix_rt::test]
async fn scripts_see_no_token_unless_told_so() {
    let world = World::start().await;
    let ann = world.visitor();
    let answer =
        ann.post("/auth/signup", &crate::world::credentials("ann@example.com", crate::support::world::PASSWORD)).await;
    assert_eq!(ann.payload().get("faunadbToken"), None);
    assert!(!answer.text.contains("fnE") && !ann.payload().to_string().contains("fnE"));
    // Somewhere inside, a random token may have these letters.
    let headers = format!("{:?}", answer.headers);
    let mut words = headers.split(|character: char| !character.is_ascii_alphanumeric() && !"-_".contains(character));
    assert!(words.all(|word| !word.starts_with("fnE")), "{headers}");
    let seen = ann.get("/sessioninfo").await.text;
    assert!(!seen.contains("faunadbToken"), "{seen}");
}

#[actix_rt::test]
async fn a_refresh_brings_a_new_token_and_the_old_one_ends_with_the_grace() {
    let world = open_world().await;
    let ann = world.sign_up("ann@example.com").await;
    let first = ann.fauna_token();
    assert_eq!(ann.refresh().await.status, 200);
    let second = ann.fauna_token();
    assert_ne!(first, second);
    assert!(world.fauna().accepts(&first).await && world.fauna().accepts(&second).await, "an answer may be on its way");
    assert_eq!(ann.get("/sessioninfo").await.status, 200);
    world.clock.advance(Duration::from_secs(31));
    assert_dead(&world, &first, SOON).await;
    assert!(world.fauna().accepts(&second).await);
    assert_eq!(ann.post("/api/comments", &json!({"text": "still me"})).await.status, 201);
}

#[actix_rt::test]
async fn a_token_does_not_outlive_its_access_token() {
    let world = open_world().await;
    let ann = world.sign_up("ann@example.com").await;
    let token = ann.fauna_token();
    world.advance(Duration::from_secs(900)).await;
    assert!(world.fauna().accepts(&token).await, "requests that were let in at the last moment finish");
    world.advance(Duration::from_secs(31)).await;
    assert!(!world.fauna().accepts(&token).await);
    assert_eq!(ann.refresh().await.status, 200);
    assert!(world.fauna().accepts(&ann.fauna_token()).await);
}

#[actix_rt::test]
async fn the_oldest_tokens_of_a_session_are_deleted_if_there_are_too_many() {
    let settings = [("ACCESS_FAUNADB_TOKEN_FROM_FRONTEND", "true"), ("FAUNA_TOKENS_PER_SESSION", "4")];
    let world = World::with(&settings).await;
    let ann = world.sign_up("ann@example.com").await;
    let first = ann.clone();
    let mut children = Vec::new();
    for _ in 0..7 {
        let child = first.clone();
        assert_eq!(child.refresh().await.status, 200);
        children.push(child);
        world.clock.advance(Duration::from_secs(1));
    }
    assert_eq!(world.count_tokens().await, 4);
    assert!(world.fauna().accepts(&first.fauna_token()).await, "the token in use stays");
    for (number, child) in children.iter().enumerate() {
        assert_eq!(world.fauna().accepts(&child.fauna_token()).await, number >= 4, "{number}");
    }
    // The response of any of them may be the one that arrived: its client stays signed in and gets another token.
    assert_eq!(children[0].post("/api/comments", &json!({"text": "still me"})).await.status, 201);
    assert_eq!(children[0].refresh().await.status, 200);
    assert_eq!(world.count_tokens().await, 4);
}

#[actix_rt::test]
async fn concurrent_refreshes_leave_no_more_tokens_than_allowed() {
    let world = World::with(&[("FAUNA_TOKENS_PER_SESSION", "4")]).await;
    let ann = world.sign_up("ann@example.com").await;
    let refreshes = (0..20).map(|_| async { ann.clone().refresh().await.status });
    assert!(futures_util::future::join_all(refreshes).await.iter().all(|status| *status == 200));
    assert!(world.eventually(AT_ONCE, async || world.count_tokens().await <= 4).await);
    assert_eq!(ann.post("/api/comments", &json!({"text": "still me"})).await.status, 201);
}

#[actix_rt::test]
async fn the_token_of_a_user_s_oldest_session_ends_with_it() {
    let settings = [("ACCESS_FAUNADB_TOKEN_FROM_FRONTEND", "true"), ("SESSIONS_PER_USER", "2")];
    let world = World::with(&settings).await;
    let mut devices = vec![world.sign_up("ann@example.com").await];
    for _ in 0..2 {
        world.clock.advance(Duration::from_secs(1));
        devices.push(world.sign_in("ann@example.com").await);
    }
    assert!(!world.fauna().accepts(&devices[0].fauna_token()).await);
    assert_eq!(devices[0].refresh().await.status, 401);
    for kept in &devices[1..] {
        assert!(world.fauna().accepts(&kept.fauna_token()).await);
    }
    assert_eq!(world.count_tokens().await, 2);
}

/// The original's promoted access tokens lived on without their Fauna token.
#[actix_rt::test]
async fn no_access_token_outlives_its_fauna_token() {
    let world = open_world().await;
    let ann = world.sign_up("ann@example.com").await;
    assert_eq!(ann.refresh().await.status, 200);
    world.clock.advance(Duration::from_secs(897));
    assert_eq!(ann.get("/sessioninfo").await.status, 200, "promoted at its last moment");
    let token = ann.fauna_token();
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(ann.post("/api/comments", &json!({"text": "still me"})).await.status, 201);
    assert!(world.fauna().accepts(&token).await);
    world.clock.advance(Duration::from_secs(3));
    assert_eq!(ann.get("/sessioninfo").await.status, 401, "promotion has not prolonged it");
}

#[actix_rt::test]
async fn signing_out_kills_the_token() {
    let world = open_world().await;
    let (ann, other) = (world.sign_up("ann@example.com").await, world.sign_in("ann@example.com").await);
    let token = ann.fauna_token();
    assert_eq!(ann.sign_out().await.status, 200);
    assert_dead(&world, &token, AT_ONCE).await;
    assert!(world.fauna().accepts(&other.fauna_token()).await, "another device stays");
    assert_eq!(world.count_tokens().await, 1);
}

#[actix_rt::test]
async fn revoking_another_device_kills_its_token() {
    let world = open_world().await;
    let (ann, lost) = (world.sign_up("ann@example.com").await, world.sign_in("ann@example.com").await);
    let token = lost.fauna_token();
    let path = format!("/api/sessions/{}", handle(&lost).await);
    assert!(matches!(ann.delete(&path).await.status, 200 | 204));
    assert_dead(&world, &token, AT_ONCE).await;
    assert!(world.fauna().accepts(&ann.fauna_token()).await);
    let refused = lost.post("/api/comments", &json!({"text": "x"})).await;
    assert_eq!((refused.status, refused.json()), (401, json!({"message": "unauthorised"})));
}

#[actix_rt::test]
async fn revoking_all_others_kills_their_tokens() {
    let world = open_world().await;
    let ann = world.sign_up("ann@example.com").await;
    let others = [world.sign_in("ann@example.com").await, world.sign_in("ann@example.com").await];
    let bob = world.sign_up("bob@example.com").await;
    assert_eq!(ann.post("/api/sessions/revoke-others", &json!({})).await.status, 200);
    for other in &others {
        assert_dead(&world, &other.fauna_token(), AT_ONCE).await;
    }
    assert!(world.fauna().accepts(&ann.fauna_token()).await && world.fauna().accepts(&bob.fauna_token()).await);
}

#[actix_rt::test]
async fn theft_kills_every_token_of_the_session() {
    let world = open_world().await;
    let ann = world.sign_up("ann@example.com").await;
    let thief = ann.with_copied_cookies();
    let mut tokens = vec![ann.fauna_token()];
    for _ in 0..2 {
        assert_eq!(ann.refresh().await.status, 200);
        assert_eq!(ann.get("/sessioninfo").await.status, 200);
        tokens.push(ann.fauna_token());
        world.clock.advance(Duration::from_secs(31));
    }
    assert_eq!(thief.refresh().await.status, 401);
    for token in &tokens {
        assert_dead(&world, token, AT_ONCE).await;
    }
    assert_eq!(ann.refresh().await.status, 401);
}

#[actix_rt::test]
async fn an_expired_session_leaves_no_token() {
    let world = open_world().await;
    let ann = world.sign_up("ann@example.com").await;
    let token = ann.fauna_token();
    world.clock.advance(Duration::from_hours(31 * 24));
    assert_dead(&world, &token, SOON).await;
    assert_eq!(ann.refresh().await.status, 401);
    assert!(world.eventually(SOON, async || world.count_tokens().await == 0).await);
}

#[actix_rt::test]
async fn a_row_deleted_by_hand_kills_the_token() {
    let world = open_world().await;
    let (ann, bob) = (world.sign_up("ann@example.com").await, world.sign_up("bob@example.com").await);
    let token = ann.fauna_token();
    let mut sql = world.sql().await;
    sqlx::query("delete from session where handle = $1").bind(handle(&ann).await).execute(&mut sql).await.unwrap();
    let refused = ann.post("/api/comments", &json!({"text": "x"})).await;
    assert_eq!((refused.status, refused.json()), (401, json!({"message": "unauthorised"})));
    assert_dead(&world, &token, SOON).await;
    assert!(world.fauna().accepts(&bob.fauna_token()).await);
}

#[actix_rt::test]
async fn a_token_that_its_owner_ended_in_fauna_is_replaced() {
    let world = open_world().await;
    let ann = world.sign_up("ann@example.com").await;
    let (status, _) = world.fauna().ask(&ann.fauna_token(), &json!({"logout": true})).await;
    assert_eq!(status, 200);
    assert_eq!(ann.get("/account").await.status, 200);
    for text in ["one", "two"] {
        assert_eq!(ann.post("/api/comments", &json!({"text": text})).await.status, 201);
    }
    assert_eq!(ann.get("/api/comments").await.status, 200);
    assert_eq!(world.count_tokens().await, 1);
    assert_eq!(ann.sign_out().await.status, 200);
    assert_eq!(world.count_tokens().await, 0);
}

#[actix_rt::test]
async fn sql_holds_no_token_in_clear() {
    let world = open_world().await;
    let ann = world.sign_up("ann@example.com").await;
    let token = ann.fauna_token();
    for entry in std::fs::read_dir(world.directory.path()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let found = bytes.windows(token.len()).any(|window| window == token.as_bytes());
        assert!(!found, "{} holds the token", path.display());
    }
}
