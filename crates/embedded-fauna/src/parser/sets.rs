//! Sets as they are written: the inside of `{"@set":…}`, which is data.

use std::sync::Arc;

use super::Parser;
use crate::ir::{Failure, Kind, Lambda, Object, Outcome, Position, Ref, Set, Unresolved, Value, native};

impl Parser<'_> {
    /// A set of the inside of `@set`.
    pub(super) fn set(&mut self, object: &Object, at: &Position) -> Outcome<Value> {
        let keys: Vec<&str> = object.names().map(|name| &**name).collect();
        let set = match keys.as_slice() {
            ["match"] => Set::Match { index: self.index(object, "match", at)?, terms: Vec::new() },
            ["match", "terms"] | ["terms", "match"] => {
                Set::Match { index: self.index(object, "match", at)?, terms: self.terms(object, "terms", at)? }
            }
            ["match", "index"] | ["index", "match"] => {
                Set::Match { index: self.index(object, "index", at)?, terms: self.terms(object, "match", at)? }
            }
            ["singleton"] => Set::Singleton(self.document(object, "singleton", at)?),
            ["documents"] => Set::Documents(self.collection(object, "documents", at)?),
            ["events"] => Set::Events(self.identified(object, "events", at)?),
            ["union"] => Set::Union(self.members(object, "union", at)?),
            ["intersection"] => Set::Intersection(self.members(object, "intersection", at)?),
            ["difference"] => Set::Difference(self.members(object, "difference", at)?),
            ["distinct"] => Set::Distinct(self.identified(object, "distinct", at)?),
            ["reverse"] => Set::Reverse(self.identified(object, "reverse", at)?),
            ["join", "with"] | ["with", "join"] => {
                Set::Join { source: self.identified(object, "join", at)?, with: self.inner_lambda(object, "with", at)? }
            }
            ["filter", "collection"] | ["collection", "filter"] => Set::Filter {
                with: self.inner_lambda(object, "filter", at)?,
                source: self.identified(object, "collection", at)?,
            },
            _ => return Err(Failure::expression(at.clone(), "Invalid set.").into()),
        };
        Ok(Value::set(set))
    }

    /// The data under a key.
    fn part(&mut self, object: &Object, key: &'static str, at: &Position) -> Outcome<Value> {
        self.data(object.get(key).unwrap_or(&Value::Null), &at.at(key))
    }

    /// The index under a key, by name or by reference.
    fn index(&mut self, object: &Object, key: &'static str, at: &Position) -> Outcome<Ref> {
        let position = at.at(key);
        match self.part(object, key, at)? {
            Value::Ref(reference) if reference.collection == native::INDEXES => Ok(reference),
            Value::String(name) => {
                let written = Unresolved::Named { collection: native::INDEXES, name, scope: None };
                self.resolver.resolve(&written)?.ok_or_else(|| unresolved(&written, position).into())
            }
            Value::Unresolved(written) => Err(unresolved(&written, position).into()),
            other => Err(Failure::expected_expression(&[Kind::Identifier], other.kind(), position).into()),
        }
    }

    /// The terms under a key.
    fn terms(&mut self, object: &Object, key: &'static str, at: &Position) -> Outcome<Vec<Value>> {
        Ok(match self.part(object, key, at)? {
            Value::Array(elements) => elements.to_vec(),
            one => vec![one],
        })
    }

    /// The reference under a key.
    fn document(&mut self, object: &Object, key: &'static str, at: &Position) -> Outcome<Ref> {
        match self.part(object, key, at)? {
            Value::Ref(reference) => Ok(reference),
            Value::Unresolved(written) => Err(unresolved(&written, at.at(key)).into()),
            other => Err(Failure::expected_expression(&[Kind::Ref], other.kind(), at.at(key)).into()),
        }
    }

    /// The reference to a collection under a key.
    fn collection(&mut self, object: &Object, key: &'static str, at: &Position) -> Outcome<Ref> {
        match self.part(object, key, at)? {
            Value::Ref(reference) if reference.is_collection() => Ok(reference),
            Value::Unresolved(written) => Err(unresolved(&written, at.at(key)).into()),
            other => Err(Failure::expected_expression(&[Kind::CollectionRef], other.kind(), at.at(key)).into()),
        }
    }

    /// The set under a key.
    fn identified(&mut self, object: &Object, key: &'static str, at: &Position) -> Outcome<Arc<Set>> {
        let value = self.part(object, key, at)?;
        as_set(value, at.at(key))
    }

    /// The sets under a key, at least one.
    fn members(&mut self, object: &Object, key: &'static str, at: &Position) -> Outcome<Vec<Arc<Set>>> {
        let position = at.at(key);
        match self.part(object, key, at)? {
            Value::Array(elements) if elements.is_empty() => Err(Failure {
                code: "invalid expression",
                rank: 3,
                ..Failure::argument(position, "Non-empty array expected.")
            }
            .into()),
            Value::Array(elements) => elements
                .iter()
                .enumerate()
                .map(|(index, element)| as_set(element.clone(), position.at(index)))
                .collect(),
            one => Ok(vec![as_set(one, position)?]),
        }
    }

    /// The lambda under a key.
    fn inner_lambda(&mut self, object: &Object, key: &'static str, at: &Position) -> Outcome<Arc<Lambda>> {
        let literal = object.get(key).unwrap_or(&Value::Null);
        let expression = self.closed_lambda(literal, self.version, &at.at(key))?;
        Ok(Arc::new(Lambda::Parsed { expression, captured: Vec::new() }))
    }
}

/// A reference to what does not exist, inside a literal.
fn unresolved(written: &Unresolved, position: Position) -> Failure {
    Failure { code: "invalid expression", rank: 3, ..Failure::unresolved(written, position) }
}

/// A value as a set; native collections and documents are sets too.
fn as_set(value: Value, position: Position) -> Outcome<Arc<Set>> {
    match value {
        Value::Set(set) => Ok(set),
        Value::Ref(reference) if reference.is_native_collection() => Ok(Arc::new(Set::Schema(reference))),
        Value::Ref(reference) => Ok(Arc::new(Set::Document(reference))),
        Value::Unresolved(written) => Err(unresolved(&written, position).into()),
        other => Err(Failure::expected_expression(&[Kind::Ref, Kind::Set], other.kind(), position).into()),
    }
}
