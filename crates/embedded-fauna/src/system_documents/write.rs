//! Creating, changing and deleting documents of any collection.
//!
//! The order of checks is FaunaDB's, because it shows: a document that must exist is looked for before permission is asked for; a
//! create asks for permission first.

use std::sync::Arc;

use super::effects::Target;
use super::{effects, patched, rules};
use crate::access::{Access, require};
use crate::documents;
use crate::evaluator::Context;
use crate::ir::{Action, Document, DocumentEvent, Failure, Object, Outcome, Position, Ref, Stamp, Time, Value, native};
use crate::storage::{Past, version_at};

/// The kind of change of an existing document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The given fields are merged into the existing ones.
    Update,
    /// The given fields replace the existing ones.
    Replace,
}

impl Change {
    const fn name(self) -> &'static str {
        match self {
            Self::Update => "update",
            Self::Replace => "replace",
        }
    }
}

/// The fields that a request may not write, on creating and on changing.
const fn protected(collection: i64, is_create: bool) -> &'static [&'static str] {
    match collection {
        native::TOKENS => &["global_id"],
        native::DATABASES => &["scope", "global_id"],
        native::KEYS if !is_create => &["hashed_secret"],
        native::ACCESS_PROVIDERS if !is_create => &["audience"],
        _ => &[],
    }
}

/// What of a request may be written.
///
/// # Errors
/// If there is a set in it that cannot be stored.
fn writable(collection: i64, params: &Object, is_create: bool) -> Outcome<Object> {
    let protected = protected(collection, is_create);
    Ok(params.stored()?.into_iter().filter(|(name, _)| !protected.contains(&&**name)).collect())
}

/// Creates a document, with an id of the caller's choice or a new one.
///
/// # Errors
/// If it may not be, or exists, or is not valid: at `position`.
pub fn create(
    context: &Context<'_>,
    collection: Ref,
    id: Option<i64>,
    params: &Object,
    position: &Position,
) -> Outcome<Value> {
    let patch = writable(collection.id, params, true)?;
    let database = collection.database;
    let document = Ref::new(
        database,
        collection.id,
        match id {
            Some(id) => id,
            None => effects::new_id(context, collection)?,
        },
    );
    require(context, &Access::Create { document, with_id: id.is_some(), new: &patch }, position)?;
    if id.is_some() && context.transaction().exists(document)? {
        return Err(Failure::already_exists(collection.id, position.clone()).into());
    }
    let written =
        write(context, &Target { document, is_create: true, position }, &effects::defaults(collection.id), &patch)?;
    Ok(Value::Document(Arc::new(Document { is_new: true, ..written })))
}

/// # Errors
/// If it does not exist, may not be changed, or would not be valid.
pub fn update(
    context: &Context<'_>,
    document: Ref,
    change: Change,
    params: &Object,
    position: &Position,
) -> Outcome<Value> {
    if document.is_native_collection() {
        let text = "Cannot update a schema meta collection.";
        return Err(Failure::argument(position.at(change.name()), text).into());
    }
    let patch = writable(document.collection, params, false)?;
    let Some(stored) = context.transaction().get(document)? else {
        return Err(Failure::not_found(document.collection, position.at(change.name())).into());
    };
    let new = patched(&stored.fields, &patch);
    require(context, &Access::Write { document, old: &stored.fields, new: &new }, position)?;
    let base = match change {
        Change::Update => (*stored.fields).clone(),
        Change::Replace => effects::kept_by_replace(document.collection, &stored.fields),
    };
    let written = write(context, &Target { document, is_create: false, position }, &base, &patch)?;
    Ok(Value::Document(Arc::new(written)))
}

/// Writes what a patch makes of a version.
fn write(context: &Context<'_>, target: &Target<'_>, base: &Object, patch: &Object) -> Outcome<Document> {
    let Target { document, position, .. } = *target;
    if context.valid_time.is_some() {
        return Err(
            Failure::new("invalid write time", position.clone(), "Cannot write outside of snapshot time.").into()
        );
    }
    let invalid = |failures| Failure::invalid(failures, position.clone());
    let prepared = effects::prepare(context, document, base, patch)?.map_err(invalid)?;
    let fields = rules::selected(document.collection, &patched(base, &prepared.patch));
    let failures = rules::failures(context, document.collection, &fields)?;
    if !failures.is_empty() {
        return Err(invalid(failures).into());
    }
    if let Some(text) = rules::refused(document.collection, &fields) {
        return Err(Failure::new("schema validation failed", position.clone(), text).into());
    }
    let shown = effects::store(context, target, fields, &prepared)?;
    Ok(Document { reference: document, ts: Stamp::Now, deleted: false, fields: shown, is_new: false })
}

/// Deletes a document and gives it as it was.
///
/// # Errors
/// If it does not exist or may not be deleted.
pub fn delete(context: &Context<'_>, document: Ref, position: &Position) -> Outcome<Value> {
    let Some(stored) = context.transaction().get(document)? else {
        return Err(Failure::not_found(document.collection, position.clone()).into());
    };
    if context.valid_time.is_some() {
        return Err(
            Failure::new("invalid write time", position.clone(), "Cannot write outside of snapshot time.").into()
        );
    }
    require(context, &Access::Delete(document), position)?;
    let was = documents::document(context, document, &stored)?;
    effects::delete(context, document, &stored.fields)?;
    Ok(Value::Document(Arc::new(was)))
}

/// The place of a version in the history of a document.
#[derive(Clone, Copy)]
pub struct HistoryVersion {
    pub ts: Time,
    pub action: Action,
}

/// Writes a version into the history of a document.
///
/// # Errors
/// If that may not be, or it is not valid.
pub fn insert_version(
    context: &Context<'_>,
    document: Ref,
    version: HistoryVersion,
    params: &Object,
    position: &Position,
) -> Outcome<Value> {
    let HistoryVersion { ts, action } = version;
    let patch = writable(document.collection, params, false)?;
    require(context, &Access::WriteHistory { document, ts, action, data: &patch }, position)?;
    let fields = if action == Action::Delete {
        None
    } else {
        let fields = rules::selected(document.collection, &patched(&Object::new(), &patch));
        let failures = rules::failures(context, document.collection, &fields)?;
        if !failures.is_empty() {
            return Err(Failure::invalid(failures, position.clone()).into());
        }
        Some(Arc::new(effects::with_ttl(context, document, fields)?))
    };
    let mut history = context.transaction().history(document)?;
    let micros = ts.micros();
    history.retain(|version| version.ts != micros);
    let before = version_at(&history, micros).is_some();
    let data = fields.as_ref().and_then(|fields| fields.get("data").cloned());
    history.push(Past { ts: micros, fields });
    history.sort_by_key(|version| version.ts);
    documents::rewrite(context, document, &history, position)?;
    let action = match action {
        Action::Delete => Action::Delete,
        _ if before => Action::Update,
        _ => Action::Create,
    };
    Ok(Value::DocumentEvent(Arc::new(DocumentEvent { ts: Stamp::At(micros), action, document, data })))
}

/// Takes a version out of the history of a document.
///
/// # Errors
/// If that may not be.
pub fn remove_version(
    context: &Context<'_>,
    document: Ref,
    version: HistoryVersion,
    position: &Position,
) -> Outcome<Value> {
    let HistoryVersion { ts, action } = version;
    let mut history = context.transaction().history(document)?;
    let micros = ts.micros();
    let fields = history.iter().find(|version| version.ts == micros).and_then(|version| version.fields.clone());
    let data = fields.unwrap_or_default();
    require(context, &Access::WriteHistory { document, ts, action, data: &data }, position)?;
    history.retain(|version| version.ts != micros || version.fields.is_none() != (action == Action::Delete));
    documents::rewrite(context, document, &history, position)?;
    Ok(Value::Null)
}
