//! Guessing is slowed down: the rows S-P of `docs/threats.md` that show over HTTP. The counters themselves are tested
//! in `src/throttle/tests.rs`.

use reqwest::Method;
use serde_json::{Value, json};

use crate::client::Response;
use crate::world::{PASSWORD, World, credentials};

/// A sign-in that comes through a proxy which says where from.
async fn sign_in_from(world: &World, client: &str, email: &str, password: &str) -> Response {
    let headers = [("content-type", "application/json"), ("x-forwarded-for", client)];
    let body = credentials(email, password).to_string();
    world.visitor().send(Method::POST, "/auth/signin", &headers, Some(body.into())).await
}

/// A site behind a proxy on this machine, with Ann.
async fn behind_a_proxy() -> World {
    let world = World::with(&[("TRUSTED_PROXIES", "127.0.0.1")]).await;
    world.sign_up("ann@example.com").await;
    world
}

fn status(answer: &Response) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()["status"].clone()
}

/// S-P-10, S-P-11, S-P-15 in `docs/threats.md`.
#[actix_rt::test]
async fn one_network_waits_for_one_account_and_nobody_else_does() {
    let world = behind_a_proxy().await;
    world.sign_up("bob@example.com").await;
    for spelling in ["ann@example.com", "ANN@example.com", " ann@example.com "].iter().cycle().take(10) {
        let wrong = sign_in_from(&world, "198.51.100.1", spelling, "not it 99").await;
        assert_eq!(status(&wrong), "WRONG_CREDENTIALS_ERROR");
    }
    let right = sign_in_from(&world, "198.51.100.1", "ann@example.com", PASSWORD).await;
    assert_eq!((right.status, right.header("retry-after")), (429, "30"), "{}", right.text);
    assert_eq!(status(&sign_in_from(&world, "203.0.113.7", "ann@example.com", PASSWORD).await), "OK");
    assert_eq!(status(&sign_in_from(&world, "198.51.100.1", "bob@example.com", PASSWORD).await), "OK");
}

#[actix_rt::test]
async fn official_interfaces_are_told_in_the_form_that_they_show() {
    let world = World::start().await;
    let mut ann = world.visitor();
    ann.header("fdi-version", "4.1");
    for _ in 0..10 {
        ann.post("/auth/signin", &credentials("ann@example.com", "not it 99")).await;
    }
    let told = ann.post("/auth/signin", &credentials("ann@example.com", "not it 99")).await;
    assert_eq!((told.status, told.header("retry-after").is_empty()), (200, false), "{}", told.text);
    let message = "Too many attempts. Try again in 30 seconds.";
    assert_eq!(told.json(), json!({"status": "GENERAL_ERROR", "message": message}));
}

#[actix_rt::test]
async fn a_client_cannot_say_where_it_comes_from() {
    let world = World::start().await;
    for attempt in 0..10 {
        sign_in_from(&world, &format!("198.51.100.{attempt}"), "ann@example.com", "not it 99").await;
    }
    assert_eq!(sign_in_from(&world, "198.51.100.99", "ann@example.com", "not it 99").await.status, 429);
}

/// S-P-19 in `docs/threats.md`.
#[actix_rt::test]
async fn a_restart_forgets_nothing() {
    let mut world = World::start().await;
    world.sign_up("ann@example.com").await;
    for _ in 0..10 {
        world.visitor().post("/auth/signin", &credentials("ann@example.com", "not it 99")).await;
    }
    world.stop().await;
    world.resume().await;
    let right = world.visitor().post("/auth/signin", &credentials("ann@example.com", PASSWORD)).await;
    assert_eq!(right.status, 429, "{}", right.text);
}

/// S-P-01 in `docs/threats.md`.
#[actix_rt::test]
async fn an_unknown_address_and_a_wrong_password_look_the_same_verified_or_not() {
    let world = World::start().await;
    world.sign_up("ann@example.com").await;
    let bob = world.sign_up("bob@example.com").await;
    bob.post("/auth/user/email/verify/token", &json!({})).await;
    let token = crate::mailbox::token_to(&world, "bob@example.com").await;
    assert_eq!(bob.post("/auth/user/email/verify", &json!({"token": token})).await.json(), json!({"status": "OK"}));
    assert_eq!(bob.payload()["st-ev"]["v"], true);
    let visitor = world.visitor();
    let guess = async |email: &str| visitor.post("/auth/signin", &credentials(email, "not it 99")).await;
    let names = |answer: &Response| {
        let mut names: Vec<String> = answer.headers.keys().map(|name| name.as_str().to_owned()).collect();
        names.sort();
        names
    };
    let unknown = guess("nobody@example.com").await;
    assert_eq!((unknown.status, unknown.text.as_str()), (200, r#"{"status":"WRONG_CREDENTIALS_ERROR"}"#));
    for (whose, email) in [("unverified", "ann@example.com"), ("verified", "bob@example.com")] {
        let wrong = guess(email).await;
        assert_eq!((wrong.status, &wrong.text), (unknown.status, &unknown.text), "{whose}");
        assert_eq!(names(&wrong), names(&unknown), "{whose}");
    }
}

/// S-P-33 in `docs/threats.md`.
#[actix_rt::test]
async fn a_password_is_compared_as_it_is() {
    let world = World::start().await;
    let visitor = world.visitor();
    let password = format!("Pässword 1{}", "x".repeat(80));
    assert_eq!(visitor.post("/auth/signup", &credentials("ann@example.com", &password)).await.status, 200);
    let decomposed = password.replace('ä', "a\u{308}");
    let after_nul = [format!("{password}\0"), format!("{password}\0x"), format!("\0{password}")];
    let changed = [password.to_lowercase(), format!("{password} "), format!("{password}y"), decomposed];
    let changed = changed.into_iter().chain(after_nul).collect::<Vec<_>>();
    for other in changed.iter().chain([&password.get(..72).unwrap().to_owned()]) {
        let answer = visitor.post("/auth/signin", &credentials("ann@example.com", other)).await;
        assert_eq!(status(&answer), "WRONG_CREDENTIALS_ERROR", "{other:?}");
    }
    assert_eq!(status(&visitor.post("/auth/signin", &credentials("ann@example.com", &password)).await), "OK");
}

/// S-I-01 … S-I-06 in `docs/threats.md`.
#[actix_rt::test]
async fn what_is_no_form_is_refused_and_nobody_is_mailed() {
    let world = World::start().await;
    let deep = "[".repeat(10_000);
    let field = |value: &str| format!(r#"{{"formFields":[{{"id":"email","value":{value}}}]}}"#);
    let bodies = [
        deep,
        "[]".to_owned(),
        "null".to_owned(),
        "1".to_owned(),
        "\u{feff}{}".to_owned(),
        "{} {}".to_owned(),
        "{\"formFields\": NaN}".to_owned(),
        field(r#"["ann@example.com","eve@example.com"]"#),
        field(r#"{"$ne":1}"#),
        field("1"),
        field("true"),
        field(r#""\ud800""#),
        r#"{"formFields":[{"id":"email","value":"a@x.io"},{"id":"email","value":"b@x.io"}]}"#.to_owned(),
    ];
    world.sign_up("ann@example.com").await;
    for body in bodies {
        let start: String = body.chars().take(60).collect();
        let kind = [("content-type", "application/json")];
        let path = "/auth/user/password/reset/token";
        let answer = world.visitor().send(Method::POST, path, &kind, Some(body.into())).await;
        assert_eq!(answer.status, 400, "{start}: {}", answer.text);
    }
    assert!(crate::mailbox::mails(&world).await.is_empty());
}

#[actix_rt::test]
async fn s_email_addresses_that_would_be_two_or_none_are_refused() {
    let world = World::start().await;
    for address in [
        "a@b.com\r\nBcc: eve@example.com",
        "a@b@c.com",
        "a＠b.com",
        "a@xn--",
        "a@b.com,eve@example.com",
        "Ann <a@b.com>",
        "a@b\u{200b}.com",
        "a@bü.com",
    ] {
        let body = json!({"formFields": [{"id": "email", "value": address}]});
        let answer = world.visitor().post("/auth/user/password/reset/token", &body).await;
        assert_eq!(status(&answer), "FIELD_ERROR", "{address:?}");
    }
    assert!(crate::mailbox::mails(&world).await.is_empty());
}
