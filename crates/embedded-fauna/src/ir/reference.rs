//! References to documents and to schema.
//!
//! A resolved reference holds numbers, so that renaming a collection renames every reference to it; names are looked up when it is written.

use std::sync::Arc;

use super::Kind;

/// Numbers of the collections that every database has. Collections of users start at [`native::FIRST_USER`].
pub mod native {
    pub const DATABASES: i64 = 0;
    pub const COLLECTIONS: i64 = 1;
    pub const KEYS: i64 = 2;
    pub const TOKENS: i64 = 3;
    pub const INDEXES: i64 = 7;
    pub const CREDENTIALS: i64 = 10;
    pub const FUNCTIONS: i64 = 11;
    pub const ROLES: i64 = 12;
    pub const ACCESS_PROVIDERS: i64 = 13;
    /// The first number that a collection of a user can have.
    pub const FIRST_USER: i64 = 1024;

    /// The collection that `name` means, as in `{"@ref":{"id":"tokens"}}`.
    pub fn by_name(name: &str) -> Option<i64> {
        Some(match name {
            "databases" => DATABASES,
            "collections" | "classes" => COLLECTIONS,
            "keys" => KEYS,
            "tokens" => TOKENS,
            "indexes" => INDEXES,
            "credentials" => CREDENTIALS,
            "functions" => FUNCTIONS,
            "roles" => ROLES,
            "access_providers" => ACCESS_PROVIDERS,
            _ => return None,
        })
    }

    /// The name of a native collection.
    pub const fn name(collection: i64) -> Option<&'static str> {
        Some(match collection {
            DATABASES => "databases",
            COLLECTIONS => "collections",
            KEYS => "keys",
            TOKENS => "tokens",
            INDEXES => "indexes",
            CREDENTIALS => "credentials",
            FUNCTIONS => "functions",
            ROLES => "roles",
            ACCESS_PROVIDERS => "access_providers",
            _ => return None,
        })
    }

    /// Whether the documents of a native collection are known by name.
    pub const fn is_named(collection: i64) -> bool {
        matches!(collection, DATABASES | COLLECTIONS | INDEXES | FUNCTIONS | ROLES | ACCESS_PROVIDERS)
    }

    /// The word for one document of a native collection in `… not found.` and `… already exists.`
    pub const fn noun(collection: i64) -> &'static str {
        match collection {
            DATABASES => "Database",
            COLLECTIONS => "Collection",
            KEYS => "Key",
            TOKENS => "Token",
            INDEXES => "Index",
            CREDENTIALS => "Credentials",
            FUNCTIONS => "Function",
            ROLES => "Role",
            ACCESS_PROVIDERS => "other",
            _ => "Document",
        }
    }
}

/// A document of some database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ref {
    /// Number of the database.
    pub database: i64,
    /// Number of the collection.
    pub collection: i64,
    /// Number of the document.
    pub id: i64,
}

impl Ref {
    pub const fn new(database: i64, collection: i64, id: i64) -> Self {
        Self { database, collection, id }
    }

    /// A collection itself, native or not.
    pub const fn to_collection(database: i64, collection: i64) -> Self {
        Self { database, collection: native::COLLECTIONS, id: collection }
    }

    /// The collection that this document is in.
    #[must_use]
    pub const fn parent(self) -> Self {
        Self::to_collection(self.database, self.collection)
    }

    /// Whether this names a collection of users or a native one.
    pub const fn is_collection(self) -> bool {
        self.collection == native::COLLECTIONS
    }

    /// Whether this names a native collection, like `tokens`.
    pub const fn is_native_collection(self) -> bool {
        self.is_collection() && self.id < native::FIRST_USER
    }

    /// Whether this is schema, as against documents of users, their tokens and their credentials.
    pub const fn is_schema(self) -> bool {
        self.collection < native::FIRST_USER && !matches!(self.collection, native::TOKENS | native::CREDENTIALS)
    }

    /// Whether this is a document of a collection that a user made.
    pub const fn is_user_document(self) -> bool {
        self.collection >= native::FIRST_USER
    }

    /// The type that messages call it.
    pub const fn kind(self) -> Kind {
        match self.collection {
            native::COLLECTIONS => Kind::CollectionRef,
            native::INDEXES => Kind::IndexRef,
            native::DATABASES => Kind::DatabaseRef,
            native::KEYS => Kind::KeyRef,
            native::FUNCTIONS => Kind::FunctionRef,
            _ => Kind::Ref,
        }
    }
}

impl PartialOrd for Ref {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ref {
    /// By document first, then by collection.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.id, self.collection, self.database).cmp(&(other.id, other.collection, other.database))
    }
}

/// A reference to something that does not exist, kept as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unresolved {
    Named {
        /// The native collection it would be in.
        collection: i64,
        name: Arc<str>,
        /// The child database it would be in.
        scope: Option<Arc<Self>>,
    },
    /// A native collection of a child database that does not exist.
    Native { collection: i64, scope: Option<Arc<Self>> },
    /// A key by id, of another database.
    Key { id: i64, scope: Option<Arc<Self>> },
    /// A document of a collection that does not exist.
    Document { collection: Arc<Self>, id: i64 },
    /// The caller's own document of a collection that does not exist.
    Own { collection: Arc<Self> },
}

impl Unresolved {
    /// The type that messages call it.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Named { collection, .. } => match *collection {
                native::COLLECTIONS => Kind::CollectionRef,
                native::INDEXES => Kind::IndexRef,
                native::DATABASES => Kind::DatabaseRef,
                native::FUNCTIONS => Kind::FunctionRef,
                native::ROLES => Kind::RoleRef,
                native::ACCESS_PROVIDERS => Kind::AccessProviderRef,
                _ => Kind::Ref,
            },
            Self::Native { .. } => Kind::CollectionRef,
            Self::Key { .. } => Kind::KeyRef,
            Self::Document { .. } | Self::Own { .. } => Kind::Ref,
        }
    }

    /// The kind and the name of what is missing, for messages.
    pub fn missing(&self) -> (&'static str, String) {
        match self {
            Self::Named { collection, name, .. } => (
                match *collection {
                    native::DATABASES => "database",
                    native::FUNCTIONS => "function",
                    native::ROLES => "role",
                    native::ACCESS_PROVIDERS => "access_provider",
                    native::INDEXES => "index",
                    _ => "collection",
                },
                name.to_string(),
            ),
            Self::Native { scope: Some(scope), .. } => scope.missing(),
            Self::Native { collection, scope: None } => {
                ("collection", native::name(*collection).unwrap_or_default().to_owned())
            }
            Self::Key { id, .. } => ("key", id.to_string()),
            Self::Document { collection, .. } | Self::Own { collection } => collection.missing(),
        }
    }
}
