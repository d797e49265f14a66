//! References as they are written: `{"@ref":{"id":…,"collection":…}}` and the old `{"@ref":"collections/users/1"}`.

use std::sync::Arc;

use super::Parser;
use crate::ir::{Failure, Halt, Kind, Object, Outcome, Position, Unresolved, Value, native};

impl Parser<'_> {
    /// The inside of `@ref`, looked up.
    pub(super) fn reference(&self, inner: &Value, at: &Position) -> Outcome<Value> {
        let written = match inner {
            Value::String(path) => from_path(path).ok_or_else(|| invalid(at))?,
            Value::Object(object) => from_object(object, inner.kind(), at).map_err(as_expression)?,
            _ => return Err(invalid(at).into()),
        };
        let is_own = matches!(written, Unresolved::Own { .. });
        if let Unresolved::Own { collection } = &written
            && matches!(**collection, Unresolved::Native { collection: native::KEYS, .. })
        {
            return Err(invalid(at).into());
        }
        match self.resolver.resolve(&written)? {
            Some(reference) => Ok(Value::Ref(reference)),
            None if is_own => Err(invalid(at).into()),
            None => Ok(Value::Unresolved(Arc::new(written))),
        }
    }
}

fn invalid(at: &Position) -> Failure {
    Failure::expression(at.clone(), "Invalid ref.")
}

/// Failures of arguments inside a literal are failures of the expression.
fn as_expression(halt: Halt) -> Halt {
    match halt {
        Halt::Failures(failures) => Halt::Failures(
            failures
                .into_iter()
                .map(|failure| Failure { code: "invalid expression", rank: 3, status: 400, ..failure })
                .collect(),
        ),
        Halt::Fault(fault) => Halt::Fault(fault),
    }
}

/// A reference of an object with the keys `id`, `collection` or `class`, `database`.
fn from_object(object: &Object, kind: Kind, at: &Position) -> Outcome<Unresolved> {
    if let (Some(inner), 1) = (object.get("@ref"), object.len()) {
        return from_value(inner, at);
    }
    let collection = object.get("collection").or_else(|| object.get("class"));
    let database = object.get("database");
    let known = 1 + usize::from(collection.is_some()) + usize::from(database.is_some());
    let Some(id) = object.get("id").filter(|_| object.len() == known) else {
        return Err(Failure::expected(&[Kind::Ref], kind, at.clone()).into());
    };
    let mut failures = Vec::new();
    let mut note = |halt: Halt| match halt {
        Halt::Failures(more) => {
            failures.extend(more);
            Ok(None)
        }
        Halt::Fault(fault) => Err(Halt::Fault(fault)),
    };
    if !matches!(id, Value::String(_) | Value::Integer(_)) {
        note(Failure::expected(&[Kind::String, Kind::Integer], id.kind(), at.at("id")).into())?;
    }
    let parent = part(collection, Kind::CollectionRef, &at.at("class")).or_else(&mut note)?;
    let scope = part(database, Kind::DatabaseRef, &at.at("database")).or_else(&mut note)?;
    if failures.is_empty() { assemble(id, parent, scope, at) } else { Err(Halt::Failures(failures)) }
}

/// A reference anywhere inside another.
fn from_value(value: &Value, at: &Position) -> Outcome<Unresolved> {
    match value {
        Value::Object(object) => from_object(object, value.kind(), at),
        other => Err(Failure::expected(&[Kind::Ref], other.kind(), at.clone()).into()),
    }
}

/// The collection or the database that a reference is in.
fn part(given: Option<&Value>, wanted: Kind, at: &Position) -> Outcome<Option<Arc<Unresolved>>> {
    match given {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let reference = from_value(value, at)?;
            if reference.kind() == wanted {
                Ok(Some(Arc::new(reference)))
            } else {
                Err(Failure::expected(&[wanted], reference.kind(), at.clone()).into())
            }
        }
    }
}

/// A reference of its parts.
fn assemble(
    id: &Value,
    parent: Option<Arc<Unresolved>>,
    scope: Option<Arc<Unresolved>>,
    at: &Position,
) -> Outcome<Unresolved> {
    let Some(parent) = parent else {
        let Value::String(name) = id else {
            return Err(Failure::expected(&[Kind::String], Kind::Number, at.at("id")).into());
        };
        let Some(collection) = native::by_name(name) else {
            let text = format!("Valid native collection name expected, '{name}' provided.");
            return Err(Failure::new("invalid ref", at.at("id"), text).into());
        };
        return Ok(Unresolved::Native { collection, scope });
    };
    if let (Unresolved::Native { collection, .. }, Value::String(name)) = (&*parent, id)
        && native::is_named(*collection)
    {
        return Ok(Unresolved::Named { collection: *collection, name: Arc::clone(name), scope });
    }
    if let (Unresolved::Native { collection: native::KEYS, .. }, Value::Integer(id)) = (&*parent, id) {
        return Ok(Unresolved::Key { id: *id, scope });
    }
    if scope.is_some() {
        return Err(Failure::expected(&[Kind::Null], Kind::DatabaseRef, at.at("database")).into());
    }
    match id {
        Value::String(text) if &**text == "self" => Ok(Unresolved::Own { collection: parent }),
        Value::Integer(id) => Ok(Unresolved::Document { collection: parent, id: *id }),
        other => {
            Ok(Unresolved::Document { collection: parent, id: document_id(other.as_str().unwrap_or_default(), at)? })
        }
    }
}

/// The number that the text of a document's id stands for.
fn document_id(text: &str, at: &Position) -> Outcome<i64> {
    text.parse().map_err(|_not_a_number| {
        let position = at.at("id");
        let description = if text.chars().all(char::is_numeric) {
            format!("The id provided is too large: '{text}'")
        } else {
            format!("Number or numeric String expected, non-numeric '{text}' provided.")
        };
        Failure::argument(position, description).into()
    })
}

/// The old textual form.
fn from_path(path: &str) -> Option<Unresolved> {
    let parts: Vec<&str> = path.split('/').collect();
    let named = |collection: i64, name: &str| {
        let is_name = is_name(name) && name != "self" && name != "events";
        is_name.then(|| Unresolved::Named { collection, name: Arc::from(name), scope: None })
    };
    let document = |collection: Unresolved, id: &str| match id {
        "self" => Some(Unresolved::Own { collection: Arc::new(collection) }),
        _ if id.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(Unresolved::Document { collection: Arc::new(collection), id: id.parse().ok()? })
        }
        _ => None,
    };
    match *parts.as_slice() {
        [name] => Some(Unresolved::Native { collection: native::by_name(name)?, scope: None }),
        ["classes" | "collections", name] => named(native::COLLECTIONS, name),
        ["classes" | "collections", name, id] => document(named(native::COLLECTIONS, name)?, id),
        [kind @ ("keys" | "tokens" | "credentials"), id] => {
            document(Unresolved::Native { collection: native::by_name(kind)?, scope: None }, id)
        }
        [kind, name] => {
            let collection = native::by_name(kind).filter(|collection| native::is_named(*collection))?;
            named(collection, name)
        }
        _ => None,
    }
}

/// Whether schema may have this name.
pub fn is_name(name: &str) -> bool {
    let allowed = |character: char| character.is_alphanumeric() || ";@+$-_.!~%".contains(character);
    !name.is_empty() && name != "_" && name.chars().all(allowed)
}
