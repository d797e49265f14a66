//! The life of a session: creation, refresh, promotion, expiry and sign-out.

use std::time::Duration;

use serde_json::json;

use crate::server::{SECOND, World, claims};

const ACCESS: Duration = Duration::from_mins(15);
const DAY: Duration = Duration::from_hours(24);

/// The front token shows scripts nothing that is not in the access token. S-J-18 in `docs/threats.md`.
#[tokio::test]
async fn a_session_works_in_cookies() {
    let world = World::start().await;
    let mut ann = world.visitor();
    let answer = ann.header("st-auth-mode", "cookie").post_empty("/login/ann").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.find_header("access-control-expose-headers"), Some("front-token"));
    assert_eq!(answer.find_header("st-access-token"), None);
    let front = answer.front();
    let said = claims(ann.access_token());
    let keys: Vec<_> = said.keys().map(String::as_str).collect();
    let names = ["sub", "exp", "iat", "sessionHandle", "refreshTokenHash1", "parentRefreshTokenHash1", "antiCsrfToken"];
    assert_eq!(keys, [&names[..], &["iss", "tId", "rsub"]].concat());
    assert_eq!(front["up"].to_string(), serde_json::Value::Object(said.clone()).to_string());
    assert_eq!(front.as_object().unwrap().keys().collect::<Vec<_>>(), ["uid", "ate", "up"]);
    assert_eq!(front["uid"], "ann");
    assert_eq!(front["ate"], said["exp"].as_i64().unwrap() * 1000);
    assert_eq!(said["exp"].as_i64().unwrap() - said["iat"].as_i64().unwrap(), 900);
    assert_eq!(said["parentRefreshTokenHash1"], json!(null));
    assert_eq!(said["iss"], "http://localhost:3000/auth");

    let answer = ann.get("/me").await;
    assert_eq!((answer.status, answer.text.as_str()), (200, "ann"));
    assert!(answer.leaves_tokens_alone());
    assert_eq!(ann.get("/twice").await.text, "ann");

    let answer = ann.post_empty("/auth/signout").await;
    assert_eq!((answer.status, answer.text.as_str()), (200, r#"{"status":"OK"}"#));
    assert_eq!(answer.find_header("front-token"), Some("remove"));
    assert_eq!(answer.find_header("st-access-token"), None, "only the way in use is cleared");
    assert!(!ann.has_cookies());
    assert_eq!(world.count("select count(*) from session").await, 0);
    let answer = ann.get("/me").await;
    assert!(answer.is_unauthorised() && answer.leaves_tokens_alone());
}

#[tokio::test]
async fn a_session_works_in_headers() {
    let world = World::start().await;
    let mut app = world.visitor();
    let answer = app.post_empty("/login/ann").await;
    assert_eq!(answer.headers.get_all("set-cookie").iter().count(), 0);
    assert_eq!(
        answer.find_header("access-control-expose-headers"),
        Some("front-token, st-access-token, st-refresh-token")
    );
    let access = answer.find_header("st-access-token").unwrap().to_owned();
    let refresh = answer.find_header("st-refresh-token").unwrap().to_owned();

    app.header("authorization", &format!("Bearer {access}"));
    assert_eq!(app.get("/me").await.text, "ann");
    app.header("authorization", &format!("Bearer {refresh}"));
    let answer = app.refresh_without_rid().await;
    assert_eq!((answer.status, answer.text.as_str()), (200, "{}"));
    let access = answer.find_header("st-access-token").unwrap().to_owned();
    app.header("authorization", &format!("Bearer {access}"));
    let answer = app.post_empty("/auth/signout").await;
    assert_eq!(answer.find_header("st-access-token"), Some(""));
    assert_eq!(answer.find_header("st-refresh-token"), Some(""));
    assert_eq!(answer.find_header("front-token"), Some("remove"));
    assert!(!answer.headers.contains_key("set-cookie"));
}

/// S-R-01 and S-R-03 in `docs/threats.md`.
#[tokio::test]
async fn the_first_use_after_a_refresh_promotes_once() {
    let world = World::start().await;
    let ann = world.sign_in("ann").await;
    let first = ann.refresh_token();
    world.clock.advance(ACCESS + SECOND);
    assert!(ann.get("/me").await.is_try_refresh());
    let answer = ann.refresh_without_rid().await;
    assert_eq!((answer.status, answer.text.as_str()), (200, "{}"));
    let child = claims(ann.access_token());
    assert_ne!(child["parentRefreshTokenHash1"], json!(null));

    let answer = ann.get("/me").await;
    assert_eq!(answer.status, 200);
    assert!(answer.headers.contains_key("front-token"));
    let promoted = claims(ann.access_token());
    assert_eq!(promoted["parentRefreshTokenHash1"], json!(null));
    assert_eq!(promoted["exp"], child["exp"], "promotion does not prolong it");
    assert!(ann.get("/me").await.leaves_tokens_alone(), "the second use changes nothing");

    world.clock.advance(Duration::from_secs(31));
    ann.set_cookie("sRefreshToken", &first);
    assert!(ann.refresh_without_rid().await.is_theft());
    assert_eq!(world.count("select count(*) from session").await, 0);
}

#[tokio::test]
async fn a_lost_response_to_a_refresh_does_no_harm() {
    let world = World::start().await;
    let ann = world.sign_in("ann").await;
    for _ in 0..5 {
        assert_eq!(ann.send_only(reqwest::Method::POST, "/auth/session/refresh", None).await.status, 200);
        world.clock.advance(DAY);
    }
    assert_eq!(ann.refresh_without_rid().await.status, 200);
    assert_eq!(ann.get("/me").await.text, "ann");
}

#[tokio::test]
async fn within_the_grace_period_the_old_token_joins_the_new_lineage() {
    let world = World::start().await;
    let ann = world.sign_in("ann").await;
    let other_tab = ann.clone();
    ann.refresh_without_rid().await;
    ann.get("/me").await;
    assert_eq!(other_tab.refresh_without_rid().await.status, 200);
    assert_eq!(other_tab.get("/me").await.status, 200);
    assert_eq!(claims(other_tab.access_token())["parentRefreshTokenHash1"], json!(null), "promoted");
    assert_eq!(ann.get("/me").await.status, 200);
    world.clock.advance(Duration::from_mins(1));
    assert_eq!(other_tab.refresh_without_rid().await.status, 200);
}

/// S-R-18 in `docs/threats.md`.
#[tokio::test]
async fn use_prolongs_a_session_up_to_its_absolute_end() {
    let world = World::start().await;
    let ann = world.sign_in("ann").await;
    for _ in 0..3 {
        world.clock.advance(29 * DAY);
        assert_eq!(ann.refresh_without_rid().await.status, 200);
        assert_eq!(ann.get("/me").await.status, 200);
    }
    world.clock.advance(29 * DAY);
    let answer = ann.refresh_without_rid().await;
    assert!(answer.is_unauthorised() && answer.clears_everything());
}

/// An access token expires with its session at the latest. S-R-18 in `docs/threats.md`.
#[tokio::test]
async fn no_access_token_outlives_its_session() {
    let world = World::with(|options| options.settings.absolute_lifetime = Duration::from_mins(20)).await;
    let ann = world.sign_in("ann").await;
    let ends = world.count("select ends_at from session").await;
    assert!(claims(ann.access_token())["exp"].as_i64().unwrap() * 1000 < ends, "the first one ends by itself");
    world.clock.advance(Duration::from_mins(15));
    ann.refresh_without_rid().await;
    let last = claims(ann.access_token())["exp"].as_i64().unwrap();
    assert_eq!(last, ends / 1000);
    assert_eq!(ann.get("/me").await.front()["ate"], last * 1000, "nor does the one that replaces it");
    world.clock.advance(Duration::from_mins(5));
    assert!(ann.get("/me").await.is_try_refresh());
    assert!(ann.refresh_without_rid().await.is_unauthorised());
}

/// S-R-18 in `docs/threats.md`.
#[tokio::test]
async fn a_session_that_is_not_used_ends_and_is_swept() {
    let world = World::start().await;
    let ann = world.sign_in("ann").await;
    world.clock.advance(30 * DAY + SECOND);
    let answer = ann.refresh_without_rid().await;
    assert!(answer.is_unauthorised() && answer.clears_everything());
    assert_eq!(world.count("select count(*) from session").await, 1);
    assert!(!world.server.sessions.sweep().await.unwrap());
    assert_eq!(world.count("select count(*) from session").await, 0);
}

#[tokio::test]
async fn refreshing_with_nothing_clears_and_verifying_with_nothing_does_not() {
    let world = World::start().await;
    let nobody = world.visitor();
    let answer = nobody.refresh_without_rid().await;
    assert!(answer.is_unauthorised() && answer.clears_everything());
    assert_eq!(
        answer.find_header("access-control-expose-headers"),
        Some("front-token, st-access-token, st-refresh-token")
    );
    let answer = nobody.get("/me").await;
    assert!(answer.is_unauthorised() && answer.leaves_tokens_alone());
    let answer = nobody.post_empty("/auth/signout").await;
    assert!(answer.is_unauthorised() && answer.leaves_tokens_alone());
    assert_eq!(nobody.get("/maybe").await.text, "nobody");
    nobody.set_cookie("sAccessToken", "junk");
    assert!(nobody.get("/me").await.is_unauthorised());
    assert_eq!(nobody.get("/maybe").await.text, "nobody");
    nobody.set_cookie("sRefreshToken", "junk");
    assert!(nobody.refresh_without_rid().await.clears_everything());
}

#[tokio::test]
async fn an_optional_session_must_still_be_valid() {
    let world = World::start().await;
    let ann = world.sign_in("ann").await;
    assert_eq!(ann.get("/maybe").await.text, "ann");
    world.clock.advance(ACCESS + SECOND);
    assert!(ann.get("/maybe").await.is_try_refresh());
}

#[tokio::test]
async fn a_row_deleted_by_hand_ends_the_session() {
    let world = World::start().await;
    let ann = world.sign_in("ann").await;
    assert_eq!(world.sql("delete from session").await, 1);
    assert_eq!(ann.get("/me").await.status, 200, "until its access token ends");
    let answer = ann.clone().get("/now").await;
    assert!(answer.is_unauthorised() && answer.clears_everything());
    let answer = ann.refresh_without_rid().await;
    assert!(answer.is_unauthorised() && answer.clears_everything());
}

#[tokio::test]
async fn an_unused_child_of_an_ended_session_is_refused() {
    let world = World::start().await;
    let ann = world.sign_in("ann").await;
    ann.refresh_without_rid().await;
    world.sql("delete from session").await;
    let answer = ann.get("/me").await;
    assert!(answer.is_unauthorised() && answer.clears_everything());
}

#[tokio::test]
async fn users_can_list_and_revoke_their_sessions() {
    let world = World::start().await;
    let phone = world.sign_in("ann").await;
    world.clock.advance(SECOND);
    let laptop = world.sign_in("ann").await;
    let bob = world.sign_in("bob").await;

    let listed = laptop.get("/api/sessions").await.json();
    let sessions = listed["sessions"].as_array().unwrap();
    assert_eq!(sessions.len(), 2);
    assert_eq!((&sessions[0]["current"], &sessions[1]["current"]), (&json!(true), &json!(false)));
    assert!(sessions[0]["createdAt"].as_i64() > sessions[1]["createdAt"].as_i64(), "newest first");
    assert!(sessions[0]["expiresAt"].is_i64());
    let of_phone = sessions[1]["handle"].as_str().unwrap().to_owned();

    assert_eq!(bob.delete(&format!("/api/sessions/{of_phone}")).await.status, 404);
    assert_eq!(phone.get("/me").await.status, 200);
    let answer = laptop.delete(&format!("/api/sessions/{of_phone}")).await;
    assert_eq!((answer.status, answer.text.as_str()), (200, r#"{"status":"OK"}"#));
    assert!(phone.get("/me").await.is_unauthorised(), "refused at once where it was ended");
    assert_eq!(laptop.delete(&format!("/api/sessions/{of_phone}")).await.status, 404);

    world.sign_in("ann").await;
    let answer = laptop.post_empty("/api/sessions/revoke-others").await;
    assert_eq!(answer.json(), json!({ "status": "OK", "revoked": 1 }));
    assert_eq!(laptop.get("/me").await.status, 200);
    assert_eq!(bob.get("/now").await.status, 200);

    let info = laptop.get("/sessioninfo").await.json();
    assert_eq!(info["userId"], "ann");
    assert_eq!(info["accessTokenPayload"]["sessionHandle"], info["sessionHandle"]);
    let own = info["sessionHandle"].as_str().unwrap().to_owned();
    laptop.delete(&format!("/api/sessions/{own}")).await;
    assert!(!laptop.has_cookies(), "ending one's own session is signing out");
}

#[tokio::test]
async fn a_merged_payload_survives_a_refresh() {
    let world = World::start().await;
    let ann = world.sign_in("ann").await;
    let exp = claims(ann.access_token())["exp"].clone();
    let answer = ann.put_json("/payload", &json!({ "name": "łukasz 馬 / 马", "role": "a", "sub": "eve" })).await;
    assert_eq!(answer.json(), json!({ "iss": "http://localhost:3000/auth", "name": "łukasz 馬 / 马", "role": "a" }));
    assert_eq!(claims(ann.access_token())["exp"], exp);
    assert_eq!(answer.front()["up"]["sub"], "ann");
    ann.put_json("/payload", &json!({ "role": null })).await;
    ann.refresh_without_rid().await;
    let expected = json!({ "iss": "http://localhost:3000/auth", "name": "łukasz 馬 / 马" });
    assert_eq!(ann.get("/payload").await.json(), expected);
    assert_eq!(ann.put_json("/payload", &json!({ "big": "x".repeat(3000) })).await.status, 400);
    assert_eq!(ann.get("/payload").await.json(), expected);
}

#[tokio::test]
async fn nulls_and_depth_in_the_payload_are_kept() {
    let world = World::start().await;
    let ann = world.sign_in("ann").await;
    let update = json!({ "a": { "b": [{ "c": null }, [], "", 0.5, 9_007_199_254_740_993_i64] } });
    ann.put_json("/payload", &update).await;
    ann.refresh_without_rid().await;
    ann.get("/me").await;
    assert_eq!(ann.get("/payload").await.json()["a"], update["a"]);
}

/// As in `SessionTest4` of SuperTokens' core: very large lifetimes.
#[tokio::test]
async fn infinite_lifetimes_are_accepted() {
    let world = World::with(|options| {
        options.settings.access_token_lifetime = Duration::MAX;
        options.settings.refresh_token_lifetime = Duration::MAX;
        options.settings.absolute_lifetime = Duration::MAX;
    })
    .await;
    let ann = world.sign_in("ann").await;
    world.clock.advance(10_000 * DAY);
    assert_eq!(ann.get("/me").await.status, 200);
    assert_eq!(ann.refresh_without_rid().await.status, 200);
    assert_eq!(ann.get("/now").await.status, 200);
}

/// S-R-20 in `docs/threats.md`.
#[tokio::test]
async fn signing_in_ignores_the_session_of_the_request() {
    let world = World::start().await;
    let mut ann = world.sign_in("ann").await;
    let planted = ann.clone();
    ann.header("st-auth-mode", "cookie").post_empty("/login/ann").await;
    let handle = |visitor: &crate::support::client::TestClient| claims(visitor.access_token())["sessionHandle"].clone();
    assert_ne!(handle(&ann), handle(&planted));
    assert_eq!(world.count("select count(*) from session").await, 2);
}

#[tokio::test]
async fn a_change_by_handle_is_seen_at_the_next_check_of_the_database() {
    let world = World::start().await;
    let ann = world.sign_in("ann").await;
    let info = ann.get("/sessioninfo").await.json();
    let handle = starter::session::SessionHandle::parse(info["sessionHandle"].as_str().unwrap()).unwrap();
    let update = json!({ "role": "admin" }).as_object().unwrap().clone();
    assert!(world.server.sessions.merge_into_payload(&handle, update.clone()).await.unwrap());
    assert!(ann.get("/payload").await.json().get("role").is_none());
    assert!(ann.get("/me").await.leaves_tokens_alone());
    assert!(ann.get("/now").await.headers.contains_key("front-token"));
    assert_eq!(ann.get("/payload").await.json()["role"], "admin");
    assert!(ann.get("/now").await.leaves_tokens_alone());
    let nobody = starter::session::SessionHandle::parse("nobody").unwrap();
    assert!(!world.server.sessions.merge_into_payload(&nobody, update).await.unwrap());
}
