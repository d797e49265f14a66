//! The items of a set in order.

pub mod item;
mod leaf;
pub mod paging;

use std::sync::Arc;

use crate::evaluator::Context;
use crate::ir::{Bound, Outcome, Set, SetKey};
use crate::sets::algebra::{intersection, reversal};
use crate::sets::stream::item::{Item, Items};
use crate::sets::{algebra, events};

/// A part of a set: where reading begins and where it ends; both places belong to it.
#[derive(Clone, Debug)]
pub struct Span {
    pub from: SetKey,
    pub to: SetKey,
    /// Whether it goes from the upper end to the lower.
    pub descending: bool,
    /// The number of items that FaunaDB reads at once.
    pub page_size: usize,
}

impl Span {
    /// All of a set.
    pub const fn all(descending: bool, page_size: usize) -> Self {
        Self { from: SetKey::end(!descending), to: SetKey::end(descending), descending, page_size }
    }

    /// The lower and the upper end.
    pub const fn ends(&self) -> (&SetKey, &SetKey) {
        if self.descending { (&self.to, &self.from) } else { (&self.from, &self.to) }
    }

    /// Whether a page that begins where this span does can begin with an item: forward it may stand there, backward only before.
    pub fn is_begun(&self, item: &Item) -> bool {
        let order = item.place().compare(&self.from);
        if self.descending { order.is_lt() } else { order.is_ge() }
    }

    /// The part of it that lies between two bounds, as far as FaunaDB looks: a document in a cursor hides the bound behind it.
    pub fn within(&self, lower: &Bound, upper: &Bound) -> Self {
        let not_below = |place: &SetKey| {
            if place.compare_bounds(&lower.place, true).is_lt() { lower.place.clone() } else { place.clone() }
        };
        let not_above = |place: &SetKey| {
            if place.compare_bounds(&upper.place, false).is_gt() { upper.place.clone() } else { place.clone() }
        };
        let (from, to) = if self.descending {
            (not_above(&self.from), not_below(&self.to))
        } else {
            (not_below(&self.from), not_above(&self.to))
        };
        Self { from, to, ..*self }
    }
}

/// The first item of a set.
///
/// # Errors
/// If reading fails.
pub fn head(context: &Context<'_>, set: &Arc<Set>) -> Outcome<Option<Item>> {
    items(context, set, &Span::all(false, 1))?.next().transpose()
}

/// What reading a set costs of [`Budget::parts`](crate::evaluator::Budget::parts): a set made of many keeps the state of each.
const STREAM_PARTS: usize = 32;

/// The items of a part of a set.
///
/// # Errors
/// If reading fails.
pub fn items<'i>(context: &'i Context<'i>, set: &Arc<Set>, span: &Span) -> Outcome<Items<'i>> {
    context.spend(STREAM_PARTS)?;
    context.deeper(|| match &**set {
        Set::Schema(collection) | Set::Documents(collection) | Set::Unnamed(collection) => {
            Ok(leaf::collection(context, *collection, span))
        }
        Set::Document(document) | Set::Singleton(document) => leaf::document(context, set, *document, span),
        Set::Match { index, terms } => leaf::index(context, set, *index, terms, span),
        Set::Intersection(sets) => intersection::intersection(context, sets, span),
        Set::Union(_) | Set::Difference(_) | Set::Join { .. } | Set::IndexJoin { .. } => {
            Ok(paging::flat(algebra::batches(context, set, span)?))
        }
        Set::Distinct(source) => Ok(algebra::distinct(items(context, source, span)?)),
        Set::Range { source, from, to } => items(context, source, &span.within(from, to)),
        Set::Reverse(source) => reversal::items(context, set, source, span),
        Set::Filter { with, source } => {
            let mut keep = algebra::filter(context, with);
            let filter = move |item: Outcome<Item>| item.and_then(&mut keep).transpose();
            Ok(Box::new(items(context, source, span)?.filter_map(filter)))
        }
        Set::Events(source) => events::items(context, set, source),
    })
}
