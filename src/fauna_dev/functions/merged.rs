//! The order of the fields that `merge` leaves.
//!
//! FaunaDB merges in Scala's immutable map. Up to four keys it keeps them in the order they came; the fifth turns it into a hash
//! trie, which it stays, and whose order is that of the hashes: five bits a level, the lowest first, keys before subtrees.

use std::sync::Arc;

use crate::fauna_dev::language::Object;
use crate::fauna_dev::language::Value;

/// How many keys are kept in order.
const MAX_ORDERED: usize = 4;
/// How many bits of a hash each level of the trie takes.
const LEVEL_BITS: u32 = 5;

/// Fields while they are merged.
pub struct Merged {
    /// The fields, in the order they came.
    fields: Object,
    /// Whether there have ever been more than can be kept in order.
    is_hashed: bool,
}

impl Merged {
    /// Begins with the fields of an object; of those with one name the last counts.
    pub fn new(object: &Object) -> Self {
        let mut merged = Self { fields: Object::new(), is_hashed: false };
        for (name, value) in object {
            merged.set(name, value.clone());
        }
        merged
    }

    /// The value of a field.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.fields.get(name)
    }

    /// Sets a field.
    pub fn set(&mut self, name: &Arc<str>, value: Value) {
        self.fields.set(Arc::clone(name), value);
        self.is_hashed |= self.fields.len() > MAX_ORDERED;
    }

    /// Takes a field out.
    pub fn remove(&mut self, name: &str) {
        self.fields.remove(name);
    }

    /// The fields in their final order.
    pub fn into_object(self) -> Object {
        if !self.is_hashed {
            return self.fields;
        }
        let hashed = self.fields.into_iter().map(|field| (mixed_hash(&field.0), field)).collect();
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
