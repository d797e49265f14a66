//! The part of a set that the caller may read.

use std::sync::Arc;

use crate::access::{Access, allows};
use crate::evaluator::Context;
use crate::ir::{Failure, Outcome, Position, Set};

/// A set without the members that the caller may not read.
#[derive(Clone, Debug)]
pub struct Readable {
    pub set: Arc<Set>,
    /// Whether the permission to read must still be checked for each document.
    pub is_filtered: bool,
}

impl Readable {
    /// What the caller may read of a set; `None` where nothing.
    ///
    /// # Errors
    /// If the endpoint fails.
    pub fn of(context: &Context<'_>, set: &Arc<Set>) -> Outcome<Option<Self>> {
        let over = |source: &Arc<Set>, make: fn(Arc<Set>, &Set) -> Set| -> Outcome<Option<Self>> {
            let inner = Self::of(context, source)?;
            Ok(inner.map(|inner| Self { set: Arc::new(make(inner.set, set)), is_filtered: inner.is_filtered }))
        };
        context.in_time()?;
        match &**set {
            Set::Schema(collection) => Ok(allows(context, &Access::Read(*collection))?.then(|| Self::filtered(set))),
            Set::Document(document) | Set::Singleton(document) => {
                let readable = allows(context, &Access::ReadHistory(*document))?;
                Ok(readable.then(|| Self { set: Arc::clone(set), is_filtered: false }))
            }
            Set::Documents(collection) | Set::Unnamed(collection) => {
                let is_open = allows(context, &Access::ReadCollection(*collection))?;
                Ok(Some(Self { set: Arc::clone(set), is_filtered: !is_open }))
            }
            Set::Match { index, terms } => {
                if allows(context, &Access::ReadIndex { index: *index, terms, unrestricted: true })? {
                    return Ok(Some(Self { set: Arc::clone(set), is_filtered: false }));
                }
                let readable = allows(context, &Access::ReadIndex { index: *index, terms, unrestricted: false })?;
                Ok(readable.then(|| Self::filtered(set)))
            }
            Set::Union(sets) => Self::some(context, sets, Set::Union),
            Set::Intersection(sets) => Self::some(context, sets, Set::Intersection),
            Set::Difference(sets) => match sets.split_first() {
                Some((first, _)) if Self::of(context, first)?.is_some() => Self::some(context, sets, Set::Difference),
                _ => Ok(None),
            },
            Set::Distinct(source) => over(source, |inner, _| Set::Distinct(inner)),
            Set::Reverse(source) => over(source, |inner, _| Set::Reverse(inner)),
            Set::Events(source) => over(source, |inner, _| Set::Events(inner)),
            Set::Join { source, .. }
            | Set::IndexJoin { source, .. }
            | Set::Range { source, .. }
            | Set::Filter { source, .. } => over(source, with_source),
        }
    }

    /// A set whose documents are checked one by one.
    fn filtered(set: &Arc<Set>) -> Self {
        Self { set: Arc::clone(set), is_filtered: true }
    }

    /// The readable ones of several sets.
    fn some(context: &Context<'_>, sets: &[Arc<Set>], make: fn(Vec<Arc<Set>>) -> Set) -> Outcome<Option<Self>> {
        let mut readable = Vec::new();
        let mut is_filtered = false;
        for set in sets {
            if let Some(inner) = Self::of(context, set)? {
                is_filtered |= inner.is_filtered;
                readable.push(inner.set);
            }
        }
        Ok((!readable.is_empty()).then(|| Self { set: Arc::new(make(readable)), is_filtered }))
    }
}

/// The same set over another source.
fn with_source(source: Arc<Set>, set: &Set) -> Set {
    match set.clone() {
        Set::Join { with, .. } => Set::Join { source, with },
        Set::IndexJoin { index, .. } => Set::IndexJoin { source, index },
        Set::Range { from, to, .. } => Set::Range { source, from, to },
        Set::Filter { with, .. } => Set::Filter { with, source },
        other => other,
    }
}

/// What the caller may read of a set.
///
/// # Errors
/// If that is nothing, at `position`; where the endpoint fails.
pub fn require_readable(context: &Context<'_>, set: &Arc<Set>, position: &Position) -> Outcome<Readable> {
    Readable::of(context, set)?.ok_or_else(|| Failure::denied(position.clone()).into())
}
