//! Values that Fauna has answered, as literals of a query.

use serde_json::{Map, Value};

use crate::fql::Expr;

/// Deepest nesting that is read.
const LEVELS_MAX: u32 = 200;

/// A value in the form of an answer as a literal. `None` for what is no value that can be stored and written again: sets, queries,
/// malformed special values, and nesting beyond 200 levels. Nothing in it is evaluated, at any depth.
pub fn literal(answered: &Value) -> Option<Expr> {
    written(answered, LEVELS_MAX).map(Expr)
}

/// As [`literal`], for a value of an index entry: no array and no object.
pub fn scalar(answered: &Value) -> Option<Expr> {
    match answered {
        Value::Array(_) => None,
        Value::Object(members) => special(members).map(Expr),
        plain => Some(Expr(plain.clone())),
    }
}

fn written(value: &Value, levels: u32) -> Option<Value> {
    let inner = levels.checked_sub(1)?;
    match value {
        Value::Array(items) => items.iter().map(|item| written(item, inner)).collect::<Option<Vec<_>>>().map(Value::from),
        Value::Object(members) => match members.get("@obj") {
            Some(Value::Object(escaped)) if members.len() == 1 => object(escaped, inner),
            _ if members.keys().any(|name| name.starts_with('@')) => special(members),
            _ => object(members, inner),
        },
        plain => Some(plain.clone()),
    }
}

fn object(members: &Map<String, Value>, levels: u32) -> Option<Value> {
    let members = members.iter().map(|(name, value)| Some((name.clone(), written(value, levels)?)));
    let members = members.collect::<Option<Map<_, _>>>()?;
    Some(Value::Object([("object".to_owned(), Value::Object(members))].into_iter().collect()))
}

/// Times, dates, bytes, UUIDs and references are literals in the form in which they are answered.
fn special(members: &Map<String, Value>) -> Option<Value> {
    let mut all = members.iter();
    let is_literal = match (all.next(), all.next()) {
        (Some((kind, Value::String(_))), None) => matches!(kind.as_str(), "@ts" | "@date" | "@bytes" | "@uuid"),
        (Some((kind, Value::Object(reference))), None) => kind == "@ref" && is_reference(reference, 4),
        _ => false,
    };
    is_literal.then(|| Value::Object(members.clone()))
}

/// The inside of `@ref`: an id, the collection, and a database.
fn is_reference(members: &Map<String, Value>, levels: u32) -> bool {
    let is_inner = |value: &Value| {
        let inner = value.as_object().filter(|one| one.len() == 1).and_then(|one| one.get("@ref")?.as_object());
        levels > 0 && inner.is_some_and(|inner| is_reference(inner, levels.saturating_sub(1)))
    };
    members.get("id").is_some_and(Value::is_string)
        && members.iter().all(|(name, value)| match name.as_str() {
            "id" => true,
            "collection" | "database" => is_inner(value),
            _ => false,
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_written_as_they_were_answered() {
        let user = json!({"@ref": {"id": "101", "collection": {"@ref": {"id": "users", "collection": {"@ref": {"id": "collections"}}}}}});
        for (answered, expected) in [
            (json!(1.5), json!(1.5)),
            (json!([null, true, "x"]), json!([null, true, "x"])),
            (json!({"@ts": "2030-01-01T00:00:00Z"}), json!({"@ts": "2030-01-01T00:00:00Z"})),
            (user.clone(), user),
            (json!({"a": {"delete": 1}}), json!({"object": {"a": {"object": {"delete": 1}}}})),
            (json!({"@obj": {"@ts": "x", "b": [{}]}}), json!({"object": {"@ts": "x", "b": [{"object": {}}]}})),
        ] {
            assert_eq!(literal(&answered).map(|made| made.wire().clone()), Some(expected), "{answered}");
        }
    }

    #[test]
    fn nothing_that_would_be_evaluated_is_a_value() {
        for answered in [
            json!({"@ref": {"delete": 1}}),
            json!({"@ref": {"id": {"now": null}}}),
            json!({"@ref": {"id": "1", "collection": {"delete": 1}}}),
            json!({"@ts": {"now": null}}),
            json!({"@query": {"lambda": "x", "expr": {"var": "x"}}}),
            json!({"@set": {"match": {"@ref": {"id": "x"}}}}),
            json!({"@date": "2030-01-01", "delete": 1}),
            json!({"a": {"@obj": {"b": {"@set": 1}}}}),
        ] {
            assert!(literal(&answered).is_none(), "{answered}");
        }
        assert!(scalar(&json!([1])).is_none() && scalar(&json!({"now": null})).is_none());
        assert!(scalar(&json!({"@date": "2030-01-01"})).is_some());
    }
}
