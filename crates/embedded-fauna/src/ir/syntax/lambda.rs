//! Lambdas: parsed ones with what they have captured, and stored ones that are parsed when they are called.

use std::sync::{Arc, OnceLock};

use crate::ir::{ApiVersion, Expression, Position, Value};

/// The parameters of a lambda.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// `"_"`: the argument is not used.
    Ignored,
    /// The whole argument under a name.
    Name(Arc<str>),
    /// The elements of the argument, each under its name; nameless where `None`.
    Array(Vec<Option<Arc<str>>>),
}

impl Pattern {
    /// The number of parameters, without ignored ones.
    pub fn arity(&self) -> usize {
        match self {
            Self::Ignored => 0,
            Self::Name(_) => 1,
            Self::Array(names) => names.iter().flatten().count(),
        }
    }

    /// The names it binds.
    pub fn names(&self) -> Vec<&Arc<str>> {
        match self {
            Self::Ignored => Vec::new(),
            Self::Name(name) => vec![name],
            Self::Array(names) => names.iter().flatten().collect(),
        }
    }

    /// The lambda in its wire form.
    pub fn literal(&self) -> Value {
        let shown = |parameter: &Option<Arc<str>>| {
            parameter.as_ref().map_or_else(|| Value::from("_"), |name| Value::String(Arc::clone(name)))
        };
        match self {
            Self::Ignored => Value::from("_"),
            Self::Name(name) => Value::String(Arc::clone(name)),
            Self::Array(names) => Value::array(names.iter().map(shown).collect()),
        }
    }
}

/// A lambda as it stands in an expression.
#[derive(Debug, PartialEq)]
pub struct LambdaExpression {
    pub pattern: Pattern,
    pub body: Expression,
    /// The variables it takes from outside.
    pub free: Vec<Arc<str>>,
    /// The version its body is read by.
    pub version: ApiVersion,
    pub position: Position,
}

/// A lambda as a value.
#[derive(Debug)]
pub enum Lambda {
    /// Made by evaluating an expression.
    Parsed {
        expression: Arc<LambdaExpression>,
        /// The values of the variables it takes from outside.
        captured: Vec<(Arc<str>, Value)>,
    },
    /// Read from a document; parsed when it is called.
    Stored {
        /// The version its body is read by.
        version: ApiVersion,
        literal: Value,
        /// The parsed expression, from the first call on.
        parsed: OnceLock<Arc<LambdaExpression>>,
    },
}

impl Lambda {
    /// A lambda as it is kept in a document.
    pub const fn stored(version: ApiVersion, literal: Value) -> Self {
        Self::Stored { version, literal, parsed: OnceLock::new() }
    }

    /// Where it stands in the request; where it was read from a document, that is the argument of this name.
    pub fn position(&self, argument: &'static str) -> Position {
        match self {
            Self::Parsed { expression, .. } => expression.position.clone(),
            Self::Stored { .. } => Position::root().at(argument),
        }
    }

    /// The version its body is read by.
    pub fn version(&self) -> ApiVersion {
        match self {
            Self::Parsed { expression, .. } => expression.version,
            Self::Stored { version, .. } => *version,
        }
    }
}

impl PartialEq for Lambda {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Parsed { expression: a, captured: inside_a },
                Self::Parsed { expression: b, captured: inside_b },
            ) => (Arc::ptr_eq(a, b) || (a.pattern == b.pattern && a.body == b.body)) && inside_a == inside_b,
            _ => self.version() == other.version() && self.literal() == other.literal(),
        }
    }
}
