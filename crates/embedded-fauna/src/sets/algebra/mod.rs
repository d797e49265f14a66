//! Sets made of several sets.

pub mod heap;
pub mod intersection;
pub mod merge;
pub mod reversal;

use std::sync::Arc;

use crate::evaluator::cast::Cast;
use crate::evaluator::{Context, cast};
use crate::ir::{Lambda, Outcome, Set};
use crate::sets::Readable;
use crate::sets::algebra::merge::{Group, merged};
use crate::sets::stream::item::{Item, Items};
use crate::sets::stream::paging::Batches;
use crate::sets::stream::{Span, items, paging};

/// The pages of a union, a difference or a join.
///
/// # Errors
/// If reading fails.
pub fn batches<'i>(context: &'i Context<'i>, set: &Arc<Set>, span: &Span) -> Outcome<Batches<'i>> {
    let all = |sets: &[Arc<Set>]| sets.iter().map(|set| paging::batches(context, set, span)).collect::<Outcome<_>>();
    match &**set {
        Set::Union(sets) => union(context, all(sets)?, span.descending),
        Set::Difference(sets) => difference(context, all(sets)?, span.descending),
        other => join(context, other, span),
    }
}

/// Of a group the items of one stream, with the sources of all.
pub fn of_stream(group: Group, stream: usize) -> Vec<Item> {
    let mut sources: Vec<Arc<Set>> = Vec::new();
    for source in group.iter().flat_map(|(_, item)| &item.sources) {
        if !sources.iter().any(|known| Arc::ptr_eq(known, source) || known == source) {
            sources.push(Arc::clone(source));
        }
    }
    let items = group.into_iter().filter(|(number, _)| *number == stream);
    items.map(|(_, item)| item.with_sources(sources.clone())).collect()
}

/// Items that any of the streams has; of equal items as many as the stream has that has most.
fn union<'i>(context: &'i Context<'i>, streams: Vec<Batches<'i>>, descending: bool) -> Outcome<Batches<'i>> {
    let count = streams.len();
    merged(context, streams, descending, move |group| {
        let mut counts = vec![0_usize; count];
        for (stream, _) in &group {
            if let Some(count) = counts.get_mut(*stream) {
                *count += 1;
            }
        }
        let most = counts.iter().enumerate().rev().max_by_key(|(_, count)| **count).map_or(0, |(stream, _)| stream);
        of_stream(group, most)
    })
}

/// Items that the first stream has and no other.
fn difference<'i>(context: &'i Context<'i>, streams: Vec<Batches<'i>>, descending: bool) -> Outcome<Batches<'i>> {
    merged(context, streams, descending, |group| {
        if group.iter().any(|(stream, _)| *stream != 0) { Vec::new() } else { of_stream(group, 0) }
    })
}

/// Keeps the items for which a lambda answers true.
pub fn filter<'i>(context: &'i Context<'i>, with: &Arc<Lambda>) -> impl FnMut(Item) -> Outcome<Option<Item>> + 'i {
    let with = Arc::clone(with);
    let at = with.position("filter");
    move |item| {
        let answer = context.apply(&with, item.shown(), &at)?;
        Ok(cast::boolean.apply(&answer, &at)?.then_some(item))
    }
}

/// The first of neighbours with the same values.
pub fn distinct(source: Items<'_>) -> Items<'_> {
    let mut last: Option<Item> = None;
    Box::new(source.filter(move |item| match item {
        Err(_) => true,
        Ok(item) => {
            let is_new = !last.as_ref().is_some_and(|last| are_same(last, item));
            last = Some(item.clone());
            is_new
        }
    }))
}

/// Whether two items have the same values, or are the same document without values.
pub fn are_same(a: &Item, b: &Item) -> bool {
    a.values == b.values && (!a.values.is_empty() || a.document == b.document)
}

/// For each item of a source the set it leads to, all merged: of items with the same values the one that is met last stays.
fn join<'i>(context: &'i Context<'i>, set: &Set, span: &Span) -> Outcome<Batches<'i>> {
    let (Set::Join { source, .. } | Set::IndexJoin { source, .. }) = set else {
        return Ok(Box::new(std::iter::empty()));
    };
    let mut streams: Vec<Batches<'i>> = Vec::new();
    for item in items(context, source, &Span::all(span.descending, usize::MAX))? {
        let target = joined(context, set, item?)?;
        if let Some(readable) = Readable::of(context, &target)? {
            streams.push(paging::batches(context, &readable.set, span)?);
        }
    }
    merged(context, streams, span.descending, |group| {
        let stream = group.first().map_or(0, |(stream, _)| *stream);
        of_stream(group, stream).into_iter().take(1).collect()
    })
}

/// The set that an item of the source of a join leads to.
///
/// # Errors
/// If the lambda fails or does not give a set.
pub fn joined(context: &Context<'_>, set: &Set, item: Item) -> Outcome<Arc<Set>> {
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
