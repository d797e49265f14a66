//! Index definitions, and the entries that a version of a document has in an index.
//!
//! A missing field counts as null; where all terms or all values are null there is no entry; an array gives one entry for each
//! distinct element, several arrays every combination.

use std::collections::HashMap;
use std::sync::Arc;

use super::require_kept;
use crate::evaluator::{Caller, Context, Limit, Permissions, Source};
use crate::ir::{
    ApiVersion, Document, Effect, Fault, Halt, Lambda, Object, Outcome, Position, Ref, Value, fingerprint, index_key,
    native, parts_of_bytes, reversed,
};
use crate::storage::{Entry, encode};

/// What an entry costs of [`Budget::parts`](crate::evaluator::Budget::parts) beside its bytes: a few copies of it are in memory until the
/// commit.
const ENTRY_PARTS: usize = 32;
/// The longest key of an index entry, in bytes; FaunaDB's limit.
pub const MAX_KEY_BYTES: usize = 64_000;
/// Copies of the key of an entry.
const KEY_COPIES: usize = 2;

/// The cost of entries, charged to [`Budget::parts`](crate::evaluator::Budget::parts).
pub fn entry_parts(entries: &[Entry]) -> usize {
    entries.iter().fold(0, |parts, entry| parts.saturating_add(parts_of(entry)))
}

fn parts_of(entry: &Entry) -> usize {
    parts_of_bytes(entry.key_length()).saturating_mul(KEY_COPIES).saturating_add(ENTRY_PARTS)
}

/// One term or value of an index definition: a path into the document, or a binding that computes it.
#[derive(Clone, Debug)]
pub struct TermOrValue {
    /// Empty for a binding.
    path: Vec<Value>,
    binding: Option<Arc<str>>,
    /// Sorts this value in descending order.
    pub reverse: bool,
    casefold: bool,
}

/// A binding: its name and its lambda.
type Binding = (Arc<str>, Arc<Lambda>);

/// A source: the id of a collection (`None`: every user collection) and its bindings.
type IndexSource = (Option<i64>, Vec<Binding>);

/// The decoded definition of an index.
#[derive(Clone, Debug)]
pub struct Index {
    pub reference: Ref,
    /// Terms of a `match`.
    pub terms: Vec<TermOrValue>,
    /// Values that entries are sorted by and show.
    pub values: Vec<TermOrValue>,
    /// At most one document per combination of terms and values.
    pub unique: bool,
    /// `false` while the index cannot be read yet.
    pub active: bool,
    sources: Vec<IndexSource>,
}

/// Reads the definition of an index; `None` if there is no such document.
pub fn index(context: &Context<'_>, reference: Ref) -> Outcome<Option<Index>> {
    let Some(stored) = context.transaction().get(reference)? else { return Ok(None) };
    let fields = &stored.fields;
    Ok(Some(Index {
        reference,
        terms: all(fields.get("terms")).filter_map(term_or_value).collect(),
        values: all(fields.get("values")).filter_map(term_or_value).collect(),
        unique: fields.get("unique") == Some(&Value::Bool(true)),
        active: fields.get("active") == Some(&Value::Bool(true)),
        sources: all(fields.get("source")).map(source).collect(),
    }))
}

impl Index {
    /// Refuses a time older than the history that its source collections keep.
    pub fn require_kept(&self, context: &Context<'_>, ts: i64) -> Outcome<()> {
        let collections = self.sources.iter().filter_map(|(collection, _)| *collection);
        for collection in collections {
            require_kept(context, Ref::to_collection(self.reference.database, collection), ts)?;
        }
        Ok(())
    }
}

/// One value or the elements of an array.
fn all(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    match value {
        None | Some(Value::Null) => [].iter(),
        Some(Value::Array(elements)) => elements.iter(),
        Some(one) => std::slice::from_ref(one).iter(),
    }
}

/// A term or a value as defined.
fn term_or_value(definition: &Value) -> Option<TermOrValue> {
    let Value::Object(object) = definition else { return None };
    Some(TermOrValue {
        path: all(object.get("field")).cloned().collect(),
        binding: object.get("binding").and_then(Value::as_str).map(Arc::from),
        reverse: object.get("reverse") == Some(&Value::Bool(true)),
        casefold: object.get("transform").and_then(Value::as_str) == Some("casefold"),
    })
}

/// A source as defined.
fn source(definition: &Value) -> IndexSource {
    let collection = |value: &Value| match value {
        Value::Ref(reference) => Some(reference.id),
        _ => None,
    };
    match definition {
        Value::Object(object) => {
            let given = object.get("collection").or_else(|| object.get("class"));
            let fields = match object.get("fields") {
                Some(Value::Object(fields)) => fields.iter().filter_map(binding).collect(),
                _ => Vec::new(),
            };
            (given.and_then(collection), fields)
        }
        other => (collection(other), Vec::new()),
    }
}

/// A binding as defined.
fn binding((name, value): &(Arc<str>, Value)) -> Option<Binding> {
    match value {
        Value::Lambda(lambda) => Some((Arc::clone(name), Arc::clone(lambda))),
        _ => None,
    }
}

/// The key of some terms: exact, because terms are looked up and not compared.
pub fn term_key(terms: &[Value], now: i64) -> Vec<u8> {
    terms.iter().flat_map(|term| encode(term, now)).collect()
}

/// A version of a document.
#[derive(Clone, Copy)]
pub struct Version<'f> {
    pub document: Ref,
    /// Time of the write, in microseconds.
    pub ts: i64,
    pub fields: &'f Arc<Object>,
    /// Whether it is being written: then its keys are limited.
    pub is_new: bool,
}

/// The entries of one version of a document; a binding that fails counts as null.
///
/// # Errors
/// If it is being written and a key is longer than [`MAX_KEY_BYTES`], or if the entries are too large for the budget of the query.
pub fn entries(context: &Context<'_>, index: &Index, version: Version<'_>) -> Outcome<Vec<Entry>> {
    let Version { document, ts, fields, is_new } = version;
    let collection = document.collection;
    let feeds = |source: &&IndexSource| source.0.map_or(collection >= native::FIRST_USER, |only| only == collection);
    let Some((_, bindings)) = index.sources.iter().find(feeds) else { return Ok(Vec::new()) };
    let stamp = context.transaction().stamp(ts);
    let document_value =
        Document { reference: document, ts: stamp, deleted: false, fields: Arc::clone(fields), is_new: false };
    let view = Value::Document(Arc::new(document_value));
    let extract = |from: &TermOrValue| -> Outcome<Vec<Value>> {
        let mut values = Vec::new();
        match &from.binding {
            None => collect(follow(&view, &from.path, ts), &mut values),
            Some(name) => {
                let binding = bindings.iter().find(|(known, _)| known == name);
                let value = binding.map_or(Ok(Value::Null), |(_, lambda)| bound(context, lambda, &view))?;
                collect(Some(value), &mut values);
            }
        }
        if from.casefold {
            for value in &mut values {
                if let Value::String(text) = value {
                    *value = Value::from(text.to_lowercase());
                }
            }
        }
        let distinct = distinct(context, values)?;
        Ok(if distinct.is_empty() { vec![Value::Null] } else { distinct })
    };
    let terms = index.terms.iter().map(extract).collect::<Outcome<Vec<_>>>()?;
    let values = index.values.iter().map(extract).collect::<Outcome<Vec<_>>>()?;
    let now = context.transaction().commit_time();
    let count = terms.iter().chain(&values).fold(1_usize, |count, list| count.saturating_mul(list.len()));
    context.require_budget(count.saturating_mul(ENTRY_PARTS))?;
    let (mut entries, mut parts) = (Vec::new(), 0_usize);
    let values_of_each = combinations(&values);
    for terms in combinations(&terms) {
        let key = term_key(&terms, now);
        for values in values_of_each.iter().cloned() {
            context.in_time()?;
            if is_new {
                require_short_key(key.len(), &values, now)?;
            }
            let sort = sort_key(&index.values, &values, document);
            let entry = Entry { terms: key.clone(), sort, values, document };
            parts = parts.saturating_add(parts_of(&entry));
            context.require_budget(parts)?;
            entries.push(entry);
        }
    }
    Ok(entries)
}

/// Each value once, where it occurs first.
fn distinct(context: &Context<'_>, values: Vec<Value>) -> Outcome<Vec<Value>> {
    let mut places: HashMap<u64, Vec<usize>> = HashMap::new();
    let mut distinct = Vec::new();
    for value in values {
        context.in_time()?;
        let alike = places.entry(fingerprint(&value)).or_default();
        if !alike.iter().any(|place| distinct.get(*place) == Some(&value)) {
            alike.push(distinct.len());
            distinct.push(value);
        }
    }
    Ok(distinct)
}

/// Refuses values that are too long for a key together with its terms, whose length is given, as FaunaDB does.
fn require_short_key(terms_length: usize, values: &[Value], now: i64) -> Outcome<()> {
    let bytes = values.iter().fold(terms_length, |bytes, value| bytes.saturating_add(encode(value, now).len()));
    if bytes <= MAX_KEY_BYTES {
        return Ok(());
    }
    Err(Fault::BadRequest(format!("Key bytes ({bytes}) exceeds threshold ({MAX_KEY_BYTES})")).into())
}

/// The key that orders entries: the values, each inverted where the index says so, then the document.
fn sort_key(definitions: &[TermOrValue], values: &[Value], document: Ref) -> Vec<u8> {
    let key = |(definition, value): (&TermOrValue, &Value)| {
        let key = index_key(value);
        if definition.reverse { reversed(key) } else { key }
    };
    let mut sort: Vec<u8> = definitions.iter().zip(values).flat_map(key).collect();
    sort.extend(index_key(&Value::Ref(document)));
    sort
}

fn bound(context: &Context<'_>, lambda: &Lambda, document: &Value) -> Outcome<Value> {
    let caller =
        Caller { database: context.database(), source: Source::Root, identity: None, permissions: Permissions::Client };
    let limit = Limit { effect: Effect::Pure, place: "index bindings" };
    let inner = Context::new(context.run, Arc::new(caller), ApiVersion::V4, limit);
    match inner.apply(lambda, document.clone(), &Position::root()) {
        Ok(value) => Ok(value),
        Err(Halt::Failures(_)) => Ok(Value::Null),
        Err(fault) => Err(fault),
    }
}

fn follow(document: &Value, path: &[Value], ts: i64) -> Option<Value> {
    let mut here = document.clone();
    for step in path {
        here = match (&here, step) {
            (Value::Document(document), Value::String(name)) => match &**name {
                "ts" => Value::Integer(ts),
                "class" | "collection" => Value::Ref(document.reference.parent()),
                name => document.field(name)?,
            },
            (Value::Object(object), Value::String(name)) => object.get(name)?.clone(),
            (Value::Array(elements), Value::Integer(index)) => elements.get(usize::try_from(*index).ok()?)?.clone(),
            (Value::Array(elements), Value::String(_)) => {
                let inner = elements.iter().filter_map(|element| follow(element, std::slice::from_ref(step), ts));
                Value::array(inner.collect())
            }
            _ => return None,
        };
    }
    Some(here)
}

/// Takes arrays apart; objects give nothing.
fn collect(value: Option<Value>, into: &mut Vec<Value>) {
    match value {
        None | Some(Value::Object(_) | Value::Document(_) | Value::Lambda(_)) => {}
        Some(Value::Array(elements)) => {
            for element in elements.iter() {
                collect(Some(element.clone()), into);
            }
        }
        Some(one) => into.push(one),
    }
}

/// Every combination of one element of each list, but not the one that is null throughout.
fn combinations(lists: &[Vec<Value>]) -> Vec<Vec<Value>> {
    let mut all: Vec<Vec<Value>> = vec![Vec::new()];
    for list in lists {
        all = all
            .iter()
            .flat_map(|head| {
                list.iter().map(|value| {
                    let mut longer = head.clone();
                    longer.push(value.clone());
                    longer
                })
            })
            .collect();
    }
    all.retain(|combination| combination.is_empty() || combination.iter().any(|value| *value != Value::Null));
    all
}
