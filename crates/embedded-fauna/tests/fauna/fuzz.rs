//! Whatever is asked is answered: no panic, no hang.
//!
//! Queries are made of recorded ones, with parts of them exchanged for others; requests and streams are damaged byte by byte. The long
//! runs are ignored by default: `cargo test --test fauna -- --ignored ten_minutes`.

use std::time::{Duration, Instant};

use proptest::prelude::{ProptestConfig, any};
use proptest::test_runner::{TestCaseError, TestRunner};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::endpoint::{Endpoint, ROOT};

const RECORDED: [&str; 5] = [
    include_str!("recorded/generated_data.jsonl"),
    include_str!("recorded/generated_values.jsonl"),
    include_str!("recorded/documents.jsonl"),
    include_str!("recorded/indexes.jsonl"),
    include_str!("recorded/functions.jsonl"),
];
/// Memory that all of it may take, in KiB.
const MEMORY: usize = 4 << 20;
const PATIENCE: Duration = Duration::from_secs(20);

/// Answer to the few queries that FaunaDB fails on, too; a panic or a failing file is answered differently.
pub const AS_FAUNADB: &str = "\"Internal server error\"";

/// A deterministic source of choices (xorshift).
struct Choices(u64);

impl Choices {
    /// A number below `count`.
    fn below(&mut self, count: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(count.max(1)).unwrap()).unwrap()
    }
}

fn queries() -> Vec<Value> {
    let steps = RECORDED.iter().flat_map(|file| file.lines()).map(|line| serde_json::from_str::<Value>(line).unwrap());
    steps.filter_map(|step| step.get("query").cloned()).collect()
}

fn parts<'v>(value: &'v Value, into: &mut Vec<&'v Value>) {
    into.push(value);
    match value {
        Value::Array(elements) => elements.iter().for_each(|element| parts(element, into)),
        Value::Object(fields) => fields.values().for_each(|field| parts(field, into)),
        _ => {}
    }
}

/// Replaces one part, numbered as [`parts`] lists them.
fn exchange(value: &mut Value, number: &mut usize, other: &Value) {
    if *number == 0 {
        *value = other.clone();
    }
    *number = number.wrapping_sub(1);
    match value {
        Value::Array(elements) => elements.iter_mut().for_each(|element| exchange(element, number, other)),
        Value::Object(fields) => fields.values_mut().for_each(|field| exchange(field, number, other)),
        _ => {}
    }
}

fn mutated(queries: &[Value], choices: &mut Choices) -> Value {
    let mut query = queries.get(choices.below(queries.len())).unwrap().clone();
    for _ in 0..=choices.below(2) {
        let donor = queries.get(choices.below(queries.len())).unwrap();
        let mut taken = Vec::new();
        parts(donor, &mut taken);
        let part = (*taken.get(choices.below(taken.len())).unwrap()).clone();
        let mut places = Vec::new();
        parts(&query, &mut places);
        let mut place = choices.below(places.len());
        exchange(&mut query, &mut place, &part);
    }
    query
}

/// Damages the text of a query: cuts a part out, doubles it, or nests it; often it is not JSON any more.
fn spoilt(text: &str, choices: &mut Choices) -> String {
    let characters: Vec<char> = text.chars().collect();
    let from = choices.below(characters.len());
    let to = from + choices.below(characters.len() - from + 1);
    let part = |from: usize, to: usize| characters.get(from..to).unwrap().iter().collect::<String>();
    let (head, middle, tail) = (part(0, from), part(from, to), part(to, characters.len()));
    match choices.below(4) {
        0 => head + &tail,
        1 => head + &middle + &middle + &tail,
        2 => head + &"[".repeat(choices.below(2000)) + &middle + &tail,
        _ => head + "\u{0}\u{2028}\\ud800\"" + &tail,
    }
}

/// Peak memory of the process in KiB; 0 if unknown.
fn peak_memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.and_then(|peak| peak.trim().trim_end_matches(" kB").parse().ok()).unwrap_or_default()
}

/// Sends queries until the time is up or there were `count`; the first that is not answered properly.
fn run_mutations(seed: u64, count: usize, until: Instant) -> Result<(), String> {
    actix_rt::System::new().block_on(async {
        let endpoint = Endpoint::start().await;
        let (_, server) = endpoint.child("fuzz").await;
        let queries = queries();
        let mut choices = Choices(seed | 1);
        for _ in 0..count {
            if Instant::now() > until {
                break;
            }
            let query = mutated(&queries, &mut choices).to_string();
            let query = if choices.below(8) == 0 { spoilt(&query, &mut choices) } else { query };
            let asked = tokio::time::timeout(PATIENCE, endpoint.ask(&server, query.clone()));
            match asked.await {
                Err(_) => return Err(format!("no answer to {query}")),
                Ok(reply) if reply.status == 500 && !reply.text.contains(AS_FAUNADB) => {
                    return Err(format!("{} to {query}", reply.text));
                }
                Ok(_) => {}
            }
        }
        assert!(endpoint.directory().exists(), "the file is where it was");
        Ok(())
    })
}

fn run(cases: u32, count: usize, until: Instant) {
    let mut runner = TestRunner::new(ProptestConfig { cases, max_shrink_iters: 0, ..ProptestConfig::default() });
    let outcome = runner.run(&any::<u64>(), |seed| run_mutations(seed, count, until).map_err(TestCaseError::fail));
    assert!(outcome.is_ok(), "{outcome:?}");
    let peak = peak_memory();
    assert!(peak <= MEMORY, "{peak} KiB of memory");
}

/// Requests as they go over the wire.
fn requests(secret: &str, query: &Value) -> Vec<String> {
    let body = query.to_string();
    let post = |path: &str, more: &str| {
        let length = body.len();
        format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {secret}\r\nx-faunadb-api-version: 4\r\n{more}content-length: {length}\r\n\r\n{body}"
        )
    };
    let chunks = format!(
        "POST / HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {secret}\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
        body.len()
    );
    vec![
        post("/", ""),
        post("/", "x-query-timeout: 1000\r\nx-last-seen-txn: 1\r\nx-fauna-tags: a=b\r\n"),
        post("/", "origin: https://a.example\r\nexpect: 100-continue\r\n"),
        post("/stream?fields=action,document,diff,prev,index", ""),
        post("/linearized", "connection: upgrade, HTTP2-Settings\r\nupgrade: h2c\r\n"),
        chunks,
        format!("GET /?q={} HTTP/1.1\r\nhost: x\r\nauthorization: Basic cm9vdDo=\r\n\r\n", body.replace(' ', "+")),
        "GET /ping?scope=write HTTP/1.1\r\nhost: x\r\n\r\nGET /tokens/1 HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{4}\0\0\0\0\0\0\0\u{4}\u{8}\0\0\0\0\0\0\0\u{1}\0".to_owned(),
    ]
}

/// Damages a request: removes, doubles or exchanges bytes in a few places.
fn damaged(request: &str, choices: &mut Choices) -> Vec<u8> {
    let mut bytes = request.as_bytes().to_vec();
    for _ in 0..choices.below(4) {
        let from = choices.below(bytes.len());
        let to = from + choices.below((bytes.len() - from).min(40) + 1);
        let part = bytes.get(from..to).unwrap().to_vec();
        let other = match choices.below(4) {
            0 => Vec::new(),
            1 => [part.clone(), part].concat(),
            2 => (0..choices.below(10)).map(|_| u8::try_from(choices.below(256)).unwrap()).collect(),
            _ => b"\r\n".to_vec(),
        };
        bytes.splice(from..to, other);
    }
    bytes
}

/// The first event of a stream.
const STREAM: &[u8] = b"{\"type\":\"start\"";

/// Sends bytes and reads until the connection is closed, or a stream of events begins: that one stays open.
async fn exchange_bytes(endpoint: &Endpoint, bytes: &[u8]) -> Result<String, String> {
    let mut stream = TcpStream::connect(endpoint.url.trim_start_matches("http://")).await.unwrap();
    let mut answer = Vec::new();
    let all = async {
        // The server may have closed the connection before it has read everything.
        let _refused = stream.write_all(bytes).await;
        let _closed = stream.shutdown().await;
        while let Ok(1..) = stream.read_buf(&mut answer).await {
            if answer.windows(STREAM.len()).any(|part| part == STREAM) {
                break;
            }
        }
    };
    match tokio::time::timeout(PATIENCE, all).await {
        Ok(()) => Ok(String::from_utf8_lossy(&answer).into_owned()),
        Err(_elapsed) => Err(format!("no end of {}", String::from_utf8_lossy(bytes))),
    }
}

/// Sends damaged requests until the time is up or there were `count`; the endpoint must go on answering.
fn run_requests(seed: u64, count: usize, until: Instant) {
    actix_rt::System::new().block_on(async {
        let endpoint = Endpoint::start().await;
        let (admin, _) = endpoint.child("fuzz").await;
        endpoint.query(&admin, &json!({"create_collection": {"object": {"name": "things"}}})).await;
        let (queries, mut choices) = (queries(), Choices(seed | 1));
        for _ in 0..count {
            if Instant::now() > until {
                break;
            }
            let all = json!({"documents": {"collection": "things"}});
            let query = if choices.below(2) == 0 { all } else { mutated(&queries, &mut choices) };
            let requests = requests(&admin, &query);
            let bytes = damaged(requests.get(choices.below(requests.len())).unwrap(), &mut choices);
            let answer = exchange_bytes(&endpoint, &bytes).await.unwrap();
            let is_bad = answer.starts_with("HTTP/1.1 500") && !answer.contains(AS_FAUNADB);
            assert!(!is_bad, "{answer} to {}", String::from_utf8_lossy(&bytes));
        }
        assert_eq!(endpoint.query(ROOT, &json!({"add": [1, 1]})).await, 2);
    });
}

#[test]
fn damaged_requests_are_answered() {
    run_requests(5, 200, Instant::now() + Duration::from_secs(30));
}

#[test]
#[ignore = "takes ten minutes"]
fn ten_minutes_of_damaged_requests_are_answered() {
    let until = Instant::now() + Duration::from_secs(600);
    for seed in (7..).step_by(2) {
        if Instant::now() >= until {
            break;
        }
        run_requests(seed, 20_000, until);
    }
}

#[test]
fn mutated_queries_are_answered() {
    run(2, 300, Instant::now() + Duration::from_secs(30));
}

#[test]
#[ignore = "takes ten minutes"]
fn ten_minutes_of_mutated_queries_are_answered() {
    let until = Instant::now() + Duration::from_secs(600);
    while Instant::now() < until {
        run(1, 20_000, until);
    }
}
