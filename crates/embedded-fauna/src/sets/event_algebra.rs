//! Histories of intersections, differences and joins.
//!
//! As in FaunaDB (`AbstractAlgebraicSet`, `AbstractJoin` and `EventsFilter` of its source) the histories of the sets are looked at
//! element by element: an element enters an intersection when the last of the sets has got it, and leaves it with the first that loses
//! it. A join has the events that happen in a target while its source has the element that leads there; it has none for elements of the
//! source that come and go.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::sync::Arc;

use super::algebra::heap::Heap;
use super::algebra::joined;
use super::events::{Event, EventKey, history};
use super::stream::item::Item;
use crate::evaluator::Context;
use crate::ir::{Action, DocumentEvent, Outcome, Position, Set, SetEvent, Value, compare_terms};
use crate::sets::Readable;

/// The history of an intersection or a difference; `is_present` tells of the sets that have an element whether it is in the result.
///
/// # Errors
/// If one of the sets has no history, or reading fails.
pub fn combined(
    context: &Context<'_>,
    sets: &[Arc<Set>],
    is_present: fn(&[bool]) -> bool,
    at: &Position,
) -> Outcome<Vec<Event>> {
    let Some((source, others)) = sets.split_first() else { return Ok(Vec::new()) };
    if others.is_empty() {
        return history(context, source, at);
    }
    let others = others.iter().map(|set| Elements::of(context, set, at)).collect::<Outcome<Vec<_>>>()?;
    let mut all = Vec::new();
    for events in Elements::of(context, source, at)?.groups() {
        context.in_time()?;
        let Some(first) = events.first() else { continue };
        let of_others = others.iter().map(|set| lifetimes(set.get(first)));
        let changes = in_turn(std::iter::once(lifetimes(events)).chain(of_others));
        let mut members = vec![false; sets.len()];
        for (number, event) in changes {
            let was_present = is_present(&members);
            if let Some(member) = members.get_mut(number) {
                *member = event.place.action == Action::Add;
            }
            match (was_present, is_present(&members)) {
                (false, true) => all.push(event.with_action(true)),
                (true, false) => all.push(event.with_action(false)),
                _ => {}
            }
        }
    }
    Ok(in_merged_order(all))
}

/// The history of a join.
///
/// # Errors
/// If the source or a target has no history, or reading fails.
pub fn of_join(context: &Context<'_>, join: &Set, source: &Arc<Set>, at: &Position) -> Outcome<Vec<Event>> {
    let mut all = Vec::new();
    for events in Elements::of(context, source, at)?.groups() {
        context.in_time()?;
        let (Some(first), presence) = (events.first(), lifetimes(events)) else { continue };
        if presence.is_empty() {
            continue;
        }
        let values = match &first.value {
            Value::SetEvent(event) => event.values.clone(),
            _ => Vec::new(),
        };
        let item = Item::new(values, &Arc::default(), first.place.document, source);
        let Some(target) = Readable::of(context, &joined(context, join, item)?)? else { continue };
        let changes = in_turn([presence, history(context, &target.set, at)?]);
        let mut is_present = false;
        for (number, event) in changes {
            if number == 0 {
                is_present = event.place.action == Action::Add;
            } else if is_present {
                all.push(event);
            }
        }
    }
    Ok(in_merged_order(all))
}

/// Whether FaunaDB reads only what lies on one side of a cursor. It looks at all events of intersections and differences.
pub fn is_read_by_range(set: &Set) -> bool {
    match set {
        Set::Events(source) | Set::Distinct(source) => is_read_by_range(source),
        Set::Intersection(sets) | Set::Difference(sets) => sets.len() == 1,
        _ => true,
    }
}

/// The events of several lists in the order of histories, each with the number of its list. Of equal ones the first is that which a
/// queue of Scala's takes first.
fn in_turn(lists: impl IntoIterator<Item = Vec<Event>>) -> Vec<(usize, Event)> {
    let mut lists: Vec<VecDeque<Event>> = lists.into_iter().map(VecDeque::from).collect();
    let precedes = |lists: &[VecDeque<Event>], a: usize, b: usize| {
        let [a, b] = [a, b].map(|list| lists.get(list).and_then(VecDeque::front));
        matches!((a, b), (Some(a), Some(b)) if a.place.compare_merged(&b.place).is_lt())
    };
    let filled = (0..lists.len()).filter(|list| lists.get(*list).is_some_and(|list| !list.is_empty()));
    let mut queue = Heap::of(filled, |a, b| precedes(&lists, a, b));
    let mut all = Vec::new();
    while let Some(number) = queue.pop(&|a, b| precedes(&lists, a, b)) {
        let Some(list) = lists.get_mut(number) else { continue };
        all.extend(list.pop_front().map(|event| (number, event)));
        if !list.is_empty() {
            queue.push(number, &|a, b| precedes(&lists, a, b));
        }
    }
    all
}

/// Events in the order of histories; one that several elements have comes once, from all of them.
fn in_merged_order(mut events: Vec<Event>) -> Vec<Event> {
    events.sort_by(|a, b| a.place.compare_merged(&b.place));
    events.dedup_by(|event, last| {
        let is_same = last.place.compare_merged(&event.place).is_eq();
        if is_same {
            last.sources.append(&mut event.sources);
        }
        is_same
    });
    events
}

/// The events of one element without those that repeat what the one before says, from its first entry on.
fn lifetimes(events: &[Event]) -> Vec<Event> {
    let mut kept: Vec<Event> = Vec::new();
    for event in events {
        match kept.last_mut() {
            Some(last) if last.place.action == event.place.action => {
                // The first of several entries and the last of several exits count.
                if event.is_exit() {
                    *last = event.clone();
                }
            }
            None if event.is_exit() => {}
            _ => kept.push(event.clone()),
        }
    }
    kept
}

/// The events of a set by element, each element's in the order of time.
struct Elements {
    events: Vec<Event>,
    /// A single document has its events whatever element is asked for.
    is_document: bool,
}

impl Elements {
    fn of(context: &Context<'_>, set: &Arc<Set>, at: &Position) -> Outcome<Self> {
        let is_document = matches!(**set, Set::Document(_) | Set::Singleton(_));
        let mut events = match &**set {
            Set::Distinct(source) | Set::Events(source) => return context.deeper(|| Self::of(context, source, at)),
            Set::Intersection(sets) | Set::Difference(sets) if sets.len() > 1 => {
                let has_all = matches!(**set, Set::Intersection(_));
                context.deeper(|| alike(context, sets, has_all, at))?
            }
            _ => context.deeper(|| history(context, set, at))?,
        };
        events.sort_by(|a, b| a.compare_elements(b).then_with(|| a.place.compare_stored(&b.place)));
        Ok(Self { events, is_document })
    }

    fn groups(&self) -> impl Iterator<Item = &[Event]> {
        self.events.chunk_by(|a, b| a.compare_elements(b).is_eq())
    }

    /// The events of the element of another event.
    fn get(&self, of: &Event) -> &[Event] {
        if self.is_document {
            return &self.events;
        }
        let begin = self.events.partition_point(|event| event.compare_elements(of).is_lt());
        let rest = self.events.get(begin..).unwrap_or_default();
        let length = rest.partition_point(|event| event.compare_elements(of).is_eq());
        rest.get(..length).unwrap_or_default()
    }
}

/// What FaunaDB takes for the events of an intersection or a difference inside another: those of the first set that all others have, or
/// none of them, at the same time.
fn alike(context: &Context<'_>, sets: &[Arc<Set>], has_all: bool, at: &Position) -> Outcome<Vec<Event>> {
    let mut all = sets.iter().map(|set| Elements::of(context, set, at)).collect::<Outcome<Vec<_>>>()?.into_iter();
    let first = all.next().map(|elements| elements.events).unwrap_or_default();
    let others: Vec<_> = all.collect();
    let has = |elements: &Elements, event: &Event| {
        elements.get(event).iter().any(|other| other.place.compare_stored(&event.place).is_eq())
    };
    Ok(first.into_iter().filter(|event| others.iter().all(|other| has(other, event) == has_all)).collect())
}

impl Event {
    fn is_exit(&self) -> bool {
        matches!(self.place.action, Action::Remove | Action::Delete)
    }

    /// The order of elements: by values, then by document.
    fn compare_elements(&self, other: &Self) -> Ordering {
        let by_values = compare_terms(&self.place.terms, &other.place.terms);
        by_values.then_with(|| self.place.document.cmp(&other.place.document))
    }

    /// The same event as an entry or an exit.
    fn with_action(self, is_entry: bool) -> Self {
        let (action, value) = match &self.value {
            Value::DocumentEvent(event) => {
                let action = if is_entry { Action::Create } else { Action::Delete };
                (action, Value::DocumentEvent(Arc::new(DocumentEvent { action, ..(**event).clone() })))
            }
            Value::SetEvent(event) => {
                let action = if is_entry { Action::Add } else { Action::Remove };
                (action, Value::SetEvent(Arc::new(SetEvent { action, ..(**event).clone() })))
            }
            other => (self.place.action, other.clone()),
        };
        Self { place: EventKey { action, ..self.place }, value, ..self }
    }
}
