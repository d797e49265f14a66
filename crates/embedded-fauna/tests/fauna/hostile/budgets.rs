//! What a query makes, reads and writes is counted, and looking through it takes time in proportion.
//!
//! The tests of times are ignored by default and belong on an optimised build:
//! `cargo test --release --test fauna -- --ignored in_time`.

use std::time::Duration;

use serde_json::{Value, json};

use super::site::{Site, long, refusal};
use crate::endpoint::ROOT;

/// Elements of a list whose pairs are too many to be compared within [`SHORT`].
const MANY: usize = 100_000;
/// Milliseconds that are enough to look through [`MANY`] elements a few times in an optimised build.
const SHORT: u32 = 5000;
/// A bound that only a hang exceeds, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

const TOO_LARGE: &str = "The values that the query makes are too large.";

fn refused(text: &str) -> (u16, String) {
    (400, text.to_owned())
}

#[test]
fn n_grams_are_those_of_each_place_and_are_counted() {
    actix_rt::System::new().block_on(async {
        let site = Site::start().await;
        let grams = |text: Value, min: usize, max: usize| json!({"ngram": text, "min": min, "max": max});
        for (query, expected) in [
            (grams(json!("aéb"), 1, 2), json!(["a", "aé", "é", "éb", "b"])),
            (grams(json!("aéb"), 2, 3), json!(["aé", "aéb", "éb"])),
            (grams(json!("aéb"), 3, 3), json!(["aéb"])),
            (grams(json!("aéb"), 4, 4), json!([])),
            (grams(json!(["ab", 7, ""]), 1, 1), json!(["a", "b", 7])),
        ] {
            assert_eq!(site.endpoint.query(&site.tokens[0], &query).await, expected, "{query}");
        }
        // A million parts of 100 000 characters each would fill the memory before they are counted.
        let reply = site.endpoint.ask(&site.tokens[0], grams(long("a", 20), 100_000, 100_000).to_string()).await;
        assert_eq!(refusal(&reply), refused(TOO_LARGE));
    });
}

#[test]
fn places_of_matches_count_characters() {
    actix_rt::System::new().block_on(async {
        let site = Site::start().await;
        let find = json!({"findstrregex": "éxéé\u{1f600}x", "pattern": "x", "start": 1});
        let places = json!({"map": {"lambda": "m", "expr": [{"select": "start", "from": {"var": "m"}}, {"select": "end", "from": {"var": "m"}}]},
            "collection": find});
        assert_eq!(site.endpoint.query(&site.tokens[0], &places).await, json!([[1, 1], [5, 5]]));
    });
}

#[test]
fn of_fields_with_one_name_the_first_one_stays_or_the_last_one_merged() {
    actix_rt::System::new().block_on(async {
        let site = Site::start().await;
        let twice = json!({"to_object": [["a", 1], ["b", 2], ["a", 3]]});
        let merged = json!({"merge": {"object": {"a": 1, "b": 2}}, "with": [{"object": {"a": 3}}, {"object": {"c": 4, "b": null}}]});
        assert_eq!(site.endpoint.query(&site.tokens[0], &merged).await, json!({"a": 3, "c": 4}));
        let select = json!([{"select": "b", "from": twice}, {"count": {"to_array": twice}}]);
        assert_eq!(site.endpoint.query(&site.tokens[0], &select).await[0], 2);
    });
}

#[test]
#[ignore = "compares times"]
fn objects_with_many_fields_are_made_and_merged_in_time() {
    actix_rt::System::new().block_on(async {
        let site = Site::start().await;
        let numbers: Vec<usize> = (0..MANY).collect();
        let object = |text: Value| {
            let pair = json!([{"concat": [text, {"to_string": {"var": "n"}}]}, {"var": "n"}]);
            json!({"to_object": {"map": {"lambda": "n", "expr": pair}, "collection": {"var": "numbers"}}})
        };
        let merged = json!({"merge": object(json!("a")), "with": object(json!("b"))});
        let query = json!({"let": [{"numbers": numbers}, {"merged": merged}], "in": [
            {"count": {"to_array": {"var": "merged"}}},
            {"select": "a7", "from": {"var": "merged"}},
            {"equals": [{"var": "merged"}, {"merge": object(json!("b")), "with": object(json!("a"))}]},
        ]});
        let reply = site.ask_within(&site.server, &query, SHORT).await;
        assert_eq!(reply.json()["resource"], json!([2 * MANY, 7, true]), "{}", reply.text);
    });
}

#[test]
#[ignore = "compares times"]
fn changed_fields_of_large_objects_are_found_in_time() {
    actix_rt::System::new().block_on(async {
        let site = Site::start().await;
        let data = |first: i32| {
            let fields = (0..MANY).map(|n| (format!("f{n}"), json!(if n == 0 { first } else { 1 })));
            json!({"object": {"data": {"object": Value::Object(fields.collect())}}})
        };
        let note = json!({"ref": {"collection": "notes"}, "id": 1});
        site.endpoint.query(&site.server, &json!({"do": [{"create": note, "params": data(1)}, null]})).await;
        site.endpoint.query(&site.server, &json!({"do": [{"update": note, "params": data(2)}, null]})).await;
        let last =
            json!({"select": ["data", 0, "data"], "from": {"paginate": {"events": note}, "size": 1, "before": null}});
        let reply = site.ask_within(&site.server, &last, SHORT).await;
        assert_eq!(reply.json()["resource"], json!({"f0": 2}), "{}", reply.text);
    });
}

#[test]
fn sets_that_a_query_reads_are_counted() {
    actix_rt::System::new().block_on(async {
        let site = Site::start_with(|settings| settings.limits.token_query = PATIENCE).await;
        let notes = json!({"documents": {"collection": "notes"}});
        let times = |count: usize| -> Value { (0..count).collect() };
        // A union keeps the state of each of its sets until it has been read.
        let all = |sets: usize, rounds: usize| {
            let union = json!({"union": {"map": {"lambda": "_", "expr": notes}, "collection": times(sets)}});
            let empty = json!({"and": [{"var": "so_far"}, {"is_empty": {"var": "all"}}]});
            let reduce = json!({"reduce": {"lambda": ["so_far", "_"], "expr": empty}, "initial": true, "collection": times(rounds)});
            // Most of the budget goes to texts, so that it does not take that many sets.
            let all = json!({"do": [long("a", 24), long("a", 23), long("a", 22), reduce]});
            json!({"let": [{"all": union}], "in": all})
        };
        assert_eq!(site.endpoint.query(&site.tokens[0], &all(1000, 5)).await, json!(true));
        let reply = site.endpoint.ask(&site.tokens[0], all(1000, 17).to_string()).await;
        assert_eq!(refusal(&reply), refused(TOO_LARGE));
    });
}

#[test]
fn a_token_writes_few_bytes_per_query() {
    actix_rt::System::new().block_on(async {
        let site = Site::start_with(|settings| settings.limits.token_write_bytes = 100_000).await;
        let note = |id: i64| json!({"ref": {"collection": "notes"}, "id": id});
        let params = |power: u32| json!({"object": {"data": {"object": {"text": long("a", power)}}}});
        let create = |id: i64, power: u32| json!({"create": note(id), "params": params(power)});
        site.endpoint.query(&site.tokens[0], &create(1, 16)).await;
        let both = json!([create(2, 15), create(3, 17)]);
        let reply = site.endpoint.ask(&site.tokens[0], both.to_string()).await;
        let (status, text) = refusal(&reply);
        assert_eq!(status, 400);
        assert!(
            text.starts_with("Transaction exceeded limit: got 163") && text.ends_with(" bytes, limit 100000 bytes"),
            "{text}"
        );
        let exists = json!([{"exists": note(1)}, {"exists": note(2)}, {"exists": note(3)}]);
        assert_eq!(
            site.endpoint.query(&site.server, &exists).await,
            json!([true, false, false]),
            "nothing of it is there"
        );
        // The version that moves into the history counts.
        let replaced = json!({"insert": note(1), "ts": {"now": null}, "action": "create", "params": params(15)});
        assert_eq!(site.endpoint.ask(&site.tokens[0], replaced.to_string()).await.status, 200);
        site.endpoint.query(&site.server, &json!([create(2, 17), create(3, 17)])).await;
    });
}

#[test]
fn index_entries_with_long_keys_are_counted() {
    actix_rt::System::new().block_on(async {
        let site = Site::start_with(|settings| settings.limits.token_query = PATIENCE).await;
        let key = json!({"create_key": {"object": {"role": "admin", "database": {"database": "site"}}}});
        let admin = site.endpoint.query(ROOT, &key).await["secret"].as_str().unwrap().to_owned();
        let field = |name: &str| json!([{"object": {"field": ["data", name]}}]);
        let index = json!({"name": "by_tag", "source": {"collection": "notes"}, "terms": field("tag"), "values": field("text")});
        site.endpoint.query(&admin, &json!({"create_index": {"object": index}})).await;
        let create = |tags: usize, power: u32| {
            let tags: Value = (0..tags).collect();
            json!({"create": {"collection": "notes"}, "params": {"object": {"data": {"object": {"tag": tags, "text": long("a", power)}}}}})
        };
        site.endpoint.query(&site.tokens[0], &create(2, 10)).await;
        // Each of a hundred entries would have the whole text in its key; most of the budget has gone to other texts.
        let full = json!({"do": [long("a", 24), long("a", 23), long("a", 22), create(100, 15)]});
        let reply = site.endpoint.ask(&site.tokens[0], full.to_string()).await;
        assert_eq!(refusal(&reply), refused(TOO_LARGE));
        let reply = site.endpoint.ask(&site.server, create(1, 16).to_string()).await;
        let (status, text) = refusal(&reply);
        assert!(status == 400 && text.starts_with("Key bytes (655") && text.ends_with(" exceeds threshold (64000)"), "{text}");
        let page = json!({"paginate": {"match": {"index": "by_tag"}, "terms": 1}, "after": [long("a", 21)]});
        let reply = site.endpoint.ask(&site.tokens[0], page.to_string()).await;
        assert_eq!(refusal(&reply), refused("The cursor is too long."));
    });
}

#[test]
fn a_version_ends_at_eight_mebibytes() {
    actix_rt::System::new().block_on(async {
        let site = Site::start().await;
        let create = |texts: usize| {
            let texts = vec![long("a", 20); texts];
            json!({"do": [{"create": {"collection": "notes"}, "params": {"object": {"data": {"object": {"texts": texts}}}}}, null]})
        };
        assert_eq!(site.endpoint.ask(&site.server, create(7).to_string()).await.status, 200);
        let (status, text) = refusal(&site.endpoint.ask(&site.server, create(8).to_string()).await);
        assert!(status == 400 && text.starts_with("Version bytes (83") && text.ends_with(" exceeds threshold (8388608)"), "{text}");
    });
}

#[test]
#[ignore = "compares times"]
fn an_index_of_documents_with_many_entries_is_built_in_time() {
    actix_rt::System::new().block_on(async {
        let site = Site::start().await;
        let tags: Value = (0..MANY).collect();
        let params = json!({"object": {"data": {"object": {"tag": tags}}}});
        let note = json!({"ref": {"collection": "notes"}, "id": 1});
        site.endpoint.query(&site.server, &json!({"do": [{"create": note, "params": params}, null]})).await;
        site.endpoint.query(&site.server, &json!({"do": [{"update": note, "params": {"object": {"data": {"object": {"n": 1}}}}}, null]})).await;
        let key = json!({"create_key": {"object": {"role": "admin", "database": {"database": "site"}}}});
        let admin = site.endpoint.query(ROOT, &key).await["secret"].as_str().unwrap().to_owned();
        let index = json!({"name": "by_tag", "source": {"collection": "notes"}, "terms": [{"object": {"field": ["data", "tag"]}}]});
        let reply = site.ask_within(&admin, &json!({"create_index": {"object": index}}), SHORT).await;
        assert_eq!(reply.status, 201, "{}", reply.text);
        let found = json!({"count": {"match": {"index": "by_tag"}, "terms": MANY - 1}});
        assert_eq!(site.endpoint.query(&site.server, &found).await, json!(1));
    });
}

#[test]
fn an_empty_text_is_repeated_at_once() {
    actix_rt::System::new().block_on(async {
        let site = Site::start().await;
        // Java takes the low 32 bits of the number.
        let query = json!({"repeat": "", "number": -2_147_483_649_i64});
        assert_eq!(site.endpoint.query(&site.tokens[0], &query).await, "");
    });
}
