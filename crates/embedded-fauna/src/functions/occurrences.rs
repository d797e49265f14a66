//! How often values occur: what the algebra of arrays is made of.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};

use crate::ir::{Value, fingerprint};

/// A value as the key of a map. What does not equal itself, as not a number, is never found again.
struct Known<'v>(&'v Value);

impl PartialEq for Known<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Known<'_> {}

impl Hash for Known<'_> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        fingerprint(self.0).hash(hasher);
    }
}

/// How often each of some values occurs.
#[derive(Default)]
pub struct Occurrences<'v>(HashMap<Known<'v>, usize>);

impl<'v> Occurrences<'v> {
    /// Counts values.
    pub fn of(values: &'v [Value]) -> Self {
        let mut occurrences = Self::default();
        for value in values {
            *occurrences.of_value(value) += 1;
        }
        occurrences
    }

    /// The number for a value, 0 at first.
    pub fn of_value(&mut self, value: &'v Value) -> &mut usize {
        self.0.entry(Known(value)).or_default()
    }
}

/// Each value as often as it occurs in that array where it occurs most often.
pub fn union(left: &[Value], right: &[Value]) -> Vec<Value> {
    let mut most = Occurrences::of(left);
    let mut in_right = Occurrences::of(right);
    for value in right {
        let times = std::mem::take(in_right.of_value(value));
        let known = most.of_value(value);
        *known = times.max(*known);
    }
    let each = left.iter().chain(right);
    each.flat_map(|value| std::iter::repeat_n(value.clone(), std::mem::take(most.of_value(value)))).collect()
}

/// Each value as often as it occurs in both arrays.
pub fn intersection(left: &[Value], right: &[Value]) -> Vec<Value> {
    let mut rest = Occurrences::of(right);
    left.iter().filter(|value| takes(&mut rest, value)).cloned().collect()
}

/// Each value as much more often as it occurs in the left array.
pub fn difference(left: &[Value], right: &[Value]) -> Vec<Value> {
    let mut rest = Occurrences::of(right);
    left.iter().filter(|value| !takes(&mut rest, value)).cloned().collect()
}

/// Each value once, at its first place.
pub fn distinct(values: &[Value]) -> Vec<Value> {
    let mut seen = Occurrences::default();
    let mut is_first = |value| std::mem::replace(seen.of_value(value), 1) == 0;
    values.iter().filter(|value| is_first(*value)).cloned().collect()
}

/// Whether there is one more of a value, which is then taken.
fn takes<'v>(rest: &mut Occurrences<'v>, value: &'v Value) -> bool {
    let left = rest.of_value(value);
    let found = *left > 0;
    *left = left.saturating_sub(1);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An array of integers.
    fn numbers(numbers: &[i64]) -> Vec<Value> {
        numbers.iter().copied().map(Value::Integer).collect()
    }

    #[test]
    fn arrays_are_bags() {
        assert_eq!(union(&numbers(&[1, 2, 1]), &numbers(&[2, 2, 3])), numbers(&[1, 1, 2, 2, 3]));
        assert_eq!(intersection(&numbers(&[1, 2, 1, 2]), &numbers(&[2, 1])), numbers(&[1, 2]));
        assert_eq!(difference(&numbers(&[1, 2, 1, 2]), &numbers(&[2, 1])), numbers(&[1, 2]));
        assert_eq!(distinct(&numbers(&[3, 1, 3])), numbers(&[3, 1]));
    }
}
