//! Documents, their events, and pages of sets.

use std::sync::Arc;

use super::{Kind, Object, Ref, Set, Value};

/// The change that an event records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// A document came into being.
    Create,
    Update,
    Delete,
    /// A document entered a set.
    Add,
    /// A document left a set.
    Remove,
}

impl Action {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Add => "add",
            Self::Remove => "remove",
        }
    }

    /// Whether `text` names it; `create` and `delete` also name what they mean for a set.
    pub fn is_named(self, text: &str) -> bool {
        match text {
            "create" => matches!(self, Self::Create | Self::Add),
            "delete" => matches!(self, Self::Delete | Self::Remove),
            _ => self.name() == text,
        }
    }
}

/// When something was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stamp {
    At(i64),
    /// In this transaction, which has no time yet.
    Now,
}

impl Stamp {
    /// The value that `ts` shows.
    pub const fn value(self) -> Value {
        match self {
            Self::At(micros) => Value::Integer(micros),
            Self::Now => Value::TransactionMicros,
        }
    }

    /// Microseconds, where this transaction's time is `now`.
    pub const fn micros(self, now: i64) -> i64 {
        match self {
            Self::At(micros) => micros,
            Self::Now => now,
        }
    }
}

/// A version of a document, with the fields its reader may see.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    pub reference: Ref,
    /// When this version was written.
    pub ts: Stamp,
    /// Whether this version is a deletion.
    pub deleted: bool,
    /// All fields but `ref` and `ts`.
    pub fields: Arc<Object>,
    /// Whether this request created it: then the answer is 201.
    pub is_new: bool,
}

impl Document {
    /// A field as `select` sees it.
    pub fn field(&self, name: &str) -> Option<Value> {
        match name {
            "ref" => Some(Value::Ref(self.reference)),
            "ts" => Some(self.ts.value()),
            "action" if self.deleted => Some(Value::string("delete")),
            _ => self.fields.get(name).cloned(),
        }
    }

    /// All fields, as `to_object` and `merge` see them.
    pub fn to_object(&self) -> Object {
        let mut object = Object::new();
        object.set("ref", Value::Ref(self.reference));
        object.set("ts", self.ts.value());
        if self.deleted {
            object.set("action", Value::string("delete"));
        }
        for (name, value) in self.fields.iter() {
            object.set(Arc::clone(name), value.clone());
        }
        object
    }
}

/// A change of a document.
#[derive(Clone, Debug, PartialEq)]
pub struct DocumentEvent {
    pub ts: Stamp,
    pub action: Action,
    pub document: Ref,
    /// The `data` written; nothing after a deletion.
    pub data: Option<Value>,
}

/// A change of a set.
#[derive(Clone, Debug, PartialEq)]
pub struct SetEvent {
    pub ts: Stamp,
    /// Whether the document came or went.
    pub action: Action,
    pub document: Ref,
    /// The values of its entry.
    pub values: Vec<Value>,
}

/// An element of a set and where it came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Element {
    pub value: Value,
    /// The sets that hold it.
    pub sources: Vec<Arc<Set>>,
}

/// The beginning or the end of a page.
#[derive(Clone, Debug, PartialEq)]
pub enum Cursor {
    /// In a set: its values and the document.
    Values(Vec<Value>),
    /// In a history: an event.
    Event(Value),
}

impl Cursor {
    /// The type that messages call it.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Values(_) => Kind::Array,
            Self::Event(_) => Kind::Object,
        }
    }
}

/// A page of a set.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// The elements, possibly mapped.
    pub data: Vec<Value>,
    /// The elements as they were read.
    pub unmapped: Arc<Vec<Value>>,
    /// Cursor of the page before this one.
    pub before: Option<Value>,
    /// Cursor of the page after this one.
    pub after: Option<Value>,
}

impl Page {
    /// The same page of the same set with other elements.
    #[must_use]
    pub fn with(&self, data: Vec<Value>) -> Self {
        Self { data, unmapped: Arc::clone(&self.unmapped), before: self.before.clone(), after: self.after.clone() }
    }
}
