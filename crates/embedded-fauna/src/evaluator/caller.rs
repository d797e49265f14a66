//! On whose behalf something is evaluated.

use crate::ir::Ref;

/// The authenticated caller of a query.
#[derive(Clone, Debug)]
pub struct Caller {
    pub database: i64,
    pub source: Source,
    /// The document that the caller is; the predicates of a function's own role see none.
    pub identity: Option<Ref>,
    pub permissions: Permissions,
}

impl Caller {
    /// The documents without which its secret is not valid.
    pub fn documents(&self) -> impl Iterator<Item = Ref> {
        let own = match self.source {
            Source::Root => None,
            Source::Key(document) | Source::Token(document) => Some(document),
        };
        [self.identity, own].into_iter().flatten()
    }
}

/// The kind of secret that a caller was authenticated by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    Root,
    Key(Ref),
    Token(Ref),
}

/// Permissions of a caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Permissions {
    /// Everything, in this database and below.
    Admin,
    /// Everything in this database but databases, keys, roles and access providers.
    Server,
    /// As `Server`, but read-only.
    ServerReadOnly,
    /// No documents; only evaluation, and what needs no permission.
    Client,
    /// Reads of all documents: the predicates of roles are evaluated with this.
    Predicate,
    /// The union of privileges of user-defined roles.
    Roles {
        roles: Vec<i64>,
        /// The document whose tokens and credentials are open to the caller.
        identity: Option<Ref>,
    },
}
