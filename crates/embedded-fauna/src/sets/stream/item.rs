//! The items of sets.

use std::cell::OnceCell;
use std::cmp::Ordering;
use std::sync::Arc;

use crate::ir::{DocumentBound, Outcome, Ref, Set, SetKey, Term, Value, compare_terms};

/// Items, read as they are asked for.
pub type Items<'i> = Box<dyn Iterator<Item = Outcome<Item>> + 'i>;

/// An item of a set.
#[derive(Clone, Debug)]
pub struct Item {
    /// Its values, without the document.
    pub values: Vec<Value>,
    /// For each value whether its order is inverted.
    pub reversed: Arc<[bool]>,
    pub document: Ref,
    /// The sets it came from.
    pub sources: Vec<Arc<Set>>,
    /// Its place, once it was asked for.
    place: OnceCell<SetKey>,
}

impl Item {
    /// An item of some values.
    pub fn new(values: Vec<Value>, reversed: &Arc<[bool]>, document: Ref, source: &Arc<Set>) -> Self {
        let sources = vec![Arc::clone(source)];
        Self { values, reversed: Arc::clone(reversed), document, sources, place: OnceCell::new() }
    }

    /// A document as an item of a set without values.
    pub fn plain(document: Ref, source: &Arc<Set>) -> Self {
        Self::new(Vec::new(), &Arc::default(), document, source)
    }

    /// It as an item of other sets.
    pub fn with_sources(self, sources: Vec<Arc<Set>>) -> Self {
        Self { sources, ..self }
    }

    pub fn place(&self) -> &SetKey {
        self.place.get_or_init(|| SetKey {
            terms: self
                .values
                .iter()
                .zip(self.reversed.iter())
                .map(|(value, reverse)| Term::new(value.clone(), *reverse))
                .collect(),
            document: DocumentBound::At(self.document),
        })
    }

    /// Which of two comes first where sets are merged: by their values, or by the document where there are none.
    pub fn compare(&self, other: &Self) -> Ordering {
        let (a, b) = (self.place(), other.place());
        match (a.terms.is_empty(), b.terms.is_empty()) {
            (false, false) => compare_terms(&a.terms, &b.terms),
            (true, true) => a.document.compare(b.document),
            (true, false) => compare_terms(&[a.document.term()], &b.terms),
            (false, true) => compare_terms(&a.terms, &[b.document.term()]),
        }
    }

    /// What a page shows of it: its only value, its values, or else the document.
    pub fn shown(&self) -> Value {
        match self.values.as_slice() {
            [] => Value::Ref(self.document),
            [only] => only.clone(),
            several => Value::array(several.to_vec()),
        }
    }

    /// The cursor that leads to it: its values and the document.
    pub fn cursor(&self) -> Vec<Value> {
        let mut cursor = self.values.clone();
        cursor.push(Value::Ref(self.document));
        cursor
    }
}
