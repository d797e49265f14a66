//! What roles must be.

use std::sync::Arc;

use super::checks::Failures;
use super::checks::wrong_type;
use crate::fauna_dev::language::FieldFailure;
use crate::fauna_dev::language::Lambda;
use crate::fauna_dev::language::Object;
use crate::fauna_dev::language::Value;
use crate::fauna_dev::language::native;

/// The actions that there are, and how many arguments the predicate of each gets.
const ACTIONS: [(&str, usize); 9] = [
    ("read", 1),
    ("write", 2),
    ("create", 1),
    ("create_with_id", 2),
    ("delete", 1),
    ("history_write", 4),
    ("history_read", 1),
    ("unrestricted_read", 1),
    ("call", 1),
];

/// Applies something to an object or to each object of an array.
fn each(value: &Value, change: impl Fn(&Object) -> Object) -> Value {
    match value {
        Value::Object(object) => change(object).into(),
        Value::Array(elements) => Value::array(
            elements
                .iter()
                .map(|element| match element {
                    Value::Object(object) => change(object).into(),
                    other => other.clone(),
                })
                .collect(),
        ),
        other => other.clone(),
    }
}

/// Only the fields of these names.
fn only(object: &Object, names: &[&str]) -> Object {
    object.iter().filter(|(name, _)| names.contains(&&**name)).cloned().collect()
}

/// A role without what roles do not know: unknown actions are dropped.
pub fn selected(fields: &Object) -> Object {
    let actions: Vec<&str> = ACTIONS.iter().map(|(action, _)| *action).collect();
    let privilege = |object: &Object| {
        let mut kept = only(object, &["resource", "actions"]);
        if let Some(Value::Object(given)) = object.get("actions") {
            let given = only(given, &actions);
            if given.is_empty() {
                kept.remove("actions");
            } else {
                kept.set("actions", given.into());
            }
        }
        kept
    };
    fields
        .iter()
        .map(|(name, value)| match &**name {
            "membership" => (Arc::clone(name), each(value, |object| only(object, &["resource", "predicate"]))),
            "privileges" => (Arc::clone(name), each(value, privilege)),
            _ => (Arc::clone(name), value.clone()),
        })
        .collect()
}

/// What is wrong with a role.
pub fn failures(fields: &Object) -> Failures {
    let mut failures = Vec::new();
    for (value, path) in entries(fields, "membership", &mut failures) {
        if let Some(resource) = value.get("resource") {
            let is_collection =
                matches!(resource, Value::Ref(reference) if reference.collection == native::COLLECTIONS);
            if let Value::String(_) = resource {
                failures.push(wrong_type(&["membership", "resource"], "Ref", resource));
            } else if !is_collection {
                failures.push(wrong_type(&[&path[..], &["resource"]].concat(), "Class Ref", resource));
            }
        }
        match value.get("predicate") {
            None | Some(Value::Lambda(_)) => {}
            Some(other) => failures.push(wrong_type(&["membership", "predicate"], "Query", other)),
        }
    }
    for (value, path) in entries(fields, "privileges", &mut failures) {
        match value.get("resource") {
            None | Some(Value::Ref(_)) => {}
            Some(resource @ Value::String(_)) => {
                failures.push(wrong_type(&["privileges", "resource"], "Ref", resource));
            }
            Some(resource) => failures.push(wrong_type(&[&path[..], &["resource"]].concat(), "Ref", resource)),
        }
        if let Some(actions) = value.get("actions").filter(|actions| !matches!(actions, Value::Object(_) | Value::Null))
        {
            failures.push(wrong_type(&["actions"], "RoleAction Map", actions));
        }
        if let Some(Value::Object(actions)) = value.get("actions") {
            for (action, grant) in actions.iter() {
                match grant {
                    Value::Bool(_) | Value::Lambda(_) => {}
                    Value::String(_) => failures.push(wrong_type(&["privileges", "actions", action], "Query", grant)),
                    other => failures.push(wrong_type(&["actions", action], "RoleAction", other)),
                }
            }
        }
    }
    failures.extend(arities(fields));
    failures
}

/// The objects of a field that holds one or several, each with its path.
fn entries<'f>(
    fields: &'f Object,
    name: &'static str,
    failures: &mut Failures,
) -> Vec<(&'f Object, Vec<&'static str>)> {
    let expected = if name == "membership" { "Membership" } else { "Privilege" };
    match fields.get(name) {
        None => Vec::new(),
        Some(Value::Object(object)) => vec![(&**object, vec![name])],
        Some(Value::Array(elements)) => elements
            .iter()
            .filter_map(|element| match element {
                Value::Object(object) => Some((&**object, vec![name])),
                other => {
                    failures.push(wrong_type(&[name], expected, other));
                    None
                }
            })
            .collect(),
        Some(other) => {
            failures.push(wrong_type(&[name], expected, other));
            Vec::new()
        }
    }
}

/// Predicates with the wrong number of parameters; looked for only where there is a single entry, as FaunaDB does.
fn arities(fields: &Object) -> Failures {
    let mut failures = Vec::new();
    if let Some(Value::Object(privilege)) = fields.get("privileges")
        && let Some(Value::Object(actions)) = privilege.get("actions")
    {
        for (action, expected) in ACTIONS {
            if let Some(Value::Lambda(predicate)) = actions.get(action) {
                failures.extend(arity(&["privileges", "actions", action], predicate, expected));
            }
        }
    }
    if let Some(Value::Object(membership)) = fields.get("membership")
        && let Some(Value::Lambda(predicate)) = membership.get("predicate")
    {
        failures.extend(arity(&["membership", "predicate"], predicate, 1));
    }
    failures
}

/// A predicate with the wrong number of parameters.
fn arity(path: &[&str], predicate: &Lambda, expected: usize) -> Option<FieldFailure> {
    let Value::Object(literal) = predicate.literal() else { return None };
    let actual = match literal.get("lambda") {
        Some(Value::Array(names)) => names.len(),
        Some(Value::String(name)) if &**name == "_" => return None,
        _ => 1,
    };
    let text = format!("Found lambda with arity {actual} expected {expected}");
    (actual != expected).then(|| FieldFailure::new(path, "invalid arity", text))
}
