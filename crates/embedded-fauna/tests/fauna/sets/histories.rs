//! `events` of intersections, differences and joins: what enters and leaves them, in the order of time.
//!
//! Of the changes of one transaction FaunaDB looks at entries first: a document that moves from one of two sets to the other is in both
//! for a moment.

use serde_json::{Value, json};

use crate::endpoint::Endpoint;
use crate::random::Random;

const DOCUMENTS: usize = 12;
const WRITES: usize = 160;
/// Events of a page; smaller than the history.
const PAGE: usize = 5;

/// An event: whether the document came, and its id.
type Seen = Vec<(bool, i64)>;
/// Whether a set has a document with `a = 1` and with `b = 1`.
type IsIn = fn(bool, bool) -> bool;

async fn fill(endpoint: &Endpoint) -> String {
    let (admin, _) = endpoint.child("histories").await;
    endpoint.query(&admin, &json!({"create_collection": {"object": {"name": "things", "history_days": 1}}})).await;
    for (name, field, values) in [("by_a", "a", json!([])), ("by_b", "b", json!([])), ("b_by_a", "a", json!(["b"]))] {
        let path = |field: &Value| json!({"object": {"field": ["data", field]}});
        let values: Value = values.as_array().unwrap().iter().map(path).collect();
        let index =
            json!({"name": name, "source": {"collection": "things"}, "terms": [path(&json!(field))], "values": values});
        endpoint.query(&admin, &json!({"create_index": {"object": index}})).await;
    }
    admin
}

fn matching(index: &str, term: i64) -> Value {
    json!({"match": {"index": index}, "terms": term})
}

fn seen(event: &Value) -> (bool, i64) {
    let id = event.pointer("/document/@ref/id").and_then(Value::as_str).unwrap();
    (event["action"] == "add", id.parse().unwrap())
}

/// All events of a set, read page by page from one end.
async fn events(endpoint: &Endpoint, admin: &str, set: &Value, ascending: bool) -> Seen {
    let (mut all, mut cursor) = (Seen::new(), if ascending { None } else { Some(Value::Null) });
    loop {
        let mut query = json!({"paginate": {"events": set}, "size": PAGE});
        let side = if ascending { "after" } else { "before" };
        if let Some(cursor) = cursor.take() {
            query[side] = cursor;
        }
        let page = endpoint.query(admin, &query).await;
        let data: Seen = page["data"].as_array().unwrap().iter().map(seen).collect();
        all = if ascending { [all, data].concat() } else { [data, all].concat() };
        match page.get(side) {
            Some(next) => cursor = Some(json!({"object": next})),
            None => return all,
        }
    }
}

fn expected(writes: &[(i64, Option<[i64; 2]>)], is_in: IsIn) -> Seen {
    let mut documents = std::collections::HashMap::new();
    let mut all = Seen::new();
    for (id, written) in writes {
        let before = documents.insert(id, *written).flatten();
        let [was_in, is_in] = [before, *written].map(|fields| fields.is_some_and(|[a, b]| is_in(a == 1, b == 1)));
        if was_in != is_in {
            all.push((is_in, *id));
        }
    }
    all
}

#[test]
fn documents_enter_and_leave_intersections_and_differences() {
    actix_rt::System::new().block_on(async {
        let endpoint = Endpoint::start().await;
        let admin = fill(&endpoint).await;
        let mut random = Random::new(5);
        let mut writes = Vec::new();
        let mut fields: [Option<[i64; 2]>; DOCUMENTS] = [None; DOCUMENTS];
        for _ in 0..WRITES {
            let number = random.below(DOCUMENTS);
            let id = i64::try_from(number).unwrap() + 1;
            // One field at a time, and one that is in both sets is not deleted: nothing enters and leaves at once.
            let value = i64::try_from(random.below(2)).unwrap();
            let written = match (fields[number], random.below(5)) {
                (Some([a, b]), 0) if [a, b] != [1, 1] => None,
                (Some([a, _]), 1 | 2) => Some([a, value]),
                (Some([_, b]), _) => Some([value, b]),
                (None, _) => Some([value, 0]),
            };
            let document = json!({"ref": {"collection": "things"}, "id": id});
            let query = match (fields[number], written) {
                (_, None) => json!({"delete": document}),
                (before, Some([a, b])) => {
                    let params = json!({"object": {"data": {"object": {"a": a, "b": b}}}});
                    json!({if before.is_some() { "update" } else { "create" }: document, "params": params})
                }
            };
            fields[number] = written;
            endpoint.query(&admin, &query).await;
            writes.push((id, written));
        }
        let sets = json!([matching("by_a", 1), matching("by_b", 1)]);
        let cases: [(Value, IsIn); 5] = [
            (json!({"intersection": sets}), |a, b| a && b),
            (json!({"difference": sets}), |a, b| a && !b),
            (json!({"distinct": {"difference": [sets[1], sets[0]]}}), |a, b| b && !a),
            (json!({"intersection": [sets[0]]}), |a, _| a),
            (json!({"intersection": [sets[0], {"union": sets}, sets[1]]}), |a, b| a && b),
        ];
        for (set, is_in) in cases {
            let wanted = expected(&writes, is_in);
            assert!(wanted.len() > 2 * PAGE, "{wanted:?}");
            assert_eq!(events(&endpoint, &admin, &set, true).await, wanted, "{set}");
            assert_eq!(events(&endpoint, &admin, &set, false).await, wanted, "{set} backwards");
        }
    });
}

#[test]
fn a_document_that_moves_in_one_transaction_is_in_both_sets_for_a_moment() {
    actix_rt::System::new().block_on(async {
        let endpoint = Endpoint::start().await;
        let admin = fill(&endpoint).await;
        let thing = json!({"ref": {"collection": "things"}, "id": 1});
        let params = |a: i64, b: i64| json!({"object": {"data": {"object": {"a": a, "b": b}}}});
        endpoint.query(&admin, &json!({"create": thing, "params": params(1, 0)})).await;
        endpoint.query(&admin, &json!({"update": thing, "params": params(0, 1)})).await;
        let sets = json!([matching("by_a", 1), matching("by_b", 1)]);
        let both = [(true, 1), (false, 1)];
        assert_eq!(events(&endpoint, &admin, &json!({"intersection": sets}), true).await, both);
        assert_eq!(events(&endpoint, &admin, &json!({"difference": sets}), true).await, both);
    });
}

#[test]
fn a_join_has_the_events_of_its_targets_while_the_source_leads_to_them() {
    actix_rt::System::new().block_on(async {
        let endpoint = Endpoint::start().await;
        let admin = fill(&endpoint).await;
        // The values `b` of the things with `a = 5` lead to the things whose `a` is that value.
        let with = json!({"lambda": "n", "expr": {"match": {"index": "by_a"}, "terms": {"var": "n"}}});
        let create = |id: i64, a: i64, b: i64| {
            let params = json!({"object": {"data": {"object": {"a": a, "b": b}}}});
            json!({"create": {"ref": {"collection": "things"}, "id": id}, "params": params})
        };
        let delete = |id: i64| json!({"delete": {"ref": {"collection": "things"}, "id": id}});
        for write in [
            create(1, 7, 0),
            create(100, 5, 7),
            create(2, 7, 0),
            create(3, 8, 0),
            delete(1),
            create(101, 5, 8),
            create(4, 8, 0),
            delete(100),
            delete(2),
            create(5, 7, 0),
        ] {
            endpoint.query(&admin, &write).await;
        }
        let wanted = [(true, 2), (false, 1), (true, 4)];
        for with in [with, json!({"index": "by_a"})] {
            let join = json!({"join": matching("b_by_a", 5), "with": with});
            assert_eq!(events(&endpoint, &admin, &join, true).await, wanted);
            assert_eq!(events(&endpoint, &admin, &join, false).await, wanted);
        }
    });
}

#[test]
fn histories_can_be_united_and_filtered_sets_have_none() {
    actix_rt::System::new().block_on(async {
        let endpoint = Endpoint::start().await;
        let admin = fill(&endpoint).await;
        for id in [1, 2] {
            let params = json!({"object": {"data": {"object": {"a": id}}}});
            let create = json!({"create": {"ref": {"collection": "things"}, "id": id}, "params": params});
            endpoint.query(&admin, &create).await;
        }
        let [one, two] = [1, 2].map(|term| json!({"events": matching("by_a", term)}));
        let page = endpoint.query(&admin, &json!({"paginate": {"union": [two, one]}})).await;
        assert_eq!(page["data"].as_array().unwrap().iter().map(seen).collect::<Seen>(), [(true, 1), (true, 2)]);
        let set = matching("by_a", 1);
        let filtered = json!({"filter": {"lambda": "_", "expr": true}, "collection": set});
        let query = json!({"paginate": {"events": {"intersection": [set, filtered]}}});
        let reply = endpoint.ask(&admin, query.to_string()).await;
        let description = reply.json().pointer("/errors/0/description").cloned();
        assert_eq!(description, Some(json!("Set does not support events history.")));
    });
}
