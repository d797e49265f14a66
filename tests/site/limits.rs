//! How often somebody may ask from one network, over HTTP: the rows S-P of `docs/threats.md` that are about no password.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use crate::client::{Response, TestClient};
use crate::world::{World, credentials};

/// A network and another one.
const HERE: &str = "198.51.100.1";
const ELSEWHERE: &str = "203.0.113.7";

async fn behind_a_proxy() -> World {
    World::with(&[("TRUSTED_PROXIES", "127.0.0.1")]).await
}

/// Somebody in that network.
fn visitor_in(world: &World, network: &str) -> TestClient {
    let mut visitor = world.visitor();
    visitor.header("x-forwarded-for", network);
    visitor
}

fn assert_waits(answer: &Response, seconds: &str) {
    assert_eq!((answer.status, answer.header("retry-after")), (429, seconds), "{}", answer.text);
}

/// S-P-06 in `docs/threats.md`.
#[actix_rt::test]
async fn a_network_asks_for_sixty_addresses_a_minute() {
    let world = behind_a_proxy().await;
    let ask = async |network: &str, n: usize| {
        let path = format!("/auth/emailpassword/email/exists?email=user{n}%40example.com");
        visitor_in(&world, network).get(&path).await
    };
    for n in 0..60 {
        assert_eq!(ask(HERE, n).await.status, 200);
    }
    assert_waits(&ask(HERE, 60).await, "1");
    assert_eq!(ask(ELSEWHERE, 60).await.status, 200);
    world.clock.advance(Duration::from_secs(62));
    assert_eq!(ask(HERE, 61).await.status, 200);
}

/// S-P-05 in `docs/threats.md`.
#[actix_rt::test]
async fn a_network_makes_a_hundred_accounts_and_then_waits() {
    let world = behind_a_proxy().await;
    let sign_up = async |network: &str, n: usize| {
        visitor_in(&world, network)
            .post("/auth/signup", &credentials(&format!("user{n}@example.com"), "abcdefg1"))
            .await
    };
    for n in 0..3 {
        assert_eq!(sign_up(HERE, n).await.json()["status"], "OK");
    }
    let mut sql = world.sql().await;
    let raised = sqlx::query("update throttle set count = 99 where count = 3").execute(&mut sql).await.unwrap();
    assert_eq!(raised.rows_affected(), 1, "accounts that are made are counted");
    assert_eq!(sign_up(HERE, 99).await.json()["status"], "OK");
    assert_waits(&sign_up(HERE, 100).await, "10");
    assert_eq!(sign_up(ELSEWHERE, 100).await.json()["status"], "OK");
    world.clock.advance(Duration::from_secs(11));
    assert_eq!(sign_up(HERE, 101).await.json()["status"], "OK");
    assert_waits(&sign_up(HERE, 102).await, "20");
}

/// S-P-07 in `docs/threats.md`.
#[actix_rt::test]
async fn a_network_asks_for_twenty_mails_and_then_waits() {
    let world = behind_a_proxy().await;
    let ask = async |network: &str, n: usize| {
        let body = json!({"formFields": [{"id": "email", "value": format!("user{n}@example.com")}]});
        visitor_in(&world, network).post("/auth/user/password/reset/token", &body).await
    };
    for n in 0..20 {
        assert_eq!(ask(HERE, n).await.json(), json!({"status": "OK"}));
    }
    assert_waits(&ask(HERE, 20).await, "30");
    assert_eq!(ask(ELSEWHERE, 20).await.status, 200);
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let body = Some("email=user20%40example.com".into());
    let page = visitor_in(&world, HERE).send(Method::POST, "/forgot-password", &form, body).await;
    assert_waits(&page, "30");
}

#[actix_rt::test]
async fn wrong_administration_keys_are_slowed_down_and_several_keys_work() {
    let keys = "old:an-old-key-of-this-test,new:a-new-key-of-this-test";
    let world = World::with(&[("ADMIN_API_KEYS", keys), ("ADMIN_API_KEY", "a-single-key-of-this-test")]).await;
    let count = async |key: &str| {
        let mut admin = world.visitor();
        admin.header("api-key", key);
        admin.get("/api/admin/users/count").await.status
    };
    for key in ["an-old-key-of-this-test", "a-new-key-of-this-test", "a-single-key-of-this-test"] {
        assert_eq!(count(key).await, 200, "{key}");
    }
    for attempt in 0..20 {
        assert_eq!(count("old:an-old-key-of-this-test").await, 401, "{attempt}");
    }
    assert_eq!(count("wrong").await, 429);
    assert_eq!(count("a-new-key-of-this-test").await, 429, "a guess learns nothing while it has to wait");
    world.clock.advance(Duration::from_secs(11));
    assert_eq!(count("a-new-key-of-this-test").await, 200);
}

/// Every limit answers 429 with `Retry-After`, in the shape that clients of its address read.
#[actix_rt::test]
async fn whoever_reaches_a_limit_is_told_when_to_repeat() {
    let world = World::with(&[("WRITES_PER_USER_MINUTE", "1"), ("ADMIN_API_KEY", "a-single-key-of-this-test")]).await;
    let ann = world.sign_up("ann@example.com").await;
    let visitor = world.visitor();
    let mut guesser = world.visitor();
    guesser.header("api-key", "wrong");
    let wrong = credentials("bob@example.com", "wrong password 1");
    let reset =
        json!({"method": "token", "token": "x", "formFields": [{"id": "password", "value": "correct horse 2"}]});
    let change = json!({"currentPassword": "wrong password 1", "newPassword": "correct horse 2"});
    let form = "email=carl%40example.com&password=wrong+password+1";
    let limits = [
        ("POST", "/api/comments", &ann, Some(json!({"text": "x"}).to_string()), "application/problem+json"),
        ("POST", "/api/user/password", &ann, Some(change.to_string()), "application/problem+json"),
        ("GET", "/api/admin/users/count", &guesser, None, "application/problem+json"),
        ("POST", "/auth/signin", &visitor, Some(wrong.to_string()), "application/json"),
        ("POST", "/auth/user/password/reset", &visitor, Some(reset.to_string()), "application/json"),
        ("POST", "/sign-in", &visitor, Some(form.to_owned()), "text/html; charset=utf-8"),
    ];
    for (method, path, client, body, shape) in limits {
        let kind =
            if shape.starts_with("text/html") { "application/x-www-form-urlencoded" } else { "application/json" };
        let mut answer = None;
        for _ in 0..200 {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let sent = client.send(method, path, &[("content-type", kind)], body.clone().map(Into::into)).await;
            if sent.status == 429 {
                answer = Some(sent);
                break;
            }
        }
        let answer = answer.unwrap_or_else(|| panic!("{path} has no limit"));
        assert_eq!(answer.header("content-type"), shape, "{path}: {}", answer.text);
        assert!(answer.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds > 0), "{path}");
    }
}
