//! Values as what can be stored: no documents, pages, sets or cursors.

use std::sync::Arc;

use crate::ir::{Cursor, Fault, Halt, Object, Outcome, Set, Value};

impl Value {
    /// Whether it is or holds a reference to what does not exist.
    pub fn has_unresolved(&self) -> bool {
        match self {
            Self::Unresolved(_) => true,
            Self::Array(elements) => elements.iter().any(Self::has_unresolved),
            Self::Object(object) => object.iter().any(|(_, value)| value.has_unresolved()),
            _ => false,
        }
    }

    /// The value as it is stored: plain data.
    ///
    /// # Errors
    /// If it holds a set that FaunaDB has no way to store.
    pub fn stored(&self) -> Outcome<Self> {
        if self.has_unstorable() { Err(unstorable()) } else { Ok(self.plain()) }
    }

    /// Whether it holds a set that FaunaDB has no way to store.
    fn has_unstorable(&self) -> bool {
        match self {
            Self::Set(set) => is_unstorable(set),
            Self::Array(elements) => elements.iter().any(Self::has_unstorable),
            Self::Object(object) => object.has_unstorable(),
            Self::Page(page) => page.data.iter().any(Self::has_unstorable),
            _ => false,
        }
    }

    /// The value as plain data. A document becomes an object, a set a description of itself.
    #[must_use]
    pub fn plain(&self) -> Self {
        match self {
            Self::Array(elements) => Self::array(elements.iter().map(Self::plain).collect()),
            Self::Object(object) => object.plain().into(),
            Self::Document(document) => {
                let mut object = Object::new();
                object.set("ref", Self::Ref(document.reference));
                object.set("class", Self::Ref(document.reference.parent()));
                object.set("collection", Self::Ref(document.reference.parent()));
                object.set("ts", document.ts.value());
                for (name, value) in document.fields.iter() {
                    object.set(Arc::clone(name), value.plain());
                }
                object.into()
            }
            Self::Action(action) => Self::from(action.name()),
            Self::Page(page) => {
                let ends = [("before", &page.before), ("after", &page.after)];
                let mut object = Object::new();
                for (name, end) in ends {
                    if let Some(end) = end {
                        object.set(name, end.plain());
                    }
                }
                object.set("data", Self::array(page.data.iter().map(Self::plain).collect()));
                object.into()
            }
            Self::Cursor(cursor) => match &**cursor {
                Cursor::Values(values) => Self::array(values.iter().map(Self::plain).collect()),
                Cursor::Event(event) => event.plain(),
            },
            Self::DocumentEvent(event) => Self::object([
                ("ts", event.ts.value()),
                ("action", Self::from(event.action.name())),
                ("resource", Self::Ref(event.document)),
            ]),
            Self::SetEvent(event) => Self::object([
                ("ts", event.ts.value()),
                ("action", Self::from(event.action.name())),
                ("resource", Self::Ref(event.document)),
            ]),
            Self::Element(element) => Self::object([("value", element.value.plain())]),
            Self::Set(set) => plain_set(set),
            other => other.clone(),
        }
    }
}

impl Object {
    /// The object as it is stored: plain data.
    ///
    /// # Errors
    /// If it holds a set that FaunaDB has no way to store.
    pub fn stored(&self) -> Outcome<Self> {
        if self.has_unstorable() { Err(unstorable()) } else { Ok(self.plain()) }
    }

    /// Whether it holds a set that FaunaDB has no way to store.
    fn has_unstorable(&self) -> bool {
        self.iter().any(|(_, value)| value.has_unstorable())
    }

    /// The object as plain data.
    #[must_use]
    pub fn plain(&self) -> Self {
        Self::from_distinct(self.iter().map(|(name, value)| (Arc::clone(name), value.plain())).collect())
    }
}

/// FaunaDB fails at a set that it cannot store, it does not refuse it.
fn unstorable() -> Halt {
    Fault::Internal("a set that cannot be stored".to_owned()).into()
}

/// Whether FaunaDB has no way to store a set, or one it is made of.
fn is_unstorable(set: &Set) -> bool {
    match set {
        Set::Singleton(_) | Set::Reverse(_) | Set::Range { .. } => true,
        Set::Union(sets) | Set::Intersection(sets) | Set::Difference(sets) => sets.iter().any(|set| is_unstorable(set)),
        Set::Distinct(source)
        | Set::Events(source)
        | Set::Join { source, .. }
        | Set::IndexJoin { source, .. }
        | Set::Filter { source, .. } => is_unstorable(source),
        Set::Schema(_) | Set::Document(_) | Set::Documents(_) | Set::Unnamed(_) | Set::Match { .. } => false,
    }
}

/// A set as plain data.
fn plain_set(set: &Set) -> Value {
    let inner = |source: &Arc<Set>| plain_set(source);
    let all = |sets: &[Arc<Set>]| Value::array(sets.iter().map(|set| plain_set(set)).collect());
    let fields = match set {
        Set::Schema(reference) | Set::Document(reference) => return Value::Ref(*reference),
        Set::Singleton(document) => vec![("singleton", Value::Ref(*document))],
        Set::Documents(collection) | Set::Unnamed(collection) => vec![("documents", Value::Ref(*collection))],
        Set::Match { index, terms } => match terms.as_slice() {
            [] => vec![("match", Value::Ref(*index))],
            [only] => vec![("match", Value::Ref(*index)), ("terms", only.plain())],
            several => {
                vec![("match", Value::Ref(*index)), ("terms", Value::array(several.iter().map(Value::plain).collect()))]
            }
        },
        Set::Union(sets) => vec![("union", all(sets))],
        Set::Intersection(sets) => vec![("intersection", all(sets))],
        Set::Difference(sets) => vec![("difference", all(sets))],
        Set::Distinct(source) => vec![("distinct", inner(source))],
        Set::Reverse(source) => vec![("reverse", inner(source))],
        Set::Events(source) => vec![("events", inner(source))],
        Set::Range { source, .. } => vec![("range", inner(source))],
        Set::Join { source, with } => vec![("join", inner(source)), ("with", Value::Lambda(Arc::clone(with)))],
        Set::IndexJoin { source, index } => vec![("join", inner(source)), ("with", Value::Ref(*index))],
        Set::Filter { with, source } => {
            vec![("filter", Value::Lambda(Arc::clone(with))), ("collection", inner(source))]
        }
    };
    Value::object([("@set", Value::object(fields))])
}
