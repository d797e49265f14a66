//! The shape of a set: its values and their order.

use crate::documents;
use crate::evaluator::Context;
use crate::ir::{Outcome, Set};

/// The values of the items of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// How many values it has, the document counted as one; none where that is not known.
    pub values: usize,
    /// For each value whether its order is inverted; the document's is not.
    pub reversed: Vec<bool>,
    /// Whether nothing at all is known: a join with a lambda.
    pub is_unknown: bool,
    /// Whether the items are events.
    pub is_history: bool,
}

impl Shape {
    /// Some values and the document.
    fn of(mut reversed: Vec<bool>) -> Self {
        reversed.push(false);
        Self { values: reversed.len(), reversed, is_unknown: false, is_history: false }
    }

    /// The shape of a join with a lambda.
    const fn unknown() -> Self {
        Self { values: 0, reversed: Vec::new(), is_unknown: true, is_history: false }
    }

    /// Whether sets of this and of another shape can be merged: as far as both reach.
    pub fn is_compatible(&self, other: &Self) -> bool {
        self.is_history == other.is_history && self.reversed.iter().zip(&other.reversed).all(|(a, b)| a == b)
    }

    /// The other way round. A document alone becomes a value, because the order of documents cannot be inverted.
    fn inverted(mut self) -> Self {
        self.is_unknown = false;
        if self.values == 1 {
            return Self { values: 2, reversed: vec![true, false], ..self };
        }
        self.reversed.pop();
        for flag in &mut self.reversed {
            *flag = !*flag;
        }
        self.reversed.push(false);
        self
    }
}

/// The shape of a set.
///
/// # Errors
/// If the storage fails.
pub fn shape(context: &Context<'_>, set: &Set) -> Outcome<Shape> {
    Ok(match set {
        Set::Schema(_) | Set::Documents(_) | Set::Unnamed(_) | Set::Document(_) | Set::Singleton(_) => {
            Shape::of(Vec::new())
        }
        Set::Match { index, .. } | Set::IndexJoin { index, .. } => {
            let index = documents::index(context, *index)?;
            Shape::of(index.map(|index| index.values.iter().map(|value| value.reverse).collect()).unwrap_or_default())
        }
        Set::Union(sets) | Set::Intersection(sets) | Set::Difference(sets) => match sets.first() {
            Some(first) => shape(context, first)?,
            None => Shape::of(Vec::new()),
        },
        Set::Join { .. } => Shape::unknown(),
        Set::Distinct(source) | Set::Range { source, .. } | Set::Filter { source, .. } => shape(context, source)?,
        Set::Events(source) => Shape { is_history: true, ..shape(context, source)? },
        Set::Reverse(source) => shape(context, source)?.inverted(),
    })
}
