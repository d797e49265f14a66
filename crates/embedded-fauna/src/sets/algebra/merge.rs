//! Merges streams as FaunaDB does, page by page.
//!
//! The pages of the streams show in the result: when one stream has used up its page, the others are continued with it if they have
//! only a few items left, and what they had left is then merged like a stream of its own. So the order of items with the same values,
//! and with it the cursor of the next page, depends on where pages end.

use std::cmp::Ordering;
use std::collections::VecDeque;

use crate::evaluator::Context;
use crate::ir::Outcome;
use crate::sets::algebra::heap::Heap;
use crate::sets::stream::item::Item;
use crate::sets::stream::paging::{Batch, Batches};

/// With at most so many items left of its page, a stream is continued together with one that has none left.
const FEW_LEFT: usize = 5;

/// Items at one place with the numbers of their streams, the one that was met last first.
pub type Group = Vec<(usize, Item)>;

/// The result of a merge.
enum Strategy<'i> {
    Interleave,
    /// The items that a function leaves of each group, and the group that is being collected, the one that was met first in front.
    Choose(Box<dyn Fn(Group) -> Vec<Item> + 'i>, Group),
}

/// The rest of a page of a stream.
struct Part<'i> {
    stream: usize,
    items: VecDeque<Item>,
    /// The pages that follow, unless they are read elsewhere.
    next: Option<Batches<'i>>,
}

pub struct Merger<'i> {
    context: &'i Context<'i>,
    parts: Vec<Part<'i>>,
    /// Places of parts in `parts`.
    queue: Heap,
    /// Streams to be continued before anything else, by number.
    continued: Vec<(usize, Batches<'i>)>,
    strategy: Strategy<'i>,
    descending: bool,
    is_finished: bool,
}

/// All items of the streams, by values and then by document.
///
/// # Errors
/// If reading the first pages fails.
pub fn interleaved<'i>(context: &'i Context<'i>, streams: Vec<Batches<'i>>, descending: bool) -> Outcome<Batches<'i>> {
    Ok(Box::new(Merger::new(context, streams, descending, Strategy::Interleave)?))
}

/// The items that `choose` leaves of each group of equal items.
///
/// # Errors
/// If reading the first pages fails.
pub fn merged<'i>(
    context: &'i Context<'i>,
    streams: Vec<Batches<'i>>,
    descending: bool,
    choose: impl Fn(Group) -> Vec<Item> + 'i,
) -> Outcome<Batches<'i>> {
    let strategy = Strategy::Choose(Box::new(choose), Group::new());
    Ok(Box::new(Merger::new(context, streams, descending, strategy)?))
}

impl<'i> Merger<'i> {
    fn new(
        context: &'i Context<'i>,
        streams: Vec<Batches<'i>>,
        descending: bool,
        strategy: Strategy<'i>,
    ) -> Outcome<Self> {
        let continued = streams.into_iter().enumerate().collect();
        let queue = Heap::default();
        let mut merger =
            Self { context, parts: Vec::new(), queue, continued, strategy, descending, is_finished: false };
        merger.continue_streams()?;
        Ok(merger)
    }

    fn precedes(&self, a: usize, b: usize) -> bool {
        let head = |part: usize| self.parts.get(part).and_then(|part| part.items.front());
        match (head(a), head(b)) {
            (Some(a), Some(b)) => {
                let order = self.compare(a, b);
                if self.descending { order.is_gt() } else { order.is_lt() }
            }
            (a, b) => a.is_none() && b.is_some(),
        }
    }

    fn compare(&self, a: &Item, b: &Item) -> Ordering {
        match self.strategy {
            Strategy::Interleave => a.place().compare(b.place()),
            Strategy::Choose(..) => a.compare(b),
        }
    }

    fn enqueue(&mut self, part: usize) {
        let mut queue = std::mem::take(&mut self.queue);
        queue.push(part, &|a, b| self.precedes(a, b));
        self.queue = queue;
    }

    fn dequeue(&mut self) -> Option<usize> {
        let mut queue = std::mem::take(&mut self.queue);
        let first = queue.pop(&|a, b| self.precedes(a, b));
        self.queue = queue;
        first
    }

    /// Reads the next pages of the streams that are to be continued.
    fn continue_streams(&mut self) -> Outcome<()> {
        for (stream, mut pages) in std::mem::take(&mut self.continued) {
            let batch = pages.next().transpose()?.unwrap_or_default();
            let next = batch.has_next.then_some(pages);
            self.parts.push(Part { stream, items: batch.items.into(), next });
            self.enqueue(self.parts.len() - 1);
        }
        Ok(())
    }

    /// Ends a page of the result because the page of a stream has ended.
    fn end_page(&mut self, stream: usize, next: Batches<'i>) {
        self.continued.push((stream, next));
        let mut old: Vec<Option<Part<'i>>> = std::mem::take(&mut self.parts).into_iter().map(Some).collect();
        for place in std::mem::take(&mut self.queue).into_items() {
            let Some(mut part) = old.get_mut(place).and_then(Option::take) else { continue };
            if part.items.len() <= FEW_LEFT {
                self.continued.extend(part.next.take().map(|next| (part.stream, next)));
            }
            self.parts.push(part);
            self.enqueue(self.parts.len() - 1);
        }
    }

    /// Takes the parts off the queue whose first items are equal to that of `first`, the one that came last in front.
    fn equal_to(&mut self, first: usize) -> VecDeque<usize> {
        let mut equal = VecDeque::new();
        while let Some(candidate) = self.dequeue() {
            let heads = [first, candidate].map(|part| self.parts.get(part).and_then(|part| part.items.front()));
            let is_equal = matches!(heads, [Some(a), Some(b)] if self.compare(a, b).is_eq());
            if !is_equal {
                self.enqueue(candidate);
                break;
            }
            equal.push_front(candidate);
        }
        equal
    }

    /// Takes the first item of a part into the result or into the group.
    fn take(&mut self, part: usize, result: &mut Vec<Item>) {
        let Some(part) = self.parts.get_mut(part) else { return };
        let (Some(item), stream) = (part.items.pop_front(), part.stream) else { return };
        match &mut self.strategy {
            Strategy::Interleave => result.push(item),
            Strategy::Choose(choose, group) => {
                if group.last().is_some_and(|(_, last)| last.compare(&item).is_ne()) {
                    result.extend(chosen(choose, group));
                }
                group.push((stream, item));
            }
        }
    }

    fn page(&mut self) -> Outcome<Batch> {
        self.continue_streams()?;
        let mut items = Vec::new();
        while let Some(first) = self.dequeue() {
            self.context.in_time()?;
            let Some(part) = self.parts.get_mut(first) else { continue };
            if !part.items.is_empty() {
                let equal = self.equal_to(first);
                for part in std::iter::once(first).chain(equal.iter().copied()) {
                    self.take(part, &mut items);
                }
                for part in std::iter::once(first).chain(equal) {
                    self.enqueue(part);
                }
            } else if let Some(next) = part.next.take() {
                let stream = part.stream;
                self.end_page(stream, next);
                return Ok(Batch { items, has_next: true });
            }
        }
        self.is_finished = true;
        if let Strategy::Choose(choose, group) = &mut self.strategy
            && !group.is_empty()
        {
            items.extend(chosen(choose, group));
        }
        Ok(Batch { items, has_next: false })
    }
}

/// The items that `choose` keeps of a collected group, which is empty afterwards.
fn chosen<'i>(choose: &(dyn Fn(Group) -> Vec<Item> + 'i), collected: &mut Group) -> Vec<Item> {
    let mut group = std::mem::take(collected);
    group.reverse();
    choose(group)
}

impl Iterator for Merger<'_> {
    type Item = Outcome<Batch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_finished {
            return None;
        }
        let page = self.page();
        self.is_finished |= page.is_err();
        Some(page)
    }
}
