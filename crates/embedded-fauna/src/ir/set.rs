//! Sets: plans for reading, evaluated when they are paged through.

use std::sync::Arc;

use super::{Lambda, Place, Ref, Value};

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
        /// The index.
        index: Ref,
        /// The terms.
        terms: Vec<Value>,
    },
    /// What is in any of the sets.
    Union(Vec<Arc<Set>>),
    /// What is in all of the sets.
    Intersection(Vec<Arc<Set>>),
    /// What is in the first set but in none of the others.
    Difference(Vec<Arc<Set>>),
    /// Each value once.
    Distinct(Arc<Set>),
    /// For each element the set that the lambda makes of it.
    Join {
        /// The elements.
        source: Arc<Set>,
        /// What makes a set of each.
        with: Arc<Lambda>,
    },
    /// For each element the entries of an index with it as term.
    IndexJoin {
        /// The elements.
        source: Arc<Set>,
        /// The index.
        index: Ref,
    },
    /// The part between two bounds.
    Range {
        /// The set.
        source: Arc<Set>,
        /// The first that belongs.
        from: Arc<Bound>,
        /// The last that belongs.
        to: Arc<Bound>,
    },
    /// The other way round.
    Reverse(Arc<Set>),
    /// What the lambda says yes to.
    Filter {
        /// The lambda.
        with: Arc<Lambda>,
        /// The set.
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
    /// Where it is.
    pub place: Place,
}
