//! Pages of sets.
//!
//! Forward a page begins with its cursor, backward it ends before it, and it is always in ascending order. What comes before the
//! beginning is passed over, but only until the first item that does not. Items that the caller
//! may not read are skipped before a page is cut, so that pages stay full.

use std::sync::Arc;

use super::{events, require_readable, shape};
use crate::access::{Access, allows};
use crate::evaluator::Context;
use crate::ir::{Cursor, Element, FormCall, Outcome, Page, Position, Set, Value};
use crate::sets::cursor::{bound, parts};
use crate::sets::stream::item::Item;
use crate::sets::stream::{Span, items};

/// The smallest pages that intersections and differences read.
const ALGEBRA_PAGE_MIN: usize = 8;

/// The page to be read.
pub struct PageRequest<'p> {
    /// The cursor, if there is one.
    pub cursor: Option<Value>,
    /// Whether the page before the cursor is wanted.
    pub backward: bool,
    pub size: usize,
    /// Whether each element comes with the sets it is from.
    pub sources: bool,
    /// Position at which an invalid cursor is reported.
    pub cursor_at: &'p Position,
    /// Position at which a denied permission is reported.
    pub denied_at: &'p Position,
    pub position: &'p Position,
}

impl<'p> PageRequest<'p> {
    /// Everything, asked for by a call and reported at one of its keys.
    pub const fn of(call: &'p FormCall, at: &'p Position) -> Self {
        Self {
            cursor: None,
            backward: false,
            size: usize::MAX,
            sources: false,
            cursor_at: at,
            denied_at: at,
            position: &call.position,
        }
    }
}

/// A page of a set, as far as the caller may read it.
///
/// # Errors
/// If the cursor does not fit, where the caller may not read the set, or where reading fails.
pub fn page(context: &Context<'_>, set: &Arc<Set>, request: &PageRequest<'_>) -> Outcome<Page> {
    let shape = shape(context, set)?;
    if shape.is_history {
        return events::page(context, set, request);
    }
    let bound = request.cursor.as_ref().map(|cursor| bound(&shape, cursor, true, request.cursor_at)).transpose()?;
    let readable = require_readable(context, set, request.denied_at)?;
    let all = Span::all(request.backward, page_size(&readable.set, request.size));
    let span = Span { from: bound.map_or(all.from, |bound| bound.place), ..all };
    let mut found: Vec<Item> = Vec::new();
    for item in items(context, &readable.set, &span)? {
        if found.len() > request.size {
            break;
        }
        let item = item?;
        context.in_time()?;
        let is_readable = !readable.is_filtered || allows(context, &Access::Read(item.document))?;
        if is_readable && (!found.is_empty() || span.is_begun(&item)) {
            found.push(item);
        }
    }
    Ok(cut(
        found,
        request,
        |item| Value::Cursor(Arc::new(Cursor::Values(item.cursor()))),
        |item| {
            let shown = item.shown();
            if request.sources {
                return Value::Element(Arc::new(Element { value: shown, sources: item.sources.clone() }));
            }
            shown
        },
    ))
}

/// How many items FaunaDB reads at once for a page of a set.
fn page_size(set: &Set, size: usize) -> usize {
    let least = if matches!(set, Set::Intersection(_) | Set::Difference(_)) { ALGEBRA_PAGE_MIN } else { 1 };
    size.saturating_add(1).max(least)
}

/// A page of what was read, one item more than wanted where there is more.
pub fn cut<T>(
    mut found: Vec<T>,
    request: &PageRequest<'_>,
    cursor: impl Fn(&T) -> Value,
    shown: impl Fn(&T) -> Value,
) -> Page {
    let given = request.cursor.as_ref().map(|cursor| Value::Cursor(Arc::new(Cursor::Values(parts(cursor)))));
    let has_more = found.len() > request.size;
    let next = if request.size == 0 {
        given.clone()
    } else if has_more {
        let place = if request.backward { request.size - 1 } else { request.size };
        found.get(place).map(&cursor)
    } else {
        None
    };
    found.truncate(request.size);
    if request.backward {
        found.reverse();
    }
    let (before, after) = if request.backward { (next, given) } else { (given, next) };
    Page {
        data: found.iter().map(shown).collect(),
        unmapped: Arc::new(found.iter().map(cursor).collect()),
        before,
        after,
    }
}
