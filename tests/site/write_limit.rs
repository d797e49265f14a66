//! The limit of writes per user and minute.
use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use crate::client::{Response, TestClient};
use crate::world::World;

async fn say(client: &TestClient, text: &str) -> Response {
    client.post("/api/comments", &json!({"text": text})).await
}

#[actix_rt::test]
async fn a_user_who_writes_too_much_waits_for_the_next_minute_and_others_do_not() {
    let world = World::with(&[("WRITES_PER_USER_MINUTE", "4")]).await;
    let (ann, bob) = (world.sign_up("ann@example.com").await, world.sign_up("bob@example.com").await);
    // To the beginning of a minute, by the clock of the site.
    let expires_at = ann.payload()["exp"].as_u64().unwrap();
    world.advance(Duration::from_secs(60 - expires_at % 60)).await;
    let id = say(&ann, "one").await.json()["id"].as_str().unwrap().to_owned();
    let like = format!("/api/comments/{id}/like");
    assert_eq!((ann.put(&like).await.status, ann.delete(&like).await.status), (200, 200));
    let rename = || Some(json!({"name": "Ann Lee"}).to_string().into());
    let json_type = [("content-type", "application/json")];
    assert_eq!(ann.send(Method::PATCH, "/api/user", &json_type, rename()).await.status, 200);

    let ann_elsewhere = world.sign_in("ann@example.com").await;
    let tried = [
        say(&ann, "two").await,
        say(&ann_elsewhere, "two").await,
        ann.put(&like).await,
        ann.delete(&like).await,
        ann.delete(&format!("/api/comments/{id}")).await,
        ann.post("/like-comment", &json!({"commentId": id})).await,
        ann.send(Method::PATCH, "/api/user", &json_type, rename()).await,
    ];
    for refused in tried {
        let wait: u64 = refused.header("retry-after").parse().unwrap_or_default();
        assert_eq!((refused.status, (1..=60).contains(&wait)), (429, true), "{wait}: {}", refused.text);
    }
    assert_eq!(ann.get("/api/comments").await.json()["comments"].as_array().unwrap().len(), 1);
    assert_eq!(ann.submit("/comments", "text=two").await.status, 429);
    assert_eq!(say(&bob, "mine").await.status, 201, "each user has a limit of their own");

    world.advance(Duration::from_secs(60)).await;
    assert_eq!(say(&ann, "two").await.status, 201);
}

/// A steady pace below the limit is never slowed down.
#[actix_rt::test]
async fn whoever_stays_below_the_limit_never_waits() {
    let world = World::with(&[("WRITES_PER_USER_MINUTE", "4")]).await;
    let ann = world.sign_up("ann@example.com").await;
    for number in 0..12 {
        assert_eq!(say(&ann, &number.to_string()).await.status, 201, "{number}");
        world.advance(Duration::from_secs(20)).await;
    }
}
