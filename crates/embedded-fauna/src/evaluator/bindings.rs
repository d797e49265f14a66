//! The variables in scope.

use std::sync::Arc;

use crate::ir::Value;

/// Variables, the innermost first. Adding one leaves the others as they are.
#[derive(Clone, Default)]
pub struct Bindings(Option<Arc<Binding>>);

/// One variable and those around it.
struct Binding {
    /// Its name.
    name: Arc<str>,
    /// Its value.
    value: Value,
    /// The variables around it.
    outer: Bindings,
}

impl Bindings {
    /// These and one more.
    #[must_use]
    pub fn with(&self, name: &Arc<str>, value: Value) -> Self {
        Self(Some(Arc::new(Binding { name: Arc::clone(name), value, outer: self.clone() })))
    }

    /// The value of a variable.
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
    /// Lets go of a long chain one by one, not by recursion.
    fn drop(&mut self) {
        let mut next = self.outer.0.take();
        while let Some(mut binding) = next.and_then(Arc::into_inner) {
            next = binding.outer.0.take();
        }
    }
}
