//! Sets made of several sets.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Readable;
use super::heap::Heap;
use super::item::{Item, Items};
use super::merge::{Group, Streams, merged};
use super::stream::{Span, items};
use crate::evaluator::cast::Cast;
use crate::evaluator::{Context, cast};
use crate::ir::{Outcome, Place, Set};

/// The streams of several sets.
///
/// # Errors
/// Where reading fails.
fn all<'i>(context: &'i Context<'i>, sets: &[Arc<Set>], span: &Span) -> Outcome<Vec<Items<'i>>> {
    sets.iter().map(|set| items(context, set, span)).collect()
}

/// Of a group the items of one stream, with the sources of all.
fn of_stream(group: Group, stream: usize) -> Vec<Item> {
    let mut sources: Vec<Arc<Set>> = Vec::new();
    for source in group.iter().flat_map(|(_, item)| &item.sources) {
        if !sources.contains(source) {
            sources.push(Arc::clone(source));
        }
    }
    let items = group.into_iter().filter(|(number, _)| *number == stream);
    items.map(|(_, item)| item.with_sources(sources.clone())).collect()
}

/// What is in any of the sets; of what several have as many as the one has that has most.
///
/// # Errors
/// Where reading fails.
pub fn union<'i>(context: &'i Context<'i>, sets: &[Arc<Set>], span: &Span) -> Outcome<Items<'i>> {
    let count = sets.len();
    merged(all(context, sets, span)?, span.descending, move |group| {
        let of = |stream: usize| group.iter().filter(|(number, _)| *number == stream).count();
        let most = (0..count).rev().max_by_key(|stream| of(*stream)).unwrap_or_default();
        of_stream(group, most)
    })
}

/// What is in the first set and in no other.
///
/// # Errors
/// Where reading fails.
pub fn difference<'i>(context: &'i Context<'i>, sets: &[Arc<Set>], span: &Span) -> Outcome<Items<'i>> {
    merged(all(context, sets, span)?, span.descending, |group| {
        if group.iter().any(|(stream, _)| *stream != 0) { Vec::new() } else { of_stream(group, 0) }
    })
}

/// What is in all of the sets.
///
/// # Errors
/// Where reading fails.
pub fn intersection<'i>(context: &'i Context<'i>, sets: &[Arc<Set>], span: &Span) -> Outcome<Items<'i>> {
    let mut span = span.clone();
    if !span.from.terms.is_empty() {
        span.from.document = Place::end(!span.descending).document;
    }
    let streams = Streams::new(all(context, sets, &span)?, span.descending)?;
    let queue = streams.queue();
    Ok(Box::new(Common { count: sets.len(), streams, queue, has_failed: false }))
}

/// The items that all of some streams have. Of those at one place one is taken from each stream at a time.
struct Common<'i> {
    /// How many streams.
    count: usize,
    /// The streams.
    streams: Streams<'i>,
    /// All of them.
    queue: Heap,
    /// Whether reading has failed.
    has_failed: bool,
}

impl Common<'_> {
    /// The next item; `None` where a stream has ended.
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

/// Of neighbours with the same values the first.
pub fn distinct(source: Items<'_>) -> Items<'_> {
    let mut last = None;
    Box::new(source.filter(move |item| match item {
        Err(_) => true,
        Ok(item) => {
            let values = (item.values.clone(), item.values.is_empty().then_some(item.document));
            let is_new = last.as_ref() != Some(&values);
            last = Some(values);
            is_new
        }
    }))
}

/// For each item of a source the set it leads to, all merged: of items with the same values the one that is met last stays.
///
/// # Errors
/// Where reading fails.
pub fn join<'i>(context: &'i Context<'i>, set: &Set, span: &Span) -> Outcome<Items<'i>> {
    let (Set::Join { source, .. } | Set::IndexJoin { source, .. }) = set else {
        return Ok(Box::new(std::iter::empty()));
    };
    let mut streams: Vec<Items<'_>> = Vec::new();
    for item in items(context, source, &Span::all(span.descending))? {
        let target = joined(context, set, item?)?;
        let readable = Readable::of(context, &target)?;
        // Each is read whole, because what it is read from ends with this call.
        let found: VecDeque<Outcome<Item>> = match readable {
            Some(readable) => items(context, &readable.set, span)?.collect(),
            None => VecDeque::new(),
        };
        streams.push(Box::new(found.into_iter()));
    }
    merged(streams, span.descending, |group| {
        let stream = group.first().map_or(0, |(stream, _)| *stream);
        of_stream(group, stream).into_iter().take(1).collect()
    })
}

/// The set that an item of the source of a join leads to.
fn joined(context: &Context<'_>, set: &Set, item: Item) -> Outcome<Arc<Set>> {
    match set {
        Set::Join { with, .. } => {
            let at = with.position("with");
            cast::set.apply(&context.apply(with, item.shown(), &at)?, &at)
        }
        Set::IndexJoin { index, .. } => {
            let terms = if item.values.is_empty() { vec![item.shown()] } else { item.values };
            Ok(Arc::new(Set::Match { index: *index, terms }))
        }
        other => Ok(Arc::new(other.clone())),
    }
}
