//! A priority queue that treats equals as Scala's does: which of several equal streams comes first shows in pages.

/// Numbers, the one that comes before all others first.
#[derive(Default)]
pub struct Heap {
    /// A binary tree, its root in front.
    items: Vec<usize>,
}

impl Heap {
    /// A queue of these, put in one after the other.
    pub fn of(items: impl IntoIterator<Item = usize>, precedes: impl Fn(usize, usize) -> bool) -> Self {
        let mut heap = Self { items: Vec::new() };
        for item in items {
            heap.push(item, &precedes);
        }
        heap
    }

    /// The numbers as the tree holds them, level by level.
    pub fn into_items(self) -> Vec<usize> {
        self.items
    }

    pub fn push(&mut self, item: usize, precedes: &impl Fn(usize, usize) -> bool) {
        self.items.push(item);
        let mut at = self.items.len() - 1;
        while at > 0 && self.is_before(at, (at - 1) / 2, precedes) {
            self.items.swap(at, (at - 1) / 2);
            at = (at - 1) / 2;
        }
    }

    /// Takes out the first.
    pub fn pop(&mut self, precedes: &impl Fn(usize, usize) -> bool) -> Option<usize> {
        if self.items.is_empty() {
            return None;
        }
        let first = self.items.swap_remove(0);
        let mut at = 0;
        while 2 * at + 1 < self.items.len() {
            let mut child = 2 * at + 1;
            if child + 1 < self.items.len() && self.is_before(child + 1, child, precedes) {
                child += 1;
            }
            if !self.is_before(child, at, precedes) {
                break;
            }
            self.items.swap(at, child);
            at = child;
        }
        Some(first)
    }

    /// Whether what is at one place comes before what is at another.
    fn is_before(&self, a: usize, b: usize, precedes: &impl Fn(usize, usize) -> bool) -> bool {
        matches!((self.items.get(a), self.items.get(b)), (Some(a), Some(b)) if precedes(*a, *b))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_comes_out_first() {
        let precedes = |a: usize, b: usize| a < b;
        let mut heap = Heap::of([5, 3, 8, 1, 9, 2], precedes);
        heap.push(0, &precedes);
        let all: Vec<usize> = std::iter::from_fn(|| heap.pop(&precedes)).collect();
        assert_eq!(all, [0, 1, 2, 3, 5, 8, 9]);
    }

    #[test]
    fn equals_come_out_as_they_do_in_scala() {
        let none = |_, _| false;
        let mut heap = Heap::of([0, 1, 2, 3], none);
        let all: Vec<usize> = std::iter::from_fn(|| heap.pop(&none)).collect();
        assert_eq!(all, [0, 3, 2, 1]);
    }
}
