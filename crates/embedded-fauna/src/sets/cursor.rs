//! Cursors and bounds: places in the order of a set.

use super::Shape;
use crate::documents::MAX_KEY_BYTES;
use crate::ir::{
    Bound, Cursor, DocumentBound, Failure, Fault, Outcome, Position, Ref, SetKey, Term, Value, compare,
    parts as ir_parts,
};

/// The parts of a cursor as it was given.
pub fn parts(cursor: &Value) -> Vec<Value> {
    match cursor {
        Value::Array(parts) => parts.to_vec(),
        Value::Cursor(inner) => match &**inner {
            Cursor::Values(parts) => parts.clone(),
            Cursor::Event(event) => vec![event.clone()],
        },
        one => vec![one.clone()],
    }
}

/// The bound that a cursor is in a set. One that has only values lies before or after all documents with them.
///
/// # Errors
/// If the cursor refers to what does not exist.
pub fn bound(shape: &Shape, cursor: &Value, is_lower: bool, at: &Position) -> Outcome<Bound> {
    if let Value::Unresolved(reference) = cursor {
        return Err(Failure::unresolved(reference, at.clone()).into());
    }
    let mut given = parts(cursor);
    require_short(&given)?;
    // Nobody looks at what follows the values and the document.
    let looked_at = if shape.is_unknown { given.len() } else { shape.values };
    if given.iter().take(looked_at).any(Value::has_unresolved) {
        return Err(Fault::Internal("a cursor that refers to what does not exist".to_owned()).into());
    }
    let mut rest = given.split_off(given.len().min(shape.values.saturating_sub(1)));
    let document = if shape.is_unknown { rest.pop() } else { rest.first().cloned() };
    let document = match document {
        None => DocumentBound::end(is_lower),
        Some(document) => edge(&document),
    };
    let terms: Vec<Term> = if shape.is_unknown {
        rest.into_iter().map(|value| Term::new(value, false)).collect()
    } else {
        given.iter().zip(&shape.reversed).map(|(value, reverse)| Term::new(value.clone(), *reverse)).collect()
    };
    let values = match document {
        DocumentBound::At(document) if terms.is_empty() => vec![Value::Ref(document)],
        DocumentBound::Least | DocumentBound::Greatest if terms.is_empty() => vec![Value::Null],
        _ => terms.iter().map(|term| term.value.clone()).collect(),
    };
    Ok(Bound { values, place: SetKey { terms, document } })
}

/// Refuses values that are too long for any key: putting them in order takes long.
fn require_short(values: &[Value]) -> Outcome<()> {
    let is_short = |value: &Value| ir_parts(value, MAX_KEY_BYTES) <= MAX_KEY_BYTES;
    if values.iter().all(is_short) {
        return Ok(());
    }
    Err(Fault::BadRequest("The cursor is too long.".to_owned()).into())
}

/// What stands in the place of the document: what is none lies before or after all of them.
fn edge(document: &Value) -> DocumentBound {
    match document {
        Value::Ref(document) => DocumentBound::At(*document),
        other => DocumentBound::end(compare(other, &Value::Ref(Ref::new(0, 0, 0))).is_le()),
    }
}
