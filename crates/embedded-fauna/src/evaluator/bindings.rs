//! The variables in scope.

use std::sync::Arc;

use crate::ir::Value;

/// Variables, the innermost first. Adding one leaves the others as they are.
#[derive(Clone, Default)]
pub struct Bindings(Option<Arc<Binding>>);

struct Binding {
    name: Arc<str>,
    value: Value,
    outer: Bindings,
}

impl Bindings {
    /// The same variables and one more, which hides an outer one of the same name.
    #[must_use]
    pub fn with(&self, name: &Arc<str>, value: Value) -> Self {
        Self(Some(Arc::new(Binding { name: Arc::clone(name), value, outer: self.clone() })))
    }

    pub fn get(&self, name: &str) -> Option<&Value> {
        let mut here = self;
        while let Some(binding) = &here.0 {
            if &*binding.name == name {
                return Some(&binding.value);
            }
            here = &binding.outer;
        }
        None
    }
}

impl Drop for Binding {
    /// Drops a long chain iteratively: recursion would exhaust the stack.
    fn drop(&mut self) {
        let mut next = self.outer.0.take();
        while let Some(mut binding) = next.and_then(Arc::into_inner) {
            next = binding.outer.0.take();
        }
    }
}
