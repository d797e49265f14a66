//! Operations on sessions by handle: data, payload, lists and revocation.

use std::time::Duration;

use serde_json::{Map, Value, json};
use starter::session::{Error, NewSession, RevokeReason, SessionHandle, UserId};

use crate::server::{SECOND, World, claims};
use crate::support::client::TestClient;

const MONTH: Duration = Duration::from_hours(30 * 24);

/// The handle in the visitor's access token.
pub fn handle_of(visitor: &TestClient) -> SessionHandle {
    SessionHandle::parse(claims(visitor.access_token())["sessionHandle"].as_str().unwrap()).unwrap()
}

fn object(value: &Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn handle(text: &str) -> SessionHandle {
    SessionHandle::parse(text).unwrap()
}

fn user(text: &str) -> UserId {
    UserId::parse(text).unwrap()
}

#[tokio::test]
async fn the_data_of_a_session_can_be_read_and_replaced() {
    let world = World::start().await;
    let (sessions, ann) = (&world.server.sessions, world.sign_in("ann").await);
    let own = handle_of(&ann);
    let data = async || sessions.info(&own).await.unwrap().unwrap().data;
    assert_eq!(data().await, Map::new());
    let cart = object(&json!({ "cart": [1, null, { "a": "łukasz 馬" }], "sub": "allowed here" }));
    assert!(sessions.update_data(&own, &cart).await.unwrap());
    assert_eq!(data().await, cart);
    ann.refresh_without_rid().await;
    ann.get("/me").await;
    assert_eq!(data().await, cart, "rotation does not touch it");
    assert!(sessions.update_data(&own, &Map::new()).await.unwrap());
    assert_eq!(data().await, Map::new(), "it is replaced, not merged");

    for gone in [handle("unknown"), own.clone()] {
        assert_eq!(sessions.info(&gone).await.unwrap().is_some(), gone == own);
        sessions.revoke(&gone, RevokeReason::Administrator).await.unwrap();
        assert!(!sessions.update_data(&gone, &cart).await.unwrap());
        assert!(sessions.info(&gone).await.unwrap().is_none());
    }
}

/// As in `SessionTest4` and `DeleteExpiredSessionsTest` of SuperTokens' core: an expired session counts as missing before it is
/// swept.
#[tokio::test]
async fn an_expired_session_is_neither_listed_nor_updated() {
    let world = World::start().await;
    let (sessions, old) = (&world.server.sessions, handle_of(&world.sign_in("ann").await));
    world.clock.advance(MONTH / 2);
    let live = world.sign_in("ann").await;
    world.clock.advance(MONTH / 2 + SECOND);
    live.refresh_without_rid().await;
    let listed = sessions.list(&user("ann")).await.unwrap();
    assert_eq!(listed.iter().map(|session| session.handle.clone()).collect::<Vec<_>>(), [handle_of(&live)]);
    assert!(sessions.info(&old).await.unwrap().is_none());
    let change = object(&json!({ "a": 1 }));
    assert!(!sessions.update_data(&old, &change).await.unwrap());
    assert!(!sessions.merge_into_payload(&old, change).await.unwrap());
    assert_eq!(world.count("select count(*) from session where data = '{}'").await, 2);

    assert!(!sessions.sweep().await.unwrap());
    assert_eq!(world.count("select count(*) from session").await, 1);
    assert_eq!(live.get("/now").await.status, 200, "what is alive is not swept, nor are the keys it needs");
    assert_eq!(live.refresh_without_rid().await.status, 200);
}

/// As in `SessionRemoveAPITest2_7` and `SessionUserAPITest2_7` of SuperTokens' core: only existing sessions are reported, once.
#[tokio::test]
async fn several_sessions_are_revoked_at_once() {
    let world = World::start().await;
    let sessions = &world.server.sessions;
    let (one, other) = (world.sign_in("ann").await, world.sign_in("ann").await);
    let (bob, kept) = (world.sign_in("bob").await, world.sign_in("bob").await);
    let asked = [handle_of(&one), handle("unknown"), handle_of(&one), handle_of(&bob)];
    let ended = sessions.revoke_multiple(&asked, RevokeReason::Administrator).await.unwrap();
    assert_eq!(ended, [handle_of(&one), handle_of(&bob)]);
    assert!(bob.get("/now").await.is_unauthorised());
    assert_eq!(kept.get("/now").await.status, 200);
    assert!(sessions.revoke_multiple(&[], RevokeReason::Administrator).await.unwrap().is_empty());
    assert!(!sessions.revoke(&handle_of(&one), RevokeReason::Administrator).await.unwrap());
    assert_eq!(sessions.revoke_all(&user("ann"), RevokeReason::Administrator).await.unwrap(), [handle_of(&other)]);
    assert!(sessions.revoke_all(&user("ann"), RevokeReason::Administrator).await.unwrap().is_empty());
    assert!(sessions.list(&user("ann")).await.unwrap().is_empty());
    assert!(sessions.list(&user("nobody")).await.unwrap().is_empty());
    assert_eq!(sessions.list(&user("bob")).await.unwrap().len(), 1);
}

/// Deleting a user revokes the user's sessions; checks that read the database see it at once. S-J-13 in `docs/threats.md`.
#[tokio::test]
async fn the_access_token_of_a_deleted_user_is_refused_by_database_checks() {
    let world = World::start().await;
    let sibling = world.sibling().await;
    let ann = world.sign_in("ann").await;
    assert_eq!(sibling.server.sessions.revoke_all(&user("ann"), RevokeReason::Administrator).await.unwrap().len(), 1);
    assert_eq!(ann.get("/me").await.status, 200, "a statement that is good for minutes");
    let answer = ann.clone().get("/now").await;
    assert!(answer.is_unauthorised() && answer.clears_everything());
    assert!(ann.refresh_without_rid().await.is_unauthorised());
}

/// As in `JWTDataTest` of SuperTokens' core: a payload is emptied by handle, and only the session's own claims are left.
#[tokio::test]
async fn a_payload_is_emptied_by_handle() {
    let world = World::start().await;
    let mut ann = world.visitor();
    ann.header("st-auth-mode", "cookie");
    let created = ann.post("/login/ann", &json!({"a": null, "b": {"c": null}})).await;
    assert_eq!(created.front()["up"]["a"], Value::Null);
    let said = claims(ann.access_token());
    assert!(said.contains_key("a") && said["b"] == json!({ "c": null }), "nulls at the top, too: {said:?}");
    ann.refresh_without_rid().await;
    ann.get("/me").await;
    assert!(claims(ann.access_token()).contains_key("a"));

    let (sessions, own) = (&world.server.sessions, handle_of(&ann));
    let nothing = object(&json!({ "iss": null, "a": null, "b": null, "unknown": null }));
    assert!(sessions.merge_into_payload(&own, nothing).await.unwrap());
    assert_eq!(sessions.info(&own).await.unwrap().unwrap().payload, Map::new());
    assert!(claims(ann.access_token()).contains_key("b"), "the client does not know yet");
    assert_eq!(ann.get("/now").await.status, 200);
    assert_eq!(claims(ann.access_token()).len(), 9);
    assert!(ann.get("/now").await.leaves_tokens_alone());
}

/// As in `RegenerateTokenTest` of SuperTokens' core: same expiry, same refresh token, and the rotation state is unchanged.
#[tokio::test]
async fn a_new_payload_does_not_rotate_the_refresh_token() {
    let world = World::start().await;
    let ann = world.sign_in("ann").await;
    ann.refresh_without_rid().await;
    ann.get("/me").await;
    let columns = "current_lineage || previous_lineage || rotated_at || refreshed_at || expires_at || ends_at";
    let row = async || {
        let statement = sqlx::AssertSqlSafe(format!("select {columns} from session"));
        sqlx::query_scalar::<_, String>(statement).fetch_one(world.server.database.write()).await.unwrap()
    };
    let (before, row_before) = (claims(ann.access_token()), row().await);
    world.clock.advance(60 * SECOND);
    ann.put_json("/payload", &json!({ "name": "Ann" })).await;
    let after = claims(ann.access_token());
    for name in ["exp", "refreshTokenHash1", "parentRefreshTokenHash1", "sessionHandle", "antiCsrfToken"] {
        assert_eq!(after[name], before[name], "{name}");
    }
    assert!(after["iat"].as_i64() > before["iat"].as_i64());
    assert_eq!(row().await, row_before);
    assert_eq!(ann.refresh_without_rid().await.status, 200);
}

#[tokio::test]
async fn a_payload_of_a_revoked_session_cannot_be_changed() {
    let world = World::start().await;
    let ann = world.sign_in("ann").await;
    world.sql("delete from session").await;
    let answer = ann.put_json("/payload", &json!({ "a": 1 })).await;
    assert!(answer.is_unauthorised() && answer.clears_everything());
    assert_eq!(answer.find_header("id-refresh-token"), None);
    assert!(!ann.has_cookies());

    let mut old = world.visitor();
    old.header("rid", "session").post_empty("/login/ann").await;
    assert!(old.cookie("sIdRefreshToken").is_some());
    world.sql("delete from session").await;
    let answer = old.put_json("/payload", &json!({ "a": 1 })).await;
    assert_eq!((answer.status, answer.find_header("id-refresh-token")), (401, Some("remove")));
    assert!(!old.has_cookies(), "the cookie sIdRefreshToken is removed, too");
}

/// A float must be read as it was written, or compare-and-swap would never match the payload it has read.
#[tokio::test]
async fn numbers_of_every_kind_can_be_replaced() {
    let world = World::start().await;
    let ann = world.sign_in("ann").await;
    let own = handle_of(&ann);
    let numbers = [2.0_f64.powf(0.3) * 1e-7, 1.0 / 3.0, 0.1 + 0.2, 1e300 / 7.0, -5e-324, 51.248_178_375_505_404];
    for (count, number) in numbers.into_iter().enumerate() {
        let update = object(&json!({ "number": number, "count": count }));
        assert!(world.server.sessions.merge_into_payload(&own, update).await.unwrap(), "{number:e}");
        let stored = world.server.sessions.info(&own).await.unwrap().unwrap().payload;
        assert_eq!(stored["number"].as_f64(), Some(number));
    }
    assert_eq!(ann.put_json("/payload", &json!({ "number": null })).await.status, 200);
    assert!(ann.get("/now").await.leaves_tokens_alone());
}

/// Claims written by SQL may have any name, but cannot replace the session's own.
#[tokio::test]
async fn a_stored_payload_cannot_change_the_user_of_a_session() {
    let world = World::start().await;
    let ann = world.sign_in("ann").await;
    let wanted = object(&json!({ "sub": "eve", "exp": 1, "rsub": "eve", "tId": "other", "stt": 1, "name": "Ann" }));
    let payload = json!({ "sub": "eve", "rsub": "eve", "name": "Ann" });
    world.sql(&format!("update session set payload = '{payload}'")).await;
    let answer = ann.get("/now").await;
    assert_eq!((answer.status, answer.text.as_str()), (200, "ann"));
    let said = claims(ann.access_token());
    assert_eq!((&said["sub"], &said["rsub"], &said["name"]), (&json!("ann"), &json!("ann"), &json!("Ann")));
    assert_eq!(ann.get("/me").await.text, "ann");
    let answer = ann.refresh_without_rid().await;
    assert!(answer.is_unauthorised() && answer.clears_everything(), "as SuperTokens' core refuses it");

    let new = NewSession { payload: wanted, ..NewSession::of(user("ann")) };
    let issued = world.server.sessions.issue(new, false).await.unwrap();
    let stored = world.server.sessions.info(issued.handle()).await.unwrap().unwrap().payload;
    assert_eq!(stored.keys().collect::<Vec<_>>(), ["name", "iss"]);
    let too_large = NewSession { payload: object(&json!({ "x": "x".repeat(3000) })), ..NewSession::of(user("ann")) };
    assert!(matches!(world.server.sessions.issue(too_large, false).await, Err(Error::PayloadTooLarge)));
}
