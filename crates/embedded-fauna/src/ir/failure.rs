//! Why a query failed, as the answer says it.
//!
//! The texts are FaunaDB's; each constructor is one of its errors.

use std::fmt::Display;

use super::{Kind, Position, Unresolved, native};

/// One failing field of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldFailure {
    /// The path of the field.
    pub field: Vec<String>,
    pub code: &'static str,
    pub description: String,
}

/// One reason why a query failed.
#[derive(Clone, Debug)]
pub struct Failure {
    pub position: Position,
    pub code: &'static str,
    pub description: String,
    /// The status of an answer that says only this.
    pub status: u16,
    /// Of several failures the one with the highest rank decides the status.
    pub rank: u8,
    pub failures: Vec<FieldFailure>,
    /// Failures inside a called function.
    pub cause: Vec<Failure>,
}

/// What ends a query without being its fault alone; it has no position.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Fault {
    #[error("storage: {0}")]
    Storage(String),
    /// The query took longer than it may.
    #[error("the query took too long")]
    TimedOut,
    /// The request asks for what cannot be, whatever the data: 400 `bad request`.
    #[error("{0}")]
    BadRequest(String),
    /// Something that FaunaDB too answers with 500.
    #[error("{0}")]
    Internal(String),
}

#[derive(Clone, Debug)]
pub enum Halt {
    Failures(Vec<Failure>),
    /// The endpoint failed, or a limit was reached.
    Fault(Fault),
}

impl From<Failure> for Halt {
    fn from(failure: Failure) -> Self {
        Self::Failures(vec![failure])
    }
}

impl From<Fault> for Halt {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

pub type Outcome<T> = Result<T, Halt>;

/// Both, or the failures of both.
pub fn both<A, B>(a: Outcome<A>, b: Outcome<B>) -> Outcome<(A, B)> {
    match (a, b) {
        (Ok(a), Ok(b)) => Ok((a, b)),
        (Err(Halt::Failures(mut failures)), Err(Halt::Failures(more))) => {
            failures.extend(more);
            Err(Halt::Failures(failures))
        }
        (Err(halt), _) | (_, Err(halt)) => Err(halt),
    }
}

/// `A`, `A or B`, `A, B, or C`, as messages list what they expect.
fn listed(kinds: &[Kind]) -> String {
    match kinds {
        [] => String::new(),
        [only] => only.name().to_owned(),
        [first, second] => format!("{} or {}", first.name(), second.name()),
        [init @ .., last] => {
            format!("{}, or {}", init.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", "), last.name())
        }
    }
}

impl Failure {
    /// Any failure, status 400.
    pub fn new(code: &'static str, position: Position, description: impl Into<String>) -> Self {
        Self {
            position,
            code,
            description: description.into(),
            status: 400,
            rank: 0,
            failures: Vec::new(),
            cause: Vec::new(),
        }
    }

    /// A failure of parsing.
    pub fn expression(position: Position, description: impl Into<String>) -> Self {
        Self { rank: 3, ..Self::new("invalid expression", position, description) }
    }

    /// A failure of an argument.
    pub fn argument(position: Position, description: impl Into<String>) -> Self {
        Self { rank: 2, ..Self::new("invalid argument", position, description) }
    }

    /// An argument of the wrong type.
    pub fn expected(kinds: &[Kind], provided: Kind, position: Position) -> Self {
        if kinds.is_empty() {
            return Self::argument(position, format!("{} provided.", provided.name()));
        }
        Self::argument(position, format!("{} expected, {} provided.", listed(kinds), provided.name()))
    }

    /// A part of the request of the wrong type.
    pub fn expected_expression(kinds: &[Kind], provided: Kind, position: Position) -> Self {
        Self { rank: 3, code: "invalid expression", ..Self::expected(kinds, provided, position) }
    }

    /// A number or the like that is not within bounds: `argument` must be `predicate`.
    pub fn bounds(argument: impl Display, predicate: impl Display, position: Position) -> Self {
        Self::argument(position, format!("{argument} must be {predicate}"))
    }

    /// Arguments that must be of one type and are not.
    pub fn mixed(kinds: &[Kind], position: Position) -> Self {
        let expected = if kinds.is_empty() { String::new() } else { format!(", expected {}", listed(kinds)) };
        Self::argument(position, format!("Arguments cannot be of different types{expected}."))
    }

    /// A value that cannot be turned into another type.
    pub fn cast(provided: Kind, wanted: Kind, position: Position) -> Self {
        Self::argument(position, format!("Cannot cast {} to {}.", provided.name(), wanted.name()))
    }

    /// A lambda that got another number of arguments than it takes.
    pub fn arity(expected: usize, provided: usize, position: Position) -> Self {
        Self::argument(
            position,
            format!("Lambda expects an array with {expected} elements. Array contains {provided}."),
        )
    }

    /// A reference to something that does not exist.
    pub fn unresolved(reference: &Unresolved, position: Position) -> Self {
        let (word, name) = reference.missing();
        Self::new("invalid ref", position, format!("Ref refers to undefined {word} '{name}'"))
    }

    /// A path that leads nowhere.
    pub fn value_not_found(path: &[String], position: Position) -> Self {
        Self {
            status: 404,
            ..Self::new("value not found", position, format!("Value not found at path [{}].", path.join(",")))
        }
    }

    /// A document of `collection` that does not exist.
    pub fn not_found(collection: i64, position: Position) -> Self {
        Self {
            status: 404,
            ..Self::new("instance not found", position, format!("{} not found.", native::noun(collection)))
        }
    }

    /// A set without an element.
    pub fn set_not_found(position: Position) -> Self {
        Self { status: 404, ..Self::new("instance not found", position, "Set not found.") }
    }

    /// A document of `collection` that exists already.
    pub fn already_exists(collection: i64, position: Position) -> Self {
        Self::new("instance already exists", position, format!("{} already exists.", native::noun(collection)))
    }

    /// A document that would break a unique index.
    pub fn not_unique(position: Position) -> Self {
        Self::new("instance not unique", position, "document is not unique.")
    }

    /// Something the caller may not do.
    pub fn denied(position: Position) -> Self {
        Self {
            status: 403,
            rank: 1,
            ..Self::new("permission denied", position, "Insufficient privileges to perform the action.")
        }
    }

    /// A document with failing fields.
    pub fn invalid(failures: Vec<FieldFailure>, position: Position) -> Self {
        Self { failures, ..Self::new("validation failed", position, "document data is not valid.") }
    }

    /// The status of an answer that lists these failures.
    pub fn status_of(failures: &[Self]) -> u16 {
        let mut worst: Option<&Self> = None;
        for failure in failures {
            if worst.is_none_or(|worst| failure.rank > worst.rank) {
                worst = Some(failure);
            }
        }
        worst.map_or(400, |failure| failure.status)
    }
}

impl FieldFailure {
    pub fn new(field: &[&str], code: &'static str, description: impl Into<String>) -> Self {
        Self { field: field.iter().map(|part| (*part).to_owned()).collect(), code, description: description.into() }
    }
}
