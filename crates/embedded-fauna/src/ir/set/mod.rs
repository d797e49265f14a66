//! Sets: plans for reading, evaluated when they are paged through.

pub mod key;

use std::sync::Arc;

use crate::ir::{Lambda, Ref, SetKey, Value};

/// A set of documents or of their events.
#[derive(Clone, Debug, PartialEq)]
pub enum Set {
    /// All documents of a native collection, which is also how it is written.
    Schema(Ref),
    /// One document, which is also how it is written.
    Document(Ref),
    /// One document, as a set.
    Singleton(Ref),
    /// All documents of a collection.
    Documents(Ref),
    /// All documents of a collection, as the source of one of them: FaunaDB reads them from an index that has no name to show.
    Unnamed(Ref),
    /// The entries of an index under some terms.
    Match {
        index: Ref,
        terms: Vec<Value>,
    },
    /// Items of any of the sets.
    Union(Vec<Arc<Set>>),
    /// Items that all of the sets have.
    Intersection(Vec<Arc<Set>>),
    /// Items of the first set that none of the others has.
    Difference(Vec<Arc<Set>>),
    Distinct(Arc<Set>),
    /// For each element the set that the lambda makes of it.
    Join {
        source: Arc<Set>,
        /// Makes a set of each element.
        with: Arc<Lambda>,
    },
    /// For each element the entries of an index with it as term.
    IndexJoin {
        source: Arc<Set>,
        index: Ref,
    },
    /// The part between two bounds.
    Range {
        source: Arc<Set>,
        /// The first that belongs.
        from: Arc<Bound>,
        /// The last that belongs.
        to: Arc<Bound>,
    },
    /// The other way round.
    Reverse(Arc<Set>),
    /// Items for which the lambda returns true.
    Filter {
        with: Arc<Lambda>,
        source: Arc<Set>,
    },
    /// The history of a set or of a document.
    Events(Arc<Set>),
}

/// An end of a range.
#[derive(Clone, Debug, PartialEq)]
pub struct Bound {
    /// The values it was given as, to be shown again.
    pub values: Vec<Value>,
    pub place: SetKey,
}
