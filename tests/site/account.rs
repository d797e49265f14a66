//! What people do with their own account: another password, another address, the end.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Response, TestClient};
use crate::mailbox::{kinds, link_to, token_to};
use crate::world::{PASSWORD, World, credentials};

const NEW: &str = "another horse 2";

async fn delete(person: &TestClient, password: &str) -> Response {
    let body = json!({"currentPassword": password}).to_string();
    person.send(Method::DELETE, "/api/user", &[("content-type", "application/json")], Some(body.into())).await
}

async fn sign_in_status(world: &World, email: &str, password: &str) -> Value {
    world.visitor().post("/auth/signin", &credentials(email, password)).await.json()["status"].clone()
}

#[actix_rt::test]
async fn another_password_wants_the_current_one_and_ends_the_other_sessions() {
    let world = World::start().await;
    let (here, there) = (world.sign_up("ann@example.com").await, world.sign_in("ann@example.com").await);
    let change = |current: &str, new: &str| json!({"currentPassword": current, "newPassword": new});
    let wrong = here.post("/api/user/password", &change("not it 99", NEW)).await;
    assert_eq!((wrong.status, wrong.json()["message"].as_str()), (403, Some("the current password is wrong")));
    let weak = here.post("/api/user/password", &change(PASSWORD, "short")).await;
    assert_eq!(weak.status, 400, "{}", weak.text);
    assert!(weak.json()["message"].as_str().unwrap().starts_with("newPassword: "), "{}", weak.text);
    assert_eq!(there.get("/api/sessions").await.status, 200, "nothing has happened so far");

    let done = here.post("/api/user/password", &change(PASSWORD, NEW)).await;
    assert_eq!((done.status, done.json()), (200, json!({"status": "OK"})));
    assert_eq!((here.get("/api/sessions").await.status, there.get("/api/sessions").await.status), (200, 401));
    assert_eq!(world.count_tokens().await, 1);
    assert_eq!(sign_in_status(&world, "ann@example.com", PASSWORD).await, "WRONG_CREDENTIALS_ERROR");
    assert_eq!(sign_in_status(&world, "ann@example.com", NEW).await, "OK");
    assert_eq!(kinds(&world).await, [("ann@example.com".to_owned(), "password-changed".to_owned())]);
}

#[actix_rt::test]
async fn another_password_makes_void_what_a_thief_has_asked_for() {
    let world = World::with(&[("INSECURE_NO_THROTTLE", "true")]).await;
    let (ann, thief) = (world.sign_up("ann@example.com").await, world.sign_in("ann@example.com").await);
    let wish = json!({"currentPassword": PASSWORD, "email": "thief@example.com"});
    assert_eq!(thief.post("/api/user/email", &wish).await.json(), json!({"status": "OK"}));
    let token = json!({"token": token_to(&world, "thief@example.com").await, "method": "token"});
    let change = json!({"currentPassword": PASSWORD, "newPassword": NEW});
    assert_eq!(ann.post("/api/user/password", &change).await.status, 200);
    let tried = world.visitor().post("/auth/user/email/verify", &token).await.json();
    assert_eq!(tried["status"], "EMAIL_VERIFICATION_INVALID_TOKEN_ERROR");
    assert_eq!(sign_in_status(&world, "ann@example.com", NEW).await, "OK");
}

#[actix_rt::test]
async fn a_taken_address_is_refused_every_time() {
    let world = World::start().await;
    world.sign_up("bob@example.com").await;
    let ann = world.sign_up("ann@example.com").await;
    let wish = json!({"currentPassword": PASSWORD, "email": "bob@example.com"});
    for _ in 0..3 {
        assert_eq!(ann.post("/api/user/email", &wish).await.status, 409);
    }
}

/// S-P-22 in `docs/threats.md`.
#[actix_rt::test]
async fn the_current_password_cannot_be_guessed_here_either() {
    let world = World::start().await;
    let ann = world.sign_up("ann@example.com").await;
    let guess = json!({"currentPassword": "not it 99", "newPassword": NEW});
    for _ in 0..10 {
        assert_eq!(ann.post("/api/user/password", &guess).await.status, 403);
    }
    let wish = json!({"currentPassword": PASSWORD, "email": "new@example.com"});
    let (changed, moved) = (ann.post("/api/user/password", &guess).await, ann.post("/api/user/email", &wish).await);
    for answer in [changed, moved, delete(&ann, PASSWORD).await] {
        assert_eq!((answer.status, answer.header("retry-after").is_empty()), (429, false), "{}", answer.text);
    }
    let current = PASSWORD.replace(' ', "+");
    for (path, rest) in [
        ("/account/password", "&password=new-horse-2"),
        ("/account/email", "&email=new%40example.com"),
        ("/account/delete", ""),
    ] {
        let answer = ann.submit(path, &format!("current={current}{rest}")).await;
        assert_eq!((answer.status, answer.header("retry-after").is_empty()), (429, false), "{path}: {}", answer.text);
        assert!(answer.text.contains("Too many attempts."), "{path}: {}", answer.text);
    }
    let same_network = world.visitor().post("/auth/signin", &credentials("ann@example.com", PASSWORD)).await;
    assert_eq!(same_network.status, 429, "one count for all of them");
}

#[actix_rt::test]
async fn another_address_is_confirmed_there_and_told_here() {
    let world = World::start().await;
    let ann = world.sign_up("ann@example.com").await;
    world.sign_up("bob@example.com").await;
    let change = |email: &str| json!({"currentPassword": PASSWORD, "email": email});
    for (email, status) in [("nope", 400), ("ANN@example.com", 400), ("bob@example.com", 409)] {
        assert_eq!(ann.post("/api/user/email", &change(email)).await.status, status, "{email}");
    }
    let wrong = json!({"currentPassword": "not it 99", "email": "new@example.com"});
    assert_eq!(ann.post("/api/user/email", &wrong).await.status, 403);
    assert_eq!(ann.post("/api/user/email", &change(" New@Example.com ")).await.status, 200);
    assert_eq!(sign_in_status(&world, "ann@example.com", PASSWORD).await, "OK", "nothing has changed so far");

    let token = token_to(&world, "new@example.com").await;
    let confirm = |token: &str| json!({"token": token});
    let visitor = world.visitor();
    assert_eq!(visitor.post("/api/user/email/confirm", &confirm(&token)).await.status, 200);
    assert_eq!(visitor.post("/api/user/email/confirm", &confirm(&token)).await.status, 400, "once");
    assert_eq!(sign_in_status(&world, "ann@example.com", PASSWORD).await, "WRONG_CREDENTIALS_ERROR");
    assert_eq!(sign_in_status(&world, "new@example.com", PASSWORD).await, "OK");
    let expected = [("ann@example.com", "email-changed"), ("new@example.com", "confirm-email")];
    assert_eq!(kinds(&world).await, expected.map(|(to, kind)| (to.to_owned(), kind.to_owned())));
    assert_eq!(ann.get("/api/sessions").await.status, 200);
}

#[actix_rt::test]
async fn an_address_that_was_taken_meanwhile_is_refused() {
    let world = World::start().await;
    let ann = world.sign_up("ann@example.com").await;
    ann.post("/api/user/email", &json!({"currentPassword": PASSWORD, "email": "new@example.com"})).await;
    let token = token_to(&world, "new@example.com").await;
    world.sign_up("new@example.com").await;
    let answer = world.visitor().post("/api/user/email/confirm", &json!({"token": token})).await;
    assert_eq!(answer.status, 409, "{}", answer.text);
    assert_eq!(sign_in_status(&world, "ann@example.com", PASSWORD).await, "OK");
}

#[actix_rt::test]
async fn a_strangers_mailbox_is_not_flooded_with_changes_of_address() {
    let world = World::with(&[("TRUSTED_PROXIES", "127.0.0.1")]).await;
    let (ann, bob) = (world.sign_up("ann@example.com").await, world.sign_up("bob@example.com").await);
    let wish = |email: &str| json!({"currentPassword": PASSWORD, "email": email}).to_string();
    for (person, network) in [(&ann, "198.51.100.1"), (&ann, "198.51.100.2"), (&bob, "198.51.100.3")] {
        let headers = [("content-type", "application/json"), ("x-forwarded-for", network)];
        let body = Some(wish("new@example.com").into());
        let answer = person.send(Method::POST, "/api/user/email", &headers, body).await;
        assert_eq!((answer.status, answer.json()), (200, json!({"status": "OK"})), "all are told the same");
    }
    assert_eq!(kinds(&world).await, [("new@example.com".to_owned(), "confirm-email".to_owned())]);
    world.clock.advance(Duration::from_secs(61));
    ann.post("/api/user/email", &json!({"currentPassword": PASSWORD, "email": "new@example.com"})).await;
    assert_eq!(kinds(&world).await.len(), 2);
}

#[actix_rt::test]
async fn a_change_that_is_made_is_not_answered_503_because_nobody_can_be_told() {
    for path in ["/auth/user/email/verify", "/api/user/email/confirm"] {
        let world = World::start().await;
        let ann = world.sign_up("ann@example.com").await;
        ann.post("/api/user/email", &json!({"currentPassword": PASSWORD, "email": "new@example.com"})).await;
        let token = token_to(&world, "new@example.com").await;
        sqlx::query("drop table mail").execute(&mut world.sql().await).await.unwrap();
        let answer = world.visitor().post(path, &json!({"token": token})).await;
        assert_eq!((answer.status, answer.json()), (200, json!({"status": "OK"})), "{path}");
        assert_eq!(sign_in_status(&world, "new@example.com", PASSWORD).await, "OK", "{path}");
    }
}

/// Ann says something, Bob likes it, Ann likes what Bob says; then Ann's account is deleted. What is left is shown.
async fn after_deletion(setting: &str) -> (World, Value) {
    let world = World::with(&[("DELETED_ACCOUNT_COMMENTS", setting)]).await;
    let (ann, bob) = (world.sign_up("ann@example.com").await, world.sign_up("bob@example.com").await);
    let there = world.sign_in("ann@example.com").await;
    let said = |answer: Response| answer.json()["id"].as_str().unwrap().to_owned();
    let by_ann = said(ann.post("/api/comments", &json!({"text": "by Ann"})).await);
    let by_bob = said(bob.post("/api/comments", &json!({"text": "by Bob"})).await);
    for (fan, comment) in [(&bob, &by_ann), (&ann, &by_ann), (&ann, &by_bob), (&bob, &by_bob)] {
        assert_eq!(fan.put(&format!("/api/comments/{comment}/like")).await.status, 200);
    }
    assert_eq!(delete(&ann, "not it 99").await.status, 403);
    let done = delete(&ann, PASSWORD).await;
    assert_eq!((done.status, done.json()), (200, json!({"status": "OK"})));
    assert!(ann.cookie("sAccessToken").is_none(), "the browser forgets the session");
    assert_eq!((there.get("/api/sessions").await.status, there.refresh().await.status), (401, 401));
    assert_eq!(world.count_tokens().await, 1, "Bob's");
    assert_eq!(sign_in_status(&world, "ann@example.com", PASSWORD).await, "WRONG_CREDENTIALS_ERROR");
    assert_eq!(kinds(&world).await[0], ("ann@example.com".to_owned(), "account-deleted".to_owned()));
    let listing = world.visitor().get("/api/comments").await.json();
    (world, listing["comments"].clone())
}

#[actix_rt::test]
async fn what_a_deleted_account_has_said_stays_without_its_author() {
    let (world, comments) = after_deletion("keep").await;
    let texts: Vec<&str> = comments.as_array().unwrap().iter().map(|c| c["text"].as_str().unwrap()).collect();
    assert_eq!(texts, ["by Bob", "by Ann"]);
    assert_eq!((&comments[1]["author"], &comments[1]["authorName"]), (&Value::Null, &json!("deleted account")));
    assert_eq!((&comments[0]["likes"], &comments[1]["likes"]), (&json!(1), &json!(1)), "likes are taken back");
    world.sign_up("ann@example.com").await;
}

#[actix_rt::test]
async fn or_it_goes_as_well() {
    let (_world, comments) = after_deletion("delete").await;
    assert_eq!(comments.as_array().unwrap().len(), 1);
    assert_eq!((&comments[0]["text"], &comments[0]["likes"]), (&json!("by Bob"), &json!(1)));
}

/// One sign-in per sub domain: the mail leads to the page that asked for it, if its origin is allowed.
#[actix_rt::test]
async fn mailed_links_lead_to_the_origin_that_asked_if_it_is_allowed() {
    let settings =
        [("ALLOWED_ORIGINS", "https://*.shops.example.com,https://blog.example.org"), ("INSECURE_NO_THROTTLE", "true")];
    let world = World::with(&settings).await;
    let ann = world.sign_up("ann@example.com").await;
    let reset = json!({"formFields": [{"id": "email", "value": "ann@example.com"}]});
    let change = json!({"currentPassword": PASSWORD, "email": "new@example.com"});
    for (origin, expected) in [
        (Some("https://a.shops.example.com"), "https://a.shops.example.com"),
        (Some("https://blog.example.org"), "https://blog.example.org"),
        (Some(world.base().as_str()), "http://localhost:"),
        (None, "http://localhost:"),
    ] {
        for (path, body, to, page) in [
            ("/auth/user/password/reset/token", &reset, "ann@example.com", "reset-password"),
            ("/auth/user/email/verify/token", &json!({}), "ann@example.com", "verify-email"),
            ("/api/user/email", &change, "new@example.com", "verify-email"),
        ] {
            let json_type = ("content-type", "application/json");
            let headers: Vec<_> = [json_type].into_iter().chain(origin.map(|origin| ("origin", origin))).collect();
            let answer = ann.send(Method::POST, path, &headers, Some(body.to_string().into())).await;
            assert_eq!((answer.status, &answer.json()["status"]), (200, &json!("OK")), "{path}: {}", answer.text);
            let link = link_to(&world, to).await;
            let leads_there = link.starts_with(expected) && link.contains(&format!("/auth/{page}?token="));
            assert!(leads_there, "{origin:?} {path}: {link}");
        }
    }
    let stranger = [("content-type", "application/json"), ("origin", "https://shops.example.com")];
    let refused = ann.send(Method::POST, "/auth/user/password/reset/token", &stranger, Some(reset.to_string().into()));
    assert_eq!(refused.await.status, 403);
}

#[actix_rt::test]
async fn the_link_that_completes_a_sign_up_leads_to_the_origin_that_asked() {
    let settings = [("HIDE_EXISTING_ACCOUNTS", "true"), ("ALLOWED_ORIGINS", "https://*.shops.example.com")];
    let world = World::with(&settings).await;
    let headers = [("content-type", "application/json"), ("origin", "https://a.shops.example.com")];
    let body = Some(credentials("ann@example.com", PASSWORD).to_string().into());
    world.visitor().send(Method::POST, "/auth/signup", &headers, body).await;
    let link = link_to(&world, "ann@example.com").await;
    assert!(link.starts_with("https://a.shops.example.com/auth/complete-sign-up?token="), "{link}");
}
