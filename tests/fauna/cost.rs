//! What reading costs does not depend on how much there is. Measured, therefore not run by default:
//! `cargo test --release --test fauna -- --ignored cost`.

use std::time::Duration;
use std::time::Instant;

use serde_json::Value;
use serde_json::json;

use super::endpoint::Endpoint;

/// How many documents there are in the end.
const DOCUMENTS: usize = 100_000;
/// How many are written in one transaction.
const BATCH: usize = 1000;
/// How often each read is timed.
const ROUNDS: usize = 200;

/// Who asks whom.
struct Asked {
    /// The endpoint.
    endpoint: Endpoint,
    /// The secret.
    secret: String,
}

/// The median times of two queries, asked in turn so that whatever else the machine does slows both.
async fn medians(a: (&Asked, &Value), b: (&Asked, &Value)) -> [Duration; 2] {
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for ((asked, query), times) in [a, b].into_iter().zip(&mut times) {
            let began = Instant::now();
            asked.endpoint.query(&asked.secret, query).await;
            times.push(began.elapsed());
        }
    }
    times.map(|mut times| {
        times.sort_unstable();
        *times.get(ROUNDS / 2).unwrap()
    })
}

/// An endpoint with so many documents.
async fn filled(documents: usize) -> Asked {
    let endpoint = Endpoint::start().await;
    let (_, secret) = endpoint.child("cost").await;
    endpoint.query(&secret, &json!({"create_collection": {"object": {"name": "many"}}})).await;
    let index = json!({"create_index": {"object": {"name": "by_n", "source": {"collection": "many"},
        "values": [{"object": {"field": ["data", "n"]}}, {"object": {"field": ["ref"]}}]}}});
    endpoint.query(&secret, &index).await;
    for batch in 0..documents / BATCH {
        fill(&endpoint, &secret, batch).await;
    }
    Asked { endpoint, secret }
}

/// Writes the documents of one batch.
async fn fill(endpoint: &Endpoint, secret: &str, batch: usize) {
    let ids: Vec<usize> = (batch * BATCH..(batch + 1) * BATCH).collect();
    let create = json!({"create": {"ref": {"collection": "many"}, "id": {"var": "n"}},
        "params": {"object": {"data": {"object": {"n": {"var": "n"}}}}}});
    let all = json!({"foreach": {"lambda": "n", "expr": create}, "collection": ids});
    endpoint.query(secret, &json!({"do": [all, null]})).await;
}

#[test]
#[ignore = "measures"]
fn cost_of_reading_does_not_grow() {
    actix_rt::System::new().block_on(async {
        let (few, many) = (filled(BATCH).await, filled(DOCUMENTS).await);
        let point = json!({"get": {"ref": {"collection": "many"}, "id": 500}});
        let page = |from: usize| json!({"paginate": {"match": {"index": "by_n"}}, "size": 20, "after": [from]});
        let [of_few, of_many] = medians((&few, &point), (&many, &point)).await;
        let [first, last] = medians((&many, &page(0)), (&many, &page(DOCUMENTS - 20))).await;
        let measured =
            format!("point read {of_few:?} of few, {of_many:?} of many; page 1 {first:?}, page 5000 {last:?}");
        assert!(of_many.as_secs_f64() <= 1.3 * of_few.as_secs_f64(), "{measured}");
        assert!(last.as_secs_f64() <= 1.5 * first.as_secs_f64(), "{measured}");
    });
}
