//! Values: what expressions evaluate to.
//!
//! Cloning is cheap: whatever can be large is shared.

pub mod fingerprint;
pub mod kind;
pub mod object;
pub mod order;
pub mod plain;
pub mod time;
pub mod trie;
pub mod weight;

use std::sync::Arc;

use crate::ir::{
    Action, Cursor, Date, Document, DocumentEvent, Element, Lambda, Object, Page, Ref, Set, SetEvent, Time, Unresolved,
};

/// A value of the language.
#[derive(Clone, Debug)]
pub enum Value {
    Null,
    Bool(bool),
    /// An integer of 64 bits.
    Integer(i64),
    Double(f64),
    String(Arc<str>),
    Bytes(Arc<[u8]>),
    Uuid(u128),
    /// A time, to the nanosecond.
    Time(Time),
    Date(Date),
    /// The time of this transaction as a time; known when the answer is written.
    TransactionTime,
    /// The time of this transaction in microseconds; known when the answer is written.
    TransactionMicros,
    Array(Arc<Vec<Value>>),
    Object(Arc<Object>),
    /// A reference to what exists, or to a document of a collection that exists.
    Ref(Ref),
    /// A reference to what does not exist.
    Unresolved(Arc<Unresolved>),
    Lambda(Arc<Lambda>),
    /// A set: a plan for reading.
    Set(Arc<Set>),
    /// A version of a document.
    Document(Arc<Document>),
    /// A page of a set.
    Page(Arc<Page>),
    /// The change that an event records.
    Action(Action),
    /// A change of a document.
    DocumentEvent(Arc<DocumentEvent>),
    /// A change of a set.
    SetEvent(Arc<SetEvent>),
    /// An element of a set and the sets it came from.
    Element(Arc<Element>),
    /// The beginning or the end of a page.
    Cursor(Arc<Cursor>),
}

impl Value {
    pub fn string(text: impl Into<Arc<str>>) -> Self {
        Self::String(text.into())
    }

    pub fn array(elements: Vec<Self>) -> Self {
        Self::Array(Arc::new(elements))
    }

    /// An object of these fields.
    pub fn object<'a>(fields: impl IntoIterator<Item = (&'a str, Self)>) -> Self {
        Self::Object(Arc::new(fields.into_iter().map(|(name, value)| (Arc::from(name), value)).collect()))
    }

    pub fn set(set: Set) -> Self {
        Self::Set(Arc::new(set))
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// Whether this is a simple value, not made of others.
    pub const fn is_scalar(&self) -> bool {
        matches!(
            self,
            Self::Null
                | Self::Bool(_)
                | Self::Integer(_)
                | Self::Double(_)
                | Self::String(_)
                | Self::Bytes(_)
                | Self::Uuid(_)
                | Self::Time(_)
                | Self::Date(_)
                | Self::TransactionTime
                | Self::TransactionMicros
                | Self::Action(_)
                | Self::Ref(_)
                | Self::Unresolved(_)
        )
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Double(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::string(value)
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::string(value)
    }
}

impl From<Ref> for Value {
    fn from(value: Ref) -> Self {
        Self::Ref(value)
    }
}

impl From<Object> for Value {
    fn from(value: Object) -> Self {
        Self::Object(Arc::new(value))
    }
}

impl PartialEq for Value {
    /// Structural, and exact by type: an integer never equals a double here (the `equals` form compares numbers itself).
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null)
            | (Self::TransactionTime, Self::TransactionTime)
            | (Self::TransactionMicros, Self::TransactionMicros) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Integer(a), Self::Integer(b)) => a == b,
            (Self::Double(a), Self::Double(b)) => a == b,
            (Self::String(a), Self::String(b)) => a == b,
            (Self::Bytes(a), Self::Bytes(b)) => a == b,
            (Self::Uuid(a), Self::Uuid(b)) => a == b,
            (Self::Time(a), Self::Time(b)) => a == b,
            (Self::Date(a), Self::Date(b)) => a == b,
            (Self::Array(a), Self::Array(b)) => a == b,
            (Self::Object(a), Self::Object(b)) => Arc::ptr_eq(a, b) || a == b,
            (Self::Ref(a), Self::Ref(b)) => a == b,
            (Self::Unresolved(a), Self::Unresolved(b)) => a == b,
            (Self::Lambda(a), Self::Lambda(b)) => Arc::ptr_eq(a, b) || a == b,
            (Self::Set(a), Self::Set(b)) => a == b,
            (Self::Document(a), Self::Document(b)) => a == b,
            (Self::Page(a), Self::Page(b)) => a == b,
            (Self::Action(a), Self::Action(b)) => a == b,
            (Self::Action(a), Self::String(text)) | (Self::String(text), Self::Action(a)) => a.is_named(text),
            (Self::DocumentEvent(a), Self::DocumentEvent(b)) => a == b,
            (Self::SetEvent(a), Self::SetEvent(b)) => a == b,
            (Self::Element(a), Self::Element(b)) => a == b,
            (Self::Cursor(a), Self::Cursor(b)) => a == b,
            _ => false,
        }
    }
}
