//! Exchanges recorded from a real FaunaDB: what this app asks, and what the answer was.

use serde_json::Value;

/// One exchange a line.
const APP: &str = include_str!("../crates/embedded-fauna/tests/fauna/recorded/app.jsonl");

/// The step of that name.
fn step(name: &str) -> Value {
    let steps = APP.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    steps.into_iter().find(|step| step["name"] == name).unwrap_or_else(|| panic!("no step {name}"))
}

/// The query of a step.
pub fn query(name: &str) -> Value {
    step(name)["query"].take()
}

/// What FaunaDB answered, without the envelope.
pub fn resource(name: &str) -> Value {
    step(name)["body"]["resource"].take()
}
