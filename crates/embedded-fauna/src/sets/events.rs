//! Histories of documents and of sets.
//!
//! The order is that of time; at one time, first by what happened, then by document.

use std::cmp::Ordering;
use std::sync::Arc;

use super::event_algebra::{combined, is_read_by_range, of_join};
use super::{PageRequest, require_readable};
use crate::access::{Access, allows};
use crate::documents;
use crate::evaluator::cast::Cast;
use crate::evaluator::{Context, cast};
use crate::ir::{
    Action, Cursor, DocumentEvent, Element, Failure, Kind, Object, Outcome, Page, Position, Ref, Set, SetEvent, Stamp,
    Term, Value, compare_terms,
};
use crate::sets::page::cut;
use crate::sets::stream::item::{Item, Items};

/// A place in a history.
#[derive(Clone, Debug)]
pub struct EventKey {
    pub ts: i64,
    pub action: Action,
    pub document: Ref,
    /// The values of its entry, where there are some.
    pub terms: Vec<Term>,
}

impl EventKey {
    /// The rank of what happened: what left a set is read before what came, what a document went through in the order of its life.
    const fn rank(&self) -> u8 {
        match self.action {
            Action::Remove | Action::Create => 0,
            Action::Add | Action::Update => 1,
            Action::Delete => 2,
        }
    }

    /// The order in which events are kept.
    pub fn compare_stored(&self, other: &Self) -> Ordering {
        let plain = |place: &Self| (place.ts, place.rank(), place.document);
        plain(self).cmp(&plain(other)).then_with(|| compare_terms(&self.terms, &other.terms))
    }

    /// The order by which a page is cut at a cursor.
    fn compare_cursor(&self, other: &Self) -> Ordering {
        let plain = |place: &Self| (place.ts, place.document, place.rank());
        plain(self).cmp(&plain(other)).then_with(|| compare_terms(&self.terms, &other.terms))
    }

    /// The order in which the histories of several sets are merged.
    pub fn compare_merged(&self, other: &Self) -> Ordering {
        let plain = |place: &Self| (place.ts, u8::MAX - place.rank(), place.document);
        plain(self).cmp(&plain(other)).then_with(|| compare_terms(&self.terms, &other.terms))
    }
}

/// An event, its place and the sets it comes from.
#[derive(Clone)]
pub struct Event {
    pub place: EventKey,
    pub value: Value,
    pub sources: Vec<Arc<Set>>,
}

/// A page of a history.
///
/// # Errors
/// If the cursor does not fit (at `at`), the caller may not read the set, or it has no history.
pub fn page(context: &Context<'_>, set: &Arc<Set>, request: &PageRequest<'_>) -> Outcome<Page> {
    let cursor = request.cursor.as_ref().map(|cursor| event_cursor(context, cursor, request.cursor_at)).transpose()?;
    let readable = require_readable(context, set, request.denied_at)?;
    let mut events = history(context, &readable.set, request.position)?;
    if let Some(ts) = context.valid_time {
        events.retain(|event| event.place.ts <= ts);
    }
    if readable.is_filtered {
        let mut allowed = Vec::new();
        for event in events {
            if allows(context, &Access::Read(event.place.document))? {
                allowed.push(event);
            }
        }
        events = allowed;
    }
    if request.backward {
        events.reverse();
    }
    let events = match &cursor {
        Some((place, _)) => {
            if is_read_by_range(&readable.set) {
                events.retain(|event| is_kept(event, place, request.backward));
            }
            from_cursor(events, place, request.backward)
        }
        None => events,
    };
    let shown = |event: &Event| {
        let value = event.value.clone();
        if !request.sources {
            return value;
        }
        Value::Element(Arc::new(Element { value, sources: event.sources.clone() }))
    };
    let mut page = cut(events, request, |event| Value::Cursor(Arc::new(Cursor::Event(as_cursor(&event.value)))), shown);
    if let Some((_, value)) = cursor {
        let end = if request.backward { &mut page.after } else { &mut page.before };
        *end = Some(Value::Cursor(Arc::new(Cursor::Event(value))));
    }
    Ok(page)
}

/// The documents of the events of a set, as `get` and `exists` see them.
///
/// # Errors
/// If the set has no history, or reading fails.
pub fn items<'i>(context: &Context<'_>, set: &Arc<Set>, source: &Arc<Set>) -> Outcome<Items<'i>> {
    let events = history(context, source, &Position::root())?;
    let items: Vec<_> = events.iter().map(|event| Ok(Item::plain(event.place.document, set))).collect();
    Ok(Box::new(items.into_iter()))
}

/// Whether an event lies on the side of a cursor that is read, in the order in which events are kept.
fn is_kept(event: &Event, cursor: &EventKey, backward: bool) -> bool {
    let order = event.place.compare_stored(cursor);
    if backward { order.is_le() } else { order.is_ge() }
}

/// The events from a cursor on, or before it.
fn from_cursor(events: Vec<Event>, cursor: &EventKey, backward: bool) -> Vec<Event> {
    let is_passed = |event: &Event| {
        let order = event.place.compare_cursor(cursor);
        if backward { order.is_ge() } else { order.is_lt() }
    };
    events.into_iter().skip_while(is_passed).collect()
}

/// Whether a set is made of others.
fn is_composite(set: &Set) -> bool {
    matches!(
        set,
        Set::Union(_)
            | Set::Intersection(_)
            | Set::Difference(_)
            | Set::Distinct(_)
            | Set::Join { .. }
            | Set::IndexJoin { .. }
    )
}

/// The set has no history.
fn no_history(at: &Position) -> crate::ir::Halt {
    Failure::argument(at.clone(), "Set does not support events history.").into()
}

/// An event without what it wrote.
fn as_cursor(event: &Value) -> Value {
    match event {
        Value::DocumentEvent(event) => Value::object([
            ("ts", event.ts.value()),
            ("action", Value::Action(event.action)),
            ("document", Value::Ref(event.document)),
        ]),
        other => other.clone(),
    }
}

/// The events of several sets in one order; one that several have comes once, from all of them.
fn merged(context: &Context<'_>, histories: Vec<Vec<Event>>) -> Outcome<Vec<Event>> {
    let mut streams: Vec<_> = histories.into_iter().map(|events| events.into_iter().peekable()).collect();
    let mut all: Vec<Event> = Vec::new();
    loop {
        context.in_time()?;
        let heads = streams.iter_mut().enumerate().filter_map(|(number, stream)| Some((number, &stream.peek()?.place)));
        let Some((first, _)) = heads.min_by(|(_, a), (_, b)| a.compare_merged(b)) else { return Ok(all) };
        let Some(event) = streams.get_mut(first).and_then(Iterator::next) else { return Ok(all) };
        match all.last_mut() {
            Some(last) if last.place.compare_merged(&event.place).is_eq() => {
                last.sources.splice(0..0, event.sources);
            }
            _ => all.push(event),
        }
    }
}

/// All events of a set, the earliest first.
///
/// # Errors
/// If the set has no history, at `at`, or reading fails.
pub fn history(context: &Context<'_>, source: &Arc<Set>, at: &Position) -> Outcome<Vec<Event>> {
    context.in_time()?;
    match &**source {
        Set::Document(document) => of_document(context, *document),
        Set::Singleton(document) => {
            let events = of_document(context, *document)?;
            Ok(events.into_iter().filter_map(|event| as_set_event(&event, source)).collect())
        }
        Set::Documents(collection) | Set::Unnamed(collection) | Set::Schema(collection) => {
            let mut events = Vec::new();
            let own = Arc::new(Set::Unnamed(*collection));
            for id in context.transaction().ids_ever(*collection, i64::MIN, true, usize::MAX)? {
                let document = Ref::new(collection.database, collection.id, id);
                events.extend(of_document(context, document)?.iter().filter_map(|event| as_set_event(event, &own)));
            }
            Ok(in_order(events))
        }
        Set::Match { index, terms } => of_index(context, source, *index, terms),
        Set::Union(sets) => {
            let histories = sets.iter().map(|set| history(context, set, at)).collect::<Outcome<Vec<_>>>()?;
            merged(context, histories)
        }
        Set::Intersection(sets) => {
            context.deeper(|| combined(context, sets, |members| members.iter().all(|member| *member), at))
        }
        Set::Difference(sets) => {
            let is_only_first = |members: &[bool]| matches!(members, [true, others @ ..] if !others.contains(&true));
            context.deeper(|| combined(context, sets, is_only_first, at))
        }
        Set::Join { source: inner, .. } | Set::IndexJoin { source: inner, .. } => {
            context.deeper(|| of_join(context, source, inner, at))
        }
        Set::Distinct(inner) => history(context, inner, at),
        Set::Events(inner) => {
            let mut events = history(context, inner, at)?;
            if !is_composite(inner) {
                for event in &mut events {
                    event.sources = vec![Arc::clone(source)];
                }
            }
            Ok(events)
        }
        _ => Err(no_history(at)),
    }
}

/// The event of a set that an event of its document is; none where the document only changed.
fn as_set_event(event: &Event, source: &Arc<Set>) -> Option<Event> {
    let Value::DocumentEvent(of_document) = &event.value else { return None };
    let action = match of_document.action {
        Action::Create => Action::Add,
        Action::Delete => Action::Remove,
        _ => return None,
    };
    let value = SetEvent { ts: of_document.ts, action, document: of_document.document, values: Vec::new() };
    let place = EventKey { action, ..event.place.clone() };
    Some(Event { place, value: Value::SetEvent(Arc::new(value)), sources: vec![Arc::clone(source)] })
}

/// The events of a document.
fn of_document(context: &Context<'_>, document: Ref) -> Outcome<Vec<Event>> {
    let mut events = Vec::new();
    let mut last: Option<Arc<Object>> = None;
    for version in context.transaction().history(document)? {
        let (action, data) = match (&last, &version.fields) {
            (_, None) => (Action::Delete, None),
            (None, Some(fields)) => (Action::Create, fields.get("data").cloned()),
            (Some(before), Some(fields)) => (Action::Update, Some(changes(before.get("data"), fields.get("data")))),
        };
        let ts = context.transaction().stamp(version.ts);
        // An event that wrote nothing shows nothing.
        let data = data.filter(|data| !matches!(data, Value::Object(object) if object.is_empty()));
        let place = EventKey { ts: version.ts, action, document, terms: Vec::new() };
        let value = Value::DocumentEvent(Arc::new(DocumentEvent { ts, action, document, data }));
        events.push(Event { place, value, sources: Vec::new() });
        last = version.fields;
    }
    Ok(events)
}

/// The fields that differ between two objects; null for those that were removed.
pub fn changes(before: Option<&Value>, after: Option<&Value>) -> Value {
    match (before, after) {
        (Some(Value::Object(before)), Some(Value::Object(after))) => {
            let (old, new) = (before.by_name(), after.by_name());
            let mut changed = Vec::new();
            for (name, value) in after.iter() {
                match old.get(&**name).copied() {
                    Some(old) if old == value => {}
                    Some(old @ Value::Object(_)) if matches!(value, Value::Object(_)) => {
                        changed.push((Arc::clone(name), changes(Some(old), Some(value))));
                    }
                    _ => changed.push((Arc::clone(name), value.clone())),
                }
            }
            let removed = before.names().filter(|name| !new.contains_key(&***name));
            changed.extend(removed.map(|name| (Arc::clone(name), Value::Null)));
            Object::from_distinct(changed).into()
        }
        (_, after) => after.cloned().unwrap_or(Value::Null),
    }
}

/// The events of the entries of an index.
fn of_index(context: &Context<'_>, source: &Arc<Set>, index: Ref, terms: &[Value]) -> Outcome<Vec<Event>> {
    let key = documents::term_key(terms, context.transaction().commit_time());
    let flags: Vec<bool> = documents::index(context, index)?
        .map(|index| index.values.iter().map(|value| value.reverse).collect())
        .unwrap_or_default();
    let mut events = Vec::new();
    for (came, left, entry) in context.transaction().entry_history(index, &key)? {
        let terms: Vec<Term> =
            entry.values.iter().zip(&flags).map(|(value, reverse)| Term::new(value.clone(), *reverse)).collect();
        for (ts, action) in [(Some(came), Action::Add), (left, Action::Remove)] {
            let Some(ts) = ts else { continue };
            let place = EventKey { ts, action, document: entry.document, terms: terms.clone() };
            let stamp = context.transaction().stamp(ts);
            let event = SetEvent { ts: stamp, action, document: entry.document, values: entry.values.clone() };
            events.push(Event { place, value: Value::SetEvent(Arc::new(event)), sources: vec![Arc::clone(source)] });
        }
    }
    Ok(in_order(events))
}

/// Events as they are kept.
fn in_order(mut events: Vec<Event>) -> Vec<Event> {
    events.sort_by(|a, b| a.place.compare_stored(&b.place));
    events
}

/// Refuses what is no cursor into a history.
///
/// # Errors
/// If it is none, at `at`.
pub fn require_cursor(context: &Context<'_>, cursor: &Value, at: &Position) -> Outcome<()> {
    event_cursor(context, cursor, at).map(|_| ())
}

/// A cursor into a history, and how it is shown.
///
/// # Errors
/// If it is none, at `at`.
fn event_cursor(context: &Context<'_>, cursor: &Value, at: &Position) -> Outcome<(EventKey, Value)> {
    let database = context.database();
    let least = Ref::new(database, 0, 0);
    let simple = |ts: i64| (EventKey { ts, action: Action::Add, document: least, terms: Vec::new() }, ts);
    let (place, ts) = match cursor {
        Value::Cursor(inner) => match &**inner {
            Cursor::Event(event) => return event_cursor(context, event, at),
            Cursor::Values(_) => return Err(unexpected(cursor, at)),
        },
        Value::Integer(ts) => simple(*ts),
        Value::TransactionMicros => simple(context.transaction().commit_time()),
        Value::Time(time) => simple(time.micros()),
        Value::Date(date) => simple(date.midnight().micros()),
        Value::Null => simple(i64::MAX),
        Value::Object(object) => return from_object(context, object, at),
        Value::DocumentEvent(event) => return Ok(from_event(context, event.ts, event.action, event.document)),
        Value::SetEvent(event) => return Ok(from_event(context, event.ts, event.action, event.document)),
        other => return Err(unexpected(other, at)),
    };
    let shown = Value::object([
        ("ts", Value::Integer(ts)),
        ("action", Value::Action(Action::Add)),
        ("document", Value::Ref(least)),
    ]);
    Ok((place, shown))
}

/// A cursor that is an event.
fn from_event(context: &Context<'_>, ts: Stamp, action: Action, document: Ref) -> (EventKey, Value) {
    let micros = ts.micros(context.transaction().commit_time());
    let shown =
        Value::object([("ts", ts.value()), ("action", Value::Action(action)), ("document", Value::Ref(document))]);
    (EventKey { ts: micros, action, document, terms: Vec::new() }, shown)
}

/// A cursor that is written as an object.
fn from_object(context: &Context<'_>, object: &Arc<Object>, at: &Position) -> Outcome<(EventKey, Value)> {
    let document = ["document", "instance", "resource"].into_iter().find_map(|name| Some((name, object.get(name)?)));
    let Some(ts) = object.get("ts") else {
        let keys: Vec<&str> = object.names().map(|name| &**name).collect();
        let text = format!("Cannot create event cursor with keys {}", keys.join(", "));
        return Err(Failure::argument(at.clone(), text).into());
    };
    let ts = cast::integer.apply(ts, &at.at("ts"))?;
    let action = match object.get("action") {
        Some(Value::String(text)) if &**text == "add" => Action::Add,
        Some(Value::String(text)) if &**text == "remove" => Action::Remove,
        Some(action) => cast::document_action.apply(action, &at.at("action"))?,
        None => Action::Add,
    };
    let document = match document {
        Some((name, document)) => cast::reference.apply(document, &at.at(name))?,
        None => Ref::new(context.database(), i64::MAX, i64::MAX),
    };
    Ok((EventKey { ts, action, document, terms: Vec::new() }, Value::Object(Arc::clone(object))))
}

/// Something that is no cursor.
fn unexpected(cursor: &Value, at: &Position) -> crate::ir::Halt {
    Failure::expected(&[Kind::Object, Kind::Integer, Kind::Time, Kind::Date], cursor.kind(), at.clone()).into()
}
