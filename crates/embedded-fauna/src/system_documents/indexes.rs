//! Validation of index definitions.

use std::sync::Arc;

use super::checks;
use super::checks::{Failures, missing, wrong_type};
use crate::evaluator::Context;
use crate::ir::{Effect, FieldFailure, Lambda, Object, Outcome, Ref, Value, native};

/// The most partitions of an index. They show only in the order of equal items in set algebra.
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
        "source" => (Arc::clone(name), renamed(value)),
        _ => (Arc::clone(name), value.clone()),
    };
    fields.iter().map(field).collect()
}

/// A source with its collections under the name that they have now.
fn renamed(source: &Value) -> Value {
    match source {
        Value::Array(all) => Value::array(all.iter().map(renamed).collect()),
        Value::Object(object) if collection_failure(object, "class").is_none() => {
            let mut fields = (**object).clone();
            fields.set("collection", object.get("class").cloned().unwrap_or(Value::Null));
            fields.remove("class");
            fields.into()
        }
        other => other.clone(),
    }
}

/// Adds the default number of partitions to a new index.
pub fn with_partitions(fields: &mut Object) {
    if matches!(fields.get("partitions"), Some(Value::Integer(_))) {
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
    sources(fields).into_iter().flat_map(collections_of).collect()
}

/// The collections of a source.
fn collections_of(source: &Value) -> Vec<i64> {
    let of = |value: &Value| match value {
        Value::Ref(reference) => vec![reference.id],
        Value::String(_) => vec![-1],
        Value::Array(all) => {
            all.iter().filter_map(|one| if let Value::Ref(one) = one { Some(one.id) } else { None }).collect()
        }
        _ => Vec::new(),
    };
    match source {
        Value::Object(object) => object.get("collection").map(of).unwrap_or_default(),
        other => of(other),
    }
}

/// What is wrong with an index, where `data` is what is wrong with its data.
///
/// # Errors
/// If the endpoint fails.
pub fn failures(context: &Context<'_>, fields: &Object, data: Failures) -> Outcome<Failures> {
    let mut failures: Failures = partitions(fields).into_iter().collect();
    let source = sources(fields).into_iter().find_map(source).or_else(|| several(fields));
    match fields.get("source") {
        None => failures.push(missing(&["source"])),
        Some(_) => failures.extend(source.clone()),
    }
    failures.extend(data);
    failures.extend(checks::name(fields));
    let [terms, values] = ["terms", "values"].map(|field| terms(fields, field));
    failures.extend([&terms, &values].into_iter().filter_map(Clone::clone));
    let is_boolean = |value: &Value| matches!(value, Value::Bool(_));
    for flag in ["active", "unique", "serialized"] {
        failures.extend(checks::optional(fields, flag, "Boolean", is_boolean));
    }
    if source.is_none() {
        let readable = [("terms", terms), ("values", values)].into_iter().filter(|(_, failure)| failure.is_none());
        let readable: Vec<&Value> = readable.filter_map(|(field, _)| fields.get(field)).collect();
        failures.extend(bindings(context, fields, &readable)?);
    }
    Ok(failures)
}

/// Checks several sources together.
fn several(fields: &Object) -> Option<FieldFailure> {
    let all = sources(fields);
    let of = |source: &Value| {
        let mut ids = collections_of(source);
        ids.sort_unstable();
        ids
    };
    let is_twice = |(place, source): (usize, &&Value)| {
        let ids = of(source);
        !ids.contains(&-1) && all.iter().skip(place.saturating_add(1)).any(|other| of(other) == ids)
    };
    if all.iter().enumerate().any(is_twice) {
        let text = "A collection ref may only match one binding.";
        return Some(FieldFailure::new(&["source"], "multiple bindings", text));
    }
    let has_bindings = |source: &&Value| {
        matches!(source, Value::Object(object)
            if matches!(object.get("fields"), Some(Value::Object(fields)) if !fields.is_empty()))
    };
    let is_mixed = all.len() > 1 && !all.iter().any(has_bindings) && all.iter().any(|source| of(source).contains(&-1));
    let text = "Cannot mix collection refs and wildcards without providing bindings.";
    is_mixed.then(|| FieldFailure::new(&["source"], "mixed wildcards", text))
}

fn source(value: &Value) -> Option<FieldFailure> {
    match value {
        Value::Object(object) => {
            // One of the two is enough; where neither is right, the older one is reported.
            let class = collection_failure(object, "class");
            class.filter(|_| collection_failure(object, "collection").is_some()).or_else(|| {
                match object.get("fields") {
                    None | Some(Value::Null) => None,
                    Some(Value::Object(fields)) => {
                        let (name, other) = fields.iter().find(|(_, binding)| !matches!(binding, Value::Lambda(_)))?;
                        Some(wrong_type(&["fields", name], "Query", other))
                    }
                    Some(other) => Some(wrong_type(&["fields"], "Query Map", other)),
                }
            })
        }
        Value::Array(_) => Some(wrong_type(&["source"], "SourceClass", value)),
        other => collections_failure(other, &["source"]),
    }
}

/// What is wrong with a field of a source that says which collections.
fn collection_failure(source: &Object, field: &str) -> Option<FieldFailure> {
    match source.get(field) {
        None => Some(missing(&[field])),
        Some(value) => collections_failure(value, &[field]),
    }
}

/// Checks the collections of a source.
fn collections_failure(value: &Value, path: &[&str]) -> Option<FieldFailure> {
    match value {
        Value::String(text) if &**text == "_" => None,
        Value::Ref(Ref { collection: native::COLLECTIONS, id: native::DATABASES, .. }) => {
            Some(FieldFailure::new(&["source"], "invalid reference", "Cannot read reference."))
        }
        Value::Ref(reference) if reference.is_collection() => None,
        Value::Array(all) => all.iter().find_map(|one| match one {
            Value::Ref(reference) if reference.is_collection() => None,
            other => Some(wrong_type(path, "Class Ref", other)),
        }),
        other => Some(wrong_type(path, "SourceClass", other)),
    }
}

/// What is wrong with terms or values: what the first that cannot be read lacks.
fn terms(fields: &Object, field: &'static str) -> Option<FieldFailure> {
    let one = |value: &Value| match value {
        Value::Object(object) => term(object),
        other => Some(wrong_type(&[field], "Term", other)),
    };
    match fields.get(field)? {
        Value::Array(all) => all.iter().find_map(one),
        other => one(other),
    }
}

/// Checks a term or a value.
fn term(object: &Object) -> Option<FieldFailure> {
    let has_field = object.contains("field");
    let steps = match object.get("field") {
        None => &[],
        Some(Value::Array(path)) => &path[..],
        Some(one) => std::slice::from_ref(one),
    };
    let wrong_step = steps.iter().find(|step| !matches!(step, Value::Integer(_) | Value::String(_)));
    let place = match object.get("binding") {
        Some(Value::String(_)) => None,
        _ if has_field && wrong_step.is_none() => None,
        Some(binding) => Some(wrong_type(&["binding"], "String", binding)),
        None => Some(wrong_step.map_or_else(
            || {
                let text = "Must provide one of the following: field, binding";
                FieldFailure::new(&["field"], "value required", text)
            },
            |step| wrong_type(&["field"], "Long or String", step),
        )),
    };
    let flag = |name| checks::optional(object, name, "Boolean", |value| matches!(value, Value::Bool(_))).pop();
    place.or_else(|| flag("reverse")).or_else(|| flag("mva")).or_else(|| match object.get("transform") {
        None => None,
        Some(Value::String(name)) if &**name == "casefold" => None,
        Some(Value::String(name)) => {
            let text = format!("Invalid value `{name}` at `transform`");
            Some(FieldFailure::new(&["transform"], "invalid value", text))
        }
        Some(other) => Some(wrong_type(&["transform"], "String", other)),
    })
}

/// What is wrong with the number of partitions; what is no number counts as none.
fn partitions(fields: &Object) -> Option<FieldFailure> {
    match fields.get("partitions") {
        Some(Value::Integer(number)) if !(1..=MAX_PARTITIONS).contains(number) => {
            let text = format!("Value {number} is not in expected range 1 to {MAX_PARTITIONS}.");
            Some(FieldFailure::new(&["partitions"], "bounds error", text))
        }
        _ => None,
    }
}

/// Bindings that are not pure, or that none of the terms and values that can be read uses.
fn bindings(context: &Context<'_>, fields: &Object, readable: &[&Value]) -> Outcome<Failures> {
    let mut failures = Vec::new();
    let used: Vec<&str> = readable.iter().flat_map(|value| binding_names(value)).collect();
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

/// The effect of evaluating a binding.
fn effect(context: &Context<'_>, binding: &Lambda) -> Outcome<Effect> {
    match binding {
        Lambda::Parsed { expression, .. } => Ok(expression.body.effect()),
        Lambda::Stored { .. } => Ok(context.parse_stored(binding)?.body.effect()),
    }
}
