//! Streams in pages of the size that FaunaDB reads.
//!
//! Only merges look at pages (`merge.rs` says why); everything else reads items one by one.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use crate::evaluator::Context;
use crate::ir::{Outcome, Ref, Set, Value};
use crate::sets::algebra;
use crate::sets::algebra::{merge, reversal};
use crate::sets::stream::item::{Item, Items};
use crate::sets::stream::{Span, items};

/// The partitions of the index that lists the documents of a collection.
const COLLECTION_PARTITIONS: usize = 8;
/// What is read of each partition beyond its share of a page, in percent of the share.
const SHARE_PERCENT: usize = 120;

/// A page of a stream.
#[derive(Default)]
pub struct Batch {
    pub items: Vec<Item>,
    /// Whether another page follows, which may be empty.
    pub has_next: bool,
}

/// The pages of a stream, read as they are asked for.
pub type Batches<'i> = Box<dyn Iterator<Item = Outcome<Batch>> + 'i>;

/// The pages of a part of a set.
///
/// # Errors
/// If reading fails.
pub fn batches<'i>(context: &'i Context<'i>, set: &Arc<Set>, span: &Span) -> Outcome<Batches<'i>> {
    let partitions = match &**set {
        Set::Union(_) | Set::Difference(_) | Set::Join { .. } | Set::IndexJoin { .. } => {
            return context.deeper(|| algebra::batches(context, set, span));
        }
        Set::Range { source, from, to } => {
            return context.deeper(|| batches(context, source, &span.within(from, to)));
        }
        Set::Reverse(source) => {
            let inner = context.deeper(|| batches(context, source, &reversal::inverted_span(span)))?;
            let own = Arc::clone(set);
            return Ok(mapped(inner, move |item| Ok(Some(reversal::reversed(item, &own)))));
        }
        Set::Filter { with, source } => {
            let filter = algebra::filter(context, with);
            return Ok(mapped(context.deeper(|| batches(context, source, span))?, filter));
        }
        Set::Distinct(source) => {
            return Ok(Box::new(Distinct { source: context.deeper(|| batches(context, source, span))?, kept: None }));
        }
        Set::Match { index, .. } => partitions(context, *index)?,
        Set::Schema(_) | Set::Documents(_) | Set::Unnamed(_) => COLLECTION_PARTITIONS,
        Set::Document(_) | Set::Singleton(_) | Set::Events(_) | Set::Intersection(_) => 1,
    };
    let items = items(context, set, span)?;
    let size = if partitions == 1 {
        span.page_size
    } else {
        span.page_size.saturating_mul(SHARE_PERCENT).div_ceil(100 * partitions)
    };
    let source = Rc::new(RefCell::new(Source { items, waiting: vec![VecDeque::new(); partitions] }));
    let mut streams = (0..partitions).map(|number| partition(context, Rc::clone(&source), number, size));
    if partitions == 1
        && let Some(only) = streams.next()
    {
        return Ok(only);
    }
    merge::interleaved(context, streams.collect(), span.descending)
}

/// Items one by one.
pub fn flat(batches: Batches<'_>) -> Items<'_> {
    let items = batches.flat_map(|batch| match batch {
        Ok(batch) => batch.items.into_iter().map(Ok).collect(),
        Err(halt) => vec![Err(halt)],
    });
    Box::new(items)
}

/// The same pages with their items changed or left out.
fn mapped<'i>(batches: Batches<'i>, mut change: impl FnMut(Item) -> Outcome<Option<Item>> + 'i) -> Batches<'i> {
    Box::new(batches.map(move |batch| {
        let batch = batch?;
        let items = batch.items.into_iter().filter_map(|item| change(item).transpose()).collect::<Outcome<_>>()?;
        Ok(Batch { items, ..batch })
    }))
}

/// The items of all partitions, and those that were read before their partition asked for them.
struct Source<'i> {
    items: Items<'i>,
    waiting: Vec<VecDeque<Item>>,
}

impl Source<'_> {
    /// Reads until a partition has more than so many items waiting, or until the end; takes a page of it.
    fn page(&mut self, context: &Context<'_>, number: usize, size: usize) -> Outcome<Batch> {
        let partitions = self.waiting.len();
        while self.waiting.get(number).is_some_and(|waiting| waiting.len() <= size) {
            let Some(item) = self.items.next().transpose()? else { break };
            context.in_time()?;
            if let Some(waiting) = self.waiting.get_mut(partition_of(item.document, partitions)) {
                waiting.push_back(item);
            }
        }
        let Some(waiting) = self.waiting.get_mut(number) else { return Ok(Batch::default()) };
        let has_next = waiting.len() > size;
        Ok(Batch { items: waiting.drain(..waiting.len().min(size)).collect(), has_next })
    }
}

/// The pages of one partition.
fn partition<'i>(context: &'i Context<'i>, source: Rc<RefCell<Source<'i>>>, number: usize, size: usize) -> Batches<'i> {
    let mut is_finished = false;
    Box::new(std::iter::from_fn(move || {
        if is_finished {
            return None;
        }
        let batch = source.borrow_mut().page(context, number, size);
        is_finished = !matches!(&batch, Ok(Batch { has_next: true, .. }));
        Some(batch)
    }))
}

/// The number of partitions of an index.
fn partitions(context: &Context<'_>, index: Ref) -> Outcome<usize> {
    let Some(stored) = context.transaction().get(index)? else { return Ok(1) };
    let given = match stored.fields.get("partitions") {
        Some(Value::Integer(partitions)) => usize::try_from(*partitions).unwrap_or(1).max(1),
        _ => 1,
    };
    Ok(if stored.fields.get("unique") == Some(&Value::Bool(true)) { 1 } else { given })
}

/// The partition of an index that the entries of a document are in: Scala's hash of an array of 256 bytes that begins with the
/// document's id in CBOR.
fn partition_of(document: Ref, partitions: usize) -> usize {
    let [.., high, low] = document.collection.to_be_bytes();
    let mut bytes = [0x4a, 0, 0, 0, 0, 0, 0, 0, 0, high, low, 0];
    if let Some(id) = bytes.get_mut(1..9) {
        id.copy_from_slice(&document.id.to_be_bytes());
    }
    let round = |hash: u32| hash.rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
    let mut hash = 0x3c07_4a61_u32;
    for block in bytes.as_chunks().0 {
        let mixed = u32::from_le_bytes(*block).wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
        hash = round(hash ^ mixed);
    }
    for _zero_block in 3..64 {
        hash = round(hash);
    }
    hash ^= 256;
    hash = (hash ^ hash >> 16).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ hash >> 13).wrapping_mul(0xc2b2_ae35);
    hash ^= hash >> 16;
    usize::try_from(hash.cast_signed().unsigned_abs()).unwrap_or_default() % partitions
}

/// The first of neighbours with the same values. Pages end where the values change.
struct Distinct<'i> {
    source: Batches<'i>,
    /// The last item that was kept, which is not part of a page yet, with the values it stands for.
    kept: Option<Item>,
}

impl Iterator for Distinct<'_> {
    type Item = Outcome<Batch>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let batch = match self.source.next()? {
                Ok(batch) => batch,
                Err(halt) => return Some(Err(halt)),
            };
            let mut items = Vec::new();
            for item in batch.items {
                if self.kept.as_ref().is_some_and(|kept| algebra::are_same(kept, &item)) {
                    continue;
                }
                items.extend(self.kept.replace(item));
            }
            if !batch.has_next {
                items.extend(self.kept.take());
            }
            if !items.is_empty() || !batch.has_next {
                return Some(Ok(Batch { items, has_next: batch.has_next }));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_spread_over_partitions() {
        let mut counts = [0; 8];
        for id in 0..800 {
            counts[partition_of(Ref::new(0, 1024, id), 8)] += 1;
        }
        assert!(counts.iter().all(|count| (60..140).contains(count)), "{counts:?}");
        assert_eq!(partition_of(Ref::new(0, 1024, 7), 1), 0);
    }
}
