//! The order of the fields that `merge` leaves.
//!
//! FaunaDB merges in Scala's immutable map. Up to four keys it keeps them in the order they came; the fifth turns it into a hash
//! trie, which it stays.

use std::collections::HashMap;
use std::sync::Arc;

use crate::ir::{Object, Value, trie_order};

const MAX_ORDERED: usize = 4;

/// Fields while they are merged.
pub struct Merged {
    /// The fields, in the order they came; nothing where one was taken out.
    fields: Vec<Option<(Arc<str>, Value)>>,
    places: HashMap<Arc<str>, usize>,
    is_hashed: bool,
}

impl Merged {
    /// Begins with the fields of an object; of those with one name the last counts.
    pub fn new(object: &Object) -> Self {
        let mut merged = Self { fields: Vec::new(), places: HashMap::new(), is_hashed: false };
        for (name, value) in object {
            merged.set(name, value.clone());
        }
        merged
    }

    /// The value of a field.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.places.get(name).and_then(|place| self.fields.get(*place)?.as_ref()).map(|(_, value)| value)
    }

    /// Sets a field: in its old place if it exists, else last.
    pub fn set(&mut self, name: &Arc<str>, value: Value) {
        let field = Some((Arc::clone(name), value));
        if let Some(old) = self.places.get(name).and_then(|place| self.fields.get_mut(*place)) {
            *old = field;
        } else {
            self.places.insert(Arc::clone(name), self.fields.len());
            self.fields.push(field);
        }
        self.is_hashed |= self.places.len() > MAX_ORDERED;
    }

    /// Takes a field out.
    pub fn remove(&mut self, name: &str) {
        if let Some(field) = self.places.remove(name).and_then(|place| self.fields.get_mut(place)) {
            *field = None;
        }
    }

    /// The fields in their final order.
    pub fn into_object(self) -> Object {
        let fields = self.fields.into_iter().flatten();
        Object::from_distinct(if self.is_hashed { trie_order(fields) } else { fields.collect() })
    }
}
