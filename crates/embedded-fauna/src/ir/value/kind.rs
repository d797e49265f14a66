//! The names of types, as messages give them.

use crate::ir::Value;

/// A type of the language. Several of them have parents: a `Collection Ref` is a `Ref`, a `Ref` is an `Identifier`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Any,
    /// One of the simple values.
    Scalar,
    /// An integer or a double.
    Number,
    Double,
    Integer,
    Boolean,
    String,
    Null,
    /// The change that an event records.
    Action,
    Bytes,
    Uuid,
    /// The time of the transaction, not known before it ends.
    TransactionTime,
    Object,
    Lambda,
    /// An array, a set or a page.
    Iterable,
    /// An array or a page.
    ArrayOrPage,
    Page,
    Array,
    /// A reference, a set or a name.
    Identifier,
    Ref,
    /// A reference to a collection.
    CollectionRef,
    /// A reference to an index.
    IndexRef,
    /// A reference to a database.
    DatabaseRef,
    /// A reference to a key.
    KeyRef,
    /// A reference to a user-defined function.
    FunctionRef,
    /// A reference to a role.
    RoleRef,
    /// A reference to an access provider.
    AccessProviderRef,
    Set,
    /// A time or a date.
    Temporal,
    Time,
    Date,
    /// A unit of time.
    TimeUnit,
    /// A field and its value.
    Field,
}

impl Kind {
    /// The name that messages use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Any => "Any",
            Self::Scalar => "Scalar",
            Self::Number => "Number",
            Self::Double => "Double",
            Self::Integer => "Integer",
            Self::Boolean => "Boolean",
            Self::String => "String",
            Self::Null => "Null",
            Self::Action => "Action",
            Self::Bytes => "Bytes",
            Self::Uuid => "UUID",
            Self::TransactionTime => "Unresolved Transaction Time",
            Self::Object => "Object",
            Self::Lambda => "Lambda",
            Self::Iterable => "Array, Set, or Page",
            Self::ArrayOrPage => "Array or Page",
            Self::Page => "Page",
            Self::Array => "Array",
            Self::Identifier => "Identifier",
            Self::Ref => "Ref",
            Self::CollectionRef => "Collection Ref",
            Self::IndexRef => "Index Ref",
            Self::DatabaseRef => "Database Ref",
            Self::KeyRef => "Key Ref",
            Self::FunctionRef => "User Function Ref",
            Self::RoleRef => "Role Ref",
            Self::AccessProviderRef => "Access Provider Ref",
            Self::Set => "Set",
            Self::Temporal => "Temporal",
            Self::Time => "Time",
            Self::Date => "Date",
            Self::TimeUnit => "Time Unit",
            Self::Field => "Field/Value",
        }
    }

    /// Whether a value that identifies something would fit: then a reference to what does not exist is reported as such.
    pub const fn is_identifier(self) -> bool {
        matches!(
            self,
            Self::Identifier
                | Self::Ref
                | Self::CollectionRef
                | Self::IndexRef
                | Self::DatabaseRef
                | Self::KeyRef
                | Self::FunctionRef
                | Self::RoleRef
                | Self::AccessProviderRef
                | Self::Set
        )
    }
}

impl Value {
    /// The type that messages call this value.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Null => Kind::Null,
            Self::Bool(_) => Kind::Boolean,
            Self::Integer(_) => Kind::Integer,
            Self::Double(_) => Kind::Double,
            Self::String(_) => Kind::String,
            Self::Bytes(_) => Kind::Bytes,
            Self::Uuid(_) => Kind::Uuid,
            Self::Time(_) => Kind::Time,
            Self::Date(_) => Kind::Date,
            Self::TransactionTime | Self::TransactionMicros => Kind::TransactionTime,
            Self::Action(_) => Kind::Action,
            Self::Ref(reference) => reference.kind(),
            Self::Unresolved(reference) => reference.kind(),
            Self::Lambda(_) => Kind::Lambda,
            Self::Set(_) => Kind::Set,
            Self::Document(_) | Self::DocumentEvent(_) | Self::SetEvent(_) | Self::Element(_) | Self::Object(_) => {
                Kind::Object
            }
            Self::Cursor(cursor) => cursor.kind(),
            Self::Page(_) => Kind::Page,
            Self::Array(_) => Kind::Array,
        }
    }
}
