//! Fauna is down, slow, or its answers are lost: 503 with `Retry-After`, no cookie changed, and all well afterwards.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::client::{Response, TestClient};
use crate::mailbox::{kinds, token_to};
use crate::proxy::{Line, Proxy, behind_a_line};
use crate::world::{PASSWORD, World, credentials};

/// The hash that Fauna has of a person's password.
async fn password_hash(fauna: &World, person: &TestClient) -> Value {
    let (_, key) = fauna.fauna_credentials();
    let secret = json!({"get": {"ref": {"collection": "user_secrets"}, "id": person.payload()["sub"]}});
    fauna.fauna().ask(&key, &secret).await.1["resource"]["data"]["passwordHash"].clone()
}

/// What is answered to a request that gives the person another password, where the answer of Fauna to that is lost.
async fn answer_of_a_lost_one(
    (fauna, line): (&World, &Proxy),
    person: &TestClient,
    request: impl Future<Output = Response>,
) -> Response {
    let before = password_hash(fauna, person).await;
    line.set(Line::LosesHashes);
    let until_it_is_another = async {
        while password_hash(fauna, person).await == before {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        line.set(Line::Up);
    };
    tokio::join!(request, until_it_is_another).0
}

fn assert_unavailable(answer: &Response) {
    assert_eq!(answer.status, 503, "{}", answer.text);
    assert_ne!(answer.header("retry-after"), "", "no Retry-After");
    assert_eq!(answer.set_cookies(), Vec::<String>::new());
    assert_eq!(answer.header("front-token"), "");
    assert!(answer.json()["message"].is_string());
}

#[actix_rt::test]
async fn a_refresh_while_fauna_is_down_loses_nothing() {
    let (_fauna, site, line) = behind_a_line(&[]).await;
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
    let (_fauna, site, line) = behind_a_line(&[]).await;
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
    let (_fauna, site, line) = behind_a_line(&[]).await;
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
    let (_fauna, site, line) = behind_a_line(&[]).await;
    let ann = site.sign_up("ann@example.com").await;
    line.set(Line::Silent);
    let began = std::time::Instant::now();
    assert_unavailable(&ann.post("/api/comments", &json!({"text": "Hello"})).await);
    assert!(began.elapsed() < Duration::from_secs(15));
    line.set(Line::Up);
    assert!(matches!(ann.post("/api/comments", &json!({"text": "Hello"})).await.status, 200 | 201));
}

#[actix_rt::test]
async fn a_password_that_was_changed_while_it_was_checked_lets_nobody_in() {
    let (fauna, site, line) = behind_a_line(&[]).await;
    site.sign_up("ann@example.com").await;
    let other = fauna.sign_up("other@example.com").await;
    line.set(Line::HoldsAddresses);
    let old = credentials("ann@example.com", PASSWORD);
    let visitor = site.visitor();
    let (answer, ()) = tokio::join!(visitor.post("/auth/signin", &old), async {
        // What the site was answered is on its way; from here on it is not true any more.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let (_, key) = fauna.fauna_credentials();
        let user = json!({"get": {"match": {"index": "users_by_email"}, "terms": "ann@example.com"}});
        let id = fauna.fauna().ask(&key, &user).await.1["resource"]["ref"]["@ref"]["id"].clone();
        let secret = json!({"ref": {"collection": "user_secrets"}, "id": id});
        let change = json!({"update": secret, "params": {"object": {"data": {"object": {"passwordHash": "another"}}}}});
        assert_eq!(fauna.fauna().ask(&key, &change).await.0, 200);
        line.set(Line::Up);
    });
    assert_eq!((answer.status, answer.set_cookies().len()), (200, 0), "{}", answer.text);
    assert_eq!(answer.json(), json!({"status": "WRONG_CREDENTIALS_ERROR"}));
    assert_eq!(other.get("/api/sessions").await.status, 200);
}

#[actix_rt::test]
async fn whose_user_is_gone_from_fauna_is_signed_out() {
    let world = World::start().await;
    let ann = world.sign_up("ann@example.com").await;
    let (_, key) = world.fauna_credentials();
    let user = json!({"ref": {"collection": "users"}, "id": ann.payload()["sub"]});
    assert_eq!(world.fauna().ask(&key, &json!({"delete": user})).await.0, 200);
    let answer = ann.refresh().await;
    assert_eq!((answer.status, answer.json()), (401, json!({"message": "unauthorised"})));
    assert!(
        answer.set_cookies().iter().any(|cookie| cookie.starts_with("sRefreshToken=;")),
        "{:?}",
        answer.set_cookies()
    );
    let rows = sqlx::query("select handle from session").fetch_all(&mut world.sql().await).await.unwrap();
    assert_eq!(rows.len(), 0);
}

#[actix_rt::test]
async fn a_mail_that_could_not_be_asked_for_can_be_asked_for_again() {
    for hidden in ["false", "true"] {
        let (fauna, site, line) = behind_a_line(&[("HIDE_EXISTING_ACCOUNTS", hidden)]).await;
        fauna.sign_up("ann@example.com").await;
        let ann = site.sign_in("ann@example.com").await;
        let (path, body) = if hidden == "true" {
            ("/auth/signup", credentials("new@example.com", PASSWORD))
        } else {
            ("/auth/user/password/reset/token", json!({"formFields": [{"id": "email", "value": "ann@example.com"}]}))
        };
        let asks = [(path, body), ("/auth/user/email/verify/token", json!({}))];
        for (path, body) in &asks {
            line.set(Line::Down);
            assert_unavailable(&ann.post(path, body).await);
            line.set(Line::Up);
            assert_eq!(ann.post(path, body).await.status, 200);
        }
        assert_eq!(kinds(&site).await.len(), 2, "hidden: {hidden}");
    }
}

#[actix_rt::test]
async fn a_password_change_whose_answer_is_lost_is_recognised() {
    let (fauna, site, line) = behind_a_line(&[]).await;
    let ann = site.sign_up("ann@example.com").await;
    let change = json!({"currentPassword": PASSWORD, "newPassword": "another horse 2"});
    let answer = answer_of_a_lost_one((&fauna, &line), &ann, ann.post("/api/user/password", &change)).await;
    assert_eq!((answer.status, answer.json()), (200, json!({"status": "OK"})));
    assert_eq!(kinds(&site).await, [("ann@example.com".to_owned(), "password-changed".to_owned())]);
}

#[actix_rt::test]
async fn a_reset_whose_answer_is_lost_is_recognised() {
    let (fauna, site, line) = behind_a_line(&[]).await;
    let ann = site.sign_up("ann@example.com").await;
    let ask = json!({"formFields": [{"id": "email", "value": "ann@example.com"}]});
    assert_eq!(site.visitor().post("/auth/user/password/reset/token", &ask).await.status, 200);
    let token = token_to(&site, "ann@example.com").await;
    let fields = [json!({"id": "password", "value": "another horse 2"})];
    let reset = json!({"method": "token", "token": token, "formFields": fields});
    let visitor = site.visitor();
    let posting = visitor.post("/auth/user/password/reset", &reset);
    let answer = answer_of_a_lost_one((&fauna, &line), &ann, posting).await;
    assert_eq!((answer.status, answer.json()), (200, json!({"status": "OK"})));
    assert_eq!(kinds(&site).await[0], ("ann@example.com".to_owned(), "password-changed".to_owned()));
    assert_eq!(ann.get("/api/sessions").await.status, 401);
}

#[actix_rt::test]
async fn a_password_change_that_is_made_late_ends_the_sessions_that_began_meanwhile_and_no_later_ones() {
    for by_mail in [false, true] {
        let (fauna, site, line) = behind_a_line(&[]).await;
        let ann = site.sign_up("ann@example.com").await;
        let body = if by_mail {
            let ask = json!({"formFields": [{"id": "email", "value": "ann@example.com"}]});
            site.visitor().post("/auth/user/password/reset/token", &ask).await;
            let fields = [json!({"id": "password", "value": "another horse 2"})];
            json!({"method": "token", "token": token_to(&site, "ann@example.com").await, "formFields": fields})
        } else {
            json!({"currentPassword": PASSWORD, "newPassword": "another horse 2"})
        };
        let path = if by_mail { "/auth/user/password/reset" } else { "/api/user/password" };
        line.set(Line::LateHashes);
        assert_unavailable(&ann.post(path, &body).await);
        let thief = site.sign_in("ann@example.com").await;
        let before = password_hash(&fauna, &ann).await;
        line.set(Line::Up);
        let is_made = async || password_hash(&fauna, &ann).await != before;
        assert!(site.eventually(Duration::from_secs(20), is_made).await, "by mail: {by_mail}");
        let later = site.visitor();
        later.post("/auth/signin", &credentials("ann@example.com", "another horse 2")).await;
        let told = ("ann@example.com".to_owned(), "password-changed".to_owned());
        let is_told = site.eventually(Duration::from_secs(20), async || {
            // Fauna's clock first: what it says to be the age of the change is never too short.
            fauna.clock.advance(Duration::from_secs(2));
            site.clock.advance(Duration::from_secs(2));
            kinds(&site).await.contains(&told)
        });
        assert!(is_told.await, "by mail: {by_mail}");
        assert_eq!(thief.get("/api/sessions").await.status, 401, "by mail: {by_mail}");
        assert_eq!(ann.get("/api/sessions").await.status, if by_mail { 401 } else { 200 });
        assert_eq!(later.get("/api/sessions").await.status, 200, "by mail: {by_mail}");
    }
}

#[actix_rt::test]
async fn a_former_address_is_told_although_whoever_changed_it_has_gone() {
    for path in ["/auth/user/email/verify", "/api/user/email/confirm"] {
        let (fauna, site, line) = behind_a_line(&[]).await;
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

/// S-E-12 in `docs/threats.md`.
#[actix_rt::test]
async fn nobody_waits_for_a_mail_server_that_says_nothing() {
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
    let (fauna, site, line) = behind_a_line(&[]).await;
    let ann = site.sign_up("ann@example.com").await;
    line.set(Line::Down);
    assert_eq!(ann.sign_out().await.status, 200);
    assert_eq!(ann.refresh().await.status, 401);
    line.set(Line::Up);
    site.clock.advance(Duration::from_secs(20));
    let gone = site.eventually(Duration::from_secs(20), async || fauna.count_tokens().await == 0).await;
    assert!(gone, "the Fauna token outlived its session");
}
