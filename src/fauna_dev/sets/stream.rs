//! The items of a set in order.

use std::sync::Arc;

use super::algebra;
use crate::fauna_dev::documents;
use crate::fauna_dev::evaluator::Context;
use crate::fauna_dev::evaluator::cast;
use crate::fauna_dev::evaluator::cast::Cast;
use crate::fauna_dev::language::Outcome;
use crate::fauna_dev::language::Position;
use crate::fauna_dev::language::Ref;
use crate::fauna_dev::language::Set;
use crate::fauna_dev::language::Value;
use crate::fauna_dev::language::index_key;
use crate::fauna_dev::language::reversed;
use crate::fauna_dev::storage::Span;
use crate::fauna_dev::storage::after;

/// How many items are read at first; twice as many each time after that.
const FIRST_BATCH: usize = 16;
/// How many items are read at most at once.
const LAST_BATCH: usize = 1024;

/// An item of a set.
#[derive(Clone, Debug)]
pub struct Item {
    /// Its place in the order.
    pub sort: Vec<u8>,
    /// Its values, without the document.
    pub values: Vec<Value>,
    /// Its document.
    pub document: Ref,
    /// The sets it came from.
    pub sources: Vec<Arc<Set>>,
}

/// How many bytes of a key stand for the document.
const DOCUMENT_KEY: usize = 17;

impl Item {
    /// What tells it from others where sets are merged: its values, or the document where it has none.
    pub fn place(&self) -> &[u8] {
        match self.sort.len().checked_sub(DOCUMENT_KEY) {
            Some(length @ 1..) => self.sort.get(..length).unwrap_or_default(),
            _ => &self.sort,
        }
    }

    /// What a page shows of it: its only value, its values, or else the document.
    pub fn shown(&self) -> Value {
        match self.values.as_slice() {
            [] => Value::Ref(self.document),
            [only] => only.clone(),
            several => Value::array(several.to_vec()),
        }
    }

    /// The cursor that leads to it: its values and the document.
    pub fn cursor(&self) -> Vec<Value> {
        let mut cursor = self.values.clone();
        cursor.push(Value::Ref(self.document));
        cursor
    }
}

/// Items, read as they are asked for.
pub type Items<'i> = Box<dyn Iterator<Item = Outcome<Item>> + 'i>;

/// A part of a set: the lower end belongs to it, the upper does not.
#[derive(Clone, Debug, Default)]
pub struct Range {
    /// The lower end.
    pub lower: Vec<u8>,
    /// The upper end; open where `None`.
    pub upper: Option<Vec<u8>>,
    /// Whether it is read from the upper end.
    pub descending: bool,
}

impl Range {
    /// All of a set, in order.
    pub fn all() -> Self {
        Self::default()
    }

    /// What lies in this part and in another.
    fn within(&self, lower: Option<&Vec<u8>>, upper: Option<&Vec<u8>>) -> Self {
        let lower = lower.map_or_else(|| self.lower.clone(), |lower| self.lower.clone().max(lower.clone()));
        let upper = match (&self.upper, upper) {
            (Some(a), Some(b)) => Some(a.min(b).clone()),
            (Some(one), None) | (None, Some(one)) => Some(one.clone()),
            (None, None) => None,
        };
        Self { lower, upper, descending: self.descending }
    }

    /// The same part of the same set in the other order.
    fn inverted(&self) -> Self {
        let flip = |key: &Vec<u8>| after(&reversed(key.clone()));
        Self {
            lower: self.upper.as_ref().map(flip).unwrap_or_default(),
            upper: Some(&self.lower).filter(|lower| !lower.is_empty()).map(flip),
            descending: !self.descending,
        }
    }

    /// Whether a key lies in it.
    pub fn holds(&self, key: &[u8]) -> bool {
        key >= self.lower.as_slice() && self.upper.as_ref().is_none_or(|upper| key < upper.as_slice())
    }
}

/// The first item of a set.
///
/// # Errors
/// Where reading fails.
pub fn head(context: &Context<'_>, set: &Arc<Set>) -> Outcome<Option<Item>> {
    items(context, set, &Range::all())?.next().transpose()
}

/// The items of a part of a set.
///
/// # Errors
/// Where reading fails.
pub fn items<'i>(context: &'i Context<'i>, set: &Arc<Set>, range: &Range) -> Outcome<Items<'i>> {
    context.deeper(|| match &**set {
        Set::Schema(collection) | Set::Documents(collection) | Set::Unnamed(collection) => {
            Ok(collection_items(context, *collection, range.clone()))
        }
        Set::Document(document) | Set::Singleton(document) => one_item(context, set, *document, range),
        Set::Match { index, terms } => index_items(context, set, *index, terms, range),
        Set::Union(sets) => Ok(algebra::union(algebra::all(context, sets, range)?, range.descending)),
        Set::Intersection(sets) => Ok(algebra::intersection(algebra::all(context, sets, range)?, range.descending)),
        Set::Difference(sets) => Ok(algebra::difference(algebra::all(context, sets, range)?, range.descending)),
        Set::Distinct(source) => Ok(algebra::distinct(items(context, source, range)?)),
        Set::Range { source, from, to } => items(context, source, &range.within(from.key.as_ref(), to.key.as_ref())),
        Set::Reverse(source) => {
            let own = Arc::clone(set);
            Ok(Box::new(
                items(context, source, &range.inverted())?.map(move |item| item.map(|item| inverted(item, &own))),
            ))
        }
        Set::Filter { with, source } => {
            let with = Arc::clone(with);
            let filter = move |item: Outcome<Item>| match item {
                Ok(item) => {
                    let at = Position::root().at("filter");
                    let answer = context.apply(&with, item.shown(), &at);
                    match answer.and_then(|answer| cast::boolean.apply(&answer, &at)) {
                        Ok(true) => Some(Ok(item)),
                        Ok(false) => None,
                        Err(halt) => Some(Err(halt)),
                    }
                }
                Err(halt) => Some(Err(halt)),
            };
            Ok(Box::new(items(context, source, range)?.filter_map(filter)))
        }
        Set::Join { .. } | Set::IndexJoin { .. } => algebra::join(context, set, range),
        Set::Events(_) => Ok(Box::new(std::iter::empty())),
    })
}

/// An item in the order of the reversed set.
fn inverted(item: Item, set: &Arc<Set>) -> Item {
    let values = if item.values.is_empty() { vec![Value::Ref(item.document)] } else { item.values };
    Item { sort: reversed(item.sort), values, document: item.document, sources: vec![Arc::clone(set)] }
}

/// A document as an item of a set without values.
fn plain_item(document: Ref, set: &Arc<Set>) -> Item {
    Item { sort: index_key(&Value::Ref(document)), values: Vec::new(), document, sources: vec![Arc::clone(set)] }
}

/// The only item of a set of one document.
fn one_item<'i>(context: &Context<'_>, set: &Arc<Set>, document: Ref, range: &Range) -> Outcome<Items<'i>> {
    let found = match context.valid_time {
        None => context.transaction().exists(document)?,
        Some(ts) => context.transaction().get_at(document, ts)?.is_some(),
    };
    let item = plain_item(document, set);
    let is_in = found && range.holds(&item.sort);
    Ok(Box::new(is_in.then_some(Ok(item)).into_iter()))
}

/// Reads batch after batch: `read` gets the range that is left and how many items are wanted.
fn batches<'i>(range: Range, mut read: impl FnMut(&Range, usize) -> Outcome<(Vec<Item>, bool)> + 'i) -> Items<'i> {
    let mut left = Some(range);
    let mut size = FIRST_BATCH;
    let batches = std::iter::from_fn(move || {
        let range = left.take()?;
        let (items, is_last) = match read(&range, size) {
            Ok(batch) => batch,
            Err(halt) => return Some(vec![Err(halt)]),
        };
        size = size.saturating_mul(2).min(LAST_BATCH);
        if let (false, Some(last)) = (is_last, items.last()) {
            left = Some(if range.descending {
                Range { upper: Some(last.sort.clone()), ..range }
            } else {
                Range { lower: after(&last.sort), ..range }
            });
        }
        Some(items.into_iter().map(Ok).collect::<Vec<_>>())
    });
    Box::new(batches.flatten())
}

/// The entries of an index under some terms.
fn index_items<'i>(
    context: &'i Context<'i>,
    set: &Arc<Set>,
    index: Ref,
    terms: &[Value],
    range: &Range,
) -> Outcome<Items<'i>> {
    let Some(definition) = documents::index(context, index)? else { return Ok(Box::new(std::iter::empty())) };
    if definition.terms.len() != terms.len() {
        return Ok(Box::new(std::iter::empty()));
    }
    let terms = documents::term_key(terms, context.transaction().commit_time());
    let own = Arc::clone(set);
    Ok(batches(range.clone(), move |range, limit| {
        let span = Span {
            terms: terms.clone(),
            lower: range.lower.clone(),
            upper: range.upper.clone(),
            ascending: !range.descending,
            limit,
        };
        let entries = context.transaction().entries(index, &span, context.valid_time)?;
        let is_last = entries.len() < limit;
        let item = |entry: crate::fauna_dev::storage::Entry| Item {
            sort: entry.sort,
            values: entry.values,
            document: entry.document,
            sources: vec![Arc::clone(&own)],
        };
        Ok((entries.into_iter().map(item).collect(), is_last))
    }))
}

/// The documents of a collection. Those with negative ids lie beyond the end of every page.
fn collection_items<'i>(context: &'i Context<'i>, collection: Ref, range: Range) -> Items<'i> {
    let own = Arc::new(Set::Unnamed(collection));
    batches(range, move |range, limit| {
        let start = if range.descending {
            range.upper.as_deref().map_or(i64::MAX, |upper| first_id(upper, i64::MAX))
        } else {
            first_id(&range.lower, 0)
        };
        let ids = some_ids(context, collection, (start, range.descending), limit)?;
        let is_last = ids.len() < limit;
        let item = |id| plain_item(Ref::new(collection.database, collection.id, id), &own);
        let mut items: Vec<Item> = ids.into_iter().map(item).collect();
        let before = items.len();
        items.retain(|item| range.holds(&item.sort));
        Ok((items, is_last || before == 0))
    })
}

/// The id that a key begins with; `open` where it is no key of a document.
fn first_id(key: &[u8], open: i64) -> i64 {
    match key.split_first() {
        Some((0x60, rest)) => {
            let mut bytes = [0; 8];
            for (byte, given) in bytes.iter_mut().zip(rest) {
                *byte = *given;
            }
            i64::from_be_bytes(bytes)
        }
        Some((tag, _)) if *tag > 0x60 => i64::MAX,
        _ => open.min(0),
    }
}

/// Ids of documents that exist at the time that is read, from one id on.
fn some_ids(
    context: &Context<'_>,
    collection: Ref,
    (from, descending): (i64, bool),
    limit: usize,
) -> Outcome<Vec<i64>> {
    let transaction = context.transaction();
    let mut ids = Vec::new();
    match context.valid_time {
        None => ids = transaction.ids(collection, from, !descending, limit)?,
        Some(ts) => {
            for id in transaction.ids_ever(collection, from, !descending, usize::MAX)? {
                if transaction.get_at(Ref::new(collection.database, collection.id, id), ts)?.is_some() {
                    ids.push(id);
                }
                if ids.len() == limit {
                    break;
                }
            }
        }
    }
    ids.retain(|id| *id >= 0);
    Ok(ids)
}
