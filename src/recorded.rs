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

/// A query without what was added to it for documents of other applications, and which changes nothing about ours: defaults for
/// missing fields, folding of case in an index, and the creation of a secret that does not exist yet.
pub fn without_tolerance(query: &Value) -> Value {
    match query {
        Value::Object(fields) => {
            // Of an address, only text counts.
            if let Some(address) = fields.get("let").and_then(|bindings| bindings.get(0)?.get("address")) {
                return without_tolerance(address);
            }
            let then = fields.get("then").filter(|then| then.get("update").is_some());
            let creates = fields.get("else").is_some_and(|otherwise| otherwise.get("create").is_some());
            if let (Some(then), true) = (then, creates) {
                return without_tolerance(then);
            }
            let kept = fields.iter().filter(|(name, value)| {
                !(name.as_str() == "default" && value.is_null() || name.as_str() == "transform")
            });
            Value::Object(kept.map(|(name, value)| (name.clone(), without_tolerance(value))).collect())
        }
        Value::Array(items) => items.iter().map(without_tolerance).collect(),
        other => other.clone(),
    }
}

/// The answer of FaunaDB, without its envelope.
pub fn resource(name: &str) -> Value {
    step(name)["body"]["resource"].take()
}
