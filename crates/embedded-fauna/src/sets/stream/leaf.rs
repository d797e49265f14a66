//! Items as they come from storage: the entries of an index, the documents of a collection, a document alone.

use std::sync::Arc;

use crate::evaluator::Context;
use crate::ir::{DocumentBound, Outcome, Ref, Set, SetKey, Term, Value};
use crate::sets::stream::Span;
use crate::sets::stream::item::{Item, Items};
use crate::storage::after;
use crate::{documents, storage};

/// How many items are read at first; twice as many each time after that.
const FIRST_BATCH: usize = 16;
/// The most items that are read at once.
const LAST_BATCH: usize = 1024;

/// Reads batch after batch: `read` gets where it is and how many items are wanted, and says where the next batch begins.
fn batches<'i, S: 'i>(
    start: S,
    mut read: impl FnMut(S, usize) -> Outcome<(Vec<Item>, Option<S>)> + 'i,
) -> impl Iterator<Item = Outcome<Item>> + 'i {
    let mut left = Some(start);
    let mut size = FIRST_BATCH;
    let batches = std::iter::from_fn(move || {
        let (items, next) = match read(left.take()?, size) {
            Ok(batch) => batch,
            Err(halt) => return Some(vec![Err(halt)]),
        };
        left = next;
        size = size.saturating_mul(2).min(LAST_BATCH);
        Some(items.into_iter().map(Ok).collect::<Vec<_>>())
    });
    batches.flatten()
}

/// Whether a place lies between two others, both in the order of pages and in that of storage.
fn holds(ends: &(SetKey, SetKey), place: &SetKey) -> bool {
    let (lower, upper) = ends;
    place.compare(lower).is_ge()
        && place.compare(upper).is_le()
        && place.compare_stored(lower).is_ge()
        && place.compare_stored(upper).is_le()
}

/// The entries of an index under some terms.
///
/// # Errors
/// If reading fails.
pub fn index<'i>(
    context: &'i Context<'i>,
    set: &Arc<Set>,
    index: Ref,
    terms: &[Value],
    span: &Span,
) -> Outcome<Items<'i>> {
    let Some(definition) = documents::index(context, index)? else { return Ok(Box::new(std::iter::empty())) };
    if definition.terms.len() != terms.len() {
        return Ok(Box::new(std::iter::empty()));
    }
    if let Some(ts) = context.valid_time {
        definition.require_kept(context, ts)?;
    }
    let flags: Arc<[bool]> = definition.values.iter().map(|value| value.reverse).collect();
    let (lower, upper) = span.ends();
    let ends = (padded(lower, &flags, true), padded(upper, &flags, false));
    let ((lower, is_lower_exact), (upper, is_upper_exact)) = (key(&ends.0, &flags), key(&ends.1, &flags));
    let upper = match (ends.1.document, is_upper_exact) {
        (DocumentBound::Least, true) => Some(upper),
        _ if upper.is_empty() => None,
        _ => Some(after(&upper)),
    };
    let lower = if ends.0.document == DocumentBound::Greatest && is_lower_exact { after(&lower) } else { lower };
    let terms = documents::term_key(terms, context.transaction().commit_time());
    let ascending = !span.descending;
    let own = Arc::clone(set);
    let items = batches((lower, upper), move |(lower, upper), limit| {
        let part = storage::Span { terms: terms.clone(), lower, upper, ascending, limit };
        let entries = context.transaction().entries(index, &part, context.valid_time)?;
        let next = entries.last().filter(|_| entries.len() == limit).map(|last| {
            if ascending { (after(&last.sort), part.upper) } else { (part.lower, Some(last.sort.clone())) }
        });
        let item = |entry: storage::Entry| Item::new(entry.values, &flags, entry.document, &own);
        Ok((entries.into_iter().map(item).collect(), next))
    });
    if is_lower_exact && is_upper_exact {
        return Ok(Box::new(items));
    }
    Ok(Box::new(items.filter(move |item| !matches!(item, Ok(item) if !holds(&ends, item.place())))))
}

/// A place with as many values as an index has: what is missing is the least or the greatest.
fn padded(place: &SetKey, flags: &[bool], is_lower: bool) -> SetKey {
    let filling = flags.iter().skip(place.terms.len()).map(|reverse| {
        let least = is_lower != *reverse;
        Term::new(if least { Value::Integer(i64::MIN) } else { Value::Null }, *reverse)
    });
    SetKey { terms: place.terms.iter().cloned().chain(filling).collect(), document: place.document }
}

/// The bytes that entries at a place begin with, and whether they say all of it: not where a value has another order than the index.
fn key(place: &SetKey, flags: &[bool]) -> (Vec<u8>, bool) {
    let mut key = Vec::new();
    for (number, term) in place.terms.iter().enumerate() {
        if flags.get(number) != Some(&term.reverse) {
            return (key, false);
        }
        key.extend(term.bytes());
    }
    if let DocumentBound::At(_) = place.document {
        key.extend(place.document.term().bytes());
    }
    (key, true)
}

/// The documents of a collection. Those with negative ids lie beyond the end of every page.
pub fn collection<'i>(context: &'i Context<'i>, collection: Ref, span: &Span) -> Items<'i> {
    let own = Arc::new(Set::Unnamed(collection));
    let (lower, upper) = span.ends();
    let ends = (lower.clone(), upper.clone());
    let descending = span.descending;
    let start = match (span.from.document, span.from.terms.is_empty()) {
        (DocumentBound::At(document), true) => Some(document.id),
        _ => Some(if descending { i64::MAX } else { 0 }),
    };
    let items = batches(start, move |from, limit| {
        let Some(from) = from else { return Ok((Vec::new(), None)) };
        let ids = some_ids(context, collection, from, descending, limit)?;
        let step = if descending { -1 } else { 1 };
        let next = ids.last().filter(|_| ids.len() == limit).map(|last| last.checked_add(step));
        let item = |id| Item::plain(Ref::new(collection.database, collection.id, id), &own);
        Ok((ids.into_iter().filter(|id| *id >= 0).map(item).collect(), next))
    });
    let is_past_end = move |item: &Outcome<Item>| match item {
        Ok(item) => {
            let end =
                if descending { item.place().compare(&ends.0).is_lt() } else { item.place().compare(&ends.1).is_gt() };
            (end, holds(&ends, item.place()))
        }
        Err(_) => (false, true),
    };
    Box::new(
        items
            .map(move |item| (is_past_end(&item), item))
            .take_while(|((is_past_end, _), _)| !is_past_end)
            .filter_map(|((_, is_held), item)| is_held.then_some(item)),
    )
}

/// Ids of documents that exist at the time that is read, from one id on.
fn some_ids(context: &Context<'_>, collection: Ref, from: i64, descending: bool, limit: usize) -> Outcome<Vec<i64>> {
    let transaction = context.transaction();
    let Some(ts) = context.valid_time else { return transaction.ids(collection, from, !descending, limit) };
    documents::require_kept(context, collection, ts)?;
    let mut ids = Vec::new();
    for id in transaction.ids_ever(collection, from, !descending, usize::MAX)? {
        if transaction.get_at(Ref::new(collection.database, collection.id, id), ts)?.is_some() {
            ids.push(id);
        }
        if ids.len() == limit {
            break;
        }
    }
    Ok(ids)
}

/// The only item of a set of one document: of a place only the document counts.
///
/// # Errors
/// If reading fails.
pub fn document<'i>(context: &Context<'_>, set: &Arc<Set>, document: Ref, span: &Span) -> Outcome<Items<'i>> {
    let (lower, upper) = span.ends();
    let place = DocumentBound::At(document);
    let is_in = place.compare(lower.document).is_ge() && place.compare(upper.document).is_le();
    let found = is_in
        && match context.valid_time {
            None => context.transaction().exists(document)?,
            Some(ts) => context.transaction().get_at(document, ts)?.is_some(),
        };
    Ok(Box::new(found.then(|| Ok(Item::plain(document, set))).into_iter()))
}
