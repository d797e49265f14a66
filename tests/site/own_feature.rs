//! The example feature that the README says to copy.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::client::TestClient;
use crate::world::{PASSWORD, World};

#[path = "../../examples/own_feature.rs"]
mod example;

async fn site_with_notes() -> World {
    let settings = [("ACCESS_FAUNADB_TOKEN_FROM_FRONTEND", "true")];
    World::with_extensions(&settings, example::extensions()).await
}

async fn write(owner: &TestClient, text: &str) -> Value {
    let response = owner.post("/api/notes", &json!({"text": text})).await;
    assert_eq!(response.status, 201, "{}", response.text);
    response.json()["id"].clone()
}

#[actix_rt::test]
async fn users_see_and_delete_their_own_notes_only() {
    let world = site_with_notes().await;
    let (ann, ben) = (world.sign_up("ann@example.com").await, world.sign_up("ben@example.com").await);
    let first = write(&ann, "milk").await;
    world.advance(Duration::from_secs(1)).await;
    write(&ann, " eggs ").await;
    let texts = |list: Value| -> Vec<String> {
        list["notes"].as_array().unwrap().iter().map(|note| note["text"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(texts(ann.get("/api/notes").await.json()), ["eggs", "milk"]);
    assert_eq!(texts(ben.get("/api/notes").await.json()), [""; 0]);

    let path = format!("/api/notes/{}", first.as_str().unwrap());
    assert_eq!(ben.delete(&path).await.status, 404);
    assert_eq!(ben.delete("/api/notes/1").await.status, 404);
    assert_eq!(ann.delete(&path).await.status, 204);
    assert_eq!(ann.delete(&path).await.status, 404);
    assert_eq!(texts(ann.get("/api/notes").await.json()), ["eggs"]);
    assert_eq!(world.visitor().get("/api/notes").await.status, 401);
}

#[actix_rt::test]
async fn a_note_has_1_to_1000_characters() {
    let world = site_with_notes().await;
    let ann = world.sign_up("ann@example.com").await;
    for text in [" ".to_owned(), "x".repeat(1001)] {
        let response = ann.post("/api/notes", &json!({"text": text})).await;
        assert_eq!(response.status, 400);
        assert_eq!(response.json()["message"], "text: must have 1 to 1000 characters");
    }
    write(&ann, &"x".repeat(1000)).await;
}

#[actix_rt::test]
async fn fauna_itself_refuses_notes_of_others() {
    let world = site_with_notes().await;
    let (ann, ben) = (world.sign_up("ann@example.com").await, world.sign_up("ben@example.com").await);
    let id = write(&ann, "a secret").await;
    let note = json!({"@ref": {"id": id, "collection": {"@ref": {"id": "notes", "collection": {"@ref": {"id": "collections"}}}}}});
    let ask = async |query: Value| world.fauna().ask(&ben.fauna_token(), &query).await.0;
    assert_eq!(ask(json!({"get": note})).await, 403);
    assert_eq!(ask(json!({"delete": note})).await, 403);
    let owner = json!({"select": ["data", "owner"], "from": {"get": note}});
    assert_eq!(ask(json!({"paginate": {"match": {"index": "notes_by_owner"}, "terms": owner}})).await, 403);
    let forged = json!({"object": {"data": {"object": {"text": "x", "owner": null, "writtenAt": {"now": null}}}}});
    assert_eq!(ask(json!({"create": {"collection": "notes"}, "params": forged})).await, 403);
}

#[actix_rt::test]
async fn the_notes_of_a_deleted_user_are_deleted() {
    let world = site_with_notes().await;
    let (ann, ben) = (world.sign_up("ann@example.com").await, world.sign_up("ben@example.com").await);
    for number in 0..101 {
        write(&ann, &format!("number {number}")).await;
    }
    write(&ben, "mine").await;
    let count = async || {
        let all = json!({"paginate": {"documents": {"collection": "notes"}}, "size": 1000});
        let (status, body) = world.fauna().ask(world.admin_secret(), &json!({"count": all})).await;
        assert_eq!(status, 200, "{body}");
        body["resource"]["data"][0].as_u64().unwrap()
    };
    assert_eq!(count().await, 102);
    let body = json!({"currentPassword": PASSWORD}).to_string();
    let json_type = [("content-type", "application/json")];
    let response = ann.send(Method::DELETE, "/api/user", &json_type, Some(body.into())).await;
    assert_eq!(response.status, 200, "{}", response.text);
    assert_eq!(count().await, 1);
    assert_eq!(ben.get("/api/notes").await.json()["notes"].as_array().unwrap().len(), 1);
}

#[actix_rt::test]
async fn a_route_from_outside_the_crate_asks_fauna_as_the_user() {
    let world = site_with_notes().await;
    assert_eq!(world.sign_up("ann@example.com").await.get("/my-address").await.text, "ann@example.com");
    assert_eq!(world.visitor().get("/my-address").await.status, 401);
}
