//! Comments and likes over HTTP, and what Fauna itself refuses to whoever holds a person's token.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::client::TestClient;
use crate::world::World;

/// A site that shows people their Fauna token.
async fn open_world() -> World {
    World::with(&[("ACCESS_FAUNADB_TOKEN_FROM_FRONTEND", "true")]).await
}

async fn say(author: &TestClient, text: &str) -> String {
    let answer = author.post("/api/comments", &json!({"text": text})).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.json()["id"].as_str().unwrap().to_owned()
}

async fn list(reader: &TestClient, query: &str) -> Value {
    let answer = reader.get(&format!("/api/comments{query}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

fn texts(listing: &Value) -> Vec<&str> {
    listing["comments"].as_array().unwrap().iter().map(|comment| comment["text"].as_str().unwrap()).collect()
}

#[actix_rt::test]
async fn people_comment_and_everybody_reads() {
    let world = World::start().await;
    let ann = world.sign_up("ann@example.com").await;
    let user = ann.payload()["sub"].clone();
    let answer = ann.post("/api/comments", &json!({"text": "  Hello\nworld "})).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let made = answer.json();
    assert_eq!((&made["author"], &made["authorName"], &made["text"]), (&user, &json!("ann"), &json!("Hello\nworld")));
    assert_eq!((&made["likes"], made["postedAt"].is_i64()), (&json!(0), true));

    let as_visitor = list(&world.visitor(), "").await;
    assert_eq!(as_visitor, json!({"comments": [made], "next": null}));
    let as_ann = list(&ann, "").await;
    assert_eq!(as_ann["comments"][0]["liked"], false);

    let nobody = world.visitor().post("/api/comments", &json!({"text": "x"})).await;
    assert_eq!((nobody.status, nobody.json()), (401, json!({"message": "unauthorised"})));
}

#[actix_rt::test]
async fn the_list_is_newest_first_and_comes_in_pages() {
    let world = World::start().await;
    let ann = world.sign_up("ann@example.com").await;
    for number in 1..=5 {
        say(&ann, &number.to_string()).await;
    }
    for reader in [&world.visitor(), &ann] {
        let first = list(reader, "?limit=2").await;
        let second = list(reader, &format!("?limit=2&after={}", first["next"].as_str().unwrap())).await;
        let third = list(reader, &format!("?limit=2&after={}", second["next"].as_str().unwrap())).await;
        assert_eq!([texts(&first), texts(&second), texts(&third)], [vec!["5", "4"], vec!["3", "2"], vec!["1"]]);
        assert_eq!(third["next"], Value::Null);
    }
    for query in ["?limit=0", "?limit=101", "?after=nonsense", "?limit=x"] {
        assert_eq!(world.visitor().get(&format!("/api/comments{query}")).await.status, 400, "{query}");
    }
}

#[actix_rt::test]
async fn texts_have_limits() {
    let world = World::start().await;
    let ann = world.sign_up("ann@example.com").await;
    for (text, expected) in [("", 400), (" \n", 400), (&"ü".repeat(1000), 201), (&"ü".repeat(1001), 400), ("a\0b", 400)]
    {
        let answer = ann.post("/api/comments", &json!({"text": text})).await;
        assert_eq!(answer.status, expected, "{text:.10}");
        assert!(
            expected == 201 || answer.json()["detail"].as_str().unwrap().starts_with("text: must "),
            "{}",
            answer.text
        );
    }
    assert_eq!(ann.post("/api/comments", &json!({"text": {"delete": "x"}})).await.status, 400);
    let quoted = r#"{"abort":"x"} {"@ref":{"id":"1"}}"#;
    say(&ann, quoted).await;
    assert_eq!(texts(&list(&ann, "").await)[0], quoted);
}

#[actix_rt::test]
async fn liking_twice_is_liking_once() {
    let world = World::start().await;
    let (ann, bob) = (world.sign_up("ann@example.com").await, world.sign_up("bob@example.com").await);
    let id = say(&ann, "like me").await;
    let path = format!("/api/comments/{id}/like");
    assert_eq!(bob.put(&path).await.json(), json!({"likes": 1, "liked": true}));
    assert_eq!(bob.put(&path).await.json(), json!({"likes": 1, "liked": true}));
    let seed = ann.post("/like-comment", &json!({"commentId": id})).await;
    assert_eq!(seed.json(), json!({"status": "OK", "userId": ann.payload()["sub"], "likes": 2, "liked": true}));
    assert_eq!(list(&bob, "").await["comments"][0]["liked"], true);
    assert_eq!(bob.delete(&path).await.json(), json!({"likes": 1, "liked": false}));
    assert_eq!(bob.delete(&path).await.json(), json!({"likes": 1, "liked": false}));
    assert_eq!(list(&world.visitor(), "").await["comments"][0]["likes"], 1);
    for missing in ["/api/comments/399/like", "/api/comments/abc/like", "/api/comments/99999999999999999999/like"] {
        assert_eq!(bob.put(missing).await.status, 404, "{missing}");
    }
    assert_eq!(bob.post("/like-comment", &json!({"commentId": "399"})).await.status, 404);
}

#[actix_rt::test]
async fn fifty_people_like_one_comment_at_once() {
    let world = World::start().await;
    let ann = world.sign_up("ann@example.com").await;
    let path = format!("/api/comments/{}/like", say(&ann, "like me").await);
    let emails: Vec<String> = (0..50).map(|n| format!("fan{n}@example.com")).collect();
    let fans = join_all(emails.iter().map(|email| world.sign_up(email))).await;
    let answers = join_all(fans.iter().map(|fan| fan.put(&path))).await;
    for answer in &answers {
        assert_eq!((answer.status, &answer.json()["liked"]), (200, &json!(true)), "{}", answer.text);
    }
    assert_eq!(list(&ann, "").await["comments"][0]["likes"], 50);
}

#[actix_rt::test]
async fn only_its_author_takes_a_comment_back_and_its_likes_go_along() {
    let world = World::start().await;
    let (ann, bob) = (world.sign_up("ann@example.com").await, world.sign_up("bob@example.com").await);
    let path = format!("/api/comments/{}", say(&ann, "mine").await);
    bob.put(&format!("{path}/like")).await;
    assert_eq!((bob.delete(&path).await.status, world.visitor().delete(&path).await.status), (403, 401));
    assert_eq!(ann.delete(&path).await.status, 204);
    assert_eq!((ann.delete(&path).await.status, bob.put(&format!("{path}/like")).await.status), (404, 404));
    assert_eq!(list(&bob, "").await, json!({"comments": [], "next": null}));
}

/// What a comment of one's own must look like, with one thing changed.
fn comment(changed: &[(&str, Value)], beside: &[(&str, Value)]) -> Value {
    let mut data = json!({
        "author": {"current_identity": null},
        "authorName": {"select": ["data", "name"], "from": {"get": {"current_identity": null}}},
        "text": "x",
        "postedAt": {"now": null},
        "likes": 0,
    });
    for (name, value) in changed {
        data[*name] = value.clone();
    }
    let mut params = json!({"data": {"object": data}});
    for (name, value) in beside {
        params[*name] = value.clone();
    }
    json!({"create": {"collection": "comments"}, "params": {"object": params}})
}

/// The same creation with that reference.
fn at(reference: &Value, creation: &Value) -> Value {
    json!({"create": reference, "params": creation["params"]})
}

#[actix_rt::test]
async fn fauna_itself_refuses_what_a_person_may_not_do() {
    let world = open_world().await;
    let (ann, bob) = (world.sign_up("ann@example.com").await, world.sign_up("bob@example.com").await);
    let (token, fauna) = (ann.fauna_token(), world.fauna());
    let [ann_id, bob_id] = [&ann, &bob].map(|person| person.payload()["sub"].as_str().unwrap().to_owned());
    let bobs = json!({"ref": {"collection": "comments"}, "id": say(&bob, "of bob").await});
    let unused = json!({"ref": {"collection": "comments"}, "id": "77"});
    let user = |id: &str| json!({"ref": {"collection": "users"}, "id": id});
    assert_eq!(fauna.ask(&token, &comment(&[], &[])).await.0, 201, "an honest comment is taken");
    let later = json!({"@ts": "2099-01-01T00:00:00Z"});
    let password = json!({"object": {"credentials": {"object": {"password": "x"}}}});
    for (what, query) in [
        ("in another's name", comment(&[("author", user(&bob_id))], &[])),
        ("under another name", comment(&[("authorName", json!("bob"))], &[])),
        ("born with likes", comment(&[("likes", json!(5))], &[])),
        ("of another time", comment(&[("postedAt", later.clone())], &[])),
        ("with a field more", comment(&[("pinned", json!(true))], &[])),
        ("empty", comment(&[("text", json!(""))], &[])),
        ("too long", comment(&[("text", json!("x".repeat(1001)))], &[])),
        ("with a ttl", comment(&[], &[("ttl", later)])),
        ("with credentials", comment(&[], &[("credentials", json!({"object": {"password": "x"}}))])),
        ("another's deletion", json!({"delete": bobs})),
        ("the counter", json!({"update": bobs, "params": {"object": {"data": {"object": {"likes": 100}}}}})),
        (
            "a like past the function",
            json!({"create": {"collection": "likes"}, "params": {"object": {"data": {"object": {"comment": bobs, "user": {"current_identity": null}}}}}}),
        ),
        ("another's document", json!({"get": user(&bob_id)})),
        ("one's own secret", json!({"get": {"ref": {"collection": "user_secrets"}, "id": ann_id}})),
        (
            "the index of addresses",
            json!({"exists": {"match": {"index": "users_by_email"}, "terms": "bob@example.com"}}),
        ),
        (
            "one's own document",
            json!({"update": {"current_identity": null}, "params": {"object": {"data": {"object": {"name": "root"}}}}}),
        ),
        ("a password of the database", json!({"update": {"current_identity": null}, "params": password})),
        (
            "a token that never ends",
            json!({"create": {"tokens": null}, "params": {"object": {"instance": user(&ann_id)}}}),
        ),
        ("links", json!({"exists": {"match": {"index": "account_links_by_hash"}, "terms": "h"}})),
    ] {
        let (status, body) = fauna.ask(&token, &query).await;
        assert_eq!((status, body["errors"][0]["code"].as_str()), (403, Some("permission denied")), "{what}: {body}");
        if query["create"]["collection"] == "comments" {
            let (status, body) = fauna.ask(&token, &at(&unused, &query)).await;
            assert_eq!(status, 403, "{what}, with an id of one's own: {body}");
        }
    }
    let (status, body) = fauna.ask(&token, &at(&bobs, &comment(&[], &[]))).await;
    assert_eq!((status, &body["errors"][0]["code"]), (400, &json!("instance already exists")), "{body}");
    assert_eq!(fauna.ask(&token, &at(&unused, &comment(&[], &[]))).await.0, 201);
    let (status, body) =
        fauna.ask(&token, &json!({"call": {"function": "remove_comment"}, "arguments": bobs["id"]})).await;
    assert_eq!((status, &body["errors"][0]["cause"][0]["description"]), (400, &json!("not your comment")));
    let (status, own) = fauna.ask(&token, &json!({"get": {"current_identity": null}})).await;
    assert_eq!((status, &own["resource"]["data"]["email"]), (200, &json!("ann@example.com")));
}

#[actix_rt::test]
async fn the_key_of_the_application_can_do_no_more_than_it_needs() {
    let world = World::start().await;
    let ann = world.sign_up("ann@example.com").await;
    let id = say(&ann, "of ann").await;
    let user = json!({"ref": {"collection": "users"}, "id": ann.payload()["sub"]});
    let (_, key) = world.fauna_credentials();
    let comment = json!({"ref": {"collection": "comments"}, "id": id});
    let token = |ttl: Value| {
        let data = json!({"object": {"app": "backend"}});
        let params = json!({"object": {"instance": user, "ttl": ttl, "data": data}});
        json!({"create": {"ref": {"tokens": null}, "id": "7001"}, "params": params})
    };
    for (what, query) in [
        (
            "a comment",
            json!({"create": {"collection": "comments"}, "params": {"object": {"data": {"object": {"text": "x"}}}}}),
        ),
        ("a like", json!({"call": {"function": "like"}, "arguments": id})),
        ("a deletion", json!({"delete": comment})),
        ("a key", json!({"create_key": {"object": {"role": "admin"}}})),
        ("a role", json!({"create_role": {"object": {"name": "mine", "privileges": []}}})),
        (
            "a function",
            json!({"create_function": {"object": {"name": "mine", "role": "admin", "body": {"query": {"lambda": "x", "expr": 1}}}}}),
        ),
        ("a token for ever", token(Value::Null)),
        ("a token for a day", token(json!({"time_add": {"now": null}, "offset": 1, "unit": "day"}))),
        (
            "credentials of a user",
            json!({"update": user, "params": {"object": {"credentials": {"object": {"password": "x"}}}}}),
        ),
        ("a user that ends", json!({"update": user, "params": {"object": {"ttl": {"@ts": "2099-01-01T00:00:00Z"}}}})),
    ] {
        let (status, body) = world.fauna().ask(&key, &query).await;
        assert_eq!((status, body["errors"][0]["code"].as_str()), (403, Some("permission denied")), "{what}: {body}");
    }
}

/// Visitors who ask at the same time share queries to Fauna; none may get one that began before they asked.
#[actix_rt::test]
async fn a_visitor_sees_what_was_posted_before_although_others_read_at_the_same_time() {
    let world = World::start().await;
    let ann = world.sign_up("ann@example.com").await;
    let is_over = std::cell::Cell::new(false);
    let others = join_all((0..8).map(|_| async {
        let visitor = world.visitor();
        while !is_over.get() {
            assert_eq!(visitor.get("/api/comments").await.status, 200);
        }
    }));
    let reads = async {
        let visitor = world.visitor();
        for number in 0..30 {
            let posted = ann.post("/api/comments", &json!({"text": format!("number {number}")})).await;
            assert_eq!(posted.status, 201, "{}", posted.text);
            let newest = visitor.get("/api/comments").await.json()["comments"][0]["text"].clone();
            assert_eq!(newest, format!("number {number}"));
        }
        is_over.set(true);
    };
    tokio::join!(others, reads);
}
