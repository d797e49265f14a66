//! One user's queries do not slow others, whatever they do; a deleted token is good for nothing at once.

use std::time::{Duration, Instant};

use futures_util::future::{Either, join_all, select};
use serde_json::{Value, json};

use super::site::{Site, endless, long, refusal};
use crate::endpoint::{Endpoint, ROOT};

/// A bound that only a hang exceeds, also on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(20);
/// Milliseconds that a query is given which needs hours.
const SHORT: u32 = 100;

#[test]
fn whatever_a_query_does_it_ends_at_its_deadline() {
    actix_rt::System::new().block_on(async {
        let site = Site::start().await;
        let pattern = |pattern: &str, text: Value| json!({"findstrregex": text, "pattern": pattern});
        let endless = [
            pattern("(?=a*)(?=a*b)x", long("a", 20)),
            pattern("(?:(?=a*b)a)*x", long("a", 20)),
            pattern("(a*)*b", long("a", 20)),
            pattern(r"(a?){500}(a){500}\2b", long("a", 16)),
            pattern("(?:[^b]{0,5000}){50}b", long("a", 20)),
            pattern(r"(?<=a{1,100}b)a", long("a", 21)),
            json!({"containsstrregex": long("a", 12), "pattern": "(a|aa)+$b"}),
            json!({"replacestrregex": long("a", 20), "pattern": "a*?(?=a*b)", "replace": "b"}),
            json!({"casefold": long("\u{1e9e}\u{323}\u{307}", 22)}),
            json!({"titlecase": long("a b ", 22)}),
            endless(&json!(1)),
            endless(&json!({"casefold": long("\u{130}", 10)})),
        ];
        for query in &endless {
            let began = Instant::now();
            let reply = site.ask_within(&site.tokens[0], query, SHORT).await;
            let query = query.to_string();
            assert_eq!(refusal(&reply), (503, "Query timed out".to_owned()), "{}", query.get(..200).unwrap_or(&query));
            assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
            let next = site.endpoint.ask(&site.tokens[0], json!({"add": [1, 1]}).to_string()).await;
            assert_eq!(next.status, 200, "the identity's next query runs: {}", next.text);
        }
    });
}

#[test]
fn a_large_scan_ends_at_its_deadline() {
    actix_rt::System::new().block_on(async {
        let site = Site::start().await;
        site.endpoint.query(&site.server, &json!({"create": {"ref": {"collection": "notes"}, "id": 1}})).await;
        let sql = "insert into documents (database, collection, id, ts, ttl, fields)
                   with recursive more (id) as (values (2) union all select id + 1 from more where id <= 200000)
                   select database, collection, more.id, ts, ttl, fields from more, documents
                   where documents.id = 1 and fields = (select fields from documents order by ts desc limit 1)
                     and collection = (select collection from documents order by ts desc limit 1)";
        site.endpoint.file().execute(sql, []).unwrap();
        let notes = json!({"documents": {"collection": "notes"}});
        let joined = json!({"join": notes, "with": {"lambda": "_", "expr": notes}});
        for set in [json!({"events": notes}), joined] {
            let reply =
                site.ask_within(&site.tokens[0], &json!({"count": {"paginate": set, "size": 100_000}}), SHORT).await;
            assert_eq!(refusal(&reply), (503, "Query timed out".to_owned()));
        }
    });
}

#[test]
fn version_unstable_is_told_440() {
    actix_rt::System::new().block_on(async {
        let site = Site::start().await;
        let request = site.endpoint.client.post(&site.endpoint.url).bearer_auth(&site.tokens[0]);
        let request = request.header("x-faunadb-api-version", "UNSTABLE").header("x-query-timeout", "50");
        let reply = Endpoint::send(request.body(endless(&json!(1)).to_string())).await;
        let code = reply.json().pointer("/errors/0/code").cloned();
        assert_eq!((reply.status, code), (440, Some(json!("processing time limit exceeded"))));
    });
}

#[test]
fn a_token_gets_less_time_than_its_query_asks_for() {
    actix_rt::System::new().block_on(async {
        let limit = Duration::from_millis(200);
        let site = Site::start_with(|settings| settings.limits.token_query = limit).await;
        let reply = site.ask_within(&site.tokens[0], &endless(&json!(1)), 600_000).await;
        assert_eq!(refusal(&reply), (503, "Query timed out".to_owned()));
    });
}

/// The application reads and writes, and another user too, while one user runs this; it must still run afterwards.
async fn others_go_on_during(site: &Site, attack: &Value) {
    let attacks = (0..4).map(|_| Box::pin(site.ask_within(&site.tokens[0], attack, 600_000)));
    let others = Box::pin(async {
        for _ in 0..5 {
            let create = json!({"create": {"collection": "notes"}});
            for secret in [&site.server, &site.tokens[1]] {
                assert_eq!(site.endpoint.ask(secret, create.to_string()).await.status, 201);
                site.endpoint.query(secret, &json!({"exists": {"ref": {"collection": "users"}, "id": 1}})).await;
            }
        }
    });
    match select(others, Box::pin(join_all(attacks))).await {
        Either::Left(((), _)) => {}
        Either::Right((replies, _)) => {
            let texts: Vec<_> = replies.iter().map(|reply| reply.text.clone()).collect();
            panic!("the queries that need hours ended first: {texts:?}");
        }
    }
}

#[test]
fn a_reader_does_not_keep_others_waiting() {
    actix_rt::System::new().block_on(async {
        let site = Site::start_with(|settings| settings.limits.token_query = Duration::from_secs(60)).await;
        others_go_on_during(&site, &endless(&json!(1))).await;
        let pattern = json!({"findstrregex": long("a", 20), "pattern": "(?=a*)(?=a*b)x"});
        others_go_on_during(&site, &pattern).await;
    });
}

#[test]
fn a_writer_does_not_keep_others_waiting() {
    actix_rt::System::new().block_on(async {
        let site = Site::start_with(|settings| settings.limits.token_query = Duration::from_secs(60)).await;
        let create = json!({"if": false, "then": {"create": {"collection": "notes"}}, "else": 1});
        others_go_on_during(&site, &endless(&create)).await;
        let after = json!({"do": [{"create": {"collection": "notes"}}, endless(&json!(1))]});
        others_go_on_during(&site, &after).await;
    });
}

/// A query is running with a token while `deletion` is answered with success: both it and the next one are refused.
async fn revoked_by(site: &Site, deletion: &Value, running: &Value) {
    let query = site.ask_within(&site.tokens[0], running, 60_000);
    let revocation = async {
        for _ in 0..10 {
            // Meanwhile the query begins.
            site.endpoint.query(&site.server, &json!({"exists": {"ref": {"collection": "users"}, "id": 1}})).await;
        }
        assert_eq!(site.endpoint.ask(&site.server, deletion.to_string()).await.status, 200);
        let own = json!({"get": {"current_identity": null}}).to_string();
        assert_eq!(site.endpoint.ask(&site.tokens[0], own).await.status, 401);
    };
    let (reply, ()) = futures_util::future::join(query, revocation).await;
    assert_eq!(reply.status, 401, "{}", reply.text);
}

#[test]
fn a_document_with_very_many_index_entries_does_not_hold_the_writer() {
    actix_rt::System::new().block_on(async {
        let site = Site::start().await;
        let field = |name: &str| json!([{"object": {"field": ["data", name]}}]);
        let index = json!({"name": "by_tag", "source": {"collection": "notes"}, "terms": field("tag"), "values": field("more")});
        let admin = site.endpoint.query(ROOT, &json!({"create_key": {"object": {"role": "admin", "database": {"database": "site"}}}})).await;
        let admin = admin.get("secret").and_then(Value::as_str).unwrap();
        site.endpoint.query(admin, &json!({"create_index": {"object": index}})).await;
        let create = |tags: i32, more: i32| {
            let [tag, more] = [tags, more].map(|count| (0..count).collect::<Vec<_>>());
            json!({"create": {"collection": "notes"}, "params": {"object": {"data": {"object": {"tag": tag, "more": more}}}}})
        };
        let refused = site.endpoint.ask(&site.tokens[0], create(1000, 1000).to_string()).await;
        assert_eq!(refusal(&refused), (400, "The values that the query makes are too large.".to_owned()));
        // Comparing each element with each other would take minutes.
        let (slow, ()) = futures_util::future::join(site.ask_within(&site.tokens[0], &create(100_000, 1), SHORT), async {
            for _ in 0..5 {
                site.endpoint.query(&site.tokens[1], &create(1, 1)).await;
            }
        })
        .await;
        assert!([201, 503].contains(&slow.status), "{}", slow.text);
        site.endpoint.query(&site.tokens[0], &create(2, 2)).await;
        let tagged = json!({"count": {"paginate": {"match": {"index": "by_tag"}, "terms": 1}}});
        assert_eq!(site.endpoint.query(&site.server, &tagged).await.pointer("/data/0"), Some(&json!(2)));
    });
}

#[test]
fn deleting_a_token_ends_its_running_query() {
    actix_rt::System::new().block_on(async {
        let minute = Duration::from_secs(60);
        let may_create = json!({"if": false, "then": {"create": {"collection": "notes"}}, "else": 1});
        for running in [endless(&json!(1)), endless(&may_create)] {
            let site = Site::start_with(|settings| settings.limits.token_query = minute).await;
            revoked_by(&site, &site.delete_token(), &running).await;
        }
    });
}

#[test]
fn deleting_a_user_ends_the_queries_of_their_tokens() {
    actix_rt::System::new().block_on(async {
        let site = Site::start_with(|settings| settings.limits.token_query = Duration::from_secs(60)).await;
        revoked_by(&site, &json!({"delete": {"ref": {"collection": "users"}, "id": 1}}), &endless(&json!(1))).await;
    });
}

#[test]
fn one_identity_runs_one_query_and_few_wait() {
    actix_rt::System::new().block_on(async {
        let site = Site::start_with(|settings| {
            settings.limits.waiting = 2;
            settings.limits.token_query = Duration::from_secs(1);
        })
        .await;
        // The lane of the token is known from here on.
        site.endpoint.query(&site.tokens[0], &json!(1)).await;
        let query = endless(&json!(1));
        let asked = (0..6).map(|_| site.ask_within(&site.tokens[0], &query, 60_000));
        let statuses: Vec<u16> = join_all(asked).await.iter().map(|reply| reply.status).collect();
        let refused = statuses.iter().filter(|status| **status == 429).count();
        // Two wait, and one runs if a thread has taken it before the third has come.
        assert!((3..=4).contains(&refused), "{statuses:?}");
        assert_eq!(statuses.iter().filter(|status| **status == 503).count(), statuses.len() - refused);
    });
}

#[test]
fn a_token_writes_few_documents_per_query() {
    actix_rt::System::new().block_on(async {
        let site = Site::start_with(|settings| settings.limits.token_writes = 10).await;
        let create = |count: usize| {
            let numbers: Vec<usize> = (0..count).collect();
            json!({"foreach": {"lambda": "_", "expr": {"create": {"collection": "notes"}}}, "collection": numbers})
        };
        let count = json!({"count": {"documents": {"collection": "notes"}}});
        site.endpoint.query(&site.tokens[0], &create(10)).await;
        let refused = site.endpoint.ask(&site.tokens[0], create(11).to_string()).await;
        let text = "A query with this secret may write at most 10 documents.".to_owned();
        assert_eq!(refusal(&refused), (400, text));
        assert_eq!(site.endpoint.query(&site.server, &count).await, 10, "nothing of it is there");
        site.endpoint.query(&site.server, &create(11)).await;
    });
}

#[test]
fn a_large_answer_is_refused() {
    actix_rt::System::new().block_on(async {
        let site = Site::start().await;
        let shared = |count: usize| {
            let elements = vec![json!({"var": "a"}); count];
            json!({"let": [{"a": long("a", 20)}], "in": elements})
        };
        let refused = site.endpoint.ask(&site.server, shared(100).to_string()).await;
        assert_eq!(refusal(&refused), (400, "The answer would be larger than 33554432 bytes.".to_owned()));
        let refused = site.endpoint.ask(&site.tokens[0], shared(100).to_string()).await;
        assert_eq!(refusal(&refused), (400, "The values that the query makes are too large.".to_owned()));
        assert_eq!(site.endpoint.ask(&site.tokens[0], shared(3).to_string()).await.status, 200);
    });
}

#[test]
fn a_stop_does_not_wait_for_a_query_that_needs_hours() {
    actix_rt::System::new().block_on(async {
        let site = Site::start_with(|settings| settings.limits.stop = Duration::from_millis(200)).await;
        let Site { endpoint, server, .. } = site;
        let Endpoint { running, client, url, .. } = endpoint;
        let began = Instant::now();
        let request = client.post(&url).bearer_auth(&server).body(endless(&json!(1)).to_string()).send();
        let stop = async {
            // The server has a thread of its own for it by now, or never: both must end.
            client.get(format!("{url}/ping")).send().await.unwrap();
            running.stop().await;
        };
        let (answer, ()) = futures_util::future::join(request, stop).await;
        assert!(answer.map_or(true, |answer| answer.status() == 503));
        assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
        assert!(client.get(format!("{url}/ping")).send().await.is_err());
    });
}

#[test]
fn a_query_whose_client_is_gone_ends() {
    actix_rt::System::new().block_on(async {
        let minute = Duration::from_secs(60);
        let site = Site::start_with(|settings| settings.limits.token_query = minute).await;
        let Site { endpoint, tokens, .. } = &site;
        let request = endpoint.client.post(&endpoint.url).bearer_auth(&tokens[0]).timeout(Duration::from_millis(500));
        let gone = request.header("x-faunadb-api-version", "4").body(endless(&json!(1)).to_string()).send().await;
        assert!(gone.is_err_and(|error| error.is_timeout()));
        let next = site.ask_within(&tokens[0], &json!({"add": [1, 1]}), 20_000).await;
        assert_eq!(next.status, 200, "the identity's next query runs: {}", next.text);
    });
}
