//! Event streams over HTTP, as the drivers open them.

mod bounds;
mod client;
mod events;
mod permissions;

use std::time::Duration;

use serde_json::{Value, json};

use super::endpoint::Endpoint;

/// Longest wait for an event that must come.
const COMES: Duration = Duration::from_secs(30);
/// Longest time that a stream stays open.
const OPEN: Duration = Duration::from_secs(3600);

struct Stream {
    response: reqwest::Response,
    buffer: Vec<u8>,
}

impl Stream {
    /// Opens a stream and checks its `start` event, whose time it returns.
    async fn open(endpoint: &Endpoint, secret: &str, query: &Value, fields: &str) -> (Self, i64) {
        let response = request(endpoint, secret, query, fields).await;
        assert_eq!(response.status(), 200);
        assert!(response.headers().contains_key("x-fauna-stream-id"));
        let mut stream = Self { response, buffer: Vec::new() };
        let start = stream.next().await.unwrap();
        assert_eq!(start.get("type"), Some(&json!("start")), "{start}");
        assert_eq!(start.get("txn"), start.get("event"));
        (stream, start.get("txn").and_then(Value::as_i64).unwrap())
    }

    /// The next event; `None` at the end of the stream.
    async fn next(&mut self) -> Option<Value> {
        // Where to go on looking for the end of the line.
        let mut from = 0;
        loop {
            if let Some(end) = self.buffer[from..].iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=from + end).collect();
                return Some(serde_json::from_slice(&line).unwrap());
            }
            from = self.buffer.len();
            match tokio::time::timeout(COMES, self.response.chunk()).await.unwrap().unwrap() {
                Some(chunk) => self.buffer.extend_from_slice(&chunk),
                None => return None,
            }
        }
    }

    /// The value at `path` in the next event.
    async fn at(&mut self, path: &str) -> Value {
        let event = self.next().await.unwrap();
        event.pointer(path).cloned().unwrap_or_else(|| panic!("no {path} in {event}"))
    }

    /// Expects the error of a lost authorization, and the end.
    async fn is_revoked(&mut self) {
        let event = self.next().await.unwrap();
        assert_eq!(event.get("type"), Some(&json!("error")), "{event}");
        let error = json!({"code": "permission denied", "description": "Authorization lost during stream evaluation."});
        assert_eq!(event.get("event"), Some(&error));
        assert_eq!(self.next().await, None);
    }
}

async fn request(endpoint: &Endpoint, secret: &str, query: &Value, fields: &str) -> reqwest::Response {
    let url = format!("{}/stream{fields}", endpoint.url);
    // One client for all: making one takes so long that connections of others would be closed as idle meanwhile.
    let request = endpoint.client.post(url).bearer_auth(secret).header("x-faunadb-api-version", "4");
    request.timeout(OPEN).body(query.to_string()).send().await.unwrap()
}

/// A database with the collection `items`, the index `by_n`, and the document 1.
async fn world(endpoint: &Endpoint) -> (String, String) {
    let (admin, server) = endpoint.child("streams").await;
    endpoint.query(&admin, &json!({"create_collection": {"object": {"name": "items"}}})).await;
    let index = json!({"create_index": {"object": {"name": "by_n", "source": {"collection": "items"},
        "terms": [{"object": {"field": ["data", "n"]}}], "values": [{"object": {"field": ["data", "v"]}}]}}});
    endpoint.query(&admin, &index).await;
    endpoint.query(&admin, &create(1, &json!({"n": 1, "v": "a"}))).await;
    (admin, server)
}

fn item(id: i64) -> Value {
    json!({"ref": {"collection": "items"}, "id": id})
}

fn items() -> Value {
    json!({"documents": {"collection": "items"}})
}

fn matching(n: i64) -> Value {
    json!({"match": {"index": "by_n"}, "terms": n})
}

fn create(id: i64, data: &Value) -> Value {
    json!({"create": item(id), "params": {"object": {"data": {"quote": data}}}})
}

fn update(id: i64, data: &Value) -> Value {
    json!({"update": item(id), "params": {"object": {"data": {"quote": data}}}})
}

fn delete(id: i64) -> Value {
    json!({"delete": item(id)})
}
