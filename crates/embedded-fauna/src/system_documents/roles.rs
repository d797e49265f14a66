//! Validation of role definitions.

use std::sync::Arc;

use super::checks::{Failures, wrong_type};
use crate::ir::{FieldFailure, Lambda, Object, Value, native};

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

/// Applies something to an object or to each object of an array; nothing where nothing is left of the only object.
fn each(value: &Value, change: impl Fn(&Object) -> Object) -> Option<Value> {
    Some(match value {
        Value::Object(object) => Some(change(object)).filter(|changed| !changed.is_empty())?.into(),
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
    })
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
        .filter_map(|(name, value)| {
            let kept = match &**name {
                "membership" => each(value, |object| only(object, &["resource", "predicate"]))?,
                "privileges" => each(value, privilege)?,
                _ => value.clone(),
            };
            Some((Arc::clone(name), kept))
        })
        .collect()
}

/// What is wrong with a role. Of its memberships, as of its privileges, only the first that cannot be read is reported, and where
/// that is because it has no resource, they count as none. What FQL v10 would take is looked for in what can be read.
pub fn failures(fields: &Object) -> Failures {
    let memberships = entries(fields, "membership", "Membership", membership);
    let privileges = entries(fields, "privileges", "Privilege", privilege);
    let mut failures: Failures =
        [&memberships, &privileges].into_iter().filter_map(|read| read.as_ref().err().cloned()).collect();
    failures.extend(arities(fields));
    for privilege in privileges.unwrap_or_default() {
        failures.extend(v10_resource("privileges", privilege));
        let Some(Value::Object(actions)) = privilege.get("actions") else { continue };
        for (action, grant) in actions.iter().filter(|(_, grant)| matches!(grant, Value::String(_))) {
            failures.push(wrong_type(&["privileges", "actions", action], "Query", grant));
        }
    }
    for membership in memberships.unwrap_or_default() {
        failures.extend(v10_resource("membership", membership));
        if let Some(predicate @ Value::String(_)) = membership.get("predicate") {
            failures.push(wrong_type(&["membership", "predicate"], "Query", predicate));
        }
    }
    failures
}

/// A resource by name, as only FQL v10 has it.
fn v10_resource(field: &str, entry: &Object) -> Option<FieldFailure> {
    let resource = entry.get("resource").filter(|resource| matches!(resource, Value::String(_)))?;
    Some(wrong_type(&[field, "resource"], "Ref", resource))
}

/// Why something cannot be read as a membership.
fn membership(entry: &Object) -> Option<FieldFailure> {
    let is_collection = |value: &Value| matches!(value, Value::Ref(it) if it.collection == native::COLLECTIONS);
    match (entry.get("resource"), entry.get("predicate")) {
        (Some(resource), _) if !is_collection(resource) && !matches!(resource, Value::String(_)) => {
            Some(wrong_type(&["resource"], "Class Ref", resource))
        }
        (_, None | Some(Value::Lambda(_) | Value::String(_))) => None,
        (_, Some(predicate)) => Some(wrong_type(&["predicate"], "Query", predicate)),
    }
}

/// Why something cannot be read as a privilege.
fn privilege(entry: &Object) -> Option<FieldFailure> {
    let is_grant = |grant: &Value| matches!(grant, Value::Bool(_) | Value::Lambda(_) | Value::String(_));
    match (entry.get("resource"), entry.get("actions")) {
        (Some(resource), _) if !matches!(resource, Value::Ref(_) | Value::String(_)) => {
            Some(wrong_type(&["resource"], "Ref", resource))
        }
        (_, Some(Value::Object(actions))) => {
            let (action, grant) = actions.iter().find(|(_, grant)| !is_grant(grant))?;
            Some(wrong_type(&["actions", action], "RoleAction", grant))
        }
        (_, None | Some(Value::Null)) => None,
        (_, Some(actions)) => Some(wrong_type(&["actions"], "RoleAction Map", actions)),
    }
}

/// The objects of a field that holds one or several; none where one has no resource. Or why the first that cannot be read cannot.
fn entries<'f>(
    fields: &'f Object,
    name: &str,
    expected: &str,
    fault: impl Fn(&Object) -> Option<FieldFailure>,
) -> Result<Vec<&'f Object>, FieldFailure> {
    let given = match fields.get(name) {
        None => &[],
        Some(Value::Array(elements)) => &elements[..],
        Some(one) => std::slice::from_ref(one),
    };
    let mut found = Vec::new();
    for entry in given {
        let Value::Object(object) = entry else { return Err(wrong_type(&[name], expected, entry)) };
        if !object.contains("resource") {
            return Ok(Vec::new());
        }
        match fault(object) {
            Some(failure) => return Err(failure),
            None => found.push(&**object),
        }
    }
    Ok(found)
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
