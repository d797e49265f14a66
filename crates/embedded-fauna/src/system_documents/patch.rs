//! Merging what is given into what is there.

use std::sync::Arc;

use crate::ir::{Object, Value};

/// An object with a patch applied: objects are merged, arrays replaced, and null takes a field away.
#[must_use]
pub fn patched(object: &Object, patch: &Object) -> Object {
    let (known, given) = (object.by_name(), patch.by_name());
    let mut fields: Vec<(Arc<str>, Value)> = Vec::new();
    for (name, old) in object {
        let merged = match (old, given.get(&**name).copied()) {
            (Value::Object(old), Some(Value::Object(new))) => Some(patched(old, new))
                .filter(|merged| !merged.is_empty() || new.is_empty() || old.is_empty())
                .map(Value::from),
            (_, Some(new)) => without_nulls(new),
            (old, None) => Some(old.clone()),
        };
        if let Some(value) = merged {
            fields.push((Arc::clone(name), value));
        }
    }
    for (name, new) in patch {
        if !known.contains_key(&**name)
            && let Some(value) = without_nulls(new)
        {
            fields.push((Arc::clone(name), value));
        }
    }
    Object::from_distinct(fields)
}

/// A value without nulls inside; nothing where it is null.
fn without_nulls(value: &Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::Array(elements) => Some(Value::array(elements.iter().filter_map(without_nulls).collect())),
        Value::Object(object) => {
            let fields = object.iter().filter_map(|(name, value)| Some((Arc::clone(name), without_nulls(value)?)));
            Some(Object::from_distinct(fields.collect()).into())
        }
        other => Some(other.clone()),
    }
}
