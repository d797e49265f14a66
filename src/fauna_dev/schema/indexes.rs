//! What indexes must be.

use std::sync::Arc;

use super::checks;
use super::checks::Failures;
use super::checks::missing;
use super::checks::wrong_type;
use crate::fauna_dev::evaluator::Context;
use crate::fauna_dev::language::Effect;
use crate::fauna_dev::language::FieldFailure;
use crate::fauna_dev::language::Lambda;
use crate::fauna_dev::language::Object;
use crate::fauna_dev::language::Outcome;
use crate::fauna_dev::language::Ref;
use crate::fauna_dev::language::Value;
use crate::fauna_dev::language::native;

/// How many partitions an index may have; nobody sees a difference here.
const MAX_PARTITIONS: i64 = 8;

/// An index without what terms and values do not know.
pub fn selected(fields: &Object) -> Object {
    let known = ["binding", "field", "reverse", "mva", "transform"];
    let only = |object: &Object| -> Value {
        let kept: Object = object.iter().filter(|(name, _)| known.contains(&&**name)).cloned().collect();
        kept.into()
    };
    let each = |value: &Value| match value {
        Value::Object(object) => only(object),
        Value::Array(elements) => Value::array(
            elements
                .iter()
                .map(|element| match element {
                    Value::Object(object) => only(object),
                    other => other.clone(),
                })
                .collect(),
        ),
        other => other.clone(),
    };
    let field = |(name, value): &(Arc<str>, Value)| match &**name {
        "terms" | "values" => (Arc::clone(name), each(value)),
        _ => (Arc::clone(name), value.clone()),
    };
    fields.iter().map(field).collect()
}

/// The fields of a new index that nobody gave.
pub fn with_partitions(fields: &mut Object) {
    if fields.contains("partitions") {
        return;
    }
    let is_open = match fields.get("terms") {
        None => true,
        Some(Value::Array(terms)) => terms.is_empty(),
        Some(_) => false,
    };
    fields.set("partitions", Value::Integer(if is_open { MAX_PARTITIONS } else { 1 }));
}

/// The sources of an index: one or the elements of an array.
fn sources(fields: &Object) -> Vec<&Value> {
    match fields.get("source") {
        None => Vec::new(),
        Some(Value::Array(elements)) => elements.iter().collect(),
        Some(one) => vec![one],
    }
}

/// The collections that an index takes documents from; −1 stands for all of users.
pub fn collections(fields: &Object) -> Vec<i64> {
    let of = |value: &Value| match value {
        Value::Ref(reference) => vec![reference.id],
        Value::String(_) => vec![-1],
        Value::Array(all) => {
            all.iter().filter_map(|one| if let Value::Ref(one) = one { Some(one.id) } else { None }).collect()
        }
        _ => Vec::new(),
    };
    sources(fields)
        .into_iter()
        .flat_map(|source| match source {
            Value::Object(object) => {
                object.get("collection").or_else(|| object.get("class")).map(of).unwrap_or_default()
            }
            other => of(other),
        })
        .collect()
}

/// What is wrong with an index.
///
/// # Errors
/// Where the endpoint fails.
pub fn failures(context: &Context<'_>, fields: &Object) -> Outcome<Failures> {
    let mut failures = Vec::new();
    match fields.get("source") {
        None => failures.push(missing(&["source"])),
        Some(_) => failures.extend(sources(fields).into_iter().filter_map(source)),
    }
    failures.extend(checks::name(fields));
    for field in ["terms", "values"] {
        failures.extend(terms(fields, field));
    }
    let is_boolean = |value: &Value| matches!(value, Value::Bool(_));
    failures.extend(checks::optional(fields, "active", "Boolean", is_boolean));
    failures.extend(partitions(fields));
    failures.extend(checks::optional(fields, "unique", "Boolean", is_boolean));
    failures.extend(checks::optional(fields, "serialized", "Boolean", is_boolean));
    failures.extend(bindings(context, fields)?);
    Ok(failures)
}

/// What is wrong with a source.
fn source(value: &Value) -> Option<FieldFailure> {
    let database = || FieldFailure::new(&["source"], "invalid reference", "Cannot read reference.");
    let of = |value: &Value, path: &[&str]| match value {
        Value::String(text) if &**text == "_" => None,
        Value::Ref(Ref { collection: native::COLLECTIONS, id: native::DATABASES, .. }) => Some(database()),
        Value::Ref(reference) if reference.is_collection() => None,
        Value::Array(all) => all.iter().find_map(|one| match one {
            Value::Ref(reference) if reference.is_collection() => None,
            other => Some(wrong_type(path, "Class Ref", other)),
        }),
        other => Some(wrong_type(path, "SourceClass", other)),
    };
    match value {
        Value::Object(object) => match object
            .get("collection")
            .map(|it| (it, "collection"))
            .or_else(|| Some((object.get("class")?, "class")))
        {
            None => Some(missing(&["class"])),
            Some((collection, field)) => of(collection, &[field]),
        },
        Value::Array(_) => Some(wrong_type(&["source"], "SourceClass", value)),
        other => of(other, &["source"]),
    }
}

/// What is wrong with terms or values.
fn terms(fields: &Object, field: &'static str) -> Failures {
    let one = |value: &Value| match value {
        Value::Object(object) if object.contains("field") || object.contains("binding") => match object.get("field") {
            Some(Value::Array(path)) => {
                let is_step = |step: &&Value| matches!(step, Value::Integer(_) | Value::String(_));
                path.iter().find(|step| !is_step(step)).map(|other| wrong_type(&["field"], "Long or String", other))
            }
            _ => None,
        },
        Value::Object(_) => {
            let text = "Must provide one of the following: field, binding";
            Some(FieldFailure::new(&["field"], "value required", text))
        }
        other => Some(wrong_type(&[field], "Term", other)),
    };
    match fields.get(field) {
        None => Vec::new(),
        Some(Value::Array(all)) => all.iter().find_map(one).into_iter().collect(),
        Some(other) => one(other).into_iter().collect(),
    }
}

/// What is wrong with the number of partitions.
fn partitions(fields: &Object) -> Failures {
    match fields.get("partitions") {
        Some(Value::Integer(number)) if !(1..=MAX_PARTITIONS).contains(number) => {
            let text = format!("Value {number} is not in expected range 1 to {MAX_PARTITIONS}.");
            vec![FieldFailure::new(&["partitions"], "bounds error", text)]
        }
        _ => checks::optional(fields, "partitions", "Long", |value| matches!(value, Value::Integer(_))),
    }
}

/// Bindings that are not pure, or that nothing uses.
fn bindings(context: &Context<'_>, fields: &Object) -> Outcome<Failures> {
    let mut failures = Vec::new();
    let used: Vec<&str> =
        ["terms", "values"].into_iter().filter_map(|field| fields.get(field)).flat_map(binding_names).collect();
    for (place, source) in sources(fields).into_iter().enumerate() {
        let Value::Object(source) = source else { continue };
        let Some(Value::Object(bindings)) = source.get("fields") else { continue };
        for (number, (name, binding)) in bindings.iter().enumerate() {
            let (place, number) = (place.to_string(), number.to_string());
            let path = ["source", &place, "fields", &number, name];
            if let Value::Lambda(binding) = binding
                && effect(context, binding)? > Effect::Pure
            {
                failures.push(FieldFailure::new(
                    &path,
                    "invalid binding",
                    "Field binding must be a pure unary function.",
                ));
            }
            if !used.contains(&&**name) {
                failures.push(FieldFailure::new(
                    &path,
                    "unused binding",
                    "Source binding is not used as a term or value.",
                ));
            }
        }
    }
    Ok(failures)
}

/// The bindings that terms or values name.
fn binding_names(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(all) => all.iter().flat_map(binding_names).collect(),
        Value::Object(object) => object.get("binding").and_then(Value::as_str).into_iter().collect(),
        _ => Vec::new(),
    }
}

/// What evaluating a binding can do.
fn effect(context: &Context<'_>, binding: &Lambda) -> Outcome<Effect> {
    match binding {
        Lambda::Parsed { expression, .. } => Ok(expression.body.effect()),
        Lambda::Stored { .. } => Ok(context.parse_stored(binding)?.body.effect()),
    }
}
