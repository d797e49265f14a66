//! What writing a document of a native collection brings about besides the document: names, secrets, databases, index entries.

use std::sync::Arc;

use super::checks::{Failures, wrong_type};
use super::{credentials, indexes};
use crate::access::{Secret, SecretKind, new_secret};
use crate::documents;
use crate::evaluator::Context;
use crate::ir::{Failure, FieldFailure, Object, Outcome, Position, Ref, Time, Value, native};

/// A patch with everything worked out that only the patch knows.
pub struct Prepared {
    pub patch: Object,
    /// Credentials that are to be written beside the document.
    credentials: Option<Object>,
}

/// The id of a new document.
///
/// # Errors
/// If the storage fails.
pub fn new_id(context: &Context<'_>, collection: Ref) -> Outcome<i64> {
    match collection.id {
        native::COLLECTIONS | native::INDEXES => {
            context.transaction().next_schema_id(collection.database, collection.id)
        }
        _ => context.transaction().new_id(),
    }
}

/// The fields of a new document before any are given.
pub fn defaults(collection: i64) -> Object {
    let mut fields = Object::new();
    match collection {
        native::COLLECTIONS => fields.set("history_days", Value::Integer(0)),
        native::INDEXES => {
            fields.set("active", Value::Bool(false));
            fields.set("serialized", Value::Bool(true));
        }
        _ => {}
    }
    fields
}

/// The fields that `replace` does not remove.
pub fn kept_by_replace(collection: i64, fields: &Object) -> Object {
    let kept: &[&str] = match collection {
        native::COLLECTIONS => &["name", "history_days"],
        native::INDEXES => &["name", "unique"],
        native::KEYS => &["hashed_secret"],
        native::ACCESS_PROVIDERS => &["name", "issuer", "jwks_uri", "roles", "audience"],
        native::DATABASES | native::FUNCTIONS | native::ROLES => &["name"],
        _ => &[],
    };
    fields.iter().filter(|(name, _)| kept.contains(&&**name)).cloned().collect()
}

/// Works out what the patch means: passwords become hashes, secrets too.
///
/// # Errors
/// If the endpoint fails.
pub fn prepare(
    context: &Context<'_>,
    document: Ref,
    base: &Object,
    patch: &Object,
) -> Outcome<Result<Prepared, Failures>> {
    let permissions = &context.caller.permissions;
    let plain = |patch: Object| Prepared { patch, credentials: None };
    match document.collection {
        native::CREDENTIALS => Ok(credentials::hashed(permissions, base, patch, &[])?.map(plain)),
        native::KEYS => Ok(key_secret(document, patch).map(plain)),
        native::INDEXES => {
            let mut patch = patch.clone();
            let mut merged = super::patched(base, &patch);
            if !matches!(merged.get("partitions"), Some(Value::Integer(_))) {
                indexes::with_partitions(&mut merged);
                patch.set("partitions", merged.get("partitions").cloned().unwrap_or(Value::Null));
            }
            if base.get("active") == Some(&Value::Bool(true)) {
                patch.set("active", Value::Bool(true));
            }
            Ok(Ok(plain(patch)))
        }
        collection if collection >= native::FIRST_USER => match patch.get("credentials") {
            None | Some(Value::Null) => Ok(Ok(plain(patch.clone()))),
            Some(Value::Object(given)) => {
                let hashed = credentials::hashed(permissions, &Object::new(), given, &["credentials"])?;
                Ok(hashed.map(|hashed| Prepared { patch: patch.clone(), credentials: Some(hashed) }))
            }
            Some(other) => Ok(Err(vec![wrong_type(&["credentials", "password"], "Map", other)])),
        },
        _ => Ok(Ok(plain(patch.clone()))),
    }
}

/// The hash of a secret that a key is given.
fn key_secret(document: Ref, patch: &Object) -> Result<Object, Failures> {
    let mut patch = patch.clone();
    let Some(given) = patch.remove("secret") else { return Ok(patch) };
    let secret = given.as_str().and_then(Secret::parse).filter(|secret| secret.kind == SecretKind::Key(document.id));
    match (secret, given) {
        (Some(secret), _) => {
            patch.set("hashed_secret", Value::from(secret.hash()));
            Ok(patch)
        }
        (None, Value::Null) => Ok(patch),
        (None, _) => Err(vec![FieldFailure::new(&["secret"], "invalid secret", "Invalid secret at `List(secret)`")]),
    }
}

/// The document that is written.
#[derive(Clone, Copy)]
pub struct Target<'p> {
    pub document: Ref,
    /// Whether the document does not exist yet.
    pub is_create: bool,
    /// Failures are reported at this place of the request.
    pub position: &'p Position,
}

/// Stores a valid document with everything that belongs to it; gives the fields that the caller gets to see.
///
/// # Errors
/// If a name or an index would not be unique any more; where the endpoint fails.
pub fn store(context: &Context<'_>, target: &Target<'_>, fields: Object, prepared: &Prepared) -> Outcome<Arc<Object>> {
    let Target { document, is_create, position } = *target;
    let fields = Arc::new(with_ttl(context, document, fields)?);
    if native::is_named(document.collection) {
        take_name(context, target, &fields)?;
    }
    match document.collection {
        native::TOKENS => token(context, document, &fields, position),
        native::KEYS => key(context, document, &fields, position),
        native::DATABASES => {
            if is_create {
                context.transaction().make_database(document)?;
            }
            documents::put(context, document, &fields, position)?;
            documents::visible(context, document, &fields)
        }
        native::INDEXES => index(context, target, &fields),
        native::CREDENTIALS => {
            note_credentials(context, document, &fields, position)?;
            documents::put(context, document, &fields, position)?;
            Ok(fields)
        }
        _ => {
            documents::put(context, document, &fields, position)?;
            if let Some(credentials) = &prepared.credentials {
                write_credentials(context, document, credentials, position)?;
            }
            Ok(fields)
        }
    }
}

/// The fields with the `ttl` that the collection gives a document that has none.
///
/// # Errors
/// If the storage fails.
pub fn with_ttl(context: &Context<'_>, document: Ref, mut fields: Object) -> Outcome<Object> {
    if document.is_user_document() && !fields.contains("ttl") {
        let collection = context.transaction().get(document.parent())?;
        if let Some(Value::Integer(days)) = collection.and_then(|collection| collection.fields.get("ttl_days").cloned())
        {
            let ends = context.transaction().snapshot().saturating_add(days.saturating_mul(86_400_000_000));
            fields.set("ttl", Value::Time(Time::from_micros(ends)));
        }
    }
    Ok(fields)
}

/// Gives a schema document its name.
fn take_name(context: &Context<'_>, target: &Target<'_>, fields: &Object) -> Outcome<()> {
    let Target { document, is_create, position } = *target;
    let transaction = context.transaction();
    let Some(Value::String(name)) = fields.get("name") else { return Ok(()) };
    match transaction.owner_of_name(document.database, document.collection, name)? {
        Some(owner) if owner == document.id => Ok(()),
        Some(_) if is_create => Err(Failure::already_exists(document.collection, position.clone()).into()),
        Some(_) => Err(Failure::not_unique(position.clone()).into()),
        None => transaction.set_name(document, Some(name)),
    }
}

/// A token: a secret of its own, unless its hash was given.
fn token(context: &Context<'_>, document: Ref, fields: &Arc<Object>, position: &Position) -> Outcome<Arc<Object>> {
    if fields.contains("hashed_secret") {
        documents::put(context, document, fields, position)?;
        let mut shown = (**fields).clone();
        shown.remove("hashed_secret");
        shown.remove("global_id");
        return Ok(Arc::new(shown));
    }
    let global_id = context.transaction().global_id(document.database)?;
    let secret = new_secret(SecretKind::Token(document.id, global_id))?;
    let mut shown = (**fields).clone();
    shown.remove("global_id");
    let mut stored = shown.clone();
    stored.set("hashed_secret", Value::from(secret.hash()));
    stored.set("global_id", Value::Integer(global_id));
    shown.set("secret", Value::from(secret.text()));
    documents::put(context, document, &Arc::new(stored), position)?;
    Ok(Arc::new(shown))
}

/// A key: a secret, unless its hash was given or it has one already.
fn key(context: &Context<'_>, document: Ref, fields: &Arc<Object>, position: &Position) -> Outcome<Arc<Object>> {
    context.transaction().note_key(document, true)?;
    if fields.contains("hashed_secret") {
        documents::put(context, document, fields, position)?;
        return Ok(Arc::clone(fields));
    }
    let secret = new_secret(SecretKind::Key(document.id))?;
    let mut stored = (**fields).clone();
    stored.set("hashed_secret", Value::from(secret.hash()));
    documents::put(context, document, &Arc::new(stored), position)?;
    let mut shown = (**fields).clone();
    shown.set("secret", Value::from(secret.text()));
    shown.set("hashed_secret", Value::from(secret.hash()));
    Ok(Arc::new(shown))
}

/// An index: filled as soon as it is made. One over several collections says for a moment that it is not, as FaunaDB's are built later.
fn index(context: &Context<'_>, target: &Target<'_>, fields: &Arc<Object>) -> Outcome<Arc<Object>> {
    let Target { document, is_create, position } = *target;
    if !is_create {
        if let Some(old) = context.transaction().current(document)? {
            require_same_shape(&old.fields, fields, position)?;
        }
        documents::put(context, document, fields, position)?;
        return Ok(Arc::clone(fields));
    }
    let collections = indexes::collections(fields);
    let transaction = context.transaction();
    let mut stored = (**fields).clone();
    stored.set("active", Value::Bool(true));
    let stored = Arc::new(stored);
    documents::put(context, document, &stored, position)?;
    transaction.set_sources(document, &collections)?;
    let mut sources = Vec::new();
    for id in &collections {
        if *id >= 0 {
            sources.push(Ref::to_collection(document.database, *id));
        } else {
            let all = Ref::to_collection(document.database, native::COLLECTIONS);
            for id in transaction.ids(all, native::FIRST_USER, true, usize::MAX)? {
                sources.push(Ref::to_collection(document.database, id));
            }
        }
    }
    documents::build(context, document, &sources)?;
    let is_at_once = matches!(collections.as_slice(), [only] if *only >= 0) || sources.is_empty();
    Ok(if is_at_once { stored } else { Arc::clone(fields) })
}

/// Refuses a change of what an index is made of.
fn require_same_shape(old: &Object, new: &Object, position: &Position) -> Outcome<()> {
    let refuse = |text: String| {
        let failure = FieldFailure::new(&[], "invalid index", text);
        Err(Failure::invalid(vec![failure], position.clone()).into())
    };
    if let (Some(Value::Integer(before)), Some(Value::Integer(after))) = (old.get("partitions"), new.get("partitions"))
        && before != after
    {
        return refuse(format!("Index partition count may not be updated ({before} -> {after})."));
    }
    let differs = ["source", "terms", "values"].into_iter().any(|field| old.get(field) != new.get(field));
    if differs {
        return refuse("Index sources, terms, and values may not be updated (Diff(…))".to_owned());
    }
    Ok(())
}

/// Notes whose credentials these are; there can be only one for a document.
fn note_credentials(context: &Context<'_>, document: Ref, fields: &Object, position: &Position) -> Outcome<()> {
    let transaction = context.transaction();
    if let Some(Value::Ref(owner)) = transaction.current(document)?.and_then(|old| old.fields.get("instance").cloned())
    {
        transaction.note_credentials(owner, None)?;
    }
    let Some(Value::Ref(owner)) = fields.get("instance") else { return Ok(()) };
    match transaction.credentials_of(*owner)? {
        Some(other) if other != document && transaction.exists(other)? => {
            Err(Failure::not_unique(position.clone()).into())
        }
        _ => transaction.note_credentials(*owner, Some(document.id)),
    }
}

/// Writes the credentials that came with a document.
fn write_credentials(context: &Context<'_>, owner: Ref, patch: &Object, position: &Position) -> Outcome<()> {
    let transaction = context.transaction();
    let existing = match transaction.credentials_of(owner)? {
        Some(credentials) => transaction.get(credentials)?.map(|stored| (credentials, stored)),
        None => None,
    };
    let (document, base) = if let Some((document, stored)) = existing {
        (document, (*stored.fields).clone())
    } else {
        let mut fields = Object::new();
        fields.set("instance", Value::Ref(owner));
        (Ref::new(owner.database, native::CREDENTIALS, transaction.new_id()?), fields)
    };
    let fields = super::rules::selected(native::CREDENTIALS, &super::patched(&base, patch));
    note_credentials(context, document, &fields, position)?;
    documents::put(context, document, &Arc::new(fields), position)
}

/// Deletes a document with everything that belongs to it.
///
/// # Errors
/// If the endpoint fails.
pub fn delete(context: &Context<'_>, document: Ref, fields: &Object) -> Outcome<()> {
    let transaction = context.transaction();
    match document.collection {
        native::COLLECTIONS => {
            for id in transaction.indexes_of(Ref::to_collection(document.database, document.id))?.iter() {
                let index = Ref::new(document.database, native::INDEXES, *id);
                if transaction.is_only_source(index, document.id)?
                    && let Some(stored) = transaction.get(index)?
                {
                    delete(context, index, &stored.fields)?;
                }
            }
        }
        native::INDEXES => {
            transaction.drop_entries(document)?;
            transaction.set_sources(document, &[])?;
        }
        native::DATABASES => {
            if let Some(child) = transaction.child_database(document)? {
                transaction.drop_database(child)?;
            }
        }
        native::KEYS => transaction.note_key(document, false)?,
        native::CREDENTIALS => {
            if let Some(Value::Ref(owner)) = fields.get("instance") {
                transaction.note_credentials(*owner, None)?;
            }
        }
        _ => {}
    }
    if native::is_named(document.collection) {
        transaction.set_name(document, None)?;
    }
    documents::delete(context, document)
}

/// Moves a database below another.
///
/// # Errors
/// If its name is taken there; where the endpoint fails.
pub fn move_database(context: &Context<'_>, from: Ref, target: i64, position: &Position) -> Outcome<Value> {
    let transaction = context.transaction();
    let Some(stored) = transaction.get(from)? else {
        return Err(Failure::not_found(native::DATABASES, position.clone()).into());
    };
    let to = Ref::new(target, native::DATABASES, from.id);
    take_name(context, &Target { document: to, is_create: true, position }, &stored.fields)?;
    transaction.move_database(from, to)?;
    transaction.set_name(from, None)?;
    documents::delete(context, from)?;
    documents::put(context, to, &stored.fields, position)?;
    let mut moved = documents::document(context, to, &stored)?;
    moved.ts = crate::ir::Stamp::Now;
    Ok(Value::Document(Arc::new(moved)))
}
