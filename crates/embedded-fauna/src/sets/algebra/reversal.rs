//! Sets the other way round.
//!
//! The source is read from its other end. A source without values has its documents as values then, because the order of documents
//! cannot be inverted; so a place of one value that is a document, 0 or null is taken for a place among documents, whatever the source.

use std::sync::Arc;

use crate::evaluator::Context;
use crate::ir::{DocumentBound, Outcome, Set, SetKey, Term, Value};
use crate::sets::stream;
use crate::sets::stream::Span;
use crate::sets::stream::item::{Item, Items};

/// The items of a reversed set.
///
/// # Errors
/// If reading fails.
pub fn items<'i>(context: &'i Context<'i>, set: &Arc<Set>, source: &Arc<Set>, span: &Span) -> Outcome<Items<'i>> {
    let own = Arc::clone(set);
    let items = stream::items(context, source, &inverted_span(span))?;
    Ok(Box::new(items.map(move |item| item.map(|item| reversed(item, &own)))))
}

/// A part of the reversed set as a part of the source.
pub fn inverted_span(span: &Span) -> Span {
    Span {
        from: inverted(&span.from, span.descending),
        to: inverted(&span.to, !span.descending),
        descending: !span.descending,
        ..*span
    }
}

/// A place in the reversed set as a place in the source.
fn inverted(place: &SetKey, is_lower: bool) -> SetKey {
    let document = match place.terms.as_slice() {
        [Term { value: Value::Ref(document), .. }] => Some(DocumentBound::At(*document)),
        [Term { value: Value::Integer(0), .. }] => Some(DocumentBound::Least),
        [Term { value: Value::Null, .. }] => Some(DocumentBound::Greatest),
        _ => None,
    };
    if let Some(document) = document {
        return SetKey { terms: Vec::new(), document };
    }
    let document = match place.document {
        DocumentBound::Least | DocumentBound::Greatest => DocumentBound::end(is_lower),
        document @ DocumentBound::At(_) => document,
    };
    SetKey { terms: place.terms.iter().map(Term::inverted).collect(), document }
}

/// An item of the source as one of the reversed set.
pub fn reversed(item: Item, set: &Arc<Set>) -> Item {
    if item.values.is_empty() {
        return Item::new(vec![Value::Ref(item.document)], &Arc::from([true]), item.document, set);
    }
    let flags: Arc<[bool]> = item.reversed.iter().map(|flag| !flag).collect();
    Item::new(item.values, &flags, item.document, set)
}
