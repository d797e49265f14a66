//! What reading costs does not depend on how much there is.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};

use super::{ROOT, load, query, start_endpoint};

/// How many documents the small endpoint has.
const FEW: usize = 1000;
/// How many the large one has.
const MANY: usize = 1_000_000;
/// How many of them are in the index.
const INDEXED: usize = 100_000;
/// How many elements a page has.
const PAGE: usize = 20;
/// How many documents are written in one transaction.
const BATCH: usize = 1000;
/// How often each read is timed.
const ROUNDS: usize = 2000;

/// A small endpoint and a large one.
pub struct Grown {
    few: SocketAddr,
    many: SocketAddr,
}

/// Starts both, empty. They run as long as the runtime does.
pub async fn start(directory: &Path) -> Grown {
    let few = start_endpoint(&directory.join("few.sqlite")).await.address();
    Grown { few, many: start_endpoint(&directory.join("many.sqlite")).await.address() }
}

/// Fills both and tells how much longer the large one takes.
pub async fn measure(grown: &Grown) {
    fill(grown.few, FEW).await;
    fill(grown.many, MANY).await;
    // A document in the middle, and another each time: what was just read is not what is measured.
    let point =
        |count: usize| move |round: usize| json!({"get": {"ref": {"collection": "many"}, "id": round * 7919 % count}});
    let [few, many] = medians((grown.few, &point(FEW)), (grown.many, &point(MANY))).await;
    eprintln!(
        "point read, of a thousand documents      {few:.0} µs; of a million {:.2} of that (at most 1.3)",
        many / few
    );
    let page = |from: usize| move |_| json!({"paginate": {"match": {"index": "by_n"}}, "size": PAGE, "after": [from]});
    let [first, last] = medians((grown.many, &page(0)), (grown.many, &page(INDEXED - PAGE))).await;
    eprintln!(
        "page 1 of {INDEXED} entries             {first:.0} µs; page {} {:.2} of that (at most 1.5)",
        INDEXED / PAGE,
        last / first
    );
}

/// Makes documents, the first of them in an index.
async fn fill(address: SocketAddr, count: usize) {
    // A connection each: what is written twice is refused, so none may break off and be tried again.
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

/// The median times, in microseconds, of two queries asked in turn, so that whatever else the machine does slows both.
async fn medians<A, B>(a: (SocketAddr, &A), b: (SocketAddr, &B)) -> [f64; 2]
where
    A: Fn(usize) -> Value,
    B: Fn(usize) -> Value,
{
    let client = reqwest::Client::new();
    let mut times = [Vec::new(), Vec::new()];
    for round in 0..ROUNDS {
        for (number, (address, asked)) in [(a.0, (a.1)(round)), (b.0, (b.1)(round))].into_iter().enumerate() {
            let began = Instant::now();
            query(&client, address, ROOT, &asked).await;
            times[number].push(began.elapsed().as_secs_f64() * 1_000_000.0);
        }
    }
    times.map(load::median)
}
