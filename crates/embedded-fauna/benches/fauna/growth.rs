//! The costs of reading and writing do not depend on how many documents there are.

use std::net::SocketAddr;
use std::time::Instant;

use serde_json::{Value, json};

use super::{ROOT, load, query};

/// Documents of the small endpoint.
const FEW: usize = 1000;
/// Documents of the large endpoint.
const MANY: usize = 1_000_000;
/// Documents of the large endpoint that are in the index.
const INDEXED: usize = 100_000;
const PAGE_SIZE: usize = 20;
/// Documents created in one transaction while filling.
const BATCH: usize = 1000;
/// Timings of each query.
const ROUNDS: usize = 2000;

/// A query for each round.
type Queries<'a> = &'a dyn Fn(usize) -> Value;

/// Fills two endpoints and compares them.
pub async fn measure(few: SocketAddr, many: SocketAddr) {
    fill(few, FEW).await;
    fill(many, MANY).await;
    // Another document each time: a cache of the last one would hide what is measured.
    let reference = |count: usize, round: usize| json!({"ref": {"collection": "many"}, "id": round * 7919 % count});
    let read = |count: usize| move |round: usize| json!({"get": reference(count, round)});
    let write = |count: usize| move |round: usize| json!({"update": reference(count, round), "params": {"object": {"data": {"object": {"written": round}}}}});
    let page =
        |from: usize| move |_| json!({"paginate": {"match": {"index": "by_n"}}, "size": PAGE_SIZE, "after": [from]});
    let compare = async |what: &str, few_queries: Queries<'_>, many_queries: Queries<'_>| {
        let [of_few, of_many] = medians((few, few_queries), (many, many_queries)).await;
        eprintln!(
            "{what}, of 10³ documents           {of_few:.0} µs; of 10⁶ {:.2} of that (at most 1.15)",
            of_many / of_few
        );
    };
    compare("point read", &read(FEW), &read(MANY)).await;
    compare("page of 20", &page(FEW / 2), &page(INDEXED / 2)).await;
    compare("update    ", &write(FEW), &write(MANY)).await;
    let [first, last] = medians((many, &page(0)), (many, &page(INDEXED - PAGE_SIZE))).await;
    eprintln!(
        "page 1 of {INDEXED} entries             {first:.0} µs; page {} {:.2} of that (at most 1.20)",
        INDEXED / PAGE_SIZE,
        last / first
    );
}

/// Creates documents with ids from 0; the first [`INDEXED`] of them are in the index.
async fn fill(address: SocketAddr, count: usize) {
    // A connection for each query: a create that is sent again after a broken connection would be refused.
    let client = reqwest::Client::builder().pool_max_idle_per_host(0).build().unwrap();
    query(&client, address, ROOT, &json!({"create_collection": {"object": {"name": "many"}}})).await;
    let index = json!({"create_index": {"object": {"name": "by_n", "source": {"collection": "many"},
        "values": [{"object": {"field": ["data", "n"]}}]}}});
    query(&client, address, ROOT, &index).await;
    for batch in 0..count / BATCH {
        let ids: Vec<usize> = (batch * BATCH..(batch + 1) * BATCH).collect();
        let field = if batch * BATCH < INDEXED { "n" } else { "beyond" };
        let create = json!({"create": {"ref": {"collection": "many"}, "id": {"var": "n"}},
            "params": {"object": {"data": {"object": {field: {"var": "n"}}}}}});
        let all = json!({"foreach": {"lambda": "n", "expr": create}, "collection": ids});
        query(&client, address, ROOT, &json!({"do": [all, null]})).await;
    }
}

/// Median times, in microseconds, of two series of queries that take turns.
async fn medians(a: (SocketAddr, Queries<'_>), b: (SocketAddr, Queries<'_>)) -> [f64; 2] {
    let client = reqwest::Client::new();
    let mut times = [Vec::new(), Vec::new()];
    for round in 0..ROUNDS {
        for (number, (address, queries)) in [a, b].into_iter().enumerate() {
            let body = queries(round);
            let began = Instant::now();
            query(&client, address, ROOT, &body).await;
            times[number].push(began.elapsed().as_secs_f64() * 1_000_000.0);
        }
    }
    times.map(load::median)
}
