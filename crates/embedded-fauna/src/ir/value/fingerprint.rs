//! Numbers by which equal values are found quickly.

use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::LazyLock;

use crate::ir::{Action, Set, Value};

/// Seeds that no caller can know, so that none can make values that all have one fingerprint.
static SEEDS: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// A number that is the same for equal values, and rarely so for others.
pub fn fingerprint(value: &Value) -> u64 {
    let mut hasher = SEEDS.build_hasher();
    mix(value, &mut hasher);
    hasher.finish()
}

/// Whether a text is the name of an action, which then equals that action.
fn is_action(text: &str) -> bool {
    [Action::Create, Action::Update, Action::Delete, Action::Add, Action::Remove].iter().any(|it| it.is_named(text))
}

/// Mixes a value in.
fn mix(value: &Value, hasher: &mut impl Hasher) {
    match value {
        Value::String(_) | Value::Action(_) => {}
        other => std::mem::discriminant(other).hash(hasher),
    }
    match value {
        Value::Bool(value) => value.hash(hasher),
        Value::Integer(number) => number.hash(hasher),
        Value::Double(number) => if *number == 0.0 { 0 } else { number.to_bits() }.hash(hasher),
        Value::String(text) if is_action(text) => {}
        Value::String(text) => text.hash(hasher),
        Value::Bytes(bytes) => bytes.hash(hasher),
        Value::Uuid(uuid) => uuid.hash(hasher),
        Value::Time(time) => time.hash(hasher),
        Value::Date(date) => date.hash(hasher),
        Value::Array(elements) => {
            elements.len().hash(hasher);
            for element in elements.iter() {
                mix(element, hasher);
            }
        }
        Value::Object(object) => {
            // The order of fields does not count.
            let fields = object.iter().map(|(name, value)| {
                let mut field = SEEDS.build_hasher();
                name.hash(&mut field);
                mix(value, &mut field);
                field.finish()
            });
            fields.fold(0_u64, u64::wrapping_add).hash(hasher);
        }
        Value::Ref(reference) => reference.hash(hasher),
        Value::Document(document) => document.reference.hash(hasher),
        Value::Set(set) => mix_set(set, hasher),
        _ => {}
    }
}

/// Mixes a set in, as far as sets usually differ.
fn mix_set(set: &Set, hasher: &mut impl Hasher) {
    std::mem::discriminant(set).hash(hasher);
    match set {
        Set::Schema(reference)
        | Set::Document(reference)
        | Set::Singleton(reference)
        | Set::Documents(reference)
        | Set::Unnamed(reference) => {
            reference.hash(hasher);
        }
        Set::Match { index, terms } => {
            index.hash(hasher);
            for term in terms {
                mix(term, hasher);
            }
        }
        Set::Union(sets) | Set::Intersection(sets) | Set::Difference(sets) => {
            for set in sets {
                mix_set(set, hasher);
            }
        }
        Set::Distinct(source)
        | Set::Join { source, .. }
        | Set::IndexJoin { source, .. }
        | Set::Range { source, .. }
        | Set::Reverse(source)
        | Set::Filter { source, .. }
        | Set::Events(source) => mix_set(source, hasher),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_have_one_fingerprint() {
        let equal = [
            (Value::Double(0.0), Value::Double(-0.0)),
            (Value::from("create"), Value::Action(Action::Add)),
            (
                Value::object([("a", Value::Null), ("b", Value::Integer(1))]),
                Value::object([("b", Value::Integer(1)), ("a", Value::Null)]),
            ),
        ];
        for (a, b) in equal {
            assert_eq!(a, b);
            assert_eq!(fingerprint(&a), fingerprint(&b), "{a:?}");
        }
        assert_ne!(fingerprint(&Value::Integer(1)), fingerprint(&Value::Integer(2)));
    }
}
