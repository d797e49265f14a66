//! Histories of documents and of sets.
//!
//! The order is that of time; at one time, first by what happened, then by document.

use std::sync::Arc;

use super::PageRequest;
use super::Readable;
use super::page::cut;
use crate::fauna_dev::access::Deed;
use crate::fauna_dev::access::allows;
use crate::fauna_dev::documents;
use crate::fauna_dev::evaluator::Context;
use crate::fauna_dev::evaluator::cast;
use crate::fauna_dev::evaluator::cast::Cast;
use crate::fauna_dev::language::Action;
use crate::fauna_dev::language::Cursor;
use crate::fauna_dev::language::DocumentEvent;
use crate::fauna_dev::language::Element;
use crate::fauna_dev::language::Failure;
use crate::fauna_dev::language::Kind;
use crate::fauna_dev::language::Object;
use crate::fauna_dev::language::Outcome;
use crate::fauna_dev::language::Page;
use crate::fauna_dev::language::Position;
use crate::fauna_dev::language::Ref;
use crate::fauna_dev::language::Set;
use crate::fauna_dev::language::SetEvent;
use crate::fauna_dev::language::Stamp;
use crate::fauna_dev::language::Value;

/// A place in a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    /// When.
    ts: i64,
    /// What happened.
    action: u8,
    /// To which document.
    document: Ref,
}

/// An event and its place.
struct Event {
    /// Its place.
    place: Place,
    /// The event.
    value: Value,
}

/// A page of a history.
///
/// # Errors
/// Where the cursor does not fit (at `at`), or the set has no history.
pub fn page(context: &Context<'_>, readable: &Readable, request: &PageRequest, at: &Position) -> Outcome<Page> {
    let Set::Events(source) = &*readable.set else { return Err(no_history(at)) };
    let mut events = history(context, source, at)?;
    if readable.is_filtered {
        let mut allowed = Vec::new();
        for event in events {
            if allows(context, &Deed::Read(event.place.document))? {
                allowed.push(event);
            }
        }
        events = allowed;
    }
    events.sort_by_key(|event| event.place);
    let cursor = request.cursor.as_ref().map(|cursor| event_cursor(context, cursor, at)).transpose()?;
    if let Some((place, _)) = &cursor {
        events.retain(|event| if request.backward { event.place < *place } else { event.place >= *place });
    }
    if request.backward {
        events.reverse();
    }
    let origin = match &**source {
        Set::Documents(collection) | Set::Schema(collection) => Arc::new(Set::Unnamed(*collection)),
        _ => Arc::clone(source),
    };
    let shown = |event: &Event| {
        let value = event.value.clone();
        if !request.sources {
            return value;
        }
        Value::Element(Arc::new(Element { value, sources: vec![Arc::clone(&origin)] }))
    };
    let mut page = cut(events, request, |event| Value::Cursor(Arc::new(Cursor::Event(as_cursor(&event.value)))), shown);
    if let Some((_, value)) = cursor {
        let end = if request.backward { &mut page.after } else { &mut page.before };
        *end = Some(Value::Cursor(Arc::new(Cursor::Event(value))));
    }
    Ok(page)
}

/// The set has no history.
fn no_history(at: &Position) -> crate::fauna_dev::language::Halt {
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

/// The rank of an action among events of one time.
const fn rank(action: Action) -> u8 {
    match action {
        Action::Create | Action::Add => 0,
        Action::Update => 1,
        Action::Delete | Action::Remove => 2,
    }
}

/// All events of a set.
fn history(context: &Context<'_>, source: &Arc<Set>, at: &Position) -> Outcome<Vec<Event>> {
    match &**source {
        Set::Document(document) => of_document(context, *document),
        Set::Singleton(document) => {
            let events = of_document(context, *document)?;
            Ok(events.into_iter().filter_map(|event| as_set_event(&event)).collect())
        }
        Set::Documents(collection) | Set::Unnamed(collection) | Set::Schema(collection) => {
            let mut events = Vec::new();
            for id in context.transaction().ids_ever(*collection, i64::MIN, true, usize::MAX)? {
                let document = Ref::new(collection.database, collection.id, id);
                events.extend(of_document(context, document)?.iter().filter_map(as_set_event));
            }
            Ok(events)
        }
        Set::Match { index, terms } => of_index(context, *index, terms),
        Set::Union(sets) => {
            let mut events: Vec<Event> = Vec::new();
            for set in sets {
                for event in history(context, set, at)? {
                    if !events.iter().any(|known| known.place == event.place && known.value == event.value) {
                        events.push(event);
                    }
                }
            }
            Ok(events)
        }
        Set::Distinct(inner) => history(context, inner, at),
        _ => Err(no_history(at)),
    }
}

/// The event of a set that an event of its document is; none where the document only changed.
fn as_set_event(event: &Event) -> Option<Event> {
    let Value::DocumentEvent(of_document) = &event.value else { return None };
    let action = match of_document.action {
        Action::Create => Action::Add,
        Action::Delete => Action::Remove,
        _ => return None,
    };
    let value = SetEvent { ts: of_document.ts, action, document: of_document.document, values: Vec::new() };
    Some(Event { place: event.place, value: Value::SetEvent(Arc::new(value)) })
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
        let place = Place { ts: version.ts, action: rank(action), document };
        events
            .push(Event { place, value: Value::DocumentEvent(Arc::new(DocumentEvent { ts, action, document, data })) });
        last = version.fields;
    }
    Ok(events)
}

/// What changed from one object to another; null where something went away.
fn changes(before: Option<&Value>, after: Option<&Value>) -> Value {
    match (before, after) {
        (Some(Value::Object(before)), Some(Value::Object(after))) => {
            let mut changed = Object::new();
            for (name, value) in after.iter() {
                match before.get(name) {
                    Some(old) if old == value => {}
                    Some(old @ Value::Object(_)) if matches!(value, Value::Object(_)) => {
                        changed.set(Arc::clone(name), changes(Some(old), Some(value)));
                    }
                    _ => changed.set(Arc::clone(name), value.clone()),
                }
            }
            for name in before.names().filter(|name| !after.contains(name)) {
                changed.set(Arc::clone(name), Value::Null);
            }
            changed.into()
        }
        (_, after) => after.cloned().unwrap_or(Value::Null),
    }
}

/// The events of the entries of an index.
fn of_index(context: &Context<'_>, index: Ref, terms: &[Value]) -> Outcome<Vec<Event>> {
    let key = documents::term_key(terms, context.transaction().commit_time());
    let mut events = Vec::new();
    for (came, left, entry) in context.transaction().entry_history(index, &key)? {
        for (ts, action) in [(Some(came), Action::Add), (left, Action::Remove)] {
            let Some(ts) = ts else { continue };
            let place = Place { ts, action: rank(action), document: entry.document };
            let stamp = context.transaction().stamp(ts);
            let event = SetEvent { ts: stamp, action, document: entry.document, values: entry.values.clone() };
            events.push(Event { place, value: Value::SetEvent(Arc::new(event)) });
        }
    }
    Ok(events)
}

/// A cursor into a history, and how it is shown.
///
/// # Errors
/// Where it is none, at `at`.
fn event_cursor(context: &Context<'_>, cursor: &Value, at: &Position) -> Outcome<(Place, Value)> {
    let database = context.database();
    let least = Ref::new(database, 0, 0);
    let simple = |ts: i64| (Place { ts, action: 0, document: least }, ts);
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
fn from_event(context: &Context<'_>, ts: Stamp, action: Action, document: Ref) -> (Place, Value) {
    let micros = ts.micros(context.transaction().commit_time());
    let shown =
        Value::object([("ts", ts.value()), ("action", Value::Action(action)), ("document", Value::Ref(document))]);
    (Place { ts: micros, action: rank(action), document }, shown)
}

/// A cursor that is written as an object.
fn from_object(context: &Context<'_>, object: &Arc<Object>, at: &Position) -> Outcome<(Place, Value)> {
    let document = object.get("document").or_else(|| object.get("instance")).or_else(|| object.get("resource"));
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
        Some(document) => cast::reference.apply(document, &at.at("document"))?,
        None => Ref::new(context.database(), i64::MAX, i64::MAX),
    };
    Ok((Place { ts, action: rank(action), document }, Value::Object(Arc::clone(object))))
}

/// Something that is no cursor.
fn unexpected(cursor: &Value, at: &Position) -> crate::fauna_dev::language::Halt {
    Failure::expected(&[Kind::Object, Kind::Integer, Kind::Time, Kind::Date], cursor.kind(), at.clone()).into()
}
