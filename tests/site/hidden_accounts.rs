//! `HIDE_EXISTING_ACCOUNTS`: whoever signs up is told the same, whether or not there is an account, and a mailed link makes it.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Response, TestClient};
use crate::mailbox::{kinds, link_to, token_to};
use crate::pages;
use crate::world::{PASSWORD, World, credentials};

/// Longer than a mailbox is left alone after a mail.
const LATER: Duration = Duration::from_secs(61);

async fn world() -> World {
    World::with(&[("HIDE_EXISTING_ACCOUNTS", "true")]).await
}

async fn sign_up(world: &World, email: &str, password: &str) -> Response {
    world.visitor().post("/auth/signup", &credentials(email, password)).await
}

async fn sign_in(world: &World, email: &str, password: &str) -> Value {
    world.visitor().post("/auth/signin", &credentials(email, password)).await.json()
}

/// Uses a mailed link as whoever chose that password.
async fn complete(visitor: &TestClient, token: &str, password: &str) -> Response {
    let fields = [json!({"id": "password", "value": password})];
    visitor.post("/auth/signup/complete", &json!({"token": token, "formFields": fields})).await
}

async fn completed(world: &World, token: &str, password: &str) -> Value {
    complete(&world.visitor(), token, password).await.json()["status"].clone()
}

const INVALID: &str = "EMAIL_VERIFICATION_INVALID_TOKEN_ERROR";

/// Somebody who has an account by the mailed link.
async fn member(world: &World, email: &str) -> TestClient {
    sign_up(world, email, PASSWORD).await;
    let (visitor, token) = (world.visitor(), token_to(world, email).await);
    assert_eq!(complete(&visitor, &token, PASSWORD).await.json()["status"], "OK");
    visitor
}

#[actix_rt::test]
async fn a_stranger_who_signs_up_with_an_address_keeps_no_mail_back_from_its_owner() {
    let world = World::with(&[("HIDE_EXISTING_ACCOUNTS", "true"), ("TRUSTED_PROXIES", "127.0.0.1")]).await;
    member(&world, "ann@example.com").await;
    let from = async |network: &str, path: &str, body: Value| {
        let headers = [("content-type", "application/json"), ("x-forwarded-for", network)];
        let answer = world.visitor().send(Method::POST, path, &headers, Some(body.to_string().into())).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    };
    from("198.51.100.1", "/auth/signup", credentials("ann@example.com", "another horse 2")).await;
    from("198.51.100.1", "/auth/signup", credentials("new@example.com", "another horse 2")).await;
    let ask = json!({"formFields": [{"id": "email", "value": "ann@example.com"}]});
    from("198.51.100.2", "/auth/user/password/reset/token", ask).await;
    from("198.51.100.2", "/auth/signup", credentials("new@example.com", PASSWORD)).await;
    let mail = |to: &str, kind: &str| (to.to_owned(), kind.to_owned());
    let expected = [mail("new@example.com", "sign-up"), mail("ann@example.com", "reset-password")];
    assert_eq!(kinds(&world).await[..2], expected);
    let token = token_to(&world, "new@example.com").await;
    assert_eq!(completed(&world, &token, PASSWORD).await, "OK");
}

/// S-P-04 in `docs/threats.md`.
#[actix_rt::test]
async fn sign_up_answers_the_same_for_every_address_and_the_mail_does_the_rest() {
    let world = world().await;
    let new = sign_up(&world, "Ann@Example.com", PASSWORD).await;
    assert_eq!((new.status, &new.json()["status"]), (200, &json!("GENERAL_ERROR")), "{}", new.text);
    assert!(new.json()["message"].as_str().unwrap().contains("mail"), "{}", new.text);
    assert_eq!(kinds(&world).await, [("ann@example.com".to_owned(), "sign-up".to_owned())]);
    assert_eq!(sign_in(&world, "ann@example.com", PASSWORD).await, json!({"status": "WRONG_CREDENTIALS_ERROR"}));
    let token = token_to(&world, "ann@example.com").await;
    let ann = world.visitor();
    let user = complete(&ann, &token, PASSWORD).await.json();
    assert_eq!((&user["status"], &user["user"]["loginMethods"][0]["verified"]), (&json!("OK"), &json!(true)), "{user}");
    assert_eq!((&ann.payload()["sub"], &ann.payload()["st-ev"]["v"]), (&user["user"]["id"], &json!(true)));
    assert_eq!(sign_in(&world, "ann@example.com", PASSWORD).await, user, "the same as after signing in");

    world.clock.advance(LATER);
    let taken = sign_up(&world, "ann@example.com", "another horse 2").await;
    assert_eq!((taken.status, &taken.text, taken.set_cookies()), (new.status, &new.text, new.set_cookies()));
    let names = |answer: &Response| {
        let mut names: Vec<String> = answer.headers.keys().map(|name| name.as_str().to_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&taken), names(&new));
    assert_eq!(kinds(&world).await[0], ("ann@example.com".to_owned(), "account-exists".to_owned()));
    assert_eq!(sign_in(&world, "ann@example.com", "another horse 2").await["status"], "WRONG_CREDENTIALS_ERROR");
    assert_eq!(sign_in(&world, "ann@example.com", PASSWORD).await["status"], "OK");
}

/// S-P-06 in `docs/threats.md`.
#[actix_rt::test]
async fn no_address_is_said_to_have_an_account() {
    let world = world().await;
    member(&world, "ann@example.com").await;
    let answer = world.visitor().get("/auth/emailpassword/email/exists?email=ann@example.com").await;
    assert_eq!(answer.json(), json!({"status": "OK", "exists": false}));
}

#[actix_rt::test]
async fn what_cannot_be_taken_is_said_before_anything_is_looked_up() {
    let world = world().await;
    let answer = sign_up(&world, "ann@example.com", "short").await.json();
    assert_eq!((&answer["status"], &answer["formFields"][0]["id"]), (&json!("FIELD_ERROR"), &json!("password")));
    assert!(kinds(&world).await.is_empty());
}

#[actix_rt::test]
async fn a_link_makes_one_account_for_a_day_and_only_while_the_address_is_free() {
    let world = world().await;
    sign_up(&world, "ann@example.com", PASSWORD).await;
    let first = token_to(&world, "ann@example.com").await;
    world.clock.advance(LATER);
    sign_up(&world, "ann@example.com", "another horse 2").await;
    let second = token_to(&world, "ann@example.com").await;
    assert_ne!(first, second);
    assert_eq!(completed(&world, &second, "another horse 2").await, "OK");
    for (dead, password) in [(&second, "another horse 2"), (&first, PASSWORD)] {
        assert_eq!(completed(&world, dead, password).await, INVALID);
    }
    assert_eq!(sign_in(&world, "ann@example.com", "another horse 2").await["status"], "OK");

    sign_up(&world, "bob@example.com", PASSWORD).await;
    let late = token_to(&world, "bob@example.com").await;
    world.advance(Duration::from_secs(24 * 3600 + 1)).await;
    assert_eq!(completed(&world, &late, PASSWORD).await, INVALID);
}

/// S-E-23 in `docs/threats.md`.
#[actix_rt::test]
async fn a_stranger_who_signs_up_with_somebodys_address_gets_no_account_by_their_click() {
    let world = world().await;
    sign_up(&world, "ann@example.com", "strangers pass 9").await;
    sign_up(&world, "ann@example.com", PASSWORD).await;
    let [(_, kind)] = &kinds(&world).await[..] else { panic!("one mail") };
    assert_eq!(kind, "sign-up", "Ann's own wish came within the wait");
    let token = token_to(&world, "ann@example.com").await;
    let by_click = world.visitor().post("/auth/user/email/verify", &json!({"token": token})).await;
    assert_eq!(by_click.json()["status"], INVALID);
    assert_eq!(completed(&world, &token, PASSWORD).await, "WRONG_CREDENTIALS_ERROR", "not what the link carries");
    for password in ["strangers pass 9", PASSWORD] {
        assert_eq!(sign_in(&world, "ann@example.com", password).await["status"], "WRONG_CREDENTIALS_ERROR");
    }
    world.clock.advance(LATER);
    sign_up(&world, "ann@example.com", PASSWORD).await;
    let own = token_to(&world, "ann@example.com").await;
    assert_eq!(completed(&world, &own, PASSWORD).await, "OK");
    assert_eq!(completed(&world, &token, "strangers pass 9").await, INVALID, "the address has an account");
}

/// S-E-06 in `docs/threats.md`.
#[actix_rt::test]
async fn a_wrong_password_uses_nothing_up_and_guessing_it_is_slowed_down() {
    let world = world().await;
    sign_up(&world, "ann@example.com", PASSWORD).await;
    let token = token_to(&world, "ann@example.com").await;
    for (body, message) in [
        (json!({"formFields": []}), "Please provide the sign-up token"),
        (json!({"formFields": [], "token": 1}), "The sign-up token must be a string"),
    ] {
        let answer = world.visitor().post("/auth/signup/complete", &body).await;
        assert_eq!((answer.status, answer.json()), (400, json!({"message": message})));
    }
    assert_eq!(completed(&world, &token, "").await, "FIELD_ERROR");
    for n in 0..10 {
        assert_eq!(completed(&world, &token, &format!("not it {n}")).await, "WRONG_CREDENTIALS_ERROR");
    }
    let waits = complete(&world.visitor(), &token, PASSWORD).await;
    assert_eq!((waits.status, waits.header("retry-after")), (429, "30"), "{}", waits.text);
    world.clock.advance(Duration::from_secs(31));
    assert_eq!(completed(&world, &token, PASSWORD).await, "OK");
}

/// S-E-03 in `docs/threats.md`.
#[actix_rt::test]
async fn of_sixteen_at_once_one_makes_the_account() {
    let world = World::with(&[("HIDE_EXISTING_ACCOUNTS", "true"), ("INSECURE_NO_THROTTLE", "true")]).await;
    sign_up(&world, "ann@example.com", PASSWORD).await;
    let token = token_to(&world, "ann@example.com").await;
    let all: Vec<_> = (0..16).map(|_| completed(&world, &token, PASSWORD)).collect();
    let answers = join_all(all).await;
    let count = |status: &str| answers.iter().filter(|answer| **answer == status).count();
    assert_eq!((count("OK"), count(INVALID)), (1, 15), "{answers:?}");
}

#[actix_rt::test]
async fn a_mailbox_is_not_flooded_and_whoever_tries_is_told_the_same() {
    let world = world().await;
    let answers =
        [sign_up(&world, "ann@example.com", PASSWORD).await, sign_up(&world, "ann@example.com", PASSWORD).await];
    assert_eq!(answers[0].text, answers[1].text);
    assert_eq!(kinds(&world).await.len(), 1);
}

#[actix_rt::test]
async fn what_the_form_asked_for_is_kept_until_the_link_is_followed() {
    let settings = [
        ("HIDE_EXISTING_ACCOUNTS", "true"),
        ("SIGN_UP_FIELDS", "name,city"),
        ("ACCESS_FAUNADB_TOKEN_FROM_FRONTEND", "true"),
    ];
    let world = World::with(&settings).await;
    let mut form = credentials("ann@example.com", PASSWORD);
    let fields = form["formFields"].as_array_mut().unwrap();
    fields.extend([json!({"id": "name", "value": "Ann"}), json!({"id": "city", "value": {"delete": "x"}})]);
    world.visitor().post("/auth/signup", &form).await;
    let token = token_to(&world, "ann@example.com").await;
    assert_eq!(completed(&world, &token, PASSWORD).await, "OK");
    let ann = world.sign_in("ann@example.com").await;
    let (_, document) = world.fauna().ask(&ann.fauna_token(), &json!({"get": {"current_identity": null}})).await;
    let data = &document["resource"]["data"];
    assert_eq!((&data["name"], &data["profile"]), (&json!("Ann"), &json!({"city": {"delete": "x"}})), "{document}");
}

#[actix_rt::test]
async fn a_wish_for_an_address_that_is_taken_is_told_to_its_owner_only() {
    let world = world().await;
    let ann = member(&world, "ann@example.com").await;
    member(&world, "bob@example.com").await;
    world.clock.advance(LATER);
    let wish = |email: &str| json!({"currentPassword": PASSWORD, "email": email});
    let free = ann.post("/api/user/email", &wish("ann2@example.com")).await;
    let taken = ann.post("/api/user/email", &wish("bob@example.com")).await;
    assert_eq!((free.status, &free.text), (taken.status, &taken.text));
    let [to_bob, to_ann2, ..] = &kinds(&world).await[..] else { panic!("two mails") };
    assert_eq!((to_bob.0.as_str(), to_bob.1.as_str()), ("bob@example.com", "account-exists"));
    assert_eq!((to_ann2.0.as_str(), to_ann2.1.as_str()), ("ann2@example.com", "confirm-email"));
}

#[actix_rt::test]
async fn it_works_with_nothing_but_forms() {
    let world = world().await;
    let ann = pages::browser(&world);
    let form = pages::credentials("ann@example.com", PASSWORD);
    let answer = ann.submit("/sign-up", &form).await;
    assert_eq!((answer.status, answer.header("location")), (303, "/auth?done=mailed"));
    assert!(ann.get("/auth?done=mailed").await.text.contains("we have sent a message"));
    let link = link_to(&world, "ann@example.com").await;
    let page = ann.get(link.split_once("/auth/").map(|(_, rest)| format!("/auth/{rest}")).unwrap().as_str()).await;
    assert_eq!((page.status, page.header("referrer-policy")), (200, "no-referrer"));
    assert!(!ann.get("/auth/complete-sign-up").await.text.contains("<form class"), "nothing to do without a token");
    let token = page.text.split("name=\"token\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let type_in = |password: &str| format!("token={token}&password={}", password.replace(' ', "+"));
    for (password, said) in
        [("", "Enter your password."), ("not it 99", "This is not the password that you signed up with.")]
    {
        let refused = ann.submit("/complete-sign-up", &type_in(password)).await;
        assert_eq!((refused.status, refused.text.contains(said)), (422, true), "{}", refused.text);
        assert!(refused.text.contains(token), "and once more");
        assert!(!refused.text.contains("not it 99"), "a password is shown");
    }
    let done = ann.submit("/complete-sign-up", &type_in(PASSWORD)).await;
    assert_eq!((done.status, done.header("location")), (303, "/"), "{}", done.text);
    assert!(ann.get("/account").await.text.contains("ann@example.com"));
    let again = pages::browser(&world).submit("/complete-sign-up", &type_in(PASSWORD)).await;
    assert_eq!((again.status, again.text.contains("This link does not work any more.")), (422, true));
    assert!(!again.text.contains(token));
}
