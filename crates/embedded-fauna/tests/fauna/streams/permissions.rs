//! Which events a caller may see, and when a stream loses its permission.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Stream, create, delete, item, items, matching, update, world};
use crate::endpoint::{Endpoint, ROOT};

/// A key with a role that reads items whose field `public` is true, and what the index `by_n` holds under 1.
async fn reader(endpoint: &Endpoint, admin: &str) -> (String, Value) {
    let public = json!({"query": {"lambda": "item", "expr": {"equals": [true,
        {"select": ["data", "public"], "from": {"get": {"var": "item"}}, "default": false}]}}});
    let one = json!({"query": {"lambda": "terms", "expr": {"equals": [{"var": "terms"}, [1]]}}});
    let privilege =
        |resource: Value, read: Value| json!({"object": {"resource": resource, "actions": {"object": {"read": read}}}});
    let privileges = [privilege(json!({"collection": "items"}), public), privilege(json!({"index": "by_n"}), one)];
    endpoint.query(admin, &json!({"create_role": {"object": {"name": "reader", "privileges": privileges}}})).await;
    let key = endpoint.query(admin, &json!({"create_key": {"object": {"role": {"role": "reader"}}}})).await;
    let reference = json!({"@ref": {"id": key.pointer("/ref/@ref/id"), "collection": {"@ref": {"id": "keys"}}}});
    (key.get("secret").and_then(Value::as_str).unwrap().to_owned(), reference)
}

#[test]
fn each_event_is_shown_only_to_who_may_read_it_at_that_time() {
    actix_rt::System::new().block_on(async {
        let endpoint = Endpoint::start().await;
        let (admin, _) = world(&endpoint).await;
        let (reader, _) = reader(&endpoint, &admin).await;
        let (mut document, _) = Stream::open(&endpoint, &reader, &item(1), "").await;
        let (mut index, _) = Stream::open(&endpoint, &reader, &matching(1), "").await;
        let (mut other, _) = Stream::open(&endpoint, &reader, &matching(2), "").await;
        let (mut documents, _) = Stream::open(&endpoint, &reader, &items(), "").await;
        for (step, public) in [(1, false), (2, true), (3, false), (4, true), (5, false)] {
            endpoint.query(&admin, &update(1, &json!({"step": step, "public": public}))).await;
            endpoint.query(&admin, &create(10 + step, &json!({"n": 1 + step % 2, "v": 1, "public": public}))).await;
        }
        for (id, n) in [(20, 2), (21, 1)] {
            endpoint.query(&admin, &create(id, &json!({"n": n, "v": 1, "public": true}))).await;
        }
        for step in [2, 4] {
            assert_eq!(document.at("/event/document/data/step").await, step);
        }
        for id in ["12", "14", "21"] {
            assert_eq!(index.at("/event/document/ref/@ref/id").await, id);
        }
        for id in ["12", "14", "20", "21"] {
            assert_eq!(documents.at("/event/document/ref/@ref/id").await, id);
        }
        endpoint.query(&admin, &json!({"delete": {"role": "reader"}})).await;
        other.is_revoked().await;
    });
}

#[test]
fn permissions_are_evaluated_with_the_data_of_the_commit() {
    const STREAMS: usize = 40;
    const UPDATES: i64 = 60;
    actix_rt::System::new().block_on(async {
        let endpoint = Endpoint::start().await;
        let (admin, _) = world(&endpoint).await;
        let (reader, _) = reader(&endpoint, &admin).await;
        // So many that their events are evaluated when later updates have been committed.
        let document = item(1);
        let opened = (0..STREAMS).map(|_| Stream::open(&endpoint, &reader, &document, ""));
        let streams = futures_util::future::join_all(opened).await;
        for step in 1..=UPDATES {
            endpoint.query(&admin, &update(1, &json!({"step": step, "public": step % 2 == 0}))).await;
        }
        for (mut stream, _) in streams {
            for step in (2..=UPDATES).step_by(2) {
                assert_eq!(stream.at("/event/document/data/step").await, step);
            }
        }
    });
}

#[test]
fn a_stream_ends_when_its_key_role_token_or_user_changes() {
    actix_rt::System::new().block_on(async {
        let endpoint = Endpoint::start().await;
        let (admin, server) = world(&endpoint).await;
        let (secret, key) = reader(&endpoint, &admin).await;
        let (mut stream, _) = Stream::open(&endpoint, &secret, &item(1), "").await;
        let (mut untouched, _) = Stream::open(&endpoint, &server, &item(1), "").await;
        endpoint.query(&admin, &json!({"delete": key})).await;
        stream.is_revoked().await;

        let membership = json!({"object": {"resource": {"collection": "items"}}});
        let grant = json!({"object": {"resource": {"collection": "items"}, "actions": {"object": {"read": true}}}});
        let role =
            json!({"create_role": {"object": {"name": "items", "membership": membership, "privileges": [grant]}}});
        endpoint.query(&admin, &role).await;
        let narrower = json!({"update": {"role": "items"}, "params": {"object": {"privileges": []}}});
        for (number, end) in [(1, "token"), (2, "user"), (3, "role")] {
            let id = 100 + number;
            endpoint.query(&admin, &create(id, &json!({}))).await;
            let create = json!({"create": {"tokens": null}, "params": {"object": {"instance": item(id)}}});
            let token = endpoint.query(&admin, &create).await;
            let secret = token.get("secret").and_then(Value::as_str).unwrap();
            let (mut stream, _) = Stream::open(&endpoint, secret, &item(1), "").await;
            endpoint.query(&admin, &update(1, &json!({"v": number}))).await;
            assert_eq!(stream.at("/event/document/data/v").await, number);
            let end = match end {
                "token" => json!({"delete": {"ref": {"tokens": null}, "id": token.pointer("/ref/@ref/id")}}),
                "user" => delete(id),
                _ => narrower.clone(),
            };
            endpoint.query(&admin, &end).await;
            stream.is_revoked().await;
        }
        for number in 1..=3 {
            assert_eq!(untouched.at("/event/document/data/v").await, number, "other streams go on");
        }
    });
}

#[test]
fn an_expired_token_ends_its_stream() {
    actix_rt::System::new().block_on(async {
        let endpoint = Endpoint::start().await;
        let ttl = json!({"time_add": {"now": null}, "offset": 1, "unit": "minute"});
        let (admin, _) = world(&endpoint).await;
        let key = endpoint.query(&admin, &json!({"create_key": {"object": {"role": "server", "ttl": ttl}}})).await;
        let secret = key.get("secret").and_then(Value::as_str).unwrap();
        let (mut stream, _) = Stream::open(&endpoint, secret, &item(1), "").await;
        endpoint.clock.advance(Duration::from_secs(61));
        // Secrets are verified when the schema changes; otherwise it would take up to five seconds.
        endpoint.query(ROOT, &json!({"create_key": {"object": {"role": "client"}}})).await;
        stream.is_revoked().await;
    });
}
