//! Places in sets: where pages begin, where ranges end, and where items stand between them.
//!
//! A place is a row of values, each of which may be ordered backwards, and a document. Several orders are defined over places, and
//! FaunaDB uses each where it is named here; they differ for places of different length, which sets of different shape have.

use std::cmp::Ordering;

use crate::ir::{Ref, Value, index_key, reversed};

/// A value as a part of a place.
#[derive(Clone, Debug, PartialEq)]
pub struct Term {
    pub value: Value,
    /// The bytes that stand for it in order.
    key: Vec<u8>,
    /// Whether it is ordered backwards.
    pub reverse: bool,
}

impl Term {
    /// A value in its order or backwards.
    pub fn new(value: Value, reverse: bool) -> Self {
        let key = index_key(&value);
        Self { value, key, reverse }
    }

    /// The same value ordered the other way.
    pub fn inverted(&self) -> Self {
        Self { reverse: !self.reverse, ..self.clone() }
    }

    /// The bytes that stand for it in its own order.
    pub fn bytes(&self) -> Vec<u8> {
        if self.reverse { reversed(self.key.clone()) } else { self.key.clone() }
    }

    /// Which of two comes first. What is ordered backwards carries a tag, which sorts by itself among other types.
    pub fn compare(&self, other: &Self) -> Ordering {
        match (self.reverse, other.reverse) {
            (false, false) => self.key.cmp(&other.key),
            (true, true) => other.key.cmp(&self.key),
            (true, false) => {
                if other.is_after_tag() {
                    Ordering::Less
                } else {
                    Ordering::Greater
                }
            }
            (false, true) => other.compare(self).reverse(),
        }
    }

    /// Whether it sorts after the tag of what is ordered backwards: references, times and what has a tag of its own, booleans, null.
    fn is_after_tag(&self) -> bool {
        self.key.first().is_some_and(|first| *first >= 0x60)
    }
}

/// Which of two rows comes first; of one that continues another the shorter.
pub fn compare_terms(a: &[Term], b: &[Term]) -> Ordering {
    let differing = a.iter().zip(b).map(|(a, b)| a.compare(b)).find(|order| order.is_ne());
    differing.unwrap_or_else(|| a.len().cmp(&b.len()))
}

/// The document of a place, or what lies before or after all documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DocumentBound {
    Least,
    At(Ref),
    Greatest,
}

impl DocumentBound {
    /// Before or after all documents.
    pub const fn end(is_least: bool) -> Self {
        if is_least { Self::Least } else { Self::Greatest }
    }

    pub fn compare(self, other: Self) -> Ordering {
        let rank = |edge| match edge {
            Self::Least => (0, 0, 0),
            Self::At(document) => (1, document.id, document.collection),
            Self::Greatest => (2, 0, 0),
        };
        rank(self).cmp(&rank(other))
    }

    /// It as the last of the values of an entry.
    pub fn term(self) -> Term {
        let document = match self {
            Self::Least => Ref::new(0, 0, i64::MIN),
            Self::At(document) => document,
            Self::Greatest => Ref::new(0, i64::MAX, i64::MAX),
        };
        Term::new(Value::Ref(document), false)
    }
}

/// A place in a set.
#[derive(Clone, Debug, PartialEq)]
pub struct SetKey {
    pub terms: Vec<Term>,
    pub document: DocumentBound,
}

impl SetKey {
    /// Before or after everything.
    pub const fn end(is_least: bool) -> Self {
        Self { terms: Vec::new(), document: DocumentBound::end(is_least) }
    }

    /// The order in which pages begin: values, then documents.
    pub fn compare(&self, other: &Self) -> Ordering {
        compare_terms(&self.terms, &other.terms).then_with(|| self.document.compare(other.document))
    }

    /// The order in which entries are stored: the document is the last of the values.
    pub fn compare_stored(&self, other: &Self) -> Ordering {
        if self.terms.is_empty() && other.terms.is_empty() {
            return self.document.compare(other.document);
        }
        let row = |place: &Self| {
            let mut row = place.terms.clone();
            row.push(place.document.term());
            row
        };
        compare_terms(&row(self), &row(other))
    }

    /// The order in which bounds of ranges and cursors are compared: the document first. Where one continues the other, it comes after
    /// it if both are lower bounds, and before it if both are upper bounds.
    pub fn compare_bounds(&self, other: &Self, is_lower: bool) -> Ordering {
        let by_document = self.document.compare(other.document);
        let differing = || self.terms.iter().zip(&other.terms).map(|(a, b)| a.compare(b)).find(|order| order.is_ne());
        by_document.then_with(|| {
            differing().unwrap_or_else(|| {
                let by_length = self.terms.len().cmp(&other.terms.len());
                if is_lower { by_length } else { by_length.reverse() }
            })
        })
    }
}
