//! What a connection knows of the schema from one transaction to the next.
//!
//! Every query asks for the same few things: the roles of the caller, a collection, an index, their names. They are kept as they were
//! read - decoded, and their lambdas parsed - as long as the schema has the same version: a counter in the file which every
//! transaction that writes schema raises, and which is read in the same snapshot as all else. So nothing outdated is ever used: a role
//! that one request has changed holds in the very next, whichever thread runs it. Tokens and credentials are no schema; they are
//! read anew each time.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use super::Stored;
use crate::ir::Ref;

/// How many answers to one kind of question are kept: asking for names that do not exist must not fill the memory.
const MAX_KEPT: usize = 4096;

/// Answers to one kind of question.
pub struct Answers<Q, A>(RefCell<HashMap<Q, A>>);

impl<Q, A> Default for Answers<Q, A> {
    fn default() -> Self {
        Self(RefCell::new(HashMap::new()))
    }
}

impl<Q: Eq + Hash, A: Clone> Answers<Q, A> {
    /// The answer to a question that has been asked before.
    pub fn get(&self, question: &Q) -> Option<A> {
        self.0.borrow().get(question).cloned()
    }

    /// Keeps an answer.
    pub fn keep(&self, question: Q, answer: A) {
        let mut kept = self.0.borrow_mut();
        if kept.len() >= MAX_KEPT {
            kept.clear();
        }
        kept.insert(question, answer);
    }

    /// Forgets all answers.
    fn clear(&self) {
        self.0.borrow_mut().clear();
    }
}

/// A name: the database, the native collection, the name itself.
pub type Name = (i64, i64, Box<str>);

/// What is known of one version of the schema.
#[derive(Default)]
pub struct Known {
    /// The version.
    version: Cell<i64>,
    /// Schema documents, also those that have expired; `None` where there is none.
    pub documents: Answers<Ref, Option<Stored>>,
    /// Which documents a collection of schema has.
    pub ids: Answers<Ref, Arc<[i64]>>,
    /// What has a name, and since when.
    pub named: Answers<Name, Option<(i64, i64)>>,
    /// The names of schema documents.
    pub names: Answers<Ref, Option<Arc<str>>>,
    /// The databases that documents stand for.
    pub children: Answers<Ref, Option<i64>>,
    /// The documents that stand for databases.
    pub parents: Answers<i64, Option<Ref>>,
    /// The global numbers of databases.
    pub global_ids: Answers<i64, i64>,
    /// The databases with global numbers.
    pub by_global_id: Answers<i64, Option<i64>>,
    /// Where keys with an id are.
    pub keys: Answers<i64, Arc<[i64]>>,
    /// Which indexes a collection feeds.
    pub indexes: Answers<Ref, Arc<[i64]>>,
}

impl Known {
    /// Forgets everything unless it is of this version.
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
