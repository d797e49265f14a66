//! On whose behalf something is evaluated.

use crate::ir::Ref;

/// Who asks.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The database that the query runs in.
    pub database: i64,
    /// How the caller showed who they are.
    pub source: Source,
    /// The document that the caller is; the predicates of a function's own role see none.
    pub identity: Option<Ref>,
    /// What the caller may do.
    pub permissions: Permissions,
}

/// How a caller showed who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// With the root key.
    Root,
    /// With a key.
    Key(Ref),
    /// With a token.
    Token(Ref),
}

/// What a caller may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Permissions {
    /// Everything, in this database and below.
    Admin,
    /// Everything in this database but databases, keys, roles and access providers.
    Server,
    /// What a server may, as far as it is reading.
    ServerReadOnly,
    /// Almost nothing.
    Client,
    /// Reading all documents: for the predicates of roles.
    Predicate,
    /// What these roles grant.
    Roles {
        /// Ids of roles.
        roles: Vec<i64>,
        /// The document whose tokens and credentials are open to the caller.
        identity: Option<Ref>,
    },
}
