//! The wire form of sets.

use std::sync::Arc;

use crate::ir::{ApiVersion, Bound, Set, Value};

/// The fields inside `@set` in a version of the API.
pub fn set_fields(set: &Set, version: ApiVersion) -> Vec<(&'static str, Value)> {
    let all = |sets: &[Arc<Set>]| match sets {
        [only] => Value::Set(Arc::clone(only)),
        sets => Value::array(sets.iter().map(|set| Value::Set(Arc::clone(set))).collect()),
    };
    match set {
        Set::Schema(reference) | Set::Document(reference) | Set::Singleton(reference) => {
            vec![("singleton", Value::Ref(*reference))]
        }
        Set::Documents(collection) | Set::Unnamed(collection) => vec![("documents", Value::Ref(*collection))],
        Set::Match { index, terms } => {
            let mut fields = vec![("match", Value::Ref(*index))];
            match terms.as_slice() {
                [] => {}
                [only] => fields.push(("terms", only.clone())),
                several => fields.push(("terms", Value::array(several.to_vec()))),
            }
            fields
        }
        Set::Union(sets) => vec![("union", all(sets))],
        Set::Intersection(sets) => vec![("intersection", all(sets))],
        Set::Difference(sets) => vec![("difference", all(sets))],
        Set::Distinct(source) => vec![("distinct", Value::Set(Arc::clone(source)))],
        Set::Join { source, with } => {
            vec![("join", Value::Set(Arc::clone(source))), ("with", with.shown(version).into())]
        }
        Set::IndexJoin { source, index } => {
            vec![("join", Value::Set(Arc::clone(source))), ("with", Value::Ref(*index))]
        }
        Set::Range { source, from, to } => {
            let mut fields = vec![("range", Value::Set(Arc::clone(source)))];
            fields.extend(
                [("from", from), ("to", to)].into_iter().filter_map(|(name, bound)| Some((name, bound_values(bound)?))),
            );
            fields
        }
        Set::Reverse(source) => vec![("reverse", Value::Set(Arc::clone(source)))],
        Set::Filter { with, source } => {
            vec![("filter", with.shown(version).into()), ("collection", Value::Set(Arc::clone(source)))]
        }
        Set::Events(source) => {
            let inside = match &**source {
                Set::Schema(_) | Set::Document(_) => Value::Set(Arc::clone(source)),
                other => Value::object(set_fields(other, version)),
            };
            vec![("events", inside)]
        }
    }
}

/// The values of a bound, where it has any.
fn bound_values(bound: &Bound) -> Option<Value> {
    match bound.values.as_slice() {
        [] => None,
        [only] => Some(only.clone()),
        several => Some(Value::array(several.to_vec())),
    }
}
