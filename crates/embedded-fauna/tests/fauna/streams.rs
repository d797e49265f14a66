//! Event streams: events, fields, permissions, order, bounds, and their end.

use std::time::Duration;

use serde_json::{Value, json};

use super::endpoint::{Endpoint, ROOT};

/// How long to wait for an event that must come.
const COMES: Duration = Duration::from_secs(30);

/// An open stream.
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
        loop {
            if let Some(end) = self.buffer.windows(2).position(|window| window == b"\r\n") {
                let line: Vec<u8> = self.buffer.drain(..end + 2).collect();
                return Some(serde_json::from_slice(&line).unwrap());
            }
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
    let client = reqwest::Client::new();
    let request = client.post(url).bearer_auth(secret).header("x-faunadb-api-version", "4").body(query.to_string());
    request.send().await.unwrap()
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

#[test]
fn events_of_a_document_show_the_fields_that_were_asked_for() {
    actix_rt::System::new().block_on(async {
        let endpoint = Endpoint::start().await;
        let (_, server) = world(&endpoint).await;
        let all = "?fields=action,document,%20diff,prev,index";
        let (mut stream, start) = Stream::open(&endpoint, &server, &item(1), all).await;
        let (mut default, _) = Stream::open(&endpoint, &server, &json!({"get": item(1)}), "").await;
        endpoint.query(&server, &update(1, &json!({"n": null, "v": "b", "w": 1}))).await;
        endpoint.query(&server, &delete(1)).await;
        endpoint.query(&server, &create(1, &json!({"v": "c"}))).await;

        let updated = stream.next().await.unwrap();
        let txn = updated.get("txn").and_then(Value::as_i64).unwrap();
        assert!(txn > start);
        let shown = |field: &str, part: &str| updated.pointer(&format!("/event/{field}/{part}")).cloned();
        assert_eq!(updated.get("type"), Some(&json!("version")));
        assert_eq!(updated.pointer("/event/action"), Some(&json!("update")));
        assert_eq!(shown("document", "data"), Some(json!({"v": "b", "w": 1})));
        assert_eq!(shown("diff", "data"), Some(json!({"n": null, "v": "b", "w": 1})));
        assert_eq!(shown("prev", "data"), Some(json!({"n": 1, "v": "a"})));
        assert_eq!([shown("document", "ts"), shown("diff", "ts")], [Some(json!(txn)), Some(json!(txn))]);
        assert!(shown("prev", "ts").and_then(|ts| ts.as_i64()).unwrap() <= start);
        assert_eq!(shown("document", "ref/@ref/id"), Some(json!("1")));
        assert!(updated.pointer("/event/index").is_none(), "a document has no index entry");

        let deleted = stream.next().await.unwrap();
        assert_eq!(deleted.pointer("/event/action"), Some(&json!("delete")));
        assert_eq!(deleted.pointer("/event/document/data"), Some(&json!({"v": "b", "w": 1})));
        assert_eq!(deleted.pointer("/event/diff/data"), None);
        let created = stream.next().await.unwrap();
        assert_eq!(created.pointer("/event/action"), Some(&json!("create")));
        assert_eq!(created.pointer("/event/diff/data"), Some(&json!({"v": "c"})));
        assert_eq!(created.pointer("/event/prev/data"), None);

        let fields = default.next().await.unwrap();
        let names: Vec<&String> = fields.get("event").and_then(Value::as_object).unwrap().keys().collect();
        assert_eq!(names, ["action", "document"]);
    });
}

#[test]
fn events_of_sets_tell_what_enters_and_leaves() {
    actix_rt::System::new().block_on(async {
        let endpoint = Endpoint::start().await;
        let (_, server) = world(&endpoint).await;
        let fields = "?fields=action,document,index";
        let (mut of_index, _) = Stream::open(&endpoint, &server, &matching(1), fields).await;
        let (mut of_other, _) = Stream::open(&endpoint, &server, &matching(2), fields).await;
        let (mut of_items, _) = Stream::open(&endpoint, &server, &items(), "").await;
        endpoint.query(&server, &create(2, &json!({"n": 1, "v": "x"}))).await;
        endpoint.query(&server, &update(2, &json!({"n": 2}))).await;
        endpoint.query(&server, &update(2, &json!({"unrelated": 2}))).await;
        endpoint.query(&server, &delete(2)).await;

        let added = of_index.next().await.unwrap();
        assert_eq!(added.get("type"), Some(&json!("set")));
        assert_eq!(added.pointer("/event/action"), Some(&json!("add")));
        assert_eq!(added.pointer("/event/document/ref/@ref/id"), Some(&json!("2")));
        assert_eq!(added.pointer("/event/document/ts"), added.get("txn"));
        assert_eq!(added.pointer("/event/index/ref/@ref/id"), Some(&json!("by_n")));
        assert_eq!(added.pointer("/event/index/terms"), Some(&json!([1])));
        assert_eq!(added.pointer("/event/index/values"), Some(&json!(["x"])));
        assert_eq!(of_index.at("/event/action").await, "remove");
        assert_eq!([of_other.at("/event/action").await, of_other.at("/event/action").await], ["add", "remove"]);
        assert_eq!([of_items.at("/event/action").await, of_items.at("/event/action").await], ["add", "remove"]);
    });
}

#[test]
fn writes_of_one_transaction_are_one_event() {
    actix_rt::System::new().block_on(async {
        let endpoint = Endpoint::start().await;
        let (_, server) = world(&endpoint).await;
        let (mut document, _) = Stream::open(&endpoint, &server, &item(1), "?fields=action,document,prev").await;
        let (mut index, _) = Stream::open(&endpoint, &server, &matching(1), "").await;
        let [one, two] = [update(1, &json!({"v": "b"})), update(1, &json!({"v": "c"}))];
        endpoint.query(&server, &json!({"do": [one, two, create(3, &json!({"n": 1, "v": "d"})), delete(3)]})).await;
        let event = document.next().await.unwrap();
        let values = ["/event/prev/data/v", "/event/document/data/v"].map(|path| event.pointer(path).cloned());
        assert_eq!(values, [Some(json!("a")), Some(json!("c"))]);
        let mut actions = vec![index.at("/event/action").await, index.at("/event/action").await];
        actions.sort_by_key(ToString::to_string);
        assert_eq!(actions, ["add", "remove"], "of the values a and c; document 3 came and went");
        endpoint.query(&server, &delete(1)).await;
        assert_eq!([document.at("/event/action").await, index.at("/event/action").await], ["delete", "remove"]);
    });
}

#[test]
fn history_rewrites_are_told() {
    actix_rt::System::new().block_on(async {
        let endpoint = Endpoint::start().await;
        let (_, server) = world(&endpoint).await;
        let written = endpoint.query(&server, &json!({"select": "ts", "from": {"get": item(1)}})).await;
        let earlier = written.as_i64().unwrap() - 1000;
        let (mut stream, _) = Stream::open(&endpoint, &server, &item(1), "").await;
        let place = |verb: &str| {
            let mut query = json!({verb: item(1), "ts": earlier, "action": "create"});
            if verb == "insert" {
                query["params"] = json!({"object": {"data": {"object": {"v": "old"}}}});
            }
            query
        };
        endpoint.query(&server, &place("insert")).await;
        endpoint.query(&server, &place("remove")).await;
        for (action, ts) in
            [("update", written.clone()), ("create", json!(earlier)), ("create", json!(earlier)), ("create", written)]
        {
            let event = stream.next().await.unwrap();
            assert_eq!(event.get("type"), Some(&json!("history_rewrite")), "{event}");
            assert_eq!(event.pointer("/event/action"), Some(&json!(action)), "{event}");
            assert_eq!(event.pointer("/event/document/ts"), Some(&ts), "{event}");
        }
    });
}

#[test]
fn what_cannot_be_streamed_is_refused_as_by_faunadb() {
    actix_rt::System::new().block_on(async {
        let endpoint = Endpoint::start().await;
        let (_, server) = world(&endpoint).await;
        let not_streamable = |kind: &str| format!("Expected a Document Ref or Version, or a Set Ref, got {kind}.");
        let unknown = json!({"ref": {"collection": "nothing"}, "id": 1});
        for (query, fields, code, description) in [
            (json!("text"), "", "invalid argument", not_streamable("String")),
            (json!({"collection": "items"}), "", "invalid argument", not_streamable("Collection Ref")),
            (json!({"union": [items(), items()]}), "", "invalid argument", not_streamable("Set")),
            (unknown, "", "invalid ref", "Ref refers to undefined collection 'nothing'".to_owned()),
            (
                create(9, &json!({})),
                "",
                "invalid expression",
                "Call performs a write, which is not allowed in stream requests.".to_owned(),
            ),
            (
                item(1),
                "?fields=action,nonsense",
                "invalid url parameter",
                "Invalid url parameter fields. Invalid field name 'nonsense'.".to_owned(),
            ),
        ] {
            let response = request(&endpoint, &server, &query, fields).await;
            assert_eq!(response.status(), 400, "{query}");
            let body: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
            let shown = ["code", "description"].map(|name| body.pointer(&format!("/errors/0/{name}")).cloned());
            assert_eq!(shown, [Some(json!(code)), Some(json!(description))], "{query}");
        }
        for secret in ["", "wrong"] {
            assert_eq!(request(&endpoint, secret, &item(1), "?fields=nonsense").await.status(), 401);
        }
    });
}

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
fn no_event_is_lost_or_out_of_order_while_many_write() {
    const WRITERS: i64 = 8;
    const EACH: i64 = 25;
    actix_rt::System::new().block_on(async {
        let endpoint = Endpoint::start().await;
        let (_, server) = world(&endpoint).await;
        let write = async |writer: i64| {
            for number in 0..EACH {
                let id = 1000 + writer * EACH + number;
                let both = json!({"do": [create(id, &json!({"n": 1})), update(1, &json!({"last": id}))]});
                endpoint.query(&server, &both).await;
            }
        };
        let read = async |delay: i64| {
            while endpoint.query(&server, &json!({"count": items()})).await.as_i64().unwrap() < delay {}
            let (mut added, start) = Stream::open(&endpoint, &server, &items(), "").await;
            let at_start = json!({"at": {"epoch": start, "unit": "microseconds"}, "expr": {"count": items()}});
            let missing = WRITERS * EACH + 1 - endpoint.query(&server, &at_start).await.as_i64().unwrap();
            let mut times = vec![start];
            let mut seen = std::collections::BTreeSet::new();
            for _ in 0..missing {
                let event = added.next().await.unwrap();
                times.push(event.get("txn").and_then(Value::as_i64).unwrap());
                seen.insert(event.pointer("/event/document/ref/@ref/id").cloned().unwrap().to_string());
            }
            assert!(times.is_sorted_by(|one, next| one < next), "{times:?}");
            assert_eq!(i64::try_from(seen.len()).unwrap(), missing);
        };
        let writers = futures_util::future::join_all((0..WRITERS).map(write));
        let readers = futures_util::future::join_all([0, 20, 60, 120].map(read));
        futures_util::future::join(writers, readers).await;
    });
}

#[test]
fn streams_are_bounded_and_a_closed_one_makes_room() {
    actix_rt::System::new().block_on(async {
        let endpoint = Endpoint::start().await;
        let (_, server) = world(&endpoint).await;
        // Over one HTTP/2 connection per hundred, so that the limit on connections is not what is met.
        let mut open = Vec::new();
        let mut refused = None;
        'all: for _ in 0..4 {
            let client = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
            for _ in 0..90 {
                let request = client.post(format!("{}/stream", endpoint.url)).bearer_auth(&server);
                let response =
                    request.header("x-faunadb-api-version", "4").body(item(1).to_string()).send().await.unwrap();
                let mut stream = Stream { response, buffer: Vec::new() };
                let first = stream.next().await.unwrap();
                if first.get("type") == Some(&json!("error")) {
                    refused = Some(first);
                    break 'all;
                }
                open.push(stream);
            }
        }
        let refused = refused.unwrap();
        assert_eq!(refused.pointer("/event/code"), Some(&json!("too many requests")));
        assert_eq!(open.len(), 256);
        open.truncate(200);
        let stream = loop {
            let response = request(&endpoint, &server, &item(1), "").await;
            let mut stream = Stream { response, buffer: Vec::new() };
            if stream.next().await.unwrap().get("type") == Some(&json!("start")) {
                break stream;
            }
        };
        endpoint.query(&server, &update(1, &json!({"v": "z"}))).await;
        open.push(stream);
        for stream in &mut open {
            assert_eq!(stream.at("/event/document/data/v").await, "z");
        }
    });
}

#[test]
fn a_client_that_does_not_read_loses_its_stream_and_nobody_waits_for_it() {
    actix_rt::System::new().block_on(async {
        let endpoint = Endpoint::start().await;
        let (_, server) = world(&endpoint).await;
        let (mut lazy, _) = Stream::open(&endpoint, &server, &item(1), "").await;
        let text = "x".repeat(1 << 20);
        for number in 0..24 {
            endpoint.query(&server, &update(1, &json!({"text": text, "number": number}))).await;
        }
        let mut last = lazy.next().await.unwrap();
        let mut events = 1;
        while let Some(event) = lazy.next().await {
            (last, events) = (event, events + 1);
        }
        assert_eq!(last.pointer("/event/description"), Some(&json!("Stream closed due to congestion.")));
        assert!(events < 24, "{events}");
    });
}

#[test]
fn streams_end_cleanly_when_the_endpoint_stops() {
    actix_rt::System::new().block_on(async {
        let endpoint = Endpoint::start().await;
        let (_, server) = world(&endpoint).await;
        let (mut stream, _) = Stream::open(&endpoint, &server, &item(1), "").await;
        let Endpoint { running, .. } = endpoint;
        running.stop().await;
        assert_eq!(stream.next().await, None);
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
