//! How the items of a set are ordered.

use crate::fauna_dev::documents;
use crate::fauna_dev::evaluator::Context;
use crate::fauna_dev::language::Outcome;
use crate::fauna_dev::language::Set;

/// What an item of a set is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "what is peculiar to a set, each seen alone")]
pub struct Shape {
    /// For each value whether its order is inverted.
    pub reversed: Vec<bool>,
    /// Whether the order of documents is inverted too.
    pub reversed_document: bool,
    /// Whether the shape is not known: a join with a lambda.
    pub unknown: bool,
    /// Whether the items are events.
    pub is_history: bool,
    /// Whether it is a reversed set without values, whose only value is the document.
    pub reversed_plain: bool,
    /// Whether it is the set of one document: of a cursor only the document counts.
    pub is_one_document: bool,
}

impl Shape {
    /// Documents alone.
    fn plain() -> Self {
        Self {
            reversed: Vec::new(),
            reversed_document: false,
            unknown: false,
            is_history: false,
            reversed_plain: false,
            is_one_document: false,
        }
    }

    /// Whether sets of this and of another shape can be merged.
    pub fn is_compatible(&self, other: &Self) -> bool {
        let flags = |shape: &Self| -> Vec<bool> {
            let mut flags = shape.reversed.clone();
            if !shape.unknown {
                flags.push(false);
            }
            flags
        };
        self.is_history == other.is_history && flags(self).iter().zip(flags(other)).all(|(a, b)| *a == b)
    }
}

/// The shape of a set.
///
/// # Errors
/// Where the storage fails.
pub fn shape(context: &Context<'_>, set: &Set) -> Outcome<Shape> {
    Ok(match set {
        Set::Schema(_) | Set::Documents(_) | Set::Unnamed(_) => Shape::plain(),
        Set::Document(_) | Set::Singleton(_) => Shape { is_one_document: true, ..Shape::plain() },
        Set::Match { index, .. } | Set::IndexJoin { index, .. } => match documents::index(context, *index)? {
            Some(index) => {
                Shape { reversed: index.values.iter().map(|value| value.reverse).collect(), ..Shape::plain() }
            }
            None => Shape::plain(),
        },
        Set::Union(sets) | Set::Intersection(sets) | Set::Difference(sets) => match sets.first() {
            Some(first) => shape(context, first)?,
            None => Shape::plain(),
        },
        Set::Join { .. } => Shape { unknown: true, ..Shape::plain() },
        Set::Distinct(source) | Set::Range { source, .. } | Set::Filter { source, .. } => shape(context, source)?,
        Set::Events(source) => Shape { is_history: true, ..shape(context, source)? },
        Set::Reverse(source) => {
            let inner = shape(context, source)?;
            if inner.reversed.is_empty() && !inner.unknown {
                Shape { reversed: vec![true], reversed_document: true, reversed_plain: true, ..inner }
            } else if inner.reversed_plain {
                Shape::plain()
            } else {
                let reversed = inner.reversed.iter().map(|flag| !flag).collect();
                Shape { reversed, reversed_document: !inner.reversed_document, ..inner }
            }
        }
    })
}
