//! Values that Fauna has answered, as literals of a query.

use serde_json::{Map, Value};

use crate::fql::Expr;

/// Deepest nesting that is read.
const LEVELS_MAX: u32 = 200;

/// A value in the form of an answer as a literal. `None` for what is no value that can be stored and written again: sets, queries,
/// malformed special values, and nesting beyond 200 levels. Nothing in it is evaluated, at any depth.
pub fn literal(answered: &Value) -> Option<Expr> {
    written(answered, LEVELS_MAX).map(Expr::new)
}

/// As [`literal`], for a value of an index entry: no array and no object.
pub fn scalar(answered: &Value) -> Option<Expr> {
    match answered {
        Value::Array(_) => None,
        Value::Object(members) => special(members).map(Expr::new),
        plain => Some(Expr::new(plain.clone())),
    }
}

fn written(value: &Value, levels: u32) -> Option<Value> {
    let inner = levels.checked_sub(1)?;
    match value {
        Value::Array(items) => {
            items.iter().map(|item| written(item, inner)).collect::<Option<Vec<_>>>().map(Value::from)
        }
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
    let members = unambiguous(members.collect::<Option<Map<_, _>>>()?);
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

/// The fields of a literal object. A single one whose name begins with `@` would be read as a special value, such as a reference.
pub fn unambiguous(fields: Map<String, Value>) -> Map<String, Value> {
    let is_alike = fields.len() == 1 && fields.keys().any(|name| name.starts_with('@'));
    if is_alike { [("@obj".to_owned(), fields.into())].into_iter().collect() } else { fields }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::fql::data;

    /// Random JSON; about half of its keys are words of the language.
    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![Just(Value::Null), any::<i64>().prop_map(Value::from), ".{0,8}".prop_map(Value::from),];
        let key = prop_oneof!["object|delete|call|let|@ref|@mod|@ts|@obj|query|data", ".{0,6}"];
        leaf.prop_recursive(4, 24, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((key.clone(), inner), 0..4)
                    .prop_map(|fields| fields.into_iter().collect::<Map<_, _>>().into()),
            ]
        })
    }

    fn read_by_fauna(wire: &Value) -> Option<Value> {
        match wire {
            Value::Array(items) => items.iter().map(read_by_fauna).collect::<Option<Vec<_>>>().map(Value::from),
            Value::Object(form) => match form.iter().collect::<Vec<_>>().as_slice() {
                [(name, Value::Object(fields))] if *name == "object" => {
                    let fields = match fields.iter().next().filter(|_| fields.len() == 1) {
                        Some((name, Value::Object(escaped))) if name == "@obj" => escaped,
                        Some((name, _)) if name.starts_with('@') => return None,
                        _ => fields,
                    };
                    let fields = fields.iter().map(|(name, value)| Some((name.clone(), read_by_fauna(value)?)));
                    fields.collect::<Option<Map<_, _>>>().map(Value::from)
                }
                _ => None,
            },
            scalar => Some(scalar.clone()),
        }
    }

    proptest! {
        #[test]
        /// S-I-33 in `docs/threats.md`.
        fn input_from_outside_is_never_evaluated(value in json()) {
            prop_assert_eq!(read_by_fauna(data(&value).wire()), Some(value));
        }
    }

    #[test]
    fn values_are_written_as_they_were_answered() {
        let user = json!({"@ref": {"id": "101", "collection": {"@ref": {"id": "users", "collection": {"@ref": {"id": "collections"}}}}}});
        for (answered, expected) in [
            (json!(1.5), json!(1.5)),
            (json!([null, true, "x"]), json!([null, true, "x"])),
            (json!({"@ts": "2030-01-01T00:00:00Z"}), json!({"@ts": "2030-01-01T00:00:00Z"})),
            (user.clone(), user),
            (json!({"a": {"delete": 1}}), json!({"object": {"a": {"object": {"delete": 1}}}})),
            (json!({"@obj": {"@ref": 1}}), json!({"object": {"@obj": {"@ref": 1}}})),
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
