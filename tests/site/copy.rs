//! `users copy`: users, their passwords, comments and likes carried from one Fauna to another.

use serde_json::{Value, json};
use starter::app;
use starter::app::UsersCommand;
use starter::config::{Config, CopyTarget, Fauna};

use crate::admin::{KEY, admin};
use crate::client::TestClient;
use crate::existing_users::put;
use crate::world::World;

async fn site() -> World {
    World::with(&[("ADMIN_API_KEY", KEY)]).await
}

/// The configuration of the command that copies from one site, which is stopped, to another, which runs.
fn config(from: &World, to: &World) -> Config {
    let mut config = from.config();
    if let Fauna::Remote { secret, .. } = &mut config.fauna {
        *secret = from.admin_secret().to_owned().into();
    }
    let (endpoint, _) = to.fauna_credentials();
    Config { copy_target: Some(CopyTarget { endpoint, secret: to.admin_secret().to_owned().into() }), ..config }
}

/// Output of the command, and its error.
async fn copy(config: &Config) -> (String, Option<String>) {
    let mut out = Vec::new();
    let failed = app::users(config, &UsersCommand::Copy, &mut out).await.err();
    (String::from_utf8(out).unwrap(), failed.map(|error| error.to_string()))
}

async fn comment(client: &TestClient, text: &str) -> String {
    let answer = client.post("/api/comments", &json!({"text": text})).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.json()["id"].as_str().unwrap().to_owned()
}

/// All documents of a collection.
async fn documents(world: &World, collection: &str) -> Value {
    let data = json!({"select": ["data"], "from": {"get": {"var": "ref"}}});
    let all = json!({"paginate": {"documents": {"collection": collection}}, "size": 1000});
    let each = json!({"lambda": "ref", "expr": [{"var": "ref"}, data]});
    let (status, body) = world.fauna().ask(world.admin_secret(), &json!({"map": each, "collection": all})).await;
    assert_eq!(status, 200, "{body}");
    body["resource"]["data"].clone()
}

const COLLECTIONS: [&str; 4] = ["users", "user_secrets", "comments", "likes"];

#[actix_rt::test]
async fn users_come_with_passwords_comments_and_likes_under_their_ids() {
    let (mut here, there) = (site().await, site().await);
    let (ann, ben) = (here.sign_up("ann@example.com").await, here.sign_up("ben@example.com").await);
    let hello = comment(&ann, "hello").await;
    for client in [&ann, &ben] {
        assert_eq!(client.put(&format!("/api/comments/{hello}/like")).await.status, 200);
    }
    let odd = json!({"email": "Odd@Example.com", "born": {"date": "1990-01-02"}, "seen": {"time": "2020-01-01T00:00:00Z"},
        "friend": {"ref": {"collection": "users"}, "id": "77"}, "half": 0.5, "whole": 2.0, "raw": {"@bytes": "AAEC"},
        "nested": {"object": {"@ts": "x", "delete": [{"object": {"@obj": {"@ref": 1}}}, null]}}});
    assert!(put(&here, "1001", odd).await);
    let mut before = Vec::new();
    for collection in COLLECTIONS {
        before.push(documents(&here, collection).await);
    }
    here.stop().await;

    let config = config(&here, &there);
    let (said, failed) = copy(&config).await;
    assert_eq!(failed, None, "{said}");
    for line in
        ["users: 3 copied, 0 already there", "comments: 1 copied, 0 already there", "likes: 2 copied, 0 already there"]
    {
        assert!(said.contains(line), "{line} is missing in {said}");
    }
    assert!(said.contains("Sessions are not copied"), "{said}");
    for (collection, before) in COLLECTIONS.iter().zip(&before) {
        assert_eq!(&documents(&there, collection).await, before, "{collection}");
    }
    let (said, failed) = copy(&config).await;
    assert_eq!(failed, None, "{said}");
    assert!(
        said.contains("users: 0 copied, 3 already there") && said.contains("likes: 0 copied, 2 already there"),
        "{said}"
    );

    let ann = there.sign_in("ann@example.com").await;
    let list = ann.get("/api/comments").await.json();
    assert_eq!((&list["comments"][0]["likes"], &list["comments"][0]["liked"]), (&json!(2), &json!(true)), "{list}");
    let unliked = ann.delete(&format!("/api/comments/{hello}/like")).await;
    assert_eq!(unliked.json()["likes"], 1, "{}", unliked.text);
    assert_eq!(ann.delete(&format!("/api/comments/{hello}")).await.status, 204);
    assert_eq!(admin(&there).get("/api/admin/users/count").await.json()["count"], 3);
}

#[actix_rt::test]
async fn what_is_there_is_reported_and_not_overwritten() {
    let (mut here, there) = (site().await, site().await);
    let mallory = json!({"email": "mallory@example.com", "name": "Mallory"});
    assert!(put(&here, "1001", json!({"email": "ann@example.com", "name": "Ann"})).await);
    assert!(put(&there, "1001", mallory.clone()).await);
    let ben = here.sign_up("ben@example.com").await;
    comment(&ben, "hello").await;
    let there_ben = there.sign_up("ben@example.com").await;
    let before = documents(&there, "users").await;
    here.stop().await;

    let config = config(&here, &there);
    let (said, failed) = copy(&config).await;
    assert!(said.contains("users: 0 copied, 0 already there"), "{said}");
    assert!(said.contains("1 different there, and left as they are: 1001"), "{said}");
    let id = ben.payload()["sub"].as_str().unwrap().to_owned();
    assert!(said.contains(&format!("1 not copied, because a unique value is taken there: {id}")), "{said}");
    assert!(failed.unwrap().contains("address of another user"), "{said}");
    assert_eq!(documents(&there, "users").await, before);
    assert_eq!(documents(&there, "comments").await, json!([]), "no comment without its author");

    // As the message says: without the other account the rest follows.
    let other = there_ben.payload()["sub"].as_str().unwrap().to_owned();
    assert_eq!(admin(&there).delete(&format!("/api/admin/users/{other}")).await.status, 200);
    let (said, failed) = copy(&config).await;
    assert_eq!(failed, None, "{said}");
    assert!(said.contains("users: 1 copied") && said.contains("comments: 1 copied"), "{said}");
    there.sign_in("ben@example.com").await;
    assert_eq!(
        documents(&there, "user_secrets").await.as_array().unwrap().len(),
        1,
        "none for 1001, who is somebody else"
    );
}

#[actix_rt::test]
async fn thousands_and_large_documents_are_copied_page_by_page() {
    let (mut here, there) = (site().await, site().await);
    let people = crate::imports::many(1500);
    assert_eq!(crate::admin::import(&here, &people).await.json()["imported"], 1500);
    for id in 5001..5008 {
        assert!(put(&here, &id.to_string(), json!({"biography": "x".repeat(1 << 20)})).await);
    }
    here.stop().await;
    let (said, failed) = copy(&config(&here, &there)).await;
    assert_eq!(failed, None, "{said}");
    assert!(said.contains("users: 1507 copied"), "{said}");
    assert_eq!(admin(&there).get("/api/admin/users/count").await.json()["count"], 1507);
}

#[actix_rt::test]
async fn a_copy_without_its_settings_schema_or_privileges_is_refused_in_one_sentence() {
    let (mut here, there) = (site().await, site().await);
    here.sign_up("ann@example.com").await;
    here.stop().await;
    let whole = config(&here, &there);
    let (endpoint, app_key) = there.fauna_credentials();
    let made = json!({"create_database": {"object": {"name": "empty"}}});
    assert_eq!(there.fauna().ask(there.admin_secret(), &made).await.0, 201);
    let key = json!({"create_key": {"object": {"database": {"database": "empty"}, "role": "admin"}}});
    let empty =
        there.fauna().ask(there.admin_secret(), &key).await.1["resource"]["secret"].as_str().unwrap().to_owned();
    let target = |secret: &str| Some(CopyTarget { endpoint: endpoint.clone(), secret: secret.to_owned().into() });
    for (copy_target, told) in [
        (None, "COPY_FAUNA_ENDPOINT and COPY_FAUNA_SECRET: must name"),
        (target(&empty), "run `schema apply` for it first"),
        (target(&app_key), "or COPY_FAUNA_SECRET is not an admin key"),
        (target("fnNotAKey"), "COPY_FAUNA_SECRET: must be an admin key"),
    ] {
        let (said, failed) = copy(&Config { copy_target, ..whole.clone() }).await;
        let failed = failed.unwrap();
        assert!(failed.contains(told) && failed.lines().count() == 1, "{failed}");
        assert_eq!(said, "");
    }
    assert_eq!(documents(&there, "users").await, json!([]));
}
