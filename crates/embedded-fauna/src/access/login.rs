//! Authentication: from a credential to a caller.

use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;

use super::credential::{Credential, Scope, built_in_role};
use super::secret::{Kind, Secret};
use super::{roles, secret};
use crate::evaluator::{Caller, Context, Permissions, Source};
use crate::ir::{Outcome, Ref, Value, native};

/// The caller of a credential; `None` if the secret is unknown or must not be used with its scope.
///
/// # Errors
/// If the endpoint fails.
pub fn authenticate(context: &Context<'_>, shown: &str, root_hash: &str) -> Outcome<Option<Caller>> {
    let is_root =
        |text: &str| verify_slices_are_equal(secret::hash(text.as_bytes()).as_bytes(), root_hash.as_bytes()).is_ok();
    let root = Caller { database: 0, source: Source::Root, identity: None, permissions: Permissions::Admin };
    let Some(credential) = Credential::parse(shown) else {
        // FaunaDB's grammar has no secret with such characters, but a root key is what the operator chose.
        return Ok(is_root(shown).then_some(root));
    };
    match Secret::parse(credential.secret) {
        Some(secret) => match secret.kind {
            Kind::Key(id) => key(context, id, &secret, &credential),
            Kind::Token(id, global_id) => token(context, Ref::new(global_id, native::TOKENS, id), &secret),
        },
        None if is_root(credential.secret) => narrowed(context, root, &credential),
        None => Ok(None),
    }
}

/// The caller with a key.
fn key(context: &Context<'_>, id: i64, secret: &Secret, credential: &Credential<'_>) -> Outcome<Option<Caller>> {
    for database in context.transaction().databases_of_key(id)?.iter() {
        let document = Ref::new(*database, native::KEYS, id);
        let Some(key) = context.transaction().get(document)? else { continue };
        let is_right = matches!(key.fields.get("hashed_secret"), Some(Value::String(kept)) if secret.matches(kept));
        if !is_right {
            continue;
        }
        let scope = match key.fields.get("database") {
            Some(Value::Ref(child)) => context.transaction().child_database(*child)?,
            _ => Some(*database),
        };
        let Some(scope) = scope else { return Ok(None) };
        let Some(permissions) = permissions_of(key.fields.get("role")) else { return Ok(None) };
        let caller = Caller { database: scope, source: Source::Key(document), identity: None, permissions };
        return narrowed(context, caller, credential);
    }
    Ok(None)
}

/// The permissions of the role of a key or a function.
fn permissions_of(role: Option<&Value>) -> Option<Permissions> {
    match role? {
        Value::String(name) => built_in_role(name),
        Value::Ref(role) => Some(Permissions::Roles { roles: vec![role.id], identity: None }),
        Value::Array(all) => {
            let ids = all.iter().filter_map(|role| match role {
                Value::Ref(role) => Some(role.id),
                _ => None,
            });
            Some(Permissions::Roles { roles: ids.collect(), identity: None })
        }
        _ => None,
    }
}

/// The caller with a token: `at` holds the token's id and, in place of the database, its global number.
fn token(context: &Context<'_>, at: Ref, secret: &Secret) -> Outcome<Option<Caller>> {
    let Some(database) = context.transaction().database_by_global_id(at.database)? else { return Ok(None) };
    let document = Ref::new(database, native::TOKENS, at.id);
    let Some(token) = context.transaction().get(document)? else { return Ok(None) };
    let is_right = matches!(token.fields.get("hashed_secret"), Some(Value::String(kept)) if secret.matches(kept))
        && token.fields.contains("global_id");
    let (true, Some(Value::Ref(identity))) = (is_right, token.fields.get("instance")) else { return Ok(None) };
    if !context.transaction().exists(*identity)? {
        return Ok(None);
    }
    identified(context, database, Source::Token(document), *identity).map(Some)
}

/// A caller that is a document.
fn identified(context: &Context<'_>, database: i64, source: Source, identity: Ref) -> Outcome<Caller> {
    let roles = roles::memberships(context, identity, source)?;
    let permissions = Permissions::Roles { roles, identity: Some(identity) };
    Ok(Caller { database, source, identity: Some(identity), permissions })
}

/// The caller, as the scope of the secret asks for.
fn narrowed(context: &Context<'_>, caller: Caller, credential: &Credential<'_>) -> Outcome<Option<Caller>> {
    let Some(scope) = &credential.scope else { return Ok(Some(caller)) };
    let allowed = match caller.permissions {
        Permissions::Admin => true,
        Permissions::Server => credential.path.is_empty() && matches!(scope, Scope::Document(_)),
        _ => false,
    };
    if !allowed {
        return Ok(None);
    }
    let transaction = context.transaction();
    let mut database = caller.database;
    for name in &credential.path {
        let Some(document) = transaction.id_by_name(database, native::DATABASES, name)? else { return Ok(None) };
        let Some(child) = transaction.child_database(Ref::new(database, native::DATABASES, document))? else {
            return Ok(None);
        };
        database = child;
    }
    match scope {
        Scope::BuiltIn(permissions) => Ok(Some(Caller { database, permissions: permissions.clone(), ..caller })),
        Scope::Role(name) => {
            let role = transaction.id_by_name(database, native::ROLES, name)?;
            let permissions = role.map(|role| Permissions::Roles { roles: vec![role], identity: None });
            Ok(permissions.map(|permissions| Caller { database, permissions, ..caller }))
        }
        Scope::Document(path) => {
            let Some((collection, id)) = document_path(path) else { return Ok(None) };
            let Some(collection) = transaction.id_by_name(database, native::COLLECTIONS, collection)? else {
                return Ok(None);
            };
            let identity = Ref::new(database, collection, id);
            if !transaction.exists(identity)? {
                return Ok(None);
            }
            identified(context, database, caller.source, identity).map(Some)
        }
    }
}

/// The collection and the id of `COLLECTION/ID`. Nothing else can be acted as: no collection, no event, no `self`, no document
/// of a native collection.
fn document_path(path: &str) -> Option<(&str, i64)> {
    let (collection, id) = path.split_once('/')?;
    let is_number = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
    let is_reserved = matches!(collection, "self" | "events");
    if is_number && !is_reserved { Some((collection, id.parse().ok()?)) } else { None }
}

/// The caller inside a function that has a role of its own; the same caller where it has none.
pub fn function_caller(caller: &Arc<Caller>, role: Option<&Value>) -> Arc<Caller> {
    match permissions_of(role) {
        Some(permissions) => Arc::new(Caller { permissions, ..(**caller).clone() }),
        None => Arc::clone(caller),
    }
}
