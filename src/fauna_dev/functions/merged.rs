//! The order of the fields that `merge` leaves.
//!
//! FaunaDB merges in Scala's immutable map. Up to four keys it keeps them in the order they came; the fifth turns it into a hash
//! trie, which it stays, and whose order is that of the hashes: five bits a level, the lowest first, keys before subtrees.

use std::collections::HashMap;
use std::sync::Arc;

use crate::fauna_dev::language::Object;
use crate::fauna_dev::language::Value;

/// How many keys are kept in order.
const MAX_ORDERED: usize = 4;
/// How many bits of a hash each level of the trie takes.
const LEVEL_BITS: u32 = 5;

/// Fields while they are merged.
pub struct Merged {
    /// The fields, in the order they came; nothing where one was taken out.
    fields: Vec<Option<(Arc<str>, Value)>>,
    /// Where each name stands.
    places: HashMap<Arc<str>, usize>,
    /// Whether there have ever been more than can be kept in order.
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
        if !self.is_hashed {
            return Object::from_distinct(fields.collect());
        }
        let hashed = fields.map(|field| (mixed_hash(&field.0), field)).collect();
        let mut ordered = Vec::new();
        put_in_order(hashed, 0, &mut ordered);
        Object::from_distinct(ordered)
    }
}

/// A field and its hash.
type Hashed = (u32, (Arc<str>, Value));

/// Java's hash of a string, as Scala's map mixes it.
fn mixed_hash(text: &str) -> u32 {
    let hash = text.encode_utf16().fold(0_u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(u32::from(unit)));
    hash ^ hash >> 16
}

/// The part of a hash that one level of the trie looks at.
const fn part(hash: u32, shift: u32) -> u32 {
    hash >> shift & ((1 << LEVEL_BITS) - 1)
}

/// Appends fields in the order of the trie: those alone in their slot first, then the subtrees.
fn put_in_order(mut fields: Vec<Hashed>, shift: u32, ordered: &mut Vec<(Arc<str>, Value)>) {
    if shift >= u32::BITS {
        ordered.extend(fields.into_iter().map(|(_, field)| field));
        return;
    }
    fields.sort_by_key(|(hash, _)| part(*hash, shift));
    let mut subtrees: Vec<Vec<Hashed>> = Vec::new();
    for slot in fields.chunk_by(|(a, _), (b, _)| part(*a, shift) == part(*b, shift)) {
        match slot {
            [(_, alone)] => ordered.push(alone.clone()),
            several => subtrees.push(several.to_vec()),
        }
    }
    for subtree in subtrees {
        put_in_order(subtree, shift + LEVEL_BITS, ordered);
    }
}
