//! What all mailed links have in common: each does one thing, once, for one address. The rows S-E of `docs/threats.md`
//! that are about more than one kind of link.

use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Response, TestClient};
use crate::mailbox::{link_to, token_to};
use crate::world::{PASSWORD, World, credentials};

/// A site that has every kind of link, and where tests may ask as often as they like.
async fn world() -> World {
    World::with(&[("HIDE_EXISTING_ACCOUNTS", "true"), ("INSECURE_NO_THROTTLE", "true")]).await
}

/// The same with every account to be seen.
async fn open_world() -> World {
    World::with(&[("INSECURE_NO_THROTTLE", "true")]).await
}

/// Opens the newest link to that address as mail scanners and previews do.
async fn open_like_a_scanner(world: &World, address: &str) {
    let link = link_to(world, address).await;
    let path = link.split_once("/auth").map(|(_, path)| format!("/auth{path}")).unwrap();
    for method in [Method::GET, Method::HEAD, Method::GET] {
        let answer = world.visitor().send(method.clone(), &path, &[("sec-purpose", "prefetch")], None).await;
        assert_eq!((answer.status, answer.text.is_empty()), (200, method == Method::HEAD), "{method} {path}");
    }
}

async fn ask_to_reset(world: &World, email: &str) -> String {
    let body = json!({"formFields": [{"id": "email", "value": email}]});
    world.visitor().post("/auth/user/password/reset/token", &body).await;
    token_to(world, email).await
}

async fn ask_to_verify(world: &World, person: &TestClient, email: &str) -> String {
    assert_eq!(person.post("/auth/user/email/verify/token", &json!({})).await.json(), json!({"status": "OK"}));
    token_to(world, email).await
}

async fn ask_to_change(world: &World, person: &TestClient, email: &str) -> String {
    let wish = json!({"currentPassword": PASSWORD, "email": email});
    assert_eq!(person.post("/api/user/email", &wish).await.json(), json!({"status": "OK"}));
    token_to(world, email).await
}

async fn ask_to_sign_up(world: &World, email: &str) -> String {
    world.visitor().post("/auth/signup", &credentials(email, PASSWORD)).await;
    token_to(world, email).await
}

/// The routes that take a token.
const RESET: &str = "/auth/user/password/reset";
const VERIFY: &str = "/auth/user/email/verify";
const CONFIRM: &str = "/api/user/email/confirm";
const SIGN_UP: &str = "/auth/signup/complete";

async fn try_at(world: &World, path: &str, token: &str) -> Response {
    let fields = [json!({"id": "password", "value": PASSWORD})];
    let body = match path {
        RESET | SIGN_UP => json!({"token": token, "formFields": fields}),
        _ => json!({"token": token}),
    };
    world.visitor().post(path, &body).await
}

/// Whether a token did something there.
async fn works_at(world: &World, path: &str, token: &str) -> bool {
    let answer = try_at(world, path, token).await;
    match (answer.status, answer.json()["status"].as_str()) {
        (200, Some("OK")) => true,
        (200, Some("RESET_PASSWORD_INVALID_TOKEN_ERROR" | "EMAIL_VERIFICATION_INVALID_TOKEN_ERROR")) | (400, None) => {
            false
        }
        _ => panic!("{path}: {} {}", answer.status, answer.text),
    }
}

/// Somebody with an account whose address is not verified, as those have who signed up before accounts were hidden.
async fn member(world: &World, email: &str) -> TestClient {
    let token = ask_to_sign_up(world, email).await;
    assert!(works_at(world, SIGN_UP, &token).await);
    let member = world.sign_in(email).await;
    let secret = json!({"ref": {"collection": "user_secrets"}, "id": member.payload()["sub"]});
    let data = json!({"object": {"data": {"object": {"emailVerified": false}}}});
    let (_, key) = world.fauna_credentials();
    assert_eq!(world.fauna().ask(&key, &json!({"update": secret, "params": data})).await.0, 200);
    member
}

/// S-E-06 in `docs/threats.md`.
#[actix_rt::test]
async fn a_token_of_one_kind_does_nothing_elsewhere_and_is_not_used_up_there() {
    let world = world().await;
    let (ann, bob) = (member(&world, "ann@example.com").await, member(&world, "bob@example.com").await);
    let verify = ask_to_verify(&world, &ann, "ann@example.com").await;
    let tokens = [
        (ask_to_sign_up(&world, "new@example.com").await, &[SIGN_UP][..]),
        (verify, &[VERIFY]),
        (ask_to_reset(&world, "ann@example.com").await, &[RESET]),
        (ask_to_change(&world, &bob, "bob2@example.com").await, &[CONFIRM, VERIFY]),
    ];
    for (token, at) in &tokens {
        for path in [RESET, VERIFY, CONFIRM, SIGN_UP] {
            assert!(at.contains(&path) || !works_at(&world, path, token).await, "one of {at:?} works at {path}");
        }
    }
    for (token, at) in &tokens {
        assert!(works_at(&world, at[0], token).await, "{at:?}: still good");
        for path in *at {
            assert!(!works_at(&world, path, token).await, "{path}: once");
        }
    }
}

/// S-E-08 in `docs/threats.md`.
#[actix_rt::test]
async fn opening_a_link_of_any_kind_uses_nothing_up() {
    let world = world().await;
    let token = ask_to_sign_up(&world, "ann@example.com").await;
    open_like_a_scanner(&world, "ann@example.com").await;
    assert!(works_at(&world, SIGN_UP, &token).await);
    let bob = member(&world, "bob@example.com").await;
    let token = ask_to_verify(&world, &bob, "bob@example.com").await;
    open_like_a_scanner(&world, "bob@example.com").await;
    assert!(works_at(&world, VERIFY, &token).await);
    let token = ask_to_change(&world, &bob, "bob2@example.com").await;
    open_like_a_scanner(&world, "bob2@example.com").await;
    assert!(works_at(&world, CONFIRM, &token).await);
    let token = ask_to_reset(&world, "bob2@example.com").await;
    open_like_a_scanner(&world, "bob2@example.com").await;
    assert!(works_at(&world, RESET, &token).await);
}

/// S-E-07, S-E-23 in `docs/threats.md`.
#[actix_rt::test]
async fn what_a_stranger_has_asked_for_dies_with_the_owners_reset() {
    let world = open_world().await;
    let stranger = world.sign_up("ann@example.com").await;
    let to_stranger = ask_to_change(&world, &stranger, "eve@example.com").await;
    let to_ann = ask_to_verify(&world, &stranger, "ann@example.com").await;
    let reset = ask_to_reset(&world, "ann@example.com").await;
    assert!(works_at(&world, RESET, &reset).await);
    assert_eq!(stranger.get("/api/sessions").await.status, 401);
    for (path, token) in [(CONFIRM, &to_stranger), (VERIFY, &to_stranger), (VERIFY, &to_ann)] {
        assert!(!works_at(&world, path, token).await, "{path}");
    }
    let eve = world.visitor().post("/auth/signin", &credentials("eve@example.com", PASSWORD)).await;
    assert_eq!(eve.json()["status"], "WRONG_CREDENTIALS_ERROR");
}

/// S-E-20 in `docs/threats.md`.
#[actix_rt::test]
async fn an_address_that_was_left_and_taken_again_does_not_revive_its_links() {
    let world = open_world().await;
    let ann = world.sign_up("a@example.com").await;
    let old = [
        (VERIFY, ask_to_verify(&world, &ann, "a@example.com").await),
        (RESET, ask_to_reset(&world, "a@example.com").await),
    ];
    for address in ["b@example.com", "a@example.com"] {
        let token = ask_to_change(&world, &ann, address).await;
        assert!(works_at(&world, CONFIRM, &token).await, "{address}");
    }
    for (path, token) in &old {
        assert!(!works_at(&world, path, token).await, "{path}");
    }
    assert_eq!(world.sign_in("a@example.com").await.payload()["st-ev"]["v"], true);
}

/// S-E-20 in `docs/threats.md`.
#[actix_rt::test]
async fn of_two_links_to_new_addresses_the_newest_works() {
    let world = open_world().await;
    let ann = world.sign_up("a@example.com").await;
    let (to_b, to_c) =
        (ask_to_change(&world, &ann, "b@example.com").await, ask_to_change(&world, &ann, "c@example.com").await);
    assert!(!works_at(&world, CONFIRM, &to_b).await);
    assert!(works_at(&world, CONFIRM, &to_c).await);
    let whose: Value = world.sign_in("c@example.com").await.payload()["sub"].clone();
    assert_eq!(whose, ann.payload()["sub"]);
}
