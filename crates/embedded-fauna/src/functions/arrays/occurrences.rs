//! Counting equal values: union, intersection, difference and distinct of arrays.
//!
//! Values that do not equal themselves (NaN) share one fingerprint, so that looking one up can take long: each operation asks
//! before every value whether to go on.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};

use crate::ir::{Outcome, Value, fingerprint};

/// Checks that the query may go on.
pub type TimeCheck<'c> = &'c dyn Fn() -> Outcome<()>;

/// An operation on two arrays.
pub type Operation = fn(&[Value], &[Value], TimeCheck<'_>) -> Outcome<Vec<Value>>;

/// A value as the key of a map.
struct ByValue<'v>(&'v Value);

impl PartialEq for ByValue<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for ByValue<'_> {}

impl Hash for ByValue<'_> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        fingerprint(self.0).hash(hasher);
    }
}

/// Counts how often each value occurs in a list.
#[derive(Default)]
pub struct Occurrences<'v>(HashMap<ByValue<'v>, usize>);

impl<'v> Occurrences<'v> {
    fn of(values: &'v [Value], check_time: TimeCheck<'_>) -> Outcome<Self> {
        let mut occurrences = Self::default();
        for value in values {
            check_time()?;
            *occurrences.of_value(value) += 1;
        }
        Ok(occurrences)
    }

    /// The number for a value, 0 at first.
    fn of_value(&mut self, value: &'v Value) -> &mut usize {
        self.0.entry(ByValue(value)).or_default()
    }
}

/// Each value as often as it occurs in that array where it occurs most often.
pub fn union(left: &[Value], right: &[Value], check_time: TimeCheck<'_>) -> Outcome<Vec<Value>> {
    let mut most = Occurrences::of(left, check_time)?;
    let mut in_right = Occurrences::of(right, check_time)?;
    for value in right {
        check_time()?;
        let times = std::mem::take(in_right.of_value(value));
        let known = most.of_value(value);
        *known = times.max(*known);
    }
    let mut all = Vec::new();
    for value in left.iter().chain(right) {
        check_time()?;
        all.extend(std::iter::repeat_n(value.clone(), std::mem::take(most.of_value(value))));
    }
    Ok(all)
}

/// Each value as often as it occurs in both arrays.
pub fn intersection(left: &[Value], right: &[Value], check_time: TimeCheck<'_>) -> Outcome<Vec<Value>> {
    let mut rest = Occurrences::of(right, check_time)?;
    chosen(left, check_time, |value| takes(&mut rest, value))
}

/// Each value as much more often as it occurs in the left array.
pub fn difference(left: &[Value], right: &[Value], check_time: TimeCheck<'_>) -> Outcome<Vec<Value>> {
    let mut rest = Occurrences::of(right, check_time)?;
    chosen(left, check_time, |value| !takes(&mut rest, value))
}

/// Each value once, at its first place.
pub fn distinct(values: &[Value], check_time: TimeCheck<'_>) -> Outcome<Vec<Value>> {
    let mut seen = Occurrences::default();
    chosen(values, check_time, |value| std::mem::replace(seen.of_value(value), 1) == 0)
}

fn chosen<'v>(
    values: &'v [Value],
    check_time: TimeCheck<'_>,
    mut is_chosen: impl FnMut(&'v Value) -> bool,
) -> Outcome<Vec<Value>> {
    let mut all = Vec::new();
    for value in values {
        check_time()?;
        if is_chosen(value) {
            all.push(value.clone());
        }
    }
    Ok(all)
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

    fn numbers(numbers: &[i64]) -> Vec<Value> {
        numbers.iter().copied().map(Value::Integer).collect()
    }

    #[test]
    fn arrays_are_bags() {
        assert_eq!(union(&numbers(&[1, 2, 1]), &numbers(&[2, 2, 3]), &|| Ok(())).unwrap(), numbers(&[1, 1, 2, 2, 3]));
        assert_eq!(intersection(&numbers(&[1, 2, 1, 2]), &numbers(&[2, 1]), &|| Ok(())).unwrap(), numbers(&[1, 2]));
        assert_eq!(difference(&numbers(&[1, 2, 1, 2]), &numbers(&[2, 1]), &|| Ok(())).unwrap(), numbers(&[1, 2]));
        assert_eq!(distinct(&numbers(&[3, 1, 3]), &|| Ok(())).unwrap(), numbers(&[3, 1]));
    }
}
