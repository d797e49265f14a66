//! History retention: versions are kept while they can be read, and deleted afterwards.

use std::time::Duration;

use serde_json::{Value, json};

use super::endpoint::{Endpoint, ROOT};

const PAST: Duration = Duration::from_secs(16 * 60);
const DAY: Duration = Duration::from_secs(86_400);

/// An endpoint with two collections, the second with a month of history, and an index over both.
async fn start() -> (Endpoint, String) {
    let endpoint = Endpoint::start().await;
    let (_, server) = endpoint.child("past").await;
    for (name, days) in [("plain", 0), ("kept", 30)] {
        let create = json!({"create_collection": {"object": {"name": name, "history_days": days}}});
        endpoint.query(&server, &create).await;
        let index = json!({"create_index": {"object": {"name": format!("{name}_by_n"), "source": {"collection": name},
            "terms": [{"object": {"field": ["data", "n"]}}]}}});
        endpoint.query(&server, &index).await;
    }
    (endpoint, server)
}

fn document(collection: &str) -> Value {
    json!({"ref": {"collection": collection}, "id": 1})
}

/// Writes version `n` of the document and returns its time.
async fn write(endpoint: &Endpoint, server: &str, collection: &str, n: i64) -> Value {
    let verb = if n == 1 { "create" } else { "update" };
    let query = json!({verb: document(collection), "params": {"object": {"data": {"object": {"n": n}}}}});
    let written = endpoint.query(server, &query).await;
    written.get("ts").cloned().unwrap()
}

/// Lets the endpoint delete expired history, which it does between two writes.
async fn tidy(endpoint: &Endpoint) {
    for _ in 0..2 {
        endpoint.clock.advance(Duration::from_secs(61));
        endpoint.query(ROOT, &json!({"create_key": {"object": {"role": "client"}}})).await;
    }
}

fn rows(endpoint: &Endpoint, table: &str) -> i64 {
    let place = if table.contains("entries") { "index_id >= 0" } else { "collection >= 1024" };
    let sql = format!("select count(*) from {table} where {place}");
    endpoint.file().query_row(&sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn old_versions_and_entries_are_deleted() {
    actix_rt::System::new().block_on(async {
        let (endpoint, server) = start().await;
        for n in 1..=5 {
            write(&endpoint, &server, "plain", n).await;
        }
        tidy(&endpoint).await;
        assert_eq!([rows(&endpoint, "history"), rows(&endpoint, "past_entries")], [4, 4], "what may be read is kept");
        endpoint.clock.advance(PAST);
        tidy(&endpoint).await;
        assert_eq!([rows(&endpoint, "history"), rows(&endpoint, "past_entries")], [0, 0]);
        let now = json!([{"select": ["data", "n"], "from": {"get": document("plain")}},
            {"exists": {"match": {"index": "plain_by_n"}, "terms": 5}},
            {"exists": {"match": {"index": "plain_by_n"}, "terms": 4}}]);
        assert_eq!(endpoint.query(&server, &now).await, json!([5, true, false]));
    });
}

#[test]
fn a_deleted_document_leaves_no_rows() {
    actix_rt::System::new().block_on(async {
        let (endpoint, server) = start().await;
        write(&endpoint, &server, "plain", 1).await;
        endpoint.query(&server, &json!({"delete": document("plain")})).await;
        assert_eq!(rows(&endpoint, "history"), 2);
        endpoint.clock.advance(PAST);
        tidy(&endpoint).await;
        assert_eq!([rows(&endpoint, "history"), rows(&endpoint, "past_entries")], [0, 0]);
        assert_eq!(endpoint.query(&server, &json!({"exists": document("plain")})).await, json!(false));
    });
}

#[test]
fn history_days_set_the_retention() {
    actix_rt::System::new().block_on(async {
        let (endpoint, server) = start().await;
        let first = write(&endpoint, &server, "kept", 1).await;
        write(&endpoint, &server, "kept", 2).await;
        let then = json!({"at": first, "expr": [{"select": ["data", "n"], "from": {"get": document("kept")}},
            {"exists": {"match": {"index": "kept_by_n"}, "terms": 1}}]});
        for _ in 0..29 {
            endpoint.clock.advance(DAY);
            tidy(&endpoint).await;
            assert_eq!(endpoint.query(&server, &then).await, json!([1, true]));
        }
        endpoint.clock.advance(DAY * 2);
        tidy(&endpoint).await;
        assert_eq!([rows(&endpoint, "history"), rows(&endpoint, "past_entries")], [0, 0]);
        let refused = endpoint.ask(&server, then.to_string()).await;
        assert!(refused.text.contains("less than minimum allowed timestamp"), "{}", refused.text);
    });
}

#[test]
fn expired_documents_are_deleted() {
    actix_rt::System::new().block_on(async {
        let (endpoint, server) = start().await;
        write(&endpoint, &server, "plain", 1).await;
        let ttl = json!({"update": document("plain"), "params": {"object":
            {"ttl": {"time_add": {"now": null}, "offset": 1, "unit": "minute"}}}});
        endpoint.query(&server, &ttl).await;
        tidy(&endpoint).await;
        assert_eq!(endpoint.query(&server, &json!({"exists": document("plain")})).await, json!(false));
        assert_eq!([rows(&endpoint, "documents"), rows(&endpoint, "entries")], [1, 1]);
        for _ in 0..2 {
            endpoint.clock.advance(PAST);
            tidy(&endpoint).await;
        }
        let tables = ["documents", "entries", "history", "past_entries"];
        assert_eq!(tables.map(|table| rows(&endpoint, table)), [0, 0, 0, 0]);
        write(&endpoint, &server, "plain", 1).await;
        let found = json!({"exists": {"match": {"index": "plain_by_n"}, "terms": 1}});
        assert_eq!(endpoint.query(&server, &found).await, json!(true), "its id can be used again");
    });
}
