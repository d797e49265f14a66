//! Several streams as one: what stands at one place in any of them comes together.

use std::cmp::Ordering;
use std::collections::VecDeque;

use super::heap::Heap;
use super::item::{Item, Items};
use crate::ir::Outcome;

/// Items at one place with the numbers of their streams, the one that was met last first.
pub type Group = Vec<(usize, Item)>;

/// Streams and the first item of each.
pub struct Streams<'i> {
    /// What follows the first items.
    rest: Vec<Items<'i>>,
    /// The first items.
    heads: Vec<Option<Item>>,
    /// Whether the streams run from the upper end.
    descending: bool,
}

impl<'i> Streams<'i> {
    /// Reads the first item of each stream.
    ///
    /// # Errors
    /// Where reading fails.
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

    /// Whether one stream is to be looked at before another: those that have ended first, then by their first items.
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
    /// Where reading the next one fails.
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

/// Streams merged; of each group what `choose` leaves.
pub struct Merged<'i, F> {
    /// The streams.
    streams: Streams<'i>,
    /// Those that have not ended.
    queue: Heap,
    /// The group that is being collected.
    group: Group,
    /// What was chosen of groups before.
    ready: VecDeque<Item>,
    /// What stays of a group.
    choose: F,
}

/// Merges streams.
///
/// # Errors
/// Where reading their first items fails.
pub fn merged<'i>(
    streams: Vec<Items<'i>>,
    descending: bool,
    choose: impl Fn(Group) -> Vec<Item> + 'i,
) -> Outcome<Items<'i>> {
    let streams = Streams::new(streams, descending)?;
    let queue = streams.queue();
    Ok(Box::new(Merged { streams, queue, group: Vec::new(), ready: VecDeque::new(), choose }))
}

impl<F: Fn(Group) -> Vec<Item>> Merged<'_, F> {
    /// Takes an item of every stream that stands at the next place; `false` where all have ended.
    fn step(&mut self) -> Outcome<bool> {
        let Some(first) = self.queue.pop(&|a, b| self.streams.precedes(a, b)) else { return Ok(false) };
        if self.streams.head(first).is_none() {
            return Ok(true);
        }
        let mut alike = self.streams.alike(first, &mut self.queue);
        alike.rotate_right(1);
        for stream in &alike {
            let Some(item) = self.streams.take(*stream)? else { continue };
            if self.group.first().is_some_and(|(_, known)| known.compare(&item).is_ne()) {
                self.ready.extend((self.choose)(std::mem::take(&mut self.group)));
            }
            self.group.insert(0, (*stream, item));
        }
        for stream in alike {
            self.queue.push(stream, &|a, b| self.streams.precedes(a, b));
        }
        Ok(true)
    }
}

impl<F: Fn(Group) -> Vec<Item>> Iterator for Merged<'_, F> {
    type Item = Outcome<Item>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Some(Ok(item));
            }
            match self.step() {
                Ok(true) => {}
                Ok(false) if self.group.is_empty() => return None,
                Ok(false) => self.ready.extend((self.choose)(std::mem::take(&mut self.group))),
                Err(halt) => return Some(Err(halt)),
            }
        }
    }
}
