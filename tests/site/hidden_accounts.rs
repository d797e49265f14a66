//! `HIDE_EXISTING_ACCOUNTS`: whoever signs up is told the same, whether or not there is an account, and a mailed link makes it.

use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use crate::mailbox::kinds;
use crate::mailbox::link_to;
use crate::mailbox::token_to;
use crate::pages;
use crate::visitor::Answer;
use crate::visitor::Visitor;
use crate::world::PASSWORD;
use crate::world::World;
use crate::world::credentials;

/// Longer than a mailbox is left alone after a mail.
const LATER: Duration = Duration::from_secs(61);

async fn world() -> World {
    World::with(&[("HIDE_EXISTING_ACCOUNTS", "true")]).await
}

async fn sign_up(world: &World, email: &str, password: &str) -> Answer {
    world.visitor().post("/auth/signup", &credentials(email, password)).await
}

async fn sign_in(world: &World, email: &str, password: &str) -> Value {
    world.visitor().post("/auth/signin", &credentials(email, password)).await.json()
}

async fn follow(visitor: &Visitor, token: &str) -> Value {
    visitor.post("/auth/user/email/verify", &json!({"method": "token", "token": token})).await.json()
}

/// Somebody who has an account by the mailed link.
async fn member(world: &World, email: &str) -> Visitor {
    sign_up(world, email, PASSWORD).await;
    let token = token_to(world, email).await;
    assert_eq!(follow(&world.visitor(), &token).await, json!({"status": "OK"}));
    world.sign_in(email).await
}

#[actix_rt::test]
async fn s_p_04_sign_up_answers_the_same_for_every_address_and_the_mail_does_the_rest() {
    let world = world().await;
    let new = sign_up(&world, "Ann@Example.com", PASSWORD).await;
    assert_eq!((new.status, &new.json()["status"]), (200, &json!("GENERAL_ERROR")), "{}", new.text);
    assert!(new.json()["message"].as_str().unwrap().contains("mail"), "{}", new.text);
    assert_eq!(kinds(&world).await, [("ann@example.com".to_owned(), "sign-up".to_owned())]);
    assert_eq!(sign_in(&world, "ann@example.com", PASSWORD).await, json!({"status": "WRONG_CREDENTIALS_ERROR"}));
    let token = token_to(&world, "ann@example.com").await;
    assert_eq!(follow(&world.visitor(), &token).await, json!({"status": "OK"}));
    let user = sign_in(&world, "ann@example.com", PASSWORD).await;
    assert_eq!((&user["status"], &user["user"]["loginMethods"][0]["verified"]), (&json!("OK"), &json!(true)), "{user}");

    world.clock.advance(LATER);
    let taken = sign_up(&world, "ann@example.com", "another horse 2").await;
    assert_eq!((taken.status, &taken.text, taken.set_cookies()), (new.status, &new.text, new.set_cookies()));
    let names = |answer: &Answer| {
        let mut names: Vec<String> = answer.headers.keys().map(|name| name.as_str().to_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&taken), names(&new));
    assert_eq!(kinds(&world).await[0], ("ann@example.com".to_owned(), "account-exists".to_owned()));
    assert_eq!(sign_in(&world, "ann@example.com", "another horse 2").await["status"], "WRONG_CREDENTIALS_ERROR");
    assert_eq!(sign_in(&world, "ann@example.com", PASSWORD).await["status"], "OK");
}

#[actix_rt::test]
async fn s_p_06_no_address_is_said_to_have_an_account() {
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
    let invalid = json!({"status": "EMAIL_VERIFICATION_INVALID_TOKEN_ERROR"});
    assert_eq!(follow(&world.visitor(), &second).await, json!({"status": "OK"}));
    for dead in [&second, &first] {
        assert_eq!(follow(&world.visitor(), dead).await, invalid);
    }
    assert_eq!(sign_in(&world, "ann@example.com", "another horse 2").await["status"], "OK");

    sign_up(&world, "bob@example.com", PASSWORD).await;
    let late = token_to(&world, "bob@example.com").await;
    world.clock.advance(Duration::from_secs(24 * 3600 + 1));
    assert_eq!(follow(&world.visitor(), &late).await, invalid);
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
    assert_eq!(follow(&world.visitor(), &token).await["status"], "OK");
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
    assert!(ann.get("/auth?done=mailed").await.text.contains("we have sent a mail"));
    let link = link_to(&world, "ann@example.com").await;
    let page = ann.get(link.split_once("/auth/").map(|(_, rest)| format!("/auth/{rest}")).unwrap().as_str()).await;
    let token = page.text.split("name=\"token\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let done = ann.submit("/verify-email", &format!("token={token}")).await;
    assert_eq!((done.status, done.header("location")), (303, "/auth/verify-email?done=yes"));
    assert!(ann.get("/auth/verify-email?done=yes").await.text.contains("href=\"/auth\">Sign in"));
    assert_eq!(ann.submit("/sign-in", &form).await.header("location"), "/");
}
