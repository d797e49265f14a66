//! The rules of each collection: which fields, and what they must be.

use super::checks::Failures;
use super::{checks, indexes, roles};
use crate::access::{Access, allows};
use crate::evaluator::Context;
use crate::ir::{FieldFailure, Object, Outcome, Ref, Value, native};

/// The fields that a collection keeps.
const fn known(collection: i64) -> &'static [&'static str] {
    match collection {
        native::DATABASES => &["data", "name", "account", "priority", "container", "typechecked", "protected"],
        native::COLLECTIONS => &["data", "history_days", "ttl_days", "name"],
        native::INDEXES => {
            &["data", "name", "source", "terms", "values", "active", "partitions", "unique", "serialized"]
        }
        native::FUNCTIONS => &["data", "name", "role", "body", "signature"],
        native::ROLES => &["data", "name", "membership", "privileges"],
        native::KEYS => &["data", "role", "database", "priority", "ttl", "hashed_secret"],
        native::TOKENS => &["data", "ttl", "instance", "hashed_secret", "global_id"],
        native::CREDENTIALS => &["data", "ttl", "instance", "hashed_password"],
        native::ACCESS_PROVIDERS => &["data", "name", "issuer", "jwks_uri", "roles", "audience"],
        _ => &["data", "constraints", "ttl"],
    }
}

/// Only the fields that a collection keeps; what is an empty object is not there.
pub fn selected(collection: i64, fields: &Object) -> Object {
    let known = known(collection);
    let is_empty = |value: &Value| matches!(value, Value::Object(object) if object.is_empty());
    let kept = fields.iter().filter(|(name, value)| known.contains(&&**name) && !is_empty(value)).cloned();
    let kept: Object = kept.collect();
    match collection {
        native::INDEXES => indexes::selected(&kept),
        native::ROLES => roles::selected(&kept),
        _ => kept,
    }
}

/// What is wrong with the fields of a document.
///
/// # Errors
/// If the endpoint fails.
pub fn failures(context: &Context<'_>, collection: i64, fields: &Object) -> Outcome<Failures> {
    let is_integer = |value: &Value| matches!(value, Value::Integer(_));
    let is_boolean = |value: &Value| matches!(value, Value::Bool(_));
    let is_string = |value: &Value| matches!(value, Value::String(_));
    let mut failures = checks::data(fields);
    match collection {
        native::DATABASES => {
            failures.extend(checks::name(fields));
            failures.extend(checks::priority(fields));
            for flag in ["container", "typechecked", "protected"] {
                failures.extend(checks::optional(fields, flag, "Boolean", is_boolean));
            }
        }
        native::COLLECTIONS => {
            failures.extend(checks::optional(fields, "history_days", "Long", is_integer));
            failures.extend(checks::optional(fields, "ttl_days", "Long", is_integer));
            if matches!(fields.get("history_days"), Some(Value::Integer(..=-1))) {
                let text = "Value must be non-negative.";
                failures.push(FieldFailure::new(&["history_days"], "non-negative value required", text));
            }
            failures.extend(checks::name(fields));
        }
        native::INDEXES => {
            failures = indexes::failures(context, fields, failures)?;
        }
        native::FUNCTIONS => {
            failures.extend(checks::name(fields));
            failures.extend(checks::optional(fields, "role", "Role", is_role));
            let is_body = |value: &Value| matches!(value, Value::Lambda(_) | Value::String(_));
            failures.extend(checks::required(fields, "body", "Query", is_body));
            failures.extend(checks::optional(fields, "signature", "String", is_string));
        }
        native::ROLES => {
            failures.extend(checks::name(fields));
            failures.extend(roles::failures(fields));
        }
        native::KEYS => failures.extend(key(fields)),
        native::TOKENS | native::CREDENTIALS => {
            failures.extend(checks::ttl(fields));
            failures.extend(checks::required(fields, "instance", "Ref", |value| matches!(value, Value::Ref(_))));
            failures.extend(checks::optional(fields, "hashed_secret", "String", is_string));
        }
        native::ACCESS_PROVIDERS => {
            failures.extend(checks::name(fields));
            failures.extend(checks::required(fields, "issuer", "String", is_string));
            failures.extend(checks::required(fields, "jwks_uri", "String", is_string));
        }
        _ => failures.extend(checks::ttl(fields)),
    }
    if collection < native::FIRST_USER && !matches!(collection, native::TOKENS | native::CREDENTIALS) {
        failures.extend(references(context, fields)?);
    }
    if matches!(collection, native::KEYS | native::FUNCTIONS) {
        failures.extend(role_names(context, fields)?);
    }
    failures.dedup();
    Ok(failures)
}

/// Why fields without failures are refused nevertheless: the body of a function may be text, but only FQL v10 can write that.
pub fn refused(collection: i64, fields: &Object) -> Option<String> {
    let is_text = matches!(fields.get("body"), Some(Value::String(_)));
    (collection == native::FUNCTIONS && is_text).then(|| "Invalid type provided for field `body`.".to_owned())
}

fn key(fields: &Object) -> Failures {
    let is_database =
        |value: &Value| matches!(value, Value::Ref(reference) if reference.collection == native::DATABASES);
    let mut failures = checks::required(fields, "role", "Role", is_role);
    failures.extend(checks::optional(fields, "database", "Database Ref", is_database));
    failures.extend(checks::priority(fields));
    failures.extend(checks::ttl(fields));
    failures
}

const BUILT_IN: [&str; 4] = ["admin", "server", "server-readonly", "client"];

/// Whether a value can be the role of a key or a function.
fn is_role(value: &Value) -> bool {
    let is_one = |value: &Value| match value {
        Value::Ref(reference) => reference.collection == native::ROLES,
        Value::String(_) => true,
        _ => false,
    };
    match value {
        Value::Array(all) => {
            all.iter().all(|role| is_one(role) && role.as_str().is_none_or(|name| !BUILT_IN.contains(&name)))
        }
        one => is_one(one),
    }
}

/// Roles by name that do not exist.
fn role_names(context: &Context<'_>, fields: &Object) -> Outcome<Failures> {
    let names: Vec<&str> = match fields.get("role") {
        Some(Value::String(name)) if !BUILT_IN.contains(&&**name) => vec![name],
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let mut failures = Vec::new();
    for name in names {
        if context.transaction().id_by_name(context.database(), native::ROLES, name)?.is_none() {
            let text = format!("Role name `{name}` does not exist.");
            failures.push(FieldFailure::new(&["role"], "validation failure", text));
        }
    }
    Ok(failures)
}

/// References that lead nowhere, or to what the caller may not read.
fn references(context: &Context<'_>, fields: &Object) -> Outcome<Failures> {
    let mut found = Vec::new();
    for (name, value) in fields {
        collect(value, &mut vec![name.to_string()], &mut found);
    }
    let mut failures = Vec::new();
    for (path, reference) in found {
        if reference.is_native_collection() {
            continue;
        }
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        if !allows(context, &Access::Read(reference))? {
            failures.push(FieldFailure::new(&path, "invalid reference", "Cannot read reference."));
        } else if !context.transaction().exists(reference)? {
            failures.push(FieldFailure::new(&path, "invalid reference", "Reference was not found."));
        }
    }
    Ok(failures)
}

/// All references inside a value, each with its path.
fn collect(value: &Value, path: &mut Vec<String>, found: &mut Vec<(Vec<String>, Ref)>) {
    match value {
        Value::Ref(reference) => found.push((path.clone(), *reference)),
        Value::Array(elements) => {
            // What is inside an element is reported as if it were inside the array.
            for element in elements.iter() {
                collect(element, path, found);
            }
        }
        Value::Object(object) => {
            for (name, value) in object.iter() {
                path.push(name.to_string());
                collect(value, path, found);
                path.pop();
            }
        }
        _ => {}
    }
}
