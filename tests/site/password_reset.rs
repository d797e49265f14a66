//! A new password by mail: the rows S-E of `docs/threats.md`, and the transcripts G19 to G21.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::bodies::raw;
use crate::client::Response;
use crate::mailbox::{kinds, link_to, mails, token_to};
use crate::world::{PASSWORD, World, credentials};

const NEW: &str = "another horse 2";

async fn ask(world: &World, email: &str) -> Response {
    let body = json!({"formFields": [{"id": "email", "value": email}]});
    world.visitor().post("/auth/user/password/reset/token", &body).await
}

async fn reset(world: &World, token: &str, password: &str) -> Response {
    let fields = [json!({"id": "password", "value": password})];
    let body = json!({"method": "token", "token": token, "formFields": fields});
    world.visitor().post("/auth/user/password/reset", &body).await
}

/// A site with Ann, and a token that was mailed to her.
async fn with_token() -> (World, String) {
    let world = World::start().await;
    world.sign_up("ann@example.com").await;
    assert_eq!(ask(&world, "ann@example.com").await.json(), json!({"status": "OK"}));
    let token = token_to(&world, "ann@example.com").await;
    (world, token)
}

fn status(answer: &Response) -> Value {
    assert_eq!((answer.status, answer.set_cookies().len()), (200, 0), "{}", answer.text);
    answer.json()["status"].clone()
}

const INVALID: &str = "RESET_PASSWORD_INVALID_TOKEN_ERROR";

/// G19, S-P-07 in `docs/threats.md`.
#[actix_rt::test]
async fn asking_says_nothing_about_accounts() {
    let world = World::start().await;
    world.sign_up("ann@example.com").await;
    let unknown = ask(&world, "nobody@example.com").await;
    assert!(mails(&world).await.is_empty());
    let known = ask(&world, " ANN@Example.com ").await;
    assert_eq!((unknown.status, &unknown.text), (known.status, &known.text));
    assert_eq!(status(&known), "OK");
    let expected = [("ann@example.com".to_owned(), "reset-password".to_owned())];
    assert_eq!(kinds(&world).await, expected, "S-E-02: as it is stored, once");
    let malformed = ask(&world, "nope").await.json();
    assert_eq!(
        malformed,
        json!({"status": "FIELD_ERROR", "formFields": [{"id": "email", "error": "Email is invalid"}]})
    );
}

/// S-E-01 in `docs/threats.md`.
#[actix_rt::test]
async fn links_lead_to_the_configured_site_whatever_the_request_says() {
    let world = World::with(&[("WEBSITE_DOMAIN", "https://site.example")]).await;
    world.sign_up("ann@example.com").await;
    let body = json!({"formFields": [{"id": "email", "value": "ann@example.com"}]}).to_string();
    let headers = [
        ("content-type", "application/json"),
        ("host", "evil.example"),
        ("x-forwarded-host", "evil.example"),
        ("forwarded", "host=evil.example"),
    ];
    world.visitor().send(Method::POST, "/auth/user/password/reset/token", &headers, Some(body.into())).await;
    let link = link_to(&world, "ann@example.com").await;
    assert!(link.starts_with("https://site.example/auth/reset-password?token="), "{link}");
    assert!(link.ends_with("&tenantId=public"), "{link}");

    world.clock.advance(Duration::from_secs(61));
    let body = json!({"formFields": [{"id": "email", "value": "ann@example.com"}]}).to_string();
    let head =
        "POST http://evil.example/auth/user/password/reset/token HTTP/1.1\r\nhost: evil.example\r\nconnection: close";
    let answer = raw(&world, &format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len())).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let again = link_to(&world, "ann@example.com").await;
    assert!(again != link && again.starts_with("https://site.example/auth/reset-password?token="), "{again}");
}

/// G20 in `docs/threats.md`.
#[actix_rt::test]
async fn a_bad_password_leaves_the_token_as_it_is_and_a_good_one_uses_it_up() {
    let (world, token) = with_token().await;
    let refused = reset(&world, &token, "short").await;
    assert_eq!(refused.json()["formFields"][0]["id"], "password", "{}", refused.text);
    assert_eq!(status(&reset(&world, &token, NEW).await), "OK");
    assert_eq!(status(&reset(&world, &token, "yet another 3").await), INVALID);
    let old = world.visitor().post("/auth/signin", &credentials("ann@example.com", PASSWORD)).await;
    let new = world.visitor().post("/auth/signin", &credentials("ann@example.com", NEW)).await;
    assert_eq!((&old.json()["status"], &new.json()["status"]), (&json!("WRONG_CREDENTIALS_ERROR"), &json!("OK")));
}

/// G21, S-E-07, S-E-23 in `docs/threats.md`.
#[actix_rt::test]
async fn a_reset_ends_every_session_and_every_fauna_token() {
    let world = World::start().await;
    let (phone, laptop) = (world.sign_up("ann@example.com").await, world.sign_in("ann@example.com").await);
    let bob = world.sign_up("bob@example.com").await;
    assert_eq!(world.count_tokens().await, 3);
    ask(&world, "ann@example.com").await;
    let token = token_to(&world, "ann@example.com").await;
    assert_eq!(status(&reset(&world, &token, NEW).await), "OK", "and nobody is signed in by it");
    for device in [&phone, &laptop] {
        assert_eq!(device.get("/api/sessions").await.status, 401);
        assert_eq!(device.refresh().await.status, 401);
    }
    assert_eq!(bob.get("/api/sessions").await.status, 200);
    assert_eq!(world.count_tokens().await, 1);
    assert_eq!(kinds(&world).await[0], ("ann@example.com".to_owned(), "password-changed".to_owned()));
}

/// G21 in `docs/threats.md`.
#[actix_rt::test]
async fn nobody_outlives_a_reset_by_signing_in_again_and_again() {
    let world = World::with(&[("INSECURE_NO_THROTTLE", "true")]).await;
    world.sign_up("ann@example.com").await;
    let old = credentials("ann@example.com", PASSWORD);
    for round in 0..3 {
        ask(&world, "ann@example.com").await;
        let token = token_to(&world, "ann@example.com").await;
        let keep_trying = join_all((0..8).map(|n| {
            let (world, old) = (&world, &old);
            async move {
                tokio::time::sleep(Duration::from_millis(n * 12)).await;
                let thief = world.visitor();
                let answer = thief.post("/auth/signin", old).await;
                (thief, answer)
            }
        }));
        let (thieves, done) = tokio::join!(keep_trying, reset(&world, &token, NEW));
        assert_eq!(status(&done), "OK");
        for (thief, answer) in thieves {
            let said = answer.json()["status"].clone();
            assert!(said == "OK" || said == "WRONG_CREDENTIALS_ERROR", "{}", answer.text);
            assert_eq!(thief.get("/api/sessions").await.status, 401, "round {round}: {said}");
            assert_eq!(thief.refresh().await.status, 401, "round {round}: {said}");
        }
        ask(&world, "ann@example.com").await;
        assert_eq!(status(&reset(&world, &token_to(&world, "ann@example.com").await, PASSWORD).await), "OK");
    }
}

#[actix_rt::test]
async fn a_right_password_is_right_while_others_are_signed_out() {
    let world = World::with(&[("INSECURE_NO_THROTTLE", "true")]).await;
    let ann = world.sign_up("ann@example.com").await;
    let right = credentials("ann@example.com", PASSWORD);
    for round in 0..12 {
        let phone = world.visitor();
        let sign_out_others = async {
            for _ in 0..4 {
                assert_eq!(ann.post("/api/sessions/revoke-others", &json!({})).await.status, 200);
            }
        };
        let (answer, ()) = tokio::join!(phone.post("/auth/signin", &right), sign_out_others);
        assert_eq!(answer.json()["status"], "OK", "round {round}: {}", answer.text);
    }
}

/// S-E-03 in `docs/threats.md`.
#[actix_rt::test]
async fn of_sixteen_at_once_one_succeeds() {
    let world = World::with(&[("INSECURE_NO_THROTTLE", "true")]).await;
    world.sign_up("ann@example.com").await;
    ask(&world, "ann@example.com").await;
    let token = token_to(&world, "ann@example.com").await;
    let all = (0..16).map(|n| reset(&world, &token, if n % 2 == 0 { NEW } else { "yet another 3" }));
    let answers = join_all(all.collect::<Vec<_>>()).await;
    let count = |expected: &str| answers.iter().filter(|answer| status(answer) == expected).count();
    assert_eq!((count("OK"), count(INVALID)), (1, 15));
}

/// S-E-04 in `docs/threats.md`.
#[actix_rt::test]
async fn a_token_lasts_an_hour_and_only_the_newest_works() {
    let (world, first) = with_token().await;
    ask(&world, "ann@example.com").await;
    assert_eq!(token_to(&world, "ann@example.com").await, first, "within a minute there is no other");
    world.clock.advance(Duration::from_secs(61));
    ask(&world, "ann@example.com").await;
    let second = token_to(&world, "ann@example.com").await;
    assert_ne!(first, second);
    assert_eq!(status(&reset(&world, &first, NEW).await), INVALID);
    // Not to the second: the site's clock goes on while this test runs.
    world.advance(Duration::from_secs(3590)).await;
    assert_eq!(status(&reset(&world, &second, NEW).await), "OK");
    ask(&world, "ann@example.com").await;
    let third = token_to(&world, "ann@example.com").await;
    assert!(third != second, "there is a third one");
    world.advance(Duration::from_secs(3601)).await;
    assert_eq!(status(&reset(&world, &third, NEW).await), INVALID);
}

/// S-E-05 in `docs/threats.md`.
#[actix_rt::test]
async fn a_changed_password_makes_the_token_void() {
    let (world, token) = with_token().await;
    let ann = world.sign_in("ann@example.com").await;
    let change = json!({"currentPassword": PASSWORD, "newPassword": NEW});
    assert_eq!(ann.post("/api/user/password", &change).await.status, 200);
    assert_eq!(status(&reset(&world, &token, "yet another 3").await), INVALID);
}

/// S-E-05 in `docs/threats.md`.
#[actix_rt::test]
async fn a_changed_address_makes_the_token_void() {
    let (world, token) = with_token().await;
    let ann = world.sign_in("ann@example.com").await;
    ann.post("/api/user/email", &json!({"currentPassword": PASSWORD, "email": "new@example.com"})).await;
    let change = json!({"token": token_to(&world, "new@example.com").await});
    assert_eq!(world.visitor().post("/api/user/email/confirm", &change).await.status, 200);
    assert_eq!(status(&reset(&world, &token, NEW).await), INVALID);
    assert_eq!(
        world.visitor().post("/auth/signin", &credentials("new@example.com", PASSWORD)).await.json()["status"],
        "OK"
    );
}

/// S-E-06 in `docs/threats.md`.
#[actix_rt::test]
async fn what_is_no_token_of_this_kind_does_nothing() {
    let (world, token) = with_token().await;
    let ann = world.sign_in("ann@example.com").await;
    ann.post("/auth/user/email/verify/token", &json!({})).await;
    let of_other_kind = token_to(&world, "ann@example.com").await;
    let truncated = token.get(1..).unwrap().to_owned();
    for wrong in ["", " ", &truncated, &token.to_uppercase(), &of_other_kind] {
        assert_eq!(status(&reset(&world, wrong, NEW).await), INVALID, "{wrong:?}");
    }
    for (body, message) in [
        (json!({"formFields": [{"id": "password", "value": NEW}]}), "Please provide the password reset token"),
        (
            json!({"token": null, "formFields": [{"id": "password", "value": NEW}]}),
            "The password reset token must be a string",
        ),
    ] {
        let answer = world.visitor().post("/auth/user/password/reset", &body).await;
        assert_eq!((answer.status, answer.json()), (400, json!({"message": message})), "S-E-11");
    }
    assert_eq!(status(&reset(&world, &token, NEW).await), "OK", "still good");
}

/// S-E-09 in `docs/threats.md`.
#[actix_rt::test]
async fn guessing_tokens_is_slowed_down() {
    let (world, token) = with_token().await;
    let guess = "x".repeat(43);
    for _ in 0..10 {
        assert_eq!(status(&reset(&world, &guess, NEW).await), INVALID);
    }
    let answer = reset(&world, &token, NEW).await;
    assert_eq!((answer.status, answer.header("retry-after").is_empty()), (429, false), "{}", answer.text);
    let mut frontend = world.visitor();
    frontend.header("rid", "emailpassword");
    let body = json!({"method": "token", "token": token, "formFields": [{"id": "password", "value": NEW}]});
    let shown = frontend.post("/auth/user/password/reset", &body).await;
    assert_eq!((shown.status, &shown.json()["status"]), (200, &json!("GENERAL_ERROR")), "{}", shown.text);
}

/// S-E-10 in `docs/threats.md`.
#[actix_rt::test]
async fn a_reset_shows_that_the_address_is_theirs() {
    let (world, token) = with_token().await;
    assert_eq!(status(&reset(&world, &token, NEW).await), "OK");
    let ann = world.visitor();
    ann.post("/auth/signin", &credentials("ann@example.com", NEW)).await;
    assert_eq!(ann.payload()["st-ev"]["v"], true);
}

#[actix_rt::test]
async fn where_nobody_is_asked_to_verify_nobody_is_verified() {
    for (mode, expected) in [("OFF", false), ("OPTIONAL", true)] {
        let world = World::with(&[("EMAIL_VERIFICATION", mode)]).await;
        world.sign_up("ann@example.com").await;
        ask(&world, "ann@example.com").await;
        reset(&world, &token_to(&world, "ann@example.com").await, NEW).await;
        let answer = world.visitor().post("/auth/signin", &credentials("ann@example.com", NEW)).await.json();
        assert_eq!(answer["user"]["loginMethods"][0]["verified"], expected, "{mode}");
    }
}

#[actix_rt::test]
async fn a_mailbox_is_not_flooded() {
    let world = World::start().await;
    world.sign_up("ann@example.com").await;
    for _ in 0..5 {
        assert_eq!(status(&ask(&world, "ann@example.com").await), "OK");
    }
    assert_eq!(mails(&world).await.len(), 1);
}
