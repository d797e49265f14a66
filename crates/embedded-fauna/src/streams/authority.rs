//! What the permission of a stream rests on, to notice when it changes.

use std::sync::Arc;

use crate::access;
use crate::evaluator::{Caller, Context, Permissions, Source};
use crate::ir::{Outcome, Ref, native};
use crate::storage::Topic;

/// The caller of a stream and the versions of the documents that give it its permissions. Two are equal if nothing has changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Authority {
    database: i64,
    source: Source,
    identity: Option<Ref>,
    permissions: Permissions,
    /// Times of the key or token and of each role.
    versions: Vec<(Ref, Option<i64>)>,
}

/// Verifies a secret; `None` if it is not valid any more.
pub fn authenticate(context: &Context<'_>, secret: &str, root_hash: &str) -> Outcome<Option<(Arc<Caller>, Authority)>> {
    let Some(caller) = access::authenticate(context, secret, root_hash)? else { return Ok(None) };
    let source = source_document(caller.source);
    let roles = match &caller.permissions {
        Permissions::Roles { roles, .. } => roles.as_slice(),
        _ => &[],
    };
    let roles = roles.iter().map(|role| Ref::new(caller.database, native::ROLES, *role));
    let mut versions = Vec::new();
    for document in source.into_iter().chain(roles) {
        versions.push((document, context.transaction().get(document)?.map(|stored| stored.ts)));
    }
    let authority = Authority {
        database: caller.database,
        source: caller.source,
        identity: caller.identity,
        permissions: caller.permissions.clone(),
        versions,
    };
    Ok(Some((Arc::new(caller), authority)))
}

impl Authority {
    /// The topics that affect it, besides the schema.
    pub fn topics(&self) -> impl Iterator<Item = Topic> {
        source_document(self.source).into_iter().chain(self.identity).map(Topic::Authority)
    }
}

const fn source_document(source: Source) -> Option<Ref> {
    match source {
        Source::Root => None,
        Source::Key(document) | Source::Token(document) => Some(document),
    }
}
