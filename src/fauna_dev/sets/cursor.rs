//! Cursors and bounds: places in the order of a set.

use super::Shape;
use crate::fauna_dev::language::Bound;
use crate::fauna_dev::language::Failure;
use crate::fauna_dev::language::Outcome;
use crate::fauna_dev::language::Position;
use crate::fauna_dev::language::Ref;
use crate::fauna_dev::language::Value;
use crate::fauna_dev::language::compare;
use crate::fauna_dev::language::index_key;
use crate::fauna_dev::language::reversed;
use crate::fauna_dev::storage::after;

/// A cursor's parts: the values, and the document or what stands in its place.
fn split(shape: &Shape, cursor: &Value) -> (Vec<Value>, Option<Value>) {
    let parts: Vec<Value> = match cursor {
        Value::Array(parts) => parts.to_vec(),
        Value::Cursor(inner) => match &**inner {
            crate::fauna_dev::language::Cursor::Values(parts) => parts.clone(),
            crate::fauna_dev::language::Cursor::Event(event) => vec![event.clone()],
        },
        one => vec![one.clone()],
    };
    let values = if shape.unknown { parts.len().saturating_sub(1) } else { shape.reversed.len() };
    let document = parts.get(values).cloned();
    (parts.into_iter().take(values).collect(), document)
}

/// The key of some values in a set.
fn values_key(shape: &Shape, values: &[Value]) -> Vec<u8> {
    let flags = shape.reversed.iter().copied().chain(std::iter::repeat(false));
    let key = |(value, flag): (&Value, bool)| if flag { reversed(index_key(value)) } else { index_key(value) };
    values.iter().zip(flags).flat_map(key).collect()
}

/// What a cursor's document adds to the key: nothing for what sorts before all documents, all ones for what sorts after.
fn document_key(shape: &Shape, document: &Value) -> (Vec<u8>, bool) {
    if shape.reversed_plain {
        return (Vec::new(), false);
    }
    match document {
        Value::Ref(_) => {
            let key = index_key(document);
            (if shape.reversed_document { reversed(key) } else { key }, true)
        }
        other => {
            let least = Value::Ref(Ref::new(0, 0, 0));
            let is_after = compare(other, &least).is_gt();
            (if is_after { vec![u8::MAX] } else { Vec::new() }, false)
        }
    }
}

/// Where reading begins at a cursor, or ends before it.
///
/// # Errors
/// Where the cursor refers to what does not exist.
pub fn lower_bound(shape: &Shape, cursor: &Value, at: &Position) -> Outcome<Bound> {
    refuse_unresolved(cursor, at)?;
    let (values, document) = split(shape, cursor);
    let mut key = values_key(shape, &values);
    match document {
        Some(document) if shape.is_one_document && shape.reversed_plain => key = reversed(index_key(&document)),
        Some(document) => key.extend(document_key(shape, &document).0),
        None => {}
    }
    Ok(Bound { values, key: Some(key) })
}

/// Whether nothing lies before a cursor, whatever its place says: in a reversed set without values FaunaDB looks for documents
/// only before a document or 0.
pub fn is_blind(shape: &Shape, cursor: &Value) -> bool {
    let (values, _) = split(shape, cursor);
    let is_known = |value: &Value| matches!(value, Value::Ref(_) | Value::Integer(0));
    shape.reversed_plain && !shape.is_one_document && values.first().is_some_and(|value| !is_known(value))
}

/// The first key after a cursor, all that begins with it included.
///
/// # Errors
/// Where the cursor refers to what does not exist.
pub fn upper_bound(shape: &Shape, cursor: &Value, at: &Position) -> Outcome<Bound> {
    refuse_unresolved(cursor, at)?;
    let (values, document) = split(shape, cursor);
    let mut key = values_key(shape, &values);
    let key = match document.map(|document| document_key(shape, &document)) {
        None if key.is_empty() => None,
        None => Some(after(&key)),
        Some((suffix, is_exact)) => {
            key.extend(suffix);
            Some(if is_exact || shape.reversed_plain { after(&key) } else { key })
        }
    };
    Ok(Bound { values, key })
}

/// Reports a cursor that refers to what does not exist.
fn refuse_unresolved(cursor: &Value, at: &Position) -> Outcome<()> {
    match cursor {
        Value::Unresolved(reference) => Err(Failure::unresolved(reference, at.clone()).into()),
        _ => Ok(()),
    }
}
