//! Sets made of sets: streams merged by key.

use std::iter::Peekable;
use std::sync::Arc;

use super::Readable;
use super::stream::Item;
use super::stream::Items;
use super::stream::Range;
use super::stream::items;
use crate::fauna_dev::evaluator::Context;
use crate::fauna_dev::evaluator::cast;
use crate::fauna_dev::evaluator::cast::Cast;
use crate::fauna_dev::language::Outcome;
use crate::fauna_dev::language::Position;
use crate::fauna_dev::language::Set;

/// The streams of several sets.
///
/// # Errors
/// Where reading fails.
pub fn all<'i>(context: &'i Context<'i>, sets: &[Arc<Set>], range: &Range) -> Outcome<Vec<Items<'i>>> {
    sets.iter().map(|set| items(context, set, range)).collect()
}

/// The items of several streams with the same values, each stream's in the inverse of the order they were read in; the last stream
/// first. FaunaDB collects them so, and it shows in cursors and sources.
type Group = Vec<(usize, Vec<Item>)>;

/// Streams, one place in the order after the other.
struct Groups<'i> {
    /// The streams.
    streams: Vec<Peekable<Items<'i>>>,
    /// Whether they run from the upper end.
    descending: bool,
}

impl Iterator for Groups<'_> {
    type Item = Outcome<Group>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut least: Option<Vec<u8>> = None;
        for stream in &mut self.streams {
            match stream.peek() {
                None => {}
                Some(Err(_)) => return stream.next().and_then(Result::err).map(Err),
                Some(Ok(item)) => {
                    let place = item.place();
                    let is_first = least
                        .as_ref()
                        .is_none_or(|least| if self.descending { place > &least[..] } else { place < &least[..] });
                    if is_first {
                        least = Some(place.to_vec());
                    }
                }
            }
        }
        let least = least?;
        let mut group = Vec::new();
        for (number, stream) in self.streams.iter_mut().enumerate() {
            let mut equal = Vec::new();
            while let Some(Ok(item)) = stream.next_if(|item| matches!(item, Ok(item) if item.place() == least)) {
                equal.push(item);
            }
            if !equal.is_empty() {
                equal.reverse();
                group.insert(0, (number, equal));
            }
        }
        Some(Ok(group))
    }
}

/// Merges streams: `choose` says which of the items at one place stay.
fn merged<'i>(streams: Vec<Items<'i>>, descending: bool, choose: impl Fn(Group) -> Vec<Item> + 'i) -> Items<'i> {
    let streams = streams.into_iter().map(Iterator::peekable).collect();
    let groups = Groups { streams, descending };
    Box::new(groups.flat_map(move |group| match group {
        Ok(group) => choose(group).into_iter().map(Ok).collect::<Vec<_>>(),
        Err(halt) => vec![Err(halt)],
    }))
}

/// The items of one stream of a group, with the sources of all.
fn with_all_sources(group: Group, pick: impl Fn(&Group) -> Option<usize>) -> Vec<Item> {
    let mut sources: Vec<Arc<Set>> = Vec::new();
    for source in group.iter().flat_map(|(_, items)| items).flat_map(|item| &item.sources) {
        if !sources.contains(source) {
            sources.push(Arc::clone(source));
        }
    }
    let picked = pick(&group).and_then(|place| group.into_iter().nth(place));
    let items = picked.map(|(_, items)| items).unwrap_or_default();
    items.into_iter().map(|item| Item { sources: sources.clone(), ..item }).collect()
}

/// What is in any of the streams.
pub fn union(streams: Vec<Items<'_>>, descending: bool) -> Items<'_> {
    merged(streams, descending, |group| {
        with_all_sources(group, |group| {
            let most = group.iter().map(|(_, items)| items.len()).max();
            group.iter().rposition(|(_, items)| Some(items.len()) == most)
        })
    })
}

/// What is in all of the streams.
pub fn intersection(streams: Vec<Items<'_>>, descending: bool) -> Items<'_> {
    let count = streams.len();
    merged(streams, descending, move |group| {
        if group.len() < count {
            return Vec::new();
        }
        with_all_sources(group, |group| {
            let least = group.iter().map(|(_, items)| items.len()).min();
            group.iter().rposition(|(_, items)| Some(items.len()) == least)
        })
    })
}

/// What is in the first stream and in no other.
pub fn difference(streams: Vec<Items<'_>>, descending: bool) -> Items<'_> {
    merged(streams, descending, |group| match group.as_slice() {
        [(0, _)] => with_all_sources(group, |_| Some(0)),
        _ => Vec::new(),
    })
}

/// Of neighbours with the same values the first.
pub fn distinct(source: Items<'_>) -> Items<'_> {
    let mut last = None;
    Box::new(source.filter(move |item| match item {
        Err(_) => true,
        Ok(item) => {
            let shown = item.shown();
            let is_new = last.as_ref() != Some(&shown);
            last = Some(shown);
            is_new
        }
    }))
}

/// For each item of a source the set it leads to, all merged: of items with the same values the last one stays.
///
/// # Errors
/// Where reading fails.
pub fn join<'i>(context: &'i Context<'i>, set: &Set, range: &Range) -> Outcome<Items<'i>> {
    let (Set::Join { source, .. } | Set::IndexJoin { source, .. }) = set else {
        return Ok(Box::new(std::iter::empty()));
    };
    let mut found: Vec<Item> = Vec::new();
    for item in items(context, source, &Range::all())? {
        let target = joined(context, set, item?)?;
        if let Some(readable) = Readable::of(context, &target)? {
            for item in items(context, &readable.set, range)? {
                found.push(item?);
            }
        }
    }
    found.sort_by(|a, b| if range.descending { b.place().cmp(a.place()) } else { a.place().cmp(b.place()) });
    let mut merged: Vec<Item> = Vec::new();
    for item in found {
        match merged.last_mut() {
            Some(last) if last.place() == item.place() => {
                let mut sources = item.sources.clone();
                sources.extend(last.sources.iter().filter(|source| !item.sources.contains(source)).cloned());
                *last = Item { sources, ..item };
            }
            _ => merged.push(item),
        }
    }
    Ok(Box::new(merged.into_iter().map(Ok)))
}

/// The set that an item of the source of a join leads to.
fn joined(context: &Context<'_>, set: &Set, item: Item) -> Outcome<Arc<Set>> {
    match set {
        Set::Join { with, .. } => {
            let at = Position::root().at("with");
            cast::set.apply(&context.apply(with, item.shown(), &at)?, &at)
        }
        Set::IndexJoin { index, .. } => {
            let terms = if item.values.is_empty() { vec![item.shown()] } else { item.values };
            Ok(Arc::new(Set::Match { index: *index, terms }))
        }
        other => Ok(Arc::new(other.clone())),
    }
}
