//! Intersections: of the items at one place one is taken from each set at a time.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::sync::Arc;

use crate::evaluator::Context;
use crate::ir::{Outcome, Set, SetKey};
use crate::sets::algebra::heap::Heap;
use crate::sets::algebra::of_stream;
use crate::sets::stream::item::{Item, Items};
use crate::sets::stream::{Span, items};

/// Items that all of the sets have.
///
/// # Errors
/// If reading fails.
pub fn intersection<'i>(context: &'i Context<'i>, sets: &[Arc<Set>], span: &Span) -> Outcome<Items<'i>> {
    let mut span = span.clone();
    if !span.from.terms.is_empty() {
        span.from.document = SetKey::end(!span.descending).document;
    }
    let all = sets.iter().map(|set| items(context, set, &span)).collect::<Outcome<_>>()?;
    let streams = Streams::new(all, span.descending)?;
    let queue = streams.queue();
    Ok(Box::new(Common { count: sets.len(), streams, queue, has_failed: false }))
}

/// The items that all of some streams have. Of those at one place one is taken from each stream at a time.
struct Common<'i> {
    count: usize,
    streams: Streams<'i>,
    queue: Heap,
    /// Whether reading has failed.
    has_failed: bool,
}

impl Common<'_> {
    /// The next item; `None` once a stream is exhausted.
    fn step(&mut self) -> Outcome<Option<Item>> {
        while let Some(first) = self.queue.pop(&|a, b| self.streams.precedes(a, b)) {
            if self.streams.head(first).is_none() {
                self.queue.push(first, &|a, b| self.streams.precedes(a, b));
                return Ok(None);
            }
            let alike = self.streams.alike(first, &mut self.queue);
            let mut group = Vec::new();
            for stream in &alike {
                group.extend(self.streams.take(*stream)?.map(|item| (*stream, item)));
            }
            for stream in alike {
                self.queue.push(stream, &|a, b| self.streams.precedes(a, b));
            }
            if group.len() == self.count {
                return Ok(of_stream(group, 0).pop());
            }
        }
        Ok(None)
    }
}

impl Iterator for Common<'_> {
    type Item = Outcome<Item>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_failed {
            return None;
        }
        let step = self.step();
        self.has_failed = step.is_err();
        step.transpose()
    }
}

/// Streams and the first item of each.
pub struct Streams<'i> {
    rest: Vec<Items<'i>>,
    heads: Vec<Option<Item>>,
    /// Whether the streams run from the upper end.
    descending: bool,
}

impl<'i> Streams<'i> {
    /// Reads the first item of each stream.
    ///
    /// # Errors
    /// If reading fails.
    pub fn new(mut rest: Vec<Items<'i>>, descending: bool) -> Outcome<Self> {
        let heads = rest.iter_mut().map(|stream| stream.next().transpose()).collect::<Outcome<_>>()?;
        Ok(Self { rest, heads, descending })
    }

    /// A queue of all of them.
    pub fn queue(&self) -> Heap {
        Heap::of(0..self.heads.len(), |a, b| self.precedes(a, b))
    }

    /// The first item of a stream.
    pub fn head(&self, stream: usize) -> Option<&Item> {
        self.heads.get(stream).and_then(Option::as_ref)
    }

    /// Whether one stream is to be looked at before another: exhausted ones first, then by their first items.
    pub fn precedes(&self, a: usize, b: usize) -> bool {
        match (self.head(a), self.head(b)) {
            (Some(a), Some(b)) => {
                let order = a.compare(b);
                if self.descending { order.is_gt() } else { order.is_lt() }
            }
            (a, b) => a.is_none() && b.is_some(),
        }
    }

    /// Takes the first item of a stream.
    ///
    /// # Errors
    /// If reading the next one fails.
    pub fn take(&mut self, stream: usize) -> Outcome<Option<Item>> {
        let next = self.rest.get_mut(stream).and_then(Iterator::next).transpose()?;
        Ok(self.heads.get_mut(stream).and_then(|head| std::mem::replace(head, next)))
    }

    /// Takes the streams off the queue whose first item stands where that of `first` does; `first` ends the list.
    pub fn alike(&self, first: usize, queue: &mut Heap) -> Vec<usize> {
        let mut alike = VecDeque::from([first]);
        let precedes = |a, b| self.precedes(a, b);
        while let Some(next) = queue.pop(&precedes) {
            let is_alike =
                matches!((self.head(first), self.head(next)), (Some(a), Some(b)) if a.compare(b) == Ordering::Equal);
            if !is_alike {
                queue.push(next, &precedes);
                break;
            }
            alike.push_front(next);
        }
        alike.into()
    }
}
