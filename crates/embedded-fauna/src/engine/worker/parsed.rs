//! Parsed queries, kept for requests with the same text: an application sends the same few again and again, and reading a short
//! query takes about as long as running it.
//!
//! What a reference means depends on the caller and on the schema, so each is looked up again before a kept query is used. A text is
//! kept when it comes for the second time, so that queries which never come again do not displace the others.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use crate::evaluator::{Context, NotingResolver};
use crate::ir::{ApiVersion, Effect, Expression, Outcome, Ref, Unresolved};
use crate::parser::Resolver;
use crate::{answer, parser, wire};

/// Longest text that is kept, in bytes.
const TEXT_MAX: usize = 8 << 10;
/// Bytes of all texts that a thread keeps; their expressions are some thirty times as large.
const TEXTS_MAX: usize = 32 << 10;
/// Hashes of texts that were seen once.
const SEEN: usize = 128;
/// The most references of a query that is kept.
const REFERENCES_MAX: usize = 32;

/// The queries that one thread keeps. Emptied when it is full.
pub struct ParsedQueries {
    kept: RefCell<HashMap<u64, Kept>>,
    /// Bytes of the texts that are kept.
    length: Cell<usize>,
    /// Hashes of texts that were seen, each at a place that it determines.
    seen: RefCell<[u64; SEEN]>,
    hasher: RandomState,
}

struct Kept {
    version: ApiVersion,
    text: Box<[u8]>,
    query: ParsedQuery,
    references: Vec<(Unresolved, Option<Ref>)>,
}

/// A query that can be evaluated.
#[derive(Clone)]
pub struct ParsedQuery {
    pub expression: Arc<Expression>,
    /// The most that evaluating it can do.
    pub effect: Effect,
}

impl ParsedQueries {
    pub fn new() -> Self {
        let (kept, length, seen) = (RefCell::default(), Cell::new(0), RefCell::new([0; SEEN]));
        Self { kept, length, seen, hasher: RandomState::new() }
    }

    /// Reads a query, or finds it among those that were kept.
    ///
    /// # Errors
    /// The text is no query, or the transaction was interrupted.
    pub fn parse(&self, context: &Context<'_>, text: &[u8]) -> Outcome<ParsedQuery> {
        if text.len() > TEXT_MAX {
            return read(context, context, text);
        }
        let hash = self.hasher.hash_one((context.version.name(), text));
        if let Some(query) = self.find(hash, context, text)? {
            return Ok(query);
        }
        if !self.was_seen(hash) {
            return read(context, context, text);
        }
        let references = RefCell::new(Vec::new());
        let note = |reference: &Unresolved, meaning| references.borrow_mut().push((reference.clone(), meaning));
        let query = read(context, &NotingResolver { context, note }, text)?;
        let references = references.into_inner();
        if references.len() <= REFERENCES_MAX {
            self.keep(hash, Kept { version: context.version, text: text.into(), query: query.clone(), references });
        }
        Ok(query)
    }

    fn find(&self, hash: u64, context: &Context<'_>, text: &[u8]) -> Outcome<Option<ParsedQuery>> {
        let kept = self.kept.borrow();
        let Some(kept) = kept.get(&hash).filter(|kept| kept.version == context.version && *kept.text == *text) else {
            return Ok(None);
        };
        for (reference, meaning) in &kept.references {
            if context.resolve(reference)? != *meaning {
                return Ok(None);
            }
        }
        Ok(Some(kept.query.clone()))
    }

    fn keep(&self, hash: u64, query: Kept) {
        let mut kept = self.kept.borrow_mut();
        let replaced = kept.remove(&hash).map_or(0, |replaced| replaced.text.len());
        let length = self.length.get().saturating_sub(replaced).saturating_add(query.text.len());
        if length > TEXTS_MAX {
            kept.clear();
            self.length.set(query.text.len());
        } else {
            self.length.set(length);
        }
        kept.insert(hash, query);
    }

    /// Whether a text was seen before; notes it.
    fn was_seen(&self, hash: u64) -> bool {
        let mut seen = self.seen.borrow_mut();
        let place = usize::try_from(hash % u64::try_from(SEEN).unwrap_or(1)).unwrap_or_default();
        seen.get_mut(place).is_some_and(|place| std::mem::replace(place, hash) == hash)
    }
}

fn read(context: &Context<'_>, resolver: &dyn Resolver, text: &[u8]) -> Outcome<ParsedQuery> {
    let written = wire::read(text, &|| context.in_time()).map_err(answer::unreadable)?;
    let expression = parser::parse(&context.run.forms.signatures, resolver, context.version, &written)?;
    Ok(ParsedQuery { effect: expression.effect(), expression: Arc::new(expression) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Value;

    fn kept(length: usize) -> Kept {
        let query = ParsedQuery { expression: Arc::new(Expression::Value(Value::Null)), effect: Effect::Pure };
        Kept { version: ApiVersion::V4, text: vec![b' '; length].into(), query, references: Vec::new() }
    }

    #[test]
    fn the_texts_that_are_kept_have_a_limit() {
        let queries = ParsedQueries::new();
        for hash in 0..1000 {
            queries.keep(hash, kept(TEXT_MAX));
            let length: usize = queries.kept.borrow().values().map(|kept| kept.text.len()).sum();
            assert!(length <= TEXTS_MAX);
            assert_eq!(queries.length.get(), length);
        }
        queries.keep(999, kept(1));
        queries.keep(999, kept(2));
        let length: usize = queries.kept.borrow().values().map(|kept| kept.text.len()).sum();
        assert_eq!(queries.length.get(), length, "one that is replaced does not count");
    }

    #[test]
    fn only_a_text_that_comes_again_counts_as_seen() {
        let queries = ParsedQueries::new();
        assert_eq!([1, 1, 2, 1].map(|hash| queries.was_seen(hash)), [false, true, false, true]);
    }
}
