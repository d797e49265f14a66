//! Where in the request an expression stands.
//!
//! A position points up to its parent, so that naming a child costs one small allocation and sharing costs nothing.

use std::sync::Arc;

/// One step down into the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Into the value of a key that the language knows.
    Name(&'static str),
    /// Into the value of a key that the request chose.
    Key(Arc<str>),
    /// Into an element of an array.
    Index(usize),
}

impl From<&'static str> for Step {
    fn from(name: &'static str) -> Self {
        Self::Name(name)
    }
}

impl From<&Arc<str>> for Step {
    fn from(key: &Arc<str>) -> Self {
        Self::Key(Arc::clone(key))
    }
}

impl From<usize> for Step {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

/// The path from the root of a request to one of its parts.
#[derive(Clone, Debug, Default)]
pub struct Position(Option<Arc<Node>>);

/// A step and where it starts.
#[derive(Debug)]
struct Node {
    parent: Position,
    step: Step,
}

impl Position {
    /// The root of a request.
    pub const fn root() -> Self {
        Self(None)
    }

    /// One step further down.
    #[must_use]
    pub fn at(&self, step: impl Into<Step>) -> Self {
        Self(Some(Arc::new(Node { parent: self.clone(), step: step.into() })))
    }

    /// All steps from the root.
    pub fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut here = self;
        while let Some(node) = &here.0 {
            steps.push(node.step.clone());
            here = &node.parent;
        }
        steps.reverse();
        steps
    }
}

impl PartialEq for Position {
    fn eq(&self, other: &Self) -> bool {
        self.steps() == other.steps()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_listed_from_the_root() {
        let here = Position::root().at("let").at(0).at(&Arc::from("x"));
        assert_eq!(here.steps(), vec![Step::Name("let"), Step::Index(0), Step::Key(Arc::from("x"))]);
    }
}
