//! Whatever is asked is answered: no panic, no hang.
//!
//! Queries are made of recorded ones, with parts of them exchanged for others. The long run is ignored by default:
//! `cargo test --test fauna -- --ignored ten_minutes`.

use std::time::{Duration, Instant};

use proptest::prelude::{ProptestConfig, any};
use proptest::test_runner::{TestCaseError, TestRunner};
use serde_json::Value;

use super::endpoint::Endpoint;

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
