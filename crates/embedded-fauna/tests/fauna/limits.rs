//! What is too large, too deep or too long is refused, each with FaunaDB's answer, and the endpoint goes on.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::endpoint::{Endpoint, ROOT, Reply};

const BODY: usize = 8 << 20;
const DEPTH: usize = 1000;
const PAGE: u32 = 100_000;
/// A bound that only a hang exceeds, also on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(20);

fn refusal(reply: &Reply) -> (u16, String) {
    let description = reply.json().pointer("/errors/0/description").cloned().unwrap_or_default();
    (reply.status, description.as_str().unwrap_or_default().to_owned())
}

fn nested(depth: usize, inner: &str) -> String {
    format!("{}{inner}{}", r#"{"abs":"#.repeat(depth), "}".repeat(depth))
}

#[test]
fn a_body_ends_at_eight_mebibytes() {
    actix_rt::System::new().block_on(async {
        let endpoint = Endpoint::start().await;
        let padded = |length: usize| format!("1{}", " ".repeat(length - 1));
        assert_eq!(endpoint.ask(ROOT, padded(BODY)).await.status, 200);
        let refused = endpoint.ask(ROOT, padded(BODY + 1)).await;
        assert_eq!(refusal(&refused), (413, "Request entity is too large".to_owned()));
    });
}

#[test]
fn json_ends_at_a_thousand_levels() {
    actix_rt::System::new().block_on(async {
        let endpoint = Endpoint::start().await;
        for (open, close) in [("[", "]"), (r#"{"abs":"#, "}")] {
            let deep = |depth: usize| format!("{}1{}", open.repeat(depth), close.repeat(depth));
            assert_eq!(endpoint.ask(ROOT, deep(DEPTH)).await.status, 200, "{open}");
            let refused = endpoint.ask(ROOT, deep(DEPTH + 1)).await;
            assert_eq!(refusal(&refused), (400, "Request body JSON exceeds nesting limit.".to_owned()));
        }
        let refused = endpoint.ask(ROOT, "[".repeat(BODY)).await;
        assert_eq!(refusal(&refused), (400, "Request body JSON exceeds nesting limit.".to_owned()));
    });
}

async fn recursive(endpoint: &Endpoint, server: &str, depth: usize) -> Reply {
    let lambda =
        |body: &str| format!(r#"{{"object":{{"name":"again","body":{{"query":{{"lambda":"n","expr":{body}}}}}}}}}"#);
    let create = format!(r#"{{"create_function":{}}}"#, lambda(r#"{"var":"n"}"#));
    assert_eq!(endpoint.ask(server, create).await.status, 201);
    let body = nested(depth, r#"{"call":{"function":"again"},"arguments":{"var":"n"}}"#);
    let update = format!(r#"{{"update":{{"function":"again"}},"params":{}}}"#, lambda(&body));
    assert_eq!(endpoint.ask(server, update).await.status, 200);
    endpoint.ask(server, json!({"call": {"function": "again"}, "arguments": 1}).to_string()).await
}

#[test]
fn calls_end_before_the_stack_does() {
    actix_rt::System::new().block_on(async {
        let endpoint = Endpoint::start().await;
        for depth in [0, 30, 900] {
            let (_, server) = endpoint.child(&format!("deep{depth}")).await;
            let refused = recursive(&endpoint, &server, depth).await;
            assert_eq!(refused.status, 400);
            assert!(refused.text.contains("\"stack overflow\""), "{depth}: {}", refused.text);
        }
    });
}

#[test]
fn a_page_ends_at_a_hundred_thousand_elements() {
    actix_rt::System::new().block_on(async {
        let endpoint = Endpoint::start().await;
        let (_, server) = endpoint.child("long").await;
        let made = json!({"create_collection": {"object": {"name": "many"}}});
        endpoint.query(&server, &made).await;
        endpoint.query(&server, &json!({"create": {"ref": {"collection": "many"}, "id": 1}})).await;
        let sql = "insert into documents (database, collection, id, ts, ttl, fields)
                   with recursive more (id) as (values (2) union all select id + 1 from more where id <= ?1)
                   select database, collection, more.id, ts, ttl, fields from more, documents
                   where documents.id = 1 and collection >= 1024";
        endpoint.file().execute(sql, [PAGE]).unwrap();
        let all = json!({"paginate": {"documents": {"collection": "many"}}, "size": 2 * PAGE});
        let count = json!({"let": {"page": all}, "in": [{"select": ["data", 0], "from": {"count": {"var": "page"}}},
            {"contains_field": "after", "in": {"var": "page"}}]});
        assert_eq!(endpoint.query(&server, &count).await, json!([PAGE, true]));
    });
}

#[test]
fn a_query_ends_when_its_time_is_up() {
    actix_rt::System::new().block_on(async {
        let endpoint = Endpoint::start().await;
        let numbers: Vec<usize> = (0..1000).collect();
        let each = |body: Value| json!({"map": {"lambda": "_", "expr": body}, "collection": numbers.clone()});
        let long = json!({"let": {"numbers": numbers.clone()}, "in": each(
            json!({"map": {"lambda": "_", "expr": {"map": {"lambda": "_", "expr": 1}, "collection": {"var": "numbers"}}},
                   "collection": {"var": "numbers"}}))});
        let request = endpoint.client.post(&endpoint.url).bearer_auth(ROOT).body(long.to_string());
        let began = Instant::now();
        let refused = Endpoint::send(request.header("x-query-timeout", "100")).await;
        assert_eq!(refusal(&refused), (503, "Query timed out".to_owned()));
        assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
        assert_eq!(endpoint.query(ROOT, &json!({"add": [1, 1]})).await, 2, "the thread is free again");
    });
}
