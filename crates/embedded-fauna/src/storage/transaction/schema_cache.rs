//! The schema cache of a connection.
//!
//! Every query needs the same few documents: the roles of the caller, a collection, an index, their names. They stay cached in decoded
//! form while the schema version is the same. The version is a counter in the file that every transaction which writes schema
//! increments, and it is read in the same snapshot as everything else, so a cached entry is never stale: a changed role applies to the
//! next request on every thread. Tokens and credentials are not schema and are not cached.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use crate::ir::Ref;
use crate::storage::Stored;

/// Maximum entries per map: look-ups of names that do not exist must not fill the memory.
const MAX_KEPT: usize = 4096;

/// One map of the cache. Emptied when it is full.
pub struct Answers<Q, A>(RefCell<HashMap<Q, A>>);

impl<Q, A> Default for Answers<Q, A> {
    fn default() -> Self {
        Self(RefCell::new(HashMap::new()))
    }
}

impl<Q: Eq + Hash, A: Clone> Answers<Q, A> {
    pub fn get(&self, question: &Q) -> Option<A> {
        self.0.borrow().get(question).cloned()
    }

    pub fn keep(&self, question: Q, answer: A) {
        let mut kept = self.0.borrow_mut();
        if kept.len() >= MAX_KEPT {
            kept.clear();
        }
        kept.insert(question, answer);
    }

    fn clear(&self) {
        self.0.borrow_mut().clear();
    }
}

/// A name: the database, the native collection, the name itself.
pub type Name = (i64, i64, Box<str>);

/// Cached look-ups of one schema version.
#[derive(Default)]
pub struct SchemaCache {
    version: Cell<i64>,
    /// Schema documents, including expired ones; `None` if there is none.
    pub documents: Answers<Ref, Option<Stored>>,
    /// Ids of the documents of a native schema collection.
    pub ids: Answers<Ref, Arc<[i64]>>,
    /// Ids by name, with the time of the write.
    pub named: Answers<Name, Option<(i64, i64)>>,
    /// The names of schema documents.
    pub names: Answers<Ref, Option<Arc<str>>>,
    /// Database id by its document in `databases`.
    pub children: Answers<Ref, Option<i64>>,
    /// The inverse of `children`.
    pub parents: Answers<i64, Option<Ref>>,
    /// The global numbers of databases.
    pub global_ids: Answers<i64, i64>,
    /// The databases with global numbers.
    pub by_global_id: Answers<i64, Option<i64>>,
    /// Databases that contain a key with this id.
    pub keys: Answers<i64, Arc<[i64]>>,
    /// Indexes with this collection as a source.
    pub indexes: Answers<Ref, Arc<[i64]>>,
}

impl SchemaCache {
    /// Empties the cache if the schema version has changed.
    pub fn keep_only(&self, version: i64) {
        if self.version.replace(version) == version {
            return;
        }
        self.documents.clear();
        self.ids.clear();
        self.named.clear();
        self.names.clear();
        self.children.clear();
        self.parents.clear();
        self.global_ids.clear();
        self.by_global_id.clear();
        self.keys.clear();
        self.indexes.clear();
    }
}
