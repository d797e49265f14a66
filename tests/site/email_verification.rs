//! Verified addresses: the claim `st-ev`, the links, and the transcripts G04, G16 to G18 and G26.

use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{Response, TestClient};
use crate::mailbox::{kinds, token_to};
use crate::world::{PASSWORD, World};

async fn required() -> World {
    World::with(&[("EMAIL_VERIFICATION", "REQUIRED")]).await
}

async fn ask(person: &TestClient) -> Response {
    person.post("/auth/user/email/verify/token", &json!({})).await
}

async fn verify(person: &TestClient, token: &str) -> Value {
    let answer = person.post("/auth/user/email/verify", &json!({"method": "token", "token": token})).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()["status"].clone()
}

async fn is_verified(person: &TestClient) -> Value {
    let answer = person.get("/auth/user/email/verify").await;
    assert_eq!((answer.status, answer.header("front-token").is_empty()), (200, false), "{}", answer.text);
    assert_eq!(person.payload()["st-ev"]["v"], answer.json()["isVerified"]);
    answer.json()["isVerified"].clone()
}

/// G03, G04 in `docs/threats.md`.
#[actix_rt::test]
async fn whoever_is_not_verified_is_refused_where_that_is_required() {
    let world = required().await;
    let ann = world.sign_up("ann@example.com").await;
    assert_eq!(ann.payload()["st-ev"]["v"], false);
    assert!(kinds(&world).await.is_empty(), "frontends ask for the mail");
    let refused = ann.post("/api/comments", &json!({"text": "hi"})).await;
    let reason = json!({"message": "wrong value", "expectedValue": true, "actualValue": false});
    let expected = json!({"message": "invalid claim", "claimValidationErrors": [{"id": "st-ev", "reason": reason}]});
    assert_eq!((refused.status, refused.json()), (403, expected.clone()), "S-E-21");
    let seed = ann.post("/like-comment", &json!({"commentId": "1"})).await;
    assert_eq!((seed.status, seed.json()), (403, expected));
    assert_eq!(world.visitor().get("/api/comments").await.status, 200);
    assert_eq!(ann.sign_out().await.status, 200);
}

/// G16, G17 in `docs/threats.md`.
#[actix_rt::test]
async fn what_the_paths_answer() {
    let world = World::start().await;
    let ann = world.sign_up("ann@example.com").await;
    assert_eq!(is_verified(&ann).await, false);
    assert_eq!(ask(&ann).await.json(), json!({"status": "OK"}));
    assert_eq!(kinds(&world).await, [("ann@example.com".to_owned(), "verify-email".to_owned())]);
    assert_eq!(ask(&ann).await.json(), json!({"status": "OK"}), "frontends ask twice");
    assert_eq!(kinds(&world).await.len(), 1, "and one mail is enough");
    let nobody = world.visitor();
    assert_eq!((ask(&nobody).await.status, nobody.get("/auth/user/email/verify").await.status), (401, 401));

    assert_eq!(verify(&nobody, "nonsense").await, "EMAIL_VERIFICATION_INVALID_TOKEN_ERROR");
    for (body, message) in [
        (json!({}), "Please provide the email verification token"),
        (json!({"token": 1}), "The email verification token must be a string"),
    ] {
        let answer = nobody.post("/auth/user/email/verify", &body).await;
        assert_eq!((answer.status, answer.json()), (400, json!({"message": message})));
    }
    let token = token_to(&world, "ann@example.com").await;
    let without_method = nobody.post("/auth/public/user/email/verify/", &json!({"token": token})).await;
    assert_eq!(without_method.json(), json!({"status": "OK"}));
    assert_eq!(verify(&nobody, &token).await, "EMAIL_VERIFICATION_INVALID_TOKEN_ERROR");
}

/// G18 in `docs/threats.md`.
#[actix_rt::test]
async fn verified_elsewhere_is_noticed_after_ten_seconds_or_when_asked() {
    let world = required().await;
    let (ann, bob) = (world.sign_up("ann@example.com").await, world.sign_up("bob@example.com").await);
    for person in [&ann, &bob] {
        ask(person).await;
    }
    for address in ["ann@example.com", "bob@example.com"] {
        let token = token_to(&world, address).await;
        assert_eq!(verify(&world.visitor(), &token).await, "OK");
    }
    assert_eq!(ann.post("/api/comments", &json!({"text": "hi"})).await.status, 403, "within ten seconds");
    let again = ask(&ann).await;
    assert_eq!(again.json(), json!({"status": "EMAIL_ALREADY_VERIFIED_ERROR"}));
    assert_eq!(ann.payload()["st-ev"]["v"], true);
    assert_eq!(ann.post("/api/comments", &json!({"text": "hi"})).await.status, 201);
    world.clock.advance(Duration::from_secs(11));
    assert_eq!(bob.post("/api/comments", &json!({"text": "hi"})).await.status, 201);
    assert_eq!(bob.payload()["st-ev"]["v"], true);
}

#[actix_rt::test]
async fn verified_in_the_same_browser_counts_at_once() {
    let world = required().await;
    let ann = world.sign_up("ann@example.com").await;
    ask(&ann).await;
    assert_eq!(verify(&ann, &token_to(&world, "ann@example.com").await).await, "OK");
    assert_eq!(ann.payload()["st-ev"]["v"], true);
    assert_eq!(ann.post("/api/comments", &json!({"text": "hi"})).await.status, 201);
    assert_eq!(is_verified(&ann).await, true);
}

/// S-E-22 in `docs/threats.md`.
#[actix_rt::test]
async fn a_link_verifies_its_own_user_and_switches_nobody() {
    let world = World::start().await;
    let (ann, bob) = (world.sign_up("ann@example.com").await, world.sign_up("bob@example.com").await);
    ask(&ann).await;
    let before = bob.payload()["sub"].clone();
    assert_eq!(verify(&bob, &token_to(&world, "ann@example.com").await).await, "OK");
    assert_eq!(bob.payload()["sub"], before);
    assert_eq!((is_verified(&bob).await, is_verified(&ann).await), (json!(false), json!(true)));
}

/// S-E-20 in `docs/threats.md`.
#[actix_rt::test]
async fn a_link_to_a_former_address_verifies_nothing() {
    let world = World::start().await;
    let ann = world.sign_up("ann@example.com").await;
    ask(&ann).await;
    let to_former = token_to(&world, "ann@example.com").await;
    let change = json!({"currentPassword": PASSWORD, "email": "new@example.com"});
    assert_eq!(ann.post("/api/user/email", &change).await.status, 200);
    assert_eq!(verify(&ann, &token_to(&world, "new@example.com").await).await, "OK", "the same page confirms it");
    assert_eq!(verify(&ann, &to_former).await, "EMAIL_VERIFICATION_INVALID_TOKEN_ERROR");
    assert_eq!(is_verified(&ann).await, true, "the new one was confirmed by a mail to it");
}

#[actix_rt::test]
async fn a_link_lasts_a_day() {
    let world = World::start().await;
    let ann = world.sign_up("ann@example.com").await;
    ask(&ann).await;
    let token = token_to(&world, "ann@example.com").await;
    world.pass(Duration::from_secs(24 * 3600 + 1)).await;
    assert_eq!(verify(&world.visitor(), &token).await, "EMAIL_VERIFICATION_INVALID_TOKEN_ERROR");
}

/// G26 in `docs/threats.md`.
#[actix_rt::test]
async fn switched_off_there_is_no_claim_and_no_path() {
    let world = World::with(&[("EMAIL_VERIFICATION", "OFF")]).await;
    let ann = world.sign_up("ann@example.com").await;
    assert!(ann.payload().get("st-ev").is_none());
    let got = ann.get("/auth/user/email/verify").await.status;
    assert_eq!((got, ask(&ann).await.status), (404, 404));
    for path in ["/auth/user/email/verify", "/auth/public/user/email/verify/"] {
        let used = ann.post(path, &json!({"method": "token", "token": "x"})).await;
        assert_eq!((used.status, used.json()["message"].is_string()), (404, true), "{path}");
    }
    assert_eq!(ann.post("/api/comments", &json!({"text": "hi"})).await.status, 201);
}
