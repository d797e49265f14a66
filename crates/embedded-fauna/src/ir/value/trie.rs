//! The order in which Scala's hash tries hold their keys.
//!
//! FaunaDB keeps some things in immutable hash maps and shows them in the order it finds them there: that of the mixed hashes, five
//! bits a level, the lowest first, and on each level the keys that are alone in their slot before the subtrees.

use std::sync::Arc;

/// Bits of a hash that each level takes.
const LEVEL_BITS: u32 = 5;

/// A key, what belongs to it, and its hash.
type Hashed<T> = (u32, (Arc<str>, T));

/// Distinct keys, with what belongs to them, in the order of a trie.
pub fn trie_order<T>(fields: impl IntoIterator<Item = (Arc<str>, T)>) -> Vec<(Arc<str>, T)> {
    let mut ordered = Vec::new();
    put_in_order(fields.into_iter().map(|field| (mixed_hash(&field.0), field)).collect(), 0, &mut ordered);
    ordered
}

/// Java's hash of a string, as Scala's immutable maps mix it.
fn mixed_hash(text: &str) -> u32 {
    let plain = text.encode_utf16().fold(0_u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(u32::from(unit)));
    let mut hash = plain.wrapping_add(!(plain << 9));
    hash ^= hash >> 14;
    hash = hash.wrapping_add(hash << 4);
    hash ^ hash >> 10
}

/// The part of a hash that one level looks at.
const fn part(hash: u32, shift: u32) -> u32 {
    hash >> shift & ((1 << LEVEL_BITS) - 1)
}

/// Appends keys in order.
fn put_in_order<T>(mut fields: Vec<Hashed<T>>, shift: u32, ordered: &mut Vec<(Arc<str>, T)>) {
    if shift >= u32::BITS {
        ordered.extend(fields.into_iter().map(|(_, field)| field));
        return;
    }
    fields.sort_by_key(|(hash, _)| part(*hash, shift));
    let mut slots: Vec<Vec<Hashed<T>>> = Vec::new();
    for field in fields {
        let same = slots
            .last_mut()
            .filter(|slot| slot.first().is_some_and(|(hash, _)| part(*hash, shift) == part(field.0, shift)));
        match same {
            Some(slot) => slot.push(field),
            None => slots.push(vec![field]),
        }
    }
    let (alone, several): (Vec<_>, Vec<_>) = slots.into_iter().partition(|slot| slot.len() == 1);
    ordered.extend(alone.into_iter().flatten().map(|(_, field)| field));
    for slot in several {
        put_in_order(slot, shift + LEVEL_BITS, ordered);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stand_as_faunadb_was_seen_to_show_them() {
        let ordered = |names: &[&str]| -> Vec<String> {
            trie_order(names.iter().map(|name| (Arc::from(*name), ())))
                .into_iter()
                .map(|(name, ())| name.to_string())
                .collect()
        };
        assert_eq!(ordered(&["a", "b", "c d", "data", "@x"]), ["@x", "data", "a", "c d", "b"]);
        assert_eq!(ordered(&["p", "q"]), ["q", "p"]);
    }
}
