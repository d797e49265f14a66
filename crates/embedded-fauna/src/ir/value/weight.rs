//! How large values are.
//!
//! Values share their parts, so that a small one in memory can be a very large one to go through: `[a,a]` inside `[b,b]` inside
//! `[c,c]` doubles each time. Every limit is therefore on the parts that are met on the way, not on memory.

use crate::ir::{Lambda, Object, Set, Value};

/// Bytes of text that count as one part.
const BYTES_PER_PART: usize = 16;

/// The parts that so many bytes count as.
pub const fn parts_of_bytes(bytes: usize) -> usize {
    bytes / BYTES_PER_PART + 1
}

/// Counts the parts of a value; stops soon after `limit`.
pub fn parts(value: &Value, limit: usize) -> usize {
    let mut counted = 0;
    count(value, limit, &mut counted);
    counted
}

/// Counts the parts of a value.
fn count(value: &Value, limit: usize, counted: &mut usize) {
    *counted = counted.saturating_add(1);
    if *counted > limit {
        return;
    }
    match value {
        Value::String(text) => *counted = counted.saturating_add(text.len() / BYTES_PER_PART),
        Value::Bytes(bytes) => *counted = counted.saturating_add(bytes.len() / BYTES_PER_PART),
        Value::Array(elements) => count_all(elements, limit, counted),
        Value::Object(object) => count_fields(object, limit, counted),
        Value::Document(document) => count_fields(&document.fields, limit, counted),
        Value::Page(page) => count_all(&page.data, limit, counted),
        Value::Element(element) => count(&element.value, limit, counted),
        Value::Lambda(lambda) => count_lambda(lambda, limit, counted),
        Value::Set(set) => count_set(set, limit, counted),
        _ => {}
    }
}

/// Counts the parts of several values.
fn count_all(values: &[Value], limit: usize, counted: &mut usize) {
    for value in values {
        if *counted > limit {
            return;
        }
        count(value, limit, counted);
    }
}

/// Counts the parts of an object.
fn count_fields(object: &Object, limit: usize, counted: &mut usize) {
    for (name, value) in object {
        if *counted > limit {
            return;
        }
        *counted = counted.saturating_add(name.len() / BYTES_PER_PART);
        count(value, limit, counted);
    }
}

/// Counts what a lambda has captured.
fn count_lambda(lambda: &Lambda, limit: usize, counted: &mut usize) {
    if let Lambda::Parsed { captured, .. } = lambda {
        for (_, value) in captured {
            count(value, limit, counted);
        }
    }
}

/// Counts the parts of a set.
fn count_set(set: &Set, limit: usize, counted: &mut usize) {
    *counted = counted.saturating_add(1);
    if *counted > limit {
        return;
    }
    match set {
        Set::Schema(_) | Set::Document(_) | Set::Singleton(_) | Set::Documents(_) | Set::Unnamed(_) => {}
        Set::Match { terms, .. } => count_all(terms, limit, counted),
        Set::Union(sets) | Set::Intersection(sets) | Set::Difference(sets) => {
            for set in sets {
                count_set(set, limit, counted);
            }
        }
        Set::Join { source, with } | Set::Filter { with, source } => {
            count_lambda(with, limit, counted);
            count_set(source, limit, counted);
        }
        Set::Distinct(source)
        | Set::IndexJoin { source, .. }
        | Set::Range { source, .. }
        | Set::Reverse(source)
        | Set::Events(source) => count_set(source, limit, counted),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_parts_count_each_time() {
        let mut value = Value::Integer(1);
        for _ in 0..60 {
            value = Value::array(vec![value.clone(), value]);
        }
        assert!(parts(&value, 1000) > 1000);
        assert_eq!(parts(&Value::array(vec![Value::Null, Value::from("0123456789abcdef")]), 1000), 4);
    }
}
