//! Passwords whose stored hash is not one of ours of today: imported, outdated, unreadable.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::admin;
use crate::admin::{ARGON2, BCRYPT};
use crate::mailbox::token_to;
use crate::world::{PASSWORD, World, credentials};

async fn sign_in(world: &World, email: &str, password: &str) -> Value {
    let answer = world.visitor().post("/auth/signin", &credentials(email, password)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

/// The reference of a user's secret.
fn secret(id: &Value) -> Value {
    json!({"ref": {"collection": "user_secrets"}, "id": id})
}

/// Asks Fauna with the application's key.
async fn ask(world: &World, query: &Value) -> Value {
    let (_, key) = world.fauna_credentials();
    let (status, body) = world.fauna().ask(&key, query).await;
    assert_eq!(status, 200, "{body}");
    body["resource"].clone()
}

async fn stored_hash(world: &World, id: &Value) -> String {
    let query = json!({"select": ["data", "passwordHash"], "from": {"get": secret(id)}});
    ask(world, &query).await.as_str().unwrap().to_owned()
}

/// S-P-33 in `docs/threats.md`.
#[actix_rt::test]
async fn an_imported_bcrypt_hash_does_not_end_at_nul() {
    let world = admin::world().await;
    admin::import(&world, &[admin::entry("old@example.com", "bcrypt", BCRYPT)]).await;
    for password in ["testPass123\0", "testPass123\0x", "testPass123 ", "testpass123"] {
        assert_eq!(sign_in(&world, "old@example.com", password).await["status"], "WRONG_CREDENTIALS_ERROR");
    }
    assert_eq!(sign_in(&world, "old@example.com", "testPass123").await["status"], "OK");
}

/// S-P-34 in `docs/threats.md`.
#[actix_rt::test]
async fn with_an_unreadable_hash_nobody_signs_in_until_there_is_a_new_password() {
    let world = admin::world().await;
    let ann = world.sign_up("ann@example.com").await;
    let id = ann.payload()["sub"].clone();
    let wrong = json!({"status": "WRONG_CREDENTIALS_ERROR"});
    for planted in [
        "",
        "nonsense",
        PASSWORD,
        "$5$rounds=5000$salt$hash",
        "$argon2id$v=19$m=4294967295,t=4294967295,p=1$VG1Oa1lMbzZLbzk5azQ2Qg$kjcNNtZ/b0t/8HgXUiQ76A",
        "$argon2id$v=19$m=19456,t=2,p=1$$",
        BCRYPT.get(..40).unwrap(),
        "$2a$31$GzEm3vKoAqnJCTWesRARCe/ovjt/07qjvcH9jbLUg44Fn77gMZkmm",
    ] {
        let data = json!({"object": {"data": {"object": {"passwordHash": planted}}}});
        ask(&world, &json!({"update": secret(&id), "params": data})).await;
        assert_eq!(sign_in(&world, "ann@example.com", PASSWORD).await, wrong, "{planted}");
        assert_ne!(sign_in(&world, "ann@example.com", planted).await["status"], "OK", "{planted}");
        let change = json!({"currentPassword": PASSWORD, "newPassword": "another horse 2"});
        assert_eq!(ann.post("/api/user/password", &change).await.status, 403, "{planted}");
    }
    let body = json!({"formFields": [{"id": "email", "value": "ann@example.com"}]});
    world.visitor().post("/auth/user/password/reset/token", &body).await;
    let fields = [json!({"id": "password", "value": "another horse 2"})];
    let body = json!({"token": token_to(&world, "ann@example.com").await, "formFields": fields});
    assert_eq!(world.visitor().post("/auth/user/password/reset", &body).await.json()["status"], "OK");
    assert_eq!(sign_in(&world, "ann@example.com", "another horse 2").await["status"], "OK");
}

/// S-P-35 in `docs/threats.md`.
#[actix_rt::test]
async fn sixteen_first_sign_ins_at_once_leave_one_new_hash() {
    let world = admin::world_with_default_hashes().await;
    admin::import(&world, &[admin::entry("old@example.com", "argon2", ARGON2)]).await;
    let all: Vec<_> = (0..16).map(|_| sign_in(&world, "old@example.com", "testPass123")).collect();
    let answers = join_all(all).await;
    assert!(answers.iter().all(|answer| answer["status"] == "OK"), "{answers:?}");
    let id = &answers[0]["user"]["id"];
    let hash = stored_hash(&world, id).await;
    assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
    assert_eq!(sign_in(&world, "old@example.com", "testPass123").await["status"], "OK");
    assert_eq!(stored_hash(&world, id).await, hash, "and it stays");
}

#[actix_rt::test]
async fn a_hash_of_another_cost_is_replaced_at_the_next_sign_in() {
    let world = World::start().await;
    let ann = world.sign_up("ann@example.com").await;
    let id = ann.payload()["sub"].clone();
    let cheap = stored_hash(&world, &id).await;
    assert!(cheap.starts_with("$argon2id$v=19$m=8,t=2,p=1$"), "{cheap}");
    let (endpoint, key) = world.fauna_credentials();
    let settings = [("FAUNA_ENDPOINT", endpoint.as_str()), ("FAUNA_SECRET", &key), ("PASSWORD_HASH_MEMORY_KIB", "64")];
    let raised = World::with(&settings).await;
    assert_eq!(sign_in(&raised, "ann@example.com", "not it 99").await["status"], "WRONG_CREDENTIALS_ERROR");
    assert_eq!(stored_hash(&world, &id).await, cheap);
    for _ in 0..2 {
        assert_eq!(sign_in(&raised, "ann@example.com", PASSWORD).await["status"], "OK");
    }
    let new = stored_hash(&world, &id).await;
    assert!(new.starts_with("$argon2id$v=19$m=64,t=2,p=1$"), "{new}");
}
