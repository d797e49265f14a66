//! Fauna is down, slow, or its answers are lost: 503 with `Retry-After`, no cookie changed, and all well afterwards.

use std::time::Duration;

use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::mailbox::kinds;
use crate::mailbox::token_to;
use crate::proxy::Line;
use crate::proxy::Proxy;
use crate::visitor::Answer;
use crate::world::PASSWORD;
use crate::world::World;
use crate::world::credentials;

/// A site whose line to Fauna can be cut; the Fauna is that of the first world.
async fn behind_a_line() -> (World, World, Proxy) {
    let fauna = World::start().await;
    let (endpoint, key) = fauna.fauna_credentials();
    let proxy = Proxy::to(&endpoint).await;
    let site = World::with(&[("FAUNA_ENDPOINT", &format!("http://{}", proxy.address)), ("FAUNA_SECRET", &key)]).await;
    (fauna, site, proxy)
}

fn assert_unavailable(answer: &Answer) {
    assert_eq!(answer.status, 503, "{}", answer.text);
    assert_ne!(answer.header("retry-after"), "", "no Retry-After");
    assert_eq!(answer.set_cookies(), Vec::<String>::new());
    assert_eq!(answer.header("front-token"), "");
    assert!(answer.json()["message"].is_string());
}

#[actix_rt::test]
async fn a_refresh_while_fauna_is_down_loses_nothing() {
    let (_fauna, site, line) = behind_a_line().await;
    let ann = site.sign_up("ann@example.com").await;
    line.set(Line::Down);
    for _ in 0..3 {
        assert_unavailable(&ann.refresh().await);
    }
    line.set(Line::Up);
    assert_eq!(ann.refresh().await.status, 200);
    assert_eq!(ann.get("/sessioninfo").await.status, 200);
}

#[actix_rt::test]
async fn sign_up_and_sign_in_while_fauna_is_down_are_refused_and_leave_nothing() {
    let (_fauna, site, line) = behind_a_line().await;
    line.set(Line::Down);
    let visitor = site.visitor();
    assert_unavailable(&visitor.post("/auth/signup", &credentials("ann@example.com", PASSWORD)).await);
    assert_unavailable(&visitor.post("/auth/signin", &credentials("ann@example.com", PASSWORD)).await);
    assert_eq!(site.visitor().get("/health").await.status, 200);
    assert_eq!(site.visitor().get("/ready").await.status, 503);
    line.set(Line::Up);
    site.sign_up("ann@example.com").await;
    site.sign_in("ann@example.com").await;
    assert_eq!(site.visitor().get("/ready").await.status, 200);
}

#[actix_rt::test]
async fn a_sign_up_whose_answer_was_lost_can_be_repeated_or_signed_in_to() {
    let (_fauna, site, line) = behind_a_line().await;
    line.set(Line::Lossy);
    let visitor = site.visitor();
    assert_unavailable(&visitor.post("/auth/signup", &credentials("ann@example.com", PASSWORD)).await);
    line.set(Line::Up);
    let again = visitor.post("/auth/signup", &credentials("ann@example.com", PASSWORD)).await;
    let status = again.json()["status"].as_str().unwrap().to_owned();
    assert!(matches!(status.as_str(), "OK" | "FIELD_ERROR"), "{}", again.text);
    site.sign_in("ann@example.com").await;
}

#[actix_rt::test]
async fn a_signed_in_request_waits_no_longer_than_its_deadline() {
    let (_fauna, site, line) = behind_a_line().await;
    let ann = site.sign_up("ann@example.com").await;
    line.set(Line::Silent);
    let began = std::time::Instant::now();
    assert_unavailable(&ann.post("/api/comments", &json!({"text": "Hello"})).await);
    assert!(began.elapsed() < Duration::from_secs(15));
    line.set(Line::Up);
    assert!(matches!(ann.post("/api/comments", &json!({"text": "Hello"})).await.status, 200 | 201));
}

#[actix_rt::test]
async fn a_former_address_is_told_although_whoever_changed_it_has_gone() {
    for path in ["/auth/user/email/verify", "/api/user/email/confirm"] {
        let (fauna, site, line) = behind_a_line().await;
        let ann = site.sign_up("ann@example.com").await;
        ann.post("/api/user/email", &json!({"currentPassword": PASSWORD, "email": "new@example.com"})).await;
        let body = json!({"token": token_to(&site, "new@example.com").await}).to_string();
        let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ");
        line.set(Line::HoldsAddresses);
        let mut asking = TcpStream::connect(site.base().trim_start_matches("http://")).await.unwrap();
        asking.write_all(format!("{head}{}\r\n\r\n{body}", body.len()).as_bytes()).await.unwrap();
        let (_, key) = fauna.fauna_credentials();
        let has_new = json!({"exists": {"match": {"index": "users_by_email"}, "terms": "new@example.com"}});
        let is_changed = async || fauna.fauna().ask(&key, &has_new).await.1["resource"] == true;
        assert!(site.eventually(Duration::from_secs(20), is_changed).await, "{path}");
        // Not a close but a reset, which ends the request in actix-web.
        asking.set_zero_linger().unwrap();
        drop(asking);
        assert_eq!(site.visitor().get("/health").await.status, 200, "the only worker has seen that they are gone");
        line.set(Line::Up);
        let told = ("ann@example.com".to_owned(), "email-changed".to_owned());
        let is_told = async || kinds(&site).await.contains(&told);
        assert!(site.eventually(Duration::from_secs(20), is_told).await, "{path}");
    }
}

#[actix_rt::test]
async fn s_e_12_nobody_waits_for_a_mail_server_that_says_nothing() {
    // The system takes connections for it; nobody ever answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("smtp://{}", silent.local_addr().unwrap());
    let site = World::with(&[("SMTP_URL", &url)]).await;
    let ann = site.sign_up("ann@example.com").await;
    let body = json!({"formFields": [{"id": "email", "value": "ann@example.com"}]});
    let change = json!({"currentPassword": PASSWORD, "newPassword": "another horse 2"});
    for (path, body) in [
        ("/auth/user/password/reset/token", body),
        ("/auth/user/email/verify/token", json!({})),
        ("/api/user/password", change),
    ] {
        let began = std::time::Instant::now();
        let answer = ann.post(path, &body).await;
        assert_eq!((answer.status, answer.json()), (200, json!({"status": "OK"})), "{path}");
        assert!(began.elapsed() < Duration::from_secs(5), "{path}");
    }
    let waiting = sqlx::query("select id from mail where kept = 0").fetch_all(&mut site.sql().await).await.unwrap();
    assert_eq!(waiting.len(), 3);
}

#[actix_rt::test]
async fn signing_out_while_fauna_is_down_ends_the_session_and_the_token_dies_afterwards() {
    let (fauna, site, line) = behind_a_line().await;
    let ann = site.sign_up("ann@example.com").await;
    line.set(Line::Down);
    assert_eq!(ann.sign_out().await.status, 200);
    assert_eq!(ann.refresh().await.status, 401);
    line.set(Line::Up);
    site.clock.advance(Duration::from_secs(20));
    let gone = site.eventually(Duration::from_secs(20), async || fauna.count_tokens().await == 0).await;
    assert!(gone, "the Fauna token outlived its session");
}
