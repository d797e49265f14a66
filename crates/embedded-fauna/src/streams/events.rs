//! Events of a commit: which a stream has, whether its caller may see them, and their JSON.

use std::sync::Arc;

use super::Target;
use crate::access::{self, Access};
use crate::evaluator::Context;
use crate::ir::{Action, Document, Object, Outcome, Ref, Stamp, Value};
use crate::storage::{Commit, DocumentChange, EntryChange, Past, Stored, decode, encode};
use crate::wire::Writer;
use crate::{documents, sets};

/// A field of events, as the parameter `fields` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    Action,
    Document,
    Diff,
    Prev,
    Index,
}

/// The fields that a client has asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fields(Vec<Field>);

impl Default for Fields {
    fn default() -> Self {
        Self(vec![Field::Action, Field::Document])
    }
}

impl Fields {
    /// Parses names separated by commas.
    ///
    /// # Errors
    /// The names that are unknown.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        let (mut fields, mut unknown) = (Vec::new(), Vec::new());
        for name in text.split(',').map(str::trim) {
            match name {
                "action" => fields.push(Field::Action),
                "document" => fields.push(Field::Document),
                "diff" => fields.push(Field::Diff),
                "prev" => fields.push(Field::Prev),
                "index" => fields.push(Field::Index),
                other => unknown.push(other.to_owned()),
            }
        }
        if unknown.is_empty() { Ok(Self(fields)) } else { Err(unknown) }
    }

    fn has(&self, field: Field) -> bool {
        self.0.contains(&field)
    }
}

/// An event, before its permission is known.
pub struct Event {
    kind: &'static str,
    action: Action,
    subject: Subject,
}

enum Subject {
    /// A version and the one before it.
    Version { document: Ref, ts: i64, before: Option<Stored>, after: Option<Arc<Object>> },
    /// A version that was removed from the history.
    Removed { document: Ref, ts: i64 },
    /// A document that entered or left a set.
    Entry { index: Option<Ref>, terms: Vec<Value>, values: Vec<Value>, document: Ref },
}

/// The events that a commit has for a target, in order.
pub fn of_commit(commit: &Commit, target: &Target) -> Vec<Event> {
    match target {
        Target::Document(document) => {
            let change = commit.documents.iter().find(|change| change.document == *document);
            change.map(|change| of_document(change, commit.at)).unwrap_or_default()
        }
        Target::Documents(collection) => {
            let in_collection = commit.documents.iter().filter(|change| change.document.parent() == *collection);
            let moved = in_collection.filter(|change| change.before.is_some() != change.after.is_some());
            moved.map(|change| of_collection(change, *collection)).collect()
        }
        Target::Match { index, terms } => {
            let key = documents::term_key(terms, 0);
            let matching = commit.entries.iter().filter(|change| change.index == *index && change.entry.terms == key);
            matching.map(|change| of_entry(change, terms)).collect()
        }
    }
}

fn of_document(change: &DocumentChange, at: i64) -> Vec<Event> {
    if let Some((before, after)) = &change.rewritten {
        return of_rewrite(change.document, before, after);
    }
    let action = match (&change.before, &change.after) {
        (None, None) => return Vec::new(),
        (None, Some(_)) => Action::Create,
        (Some(_), Some(_)) => Action::Update,
        (Some(_), None) => Action::Delete,
    };
    let (document, before, after) = (change.document, change.before.clone(), change.after.clone());
    vec![Event { kind: "version", action, subject: Subject::Version { document, ts: at, before, after } }]
}

/// The removed versions, then the versions that are new or follow another one than before, the latest first.
fn of_rewrite(document: Ref, before: &[Past], after: &[Past]) -> Vec<Event> {
    let kind = "history_rewrite";
    let removed = before.iter().filter(|version| after.iter().all(|kept| kept.ts != version.ts));
    let removed = removed.map(|version| {
        let action = if version.fields.is_some() { Action::Create } else { Action::Delete };
        Event { kind, action, subject: Subject::Removed { document, ts: version.ts } }
    });
    let previous = |history: &[Past], ts: i64| history.iter().rev().find(|version| version.ts < ts).cloned();
    let changed = after.iter().rev().filter(|version| {
        let known = before.iter().find(|known| known.ts == version.ts);
        let is_same = |one: Option<&Past>, other: Option<&Past>| match (one, other) {
            (Some(one), Some(other)) => one.ts == other.ts && one.fields == other.fields,
            (None, None) => true,
            _ => false,
        };
        !is_same(known, Some(version))
            || !is_same(previous(before, version.ts).as_ref(), previous(after, version.ts).as_ref())
    });
    let changed = changed.map(|version| {
        let stored = |past: Past| Some(Stored { ts: past.ts, fields: past.fields? });
        let before = previous(after, version.ts).and_then(stored);
        let action = match (&before, &version.fields) {
            (_, None) => Action::Delete,
            (None, Some(_)) => Action::Create,
            (Some(_), Some(_)) => Action::Update,
        };
        let subject = Subject::Version { document, ts: version.ts, before, after: version.fields.clone() };
        Event { kind, action, subject }
    });
    removed.chain(changed).collect()
}

const fn set_action(is_added: bool) -> Action {
    if is_added { Action::Add } else { Action::Remove }
}

fn of_collection(change: &DocumentChange, collection: Ref) -> Event {
    let subject = Subject::Entry {
        index: None,
        terms: vec![Value::Ref(collection)],
        values: Vec::new(),
        document: change.document,
    };
    Event { kind: "set", action: set_action(change.after.is_some()), subject }
}

fn of_entry(change: &EntryChange, terms: &[Value]) -> Event {
    let (index, document) = (Some(change.index), change.entry.document);
    let subject = Subject::Entry { index, terms: terms.to_vec(), values: change.entry.values.clone(), document };
    Event { kind: "set", action: set_action(change.is_added), subject }
}

impl Event {
    pub const fn kind(&self) -> &'static str {
        self.kind
    }

    /// Whether the caller may see it. `context` reads the state of the commit.
    pub fn is_visible(&self, context: &Context<'_>) -> Outcome<bool> {
        let allows = |action: Access<'_>| access::allows(context, &action);
        match &self.subject {
            Subject::Version { document, .. } if self.kind == "version" => allows(Access::Read(*document)),
            Subject::Version { document, .. } | Subject::Removed { document, .. } => {
                allows(Access::ReadHistory(*document))
            }
            Subject::Entry { index: None, document, .. } => {
                Ok(allows(Access::ReadCollection(document.parent()))? || allows(Access::Read(*document))?)
            }
            Subject::Entry { index: Some(index), terms, document, .. } => {
                let read = |unrestricted| Access::ReadIndex { index: *index, terms, unrestricted };
                Ok(allows(read(true))? || allows(read(false))? && allows(Access::Read(*document))?)
            }
        }
    }

    /// The JSON of the field `event`.
    pub fn json(&self, context: &Context<'_>, fields: &Fields, at: i64) -> Outcome<String> {
        let mut event = Object::new();
        if fields.has(Field::Action) {
            event.set("action", Value::Action(self.action));
        }
        match &self.subject {
            Subject::Version { document, ts, before, after } => {
                let version = Shown { context, document: *document };
                let kept = |fields: Option<&Arc<Object>>| fields.map(|fields| version.kept(fields, at)).transpose();
                let before_ts = before.as_ref().map(|stored| stored.ts);
                let before = kept(before.as_ref().map(|stored| &stored.fields))?;
                let after = kept(after.as_ref())?;
                if fields.has(Field::Document) {
                    let shown = after.as_ref().or(before.as_ref());
                    event.set("document", version.value(*ts, shown.map(|shown| (**shown).clone()).unwrap_or_default()));
                }
                if fields.has(Field::Diff) {
                    event.set("diff", version.value(*ts, difference(before.as_ref(), after.as_ref())));
                }
                if fields.has(Field::Prev) {
                    let previous = before.as_ref().map(|before| (**before).clone()).unwrap_or_default();
                    event.set("prev", version.value(before_ts.unwrap_or(*ts), previous));
                }
            }
            Subject::Removed { document, ts } if fields.has(Field::Document) => {
                event.set("document", reference_and_time(*document, *ts));
            }
            Subject::Removed { .. } => {}
            Subject::Entry { index, terms, values, document } => {
                if fields.has(Field::Document) {
                    event.set("document", reference_and_time(*document, at));
                }
                if fields.has(Field::Index) {
                    let mut entry = Object::new();
                    if let Some(index) = index {
                        entry.set("ref", Value::Ref(*index));
                    }
                    entry.set("terms", Value::array(terms.clone()));
                    entry.set("values", Value::array(values.clone()));
                    event.set("index", entry.into());
                }
            }
        }
        Writer::new(context, context.version, at).finish(&event.into())
    }
}

fn reference_and_time(document: Ref, ts: i64) -> Value {
    Value::object([("ref", Value::Ref(document)), ("ts", Value::Integer(ts))])
}

/// The changed fields of an update, all fields of a creation, none of a deletion.
fn difference(before: Option<&Arc<Object>>, after: Option<&Arc<Object>>) -> Object {
    let value = |fields: &Arc<Object>| Value::Object(Arc::clone(fields));
    match (before, after) {
        (_, None) => Object::new(),
        (None, Some(after)) => (**after).clone(),
        (Some(before), Some(after)) => match sets::changes(Some(&value(before)), Some(&value(after))) {
            Value::Object(changed) => (*changed).clone(),
            _ => Object::new(),
        },
    }
}

/// A document whose versions are shown.
struct Shown<'c> {
    context: &'c Context<'c>,
    document: Ref,
}

impl Shown<'_> {
    /// The fields as they are stored, without those that are never shown: values of the query are not yet in stored form.
    fn kept(&self, fields: &Arc<Object>, at: i64) -> Outcome<Arc<Object>> {
        let stored = decode(&encode(&Value::Object(Arc::clone(fields)), at), self.document.database)?;
        let Value::Object(stored) = stored else { return Ok(Arc::default()) };
        documents::visible(self.context, self.document, &stored)
    }

    fn value(&self, ts: i64, fields: Object) -> Value {
        let (reference, ts) = (self.document, Stamp::At(ts));
        let document = Document { reference, ts, deleted: false, fields: Arc::new(fields), is_new: false };
        Value::Document(Arc::new(document))
    }
}
