//! The events of documents and sets, their fields, and refusals.

use serde_json::{Value, json};

use super::{Stream, create, delete, item, items, matching, request, update, world};
use crate::endpoint::Endpoint;

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
