//! A query whose text comes again means what it means to whoever sends it, with the schema as it is then.

use serde_json::{Value, json};

use super::endpoint::{Endpoint, Reply};

/// Times that a text is sent, and how many of them at once: every thread keeps its own queries, and only those that it has seen twice.
const TIMES: usize = 40;
const AT_ONCE: usize = 4;

/// Sends a query again and again; the answers that differ.
async fn answers(endpoint: &Endpoint, secret: &str, query: &Value) -> Vec<Value> {
    let mut answers: Vec<Value> = Vec::new();
    for _ in 0..TIMES / AT_ONCE {
        let asked = (0..AT_ONCE).map(|_| endpoint.ask(secret, query.to_string()));
        answers.extend(futures_util::future::join_all(asked).await.iter().map(Reply::json));
    }
    answers.dedup();
    answers
}

fn reference(collection: &str, id: &str) -> Value {
    json!({"@ref": {"id": id, "collection": {"@ref": {"id": collection, "collection": {"@ref": {"id": "collections"}}}}}})
}

#[test]
fn the_same_text_means_its_own_document_to_each_user() {
    actix_rt::System::new().block_on(async {
        let endpoint = Endpoint::start().await;
        let (admin, server) = endpoint.child("repeated").await;
        endpoint.query(&server, &json!({"create_collection": {"object": {"name": "users"}}})).await;
        let read = json!([{"object": {"resource": {"collection": "users"}, "actions": {"object": {"read": true}}}}]);
        let membership = json!({"object": {"resource": {"collection": "users"}}});
        let role = json!({"object": {"name": "user", "membership": membership, "privileges": read}});
        endpoint.query(&admin, &json!({"create_role": role})).await;
        let own = json!({"select": ["ref", "id"], "from": {"get": reference("users", "self")}});
        for id in ["101", "102", "103"] {
            let user = json!({"ref": {"collection": "users"}, "id": id});
            endpoint.query(&server, &json!({"create": user})).await;
            let create = json!({"create": {"tokens": null}, "params": {"object": {"instance": user}}});
            let token = endpoint.query(&server, &create).await;
            let secret = token.get("secret").and_then(Value::as_str).unwrap();
            assert_eq!(answers(&endpoint, secret, &own).await, [json!({"resource": id})]);
        }
    });
}

#[test]
fn the_same_text_means_another_collection_once_that_has_its_name() {
    actix_rt::System::new().block_on(async {
        let endpoint = Endpoint::start().await;
        let (_, server) = endpoint.child("repeated").await;
        let exists = json!({"exists": reference("things", "1")});
        assert_eq!(
            answers(&endpoint, &server, &exists).await,
            [json!({"resource": false})],
            "there is no such collection"
        );
        for name in ["things", "others"] {
            endpoint.query(&server, &json!({"create_collection": {"object": {"name": name}}})).await;
        }
        assert_eq!(answers(&endpoint, &server, &exists).await, [json!({"resource": false})]);
        endpoint.query(&server, &json!({"create": {"ref": {"collection": "things"}, "id": "1"}})).await;
        assert_eq!(answers(&endpoint, &server, &exists).await, [json!({"resource": true})]);
        for (collection, name) in [("things", "former"), ("others", "things")] {
            let rename = json!({"update": {"collection": collection}, "params": {"object": {"name": name}}});
            endpoint.query(&server, &rename).await;
        }
        assert_eq!(answers(&endpoint, &server, &exists).await, [json!({"resource": false})]);
    });
}

#[test]
fn the_same_text_means_another_thing_in_another_database() {
    actix_rt::System::new().block_on(async {
        let endpoint = Endpoint::start().await;
        let exists = json!({"exists": reference("things", "1")});
        for (database, is_there) in [("one", true), ("other", false)] {
            let (_, server) = endpoint.child(database).await;
            endpoint.query(&server, &json!({"create_collection": {"object": {"name": "things"}}})).await;
            if is_there {
                endpoint.query(&server, &json!({"create": {"ref": {"collection": "things"}, "id": "1"}})).await;
            }
            assert_eq!(answers(&endpoint, &server, &exists).await, [json!({"resource": is_there})]);
        }
    });
}
