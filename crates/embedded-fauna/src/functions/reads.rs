//! Reading: `get`, `exists`, `paginate`, `first`, `last`, `key_from_secret`.

use std::sync::Arc;

use crate::access::Access;
use crate::evaluator::cast::{Identified, Iterable};
use crate::evaluator::{Context, Form, Source, cast};
use crate::ir::{ApiVersion, Failure, FormCall, Halt, Key, Outcome, Position, Ref, Set, Stamp, Value};
use crate::sets::{PageRequest, require_readable};
use crate::{access, documents, sets};

const DEFAULT_SIZE: usize = 64;
const MAX_SIZE: usize = 100_000;

/// The keys of `paginate` with one of its three cursors.
macro_rules! paginate {
    ($cursor:expr) => {
        &[
            Key::required("paginate"),
            $cursor,
            Key::optional("ts"),
            Key::optional("size"),
            Key::optional("events"),
            Key::optional("sources"),
        ]
    };
}

pub const FORMS: &[Form] = &[
    Form::read(&[Key::required("exists"), Key::optional("ts")], exists),
    Form::read(&[Key::required("get"), Key::optional("ts")], get),
    Form::read(&[Key::required("first")], |context, call| end(context, call, false)).since(ApiVersion::V4),
    Form::read(&[Key::required("last")], |context, call| end(context, call, true)).since(ApiVersion::V4),
    Form::read(&[Key::required("key_from_secret")], key_from_secret),
    Form::read(paginate!(Key::optional("after")), |context, call| paginate(context, call, Given::After)),
    Form::read(paginate!(Key::required("before")), |context, call| paginate(context, call, Given::Before)),
    Form::read(paginate!(Key::required("cursor")), |context, call| paginate(context, call, Given::Object)),
];

/// The context with the valid time of the `ts` argument.
fn at<'r>(context: &Context<'r>, ts: Option<Stamp>) -> Context<'r> {
    match ts {
        None => context.clone(),
        Some(Stamp::Now) => context.at(None),
        Some(Stamp::At(micros)) => context.at(Some(micros).filter(|micros| *micros < context.transaction().snapshot())),
    }
}

/// A set or a document; `None` for an unresolved reference.
fn unresolved(value: &Value, at: &Position) -> Outcome<Option<Identified>> {
    match value {
        Value::Unresolved(_) => Ok(None),
        other => cast::identifier(other, at).map(Some),
    }
}

/// `exists` of a set is that of its first element.
fn exists(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    let target = call.required(context, 0, unresolved)?;
    let context = at(context, call.optional(context, 1, cast::transaction_time)?);
    Ok(Value::Bool(match target {
        None => false,
        Some(Identified::Document(document)) => document_exists(&context, document)?,
        Some(Identified::Set(set)) => set_exists(&context, &set, &call.position)?,
    }))
}

fn document_exists(context: &Context<'_>, document: Ref) -> Outcome<bool> {
    let allowed = access::allows(context, &Access::Read(document))?;
    Ok(documents::get(context, document)?.is_some() && allowed)
}

/// Whether a set has an element. Fails at `position` if the caller may not read the set.
pub fn set_exists(context: &Context<'_>, set: &Arc<Set>, position: &Position) -> Outcome<bool> {
    let readable = require_readable(context, set, &position.at("exists"))?;
    match sets::head(context, &readable.set)? {
        Some(item) => document_exists(context, item.document),
        None => Ok(false),
    }
}

/// `get` of a set reads its first element.
fn get(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    let target = call.required(context, 0, cast::identifier)?;
    let context = at(context, call.optional(context, 1, cast::transaction_time)?);
    let document = match target {
        Identified::Document(document) => document,
        Identified::Set(set) => {
            let readable = require_readable(&context, &set, &call.at(0))?;
            match sets::head(&context, &readable.set)? {
                Some(item) => item.document,
                None => return Err(Failure::set_not_found(call.position.clone()).into()),
            }
        }
    };
    get_document(&context, document, &call.position)
}

/// Reads a document; fails if the caller may not read it or it does not exist.
fn get_document(context: &Context<'_>, document: Ref, position: &Position) -> Outcome<Value> {
    access::require(context, &Access::Read(document), position)?;
    match documents::get(context, document)? {
        Some(stored) => Ok(Value::Document(Arc::new(documents::document(context, document, &stored)?))),
        None => Err(Failure::not_found(document.collection, position.clone()).into()),
    }
}

fn end(context: &Context<'_>, call: &FormCall, backward: bool) -> Outcome<Value> {
    match call.required(context, 0, cast::set_or_array)? {
        Iterable::Set(set) => {
            let at = call.at(0);
            let place = PageRequest::of(call, &at);
            let page = sets::page(context, &set, &PageRequest { backward, size: 1, ..place })?;
            let element = page.data.first().cloned();
            element.ok_or_else(|| Failure::argument(call.at(0), "Non-empty set expected.").into())
        }
        Iterable::Array(elements) => {
            let element = if backward { elements.last() } else { elements.first() };
            element.cloned().ok_or_else(|| Failure::argument(call.at(0), "Non-empty array expected.").into())
        }
        Iterable::Page(_) => Ok(Value::Null),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Given {
    After,
    Before,
    /// `cursor`: an object with one of them, or null.
    Object,
}

fn paginate(context: &Context<'_>, call: &FormCall, given: Given) -> Outcome<Value> {
    let target = call.required(context, 0, cast::identifier)?;
    let cursor = call.optional(context, 1, cast::any)?;
    let ts = call.optional(context, 2, cast::transaction_time)?;
    let size = call.optional(context, 3, cast::integer)?;
    let events = call.optional(context, 4, cast::boolean)?.unwrap_or(false);
    let sources = call.optional(context, 5, cast::boolean)?.unwrap_or(false);
    let set = match target {
        Identified::Set(set) => set,
        Identified::Document(document) => Arc::new(Set::Document(document)),
    };
    let set = if events && !matches!(*set, Set::Events(_)) { Arc::new(Set::Events(set)) } else { set };
    let mut at_cursor = call.at(1);
    let (cursor, backward) = match (given, cursor) {
        (Given::After, cursor) => (cursor, false),
        (Given::Before, cursor) => (cursor, true),
        (Given::Object, None | Some(Value::Null)) => (None, false),
        (Given::Object, Some(Value::Object(object))) if object.len() == 1 && object.contains("after") => {
            at_cursor = at_cursor.at("after");
            (object.get("after").cloned(), false)
        }
        (Given::Object, Some(Value::Object(object))) if object.len() == 1 && object.contains("before") => {
            at_cursor = at_cursor.at("before");
            (object.get("before").cloned(), true)
        }
        (Given::Object, Some(_)) => {
            let text = "Invalid cursor object. Expected an object with either 'before' or 'after' key in it.";
            return Err(Failure::argument(at_cursor, text).into());
        }
    };
    let is_negative = size.is_some_and(|size| size < 0);
    let size = size.map_or(DEFAULT_SIZE, |size| usize::try_from(size).unwrap_or(0).min(MAX_SIZE));
    let place = call.at(0);
    let request =
        PageRequest { cursor, backward, size, sources, cursor_at: &at_cursor, ..PageRequest::of(call, &place) };
    let context = at(context, ts);
    let mut page = sets::page(&context, &set, &request)?;
    if is_negative {
        // Unlike a page of no elements it does not tell where to go on.
        *(if backward { &mut page.before } else { &mut page.after }) = None;
    }
    Ok(Value::Page(Arc::new(page)))
}

/// `key_from_secret`: the key or token that a secret belongs to, if the caller may read it.
fn key_from_secret(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    let secret = call.required(context, 0, cast::string)?;
    let missing =
        || Failure::new("instance not found", call.position.clone(), format!("No key found for secret {secret}."));
    let caller = access::authenticate(context, &secret, "")?;
    let Some(Source::Key(document) | Source::Token(document)) = caller.map(|caller| caller.source) else {
        return Err(missing().into());
    };
    match get_document(context, document, &call.position) {
        Err(Halt::Failures(_)) => Err(missing().into()),
        outcome => outcome,
    }
}
