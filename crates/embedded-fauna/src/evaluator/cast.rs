//! Arguments as the types that forms want.
//!
//! A cast reports `A or B expected, C provided.` at the position it is given; where something that identifies a thing is wanted, a
//! reference to what does not exist is reported as that instead.

use std::sync::Arc;

use crate::ir::{
    Action, Failure, Halt, Kind, Lambda, Object, Outcome, Page, Position, Ref, Set, Stamp, Time, Value, native,
};

/// Converts an evaluated argument to the type that a form expects.
pub trait Cast<T> {
    /// # Errors
    /// If it is of another type, reported at `at`.
    fn apply(&self, value: &Value, at: &Position) -> Outcome<T>;
}

impl<T, F: Fn(&Value, &Position) -> Outcome<T>> Cast<T> for F {
    fn apply(&self, value: &Value, at: &Position) -> Outcome<T> {
        self(value, at)
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    Integer(i64),
    Double(f64),
}

/// An argument that identifies a set or one document.
#[derive(Clone, Debug)]
pub enum Identified {
    Set(Arc<Set>),
    Document(Ref),
}

/// An argument that can be iterated over.
#[derive(Clone, Debug)]
pub enum Iterable {
    Array(Arc<Vec<Value>>),
    Page(Arc<Page>),
    Set(Arc<Set>),
}

/// The failure for a value that is none of `kinds`. A reference that could not be resolved is reported as such where a reference would do.
pub fn unexpected<T>(kinds: &[Kind], value: &Value, at: &Position) -> Outcome<T> {
    match value {
        Value::Unresolved(reference) if kinds.iter().any(|kind| kind.is_identifier()) => {
            Err(Failure::unresolved(reference, at.clone()).into())
        }
        _ => Err(Failure::expected(kinds, value.kind(), at.clone()).into()),
    }
}

#[expect(clippy::unnecessary_wraps, reason = "a cast like the others")]
pub fn any(value: &Value, _at: &Position) -> Outcome<Value> {
    Ok(value.clone())
}

pub fn scalar(value: &Value, at: &Position) -> Outcome<Value> {
    if value.is_scalar() { Ok(value.clone()) } else { unexpected(&[Kind::Scalar], value, at) }
}
pub fn integer(value: &Value, at: &Position) -> Outcome<i64> {
    match value {
        Value::Integer(number) => Ok(*number),
        other => unexpected(&[Kind::Integer], other, at),
    }
}
pub fn number(value: &Value, at: &Position) -> Outcome<Number> {
    match value {
        Value::Integer(number) => Ok(Number::Integer(*number)),
        Value::Double(number) => Ok(Number::Double(*number)),
        other => unexpected(&[Kind::Number], other, at),
    }
}
pub fn boolean(value: &Value, at: &Position) -> Outcome<bool> {
    match value {
        Value::Bool(value) => Ok(*value),
        other => unexpected(&[Kind::Boolean], other, at),
    }
}
pub fn string(value: &Value, at: &Position) -> Outcome<Arc<str>> {
    match value {
        Value::String(text) => Ok(Arc::clone(text)),
        other => unexpected(&[Kind::String], other, at),
    }
}

pub fn null(value: &Value, at: &Position) -> Outcome<()> {
    match value {
        Value::Null => Ok(()),
        other => unexpected(&[Kind::Null], other, at),
    }
}
pub fn lambda(value: &Value, at: &Position) -> Outcome<Arc<Lambda>> {
    match value {
        Value::Lambda(lambda) => Ok(Arc::clone(lambda)),
        other => unexpected(&[Kind::Lambda], other, at),
    }
}

/// Accepts an object, but not a document.
pub fn object(value: &Value, at: &Position) -> Outcome<Arc<Object>> {
    match value {
        Value::Object(object) => Ok(Arc::clone(object)),
        other => unexpected(&[Kind::Object], other, at),
    }
}
pub fn array(value: &Value, at: &Position) -> Outcome<Arc<Vec<Value>>> {
    match value {
        Value::Array(elements) => Ok(Arc::clone(elements)),
        other => unexpected(&[Kind::Array], other, at),
    }
}
pub fn reference(value: &Value, at: &Position) -> Outcome<Ref> {
    match value {
        Value::Ref(reference) => Ok(*reference),
        other => unexpected(&[Kind::Ref], other, at),
    }
}
pub fn collection_ref(value: &Value, at: &Position) -> Outcome<Ref> {
    match value {
        Value::Ref(reference) if reference.is_collection() => Ok(*reference),
        other => unexpected(&[Kind::CollectionRef], other, at),
    }
}
pub fn database_ref(value: &Value, at: &Position) -> Outcome<Ref> {
    match value {
        Value::Ref(reference) if reference.collection == native::DATABASES => Ok(*reference),
        other => unexpected(&[Kind::DatabaseRef], other, at),
    }
}

/// Accepts a set or a reference; one to a native collection stands for its set.
pub fn identifier(value: &Value, at: &Position) -> Outcome<Identified> {
    match value {
        Value::Set(set) => Ok(Identified::Set(Arc::clone(set))),
        Value::Ref(reference) if reference.is_native_collection() => {
            Ok(Identified::Set(Arc::new(Set::Schema(*reference))))
        }
        Value::Ref(reference) => Ok(Identified::Document(*reference)),
        other => unexpected(&[Kind::Ref, Kind::Set], other, at),
    }
}
pub fn iterable(value: &Value, at: &Position) -> Outcome<Iterable> {
    match value {
        Value::Array(elements) => Ok(Iterable::Array(Arc::clone(elements))),
        Value::Page(page) => Ok(Iterable::Page(Arc::clone(page))),
        Value::Unresolved(reference) => Err(Failure::unresolved(reference, at.clone()).into()),
        other => match identifier(other, at) {
            Ok(Identified::Set(set)) => Ok(Iterable::Set(set)),
            _ => unexpected(&[Kind::Iterable], other, at),
        },
    }
}
pub fn set(value: &Value, at: &Position) -> Outcome<Arc<Set>> {
    match identifier(value, at)? {
        Identified::Set(set) => Ok(set),
        Identified::Document(_) => Err(Failure::expected(&[Kind::Set], value.kind(), at.clone()).into()),
    }
}

/// As [`iterable`], but refuses a page.
pub fn set_or_array(value: &Value, at: &Position) -> Outcome<Iterable> {
    match iterable(value, at)? {
        Iterable::Page(_) => Err(Failure::expected(&[Kind::Set, Kind::Array], Kind::Page, at.clone()).into()),
        other => Ok(other),
    }
}

/// Accepts an action on a document, also by its name.
pub fn document_action(value: &Value, at: &Position) -> Outcome<Action> {
    match value {
        Value::Action(action @ (Action::Create | Action::Update | Action::Delete)) => Ok(*action),
        Value::String(text) if &**text == "create" => Ok(Action::Create),
        Value::String(text) if &**text == "update" => Ok(Action::Update),
        Value::String(text) if &**text == "delete" => Ok(Action::Delete),
        other => {
            let text = format!("String 'create', 'update', or 'delete' expected, {} provided.", other.kind().name());
            Err(Failure::argument(at.clone(), text).into())
        }
    }
}

/// Accepts a time, or an integer of microseconds since 1970.
pub fn timestamp(value: &Value, at: &Position) -> Outcome<Time> {
    match value {
        Value::Time(time) => Ok(*time),
        Value::Integer(micros) => Ok(Time::from_micros(*micros)),
        other => unexpected(&[Kind::Time], other, at),
    }
}

/// As [`timestamp`], but the time of this transaction stays symbolic.
pub fn transaction_time(value: &Value, at: &Position) -> Outcome<Stamp> {
    match value {
        Value::TransactionTime | Value::TransactionMicros => Ok(Stamp::Now),
        other => timestamp(other, at).map(|time| Stamp::At(time.micros())),
    }
}

/// Casts the elements of an array, or the value itself; all failures are reported.
pub fn zero_or_more<T>(cast: impl Cast<T>) -> impl Cast<Vec<T>> {
    move |value: &Value, at: &Position| match value {
        Value::Array(elements) => {
            let mut values = Vec::with_capacity(elements.len());
            let mut failures = Vec::new();
            for (index, element) in elements.iter().enumerate() {
                match cast.apply(element, &at.at(index)) {
                    Ok(value) => values.push(value),
                    Err(Halt::Failures(more)) => failures.extend(more),
                    Err(fault) => return Err(fault),
                }
            }
            if failures.is_empty() { Ok(values) } else { Err(Halt::Failures(failures)) }
        }
        one => Ok(vec![cast.apply(one, at)?]),
    }
}

/// As [`zero_or_more`], but an empty array is refused.
pub fn one_or_more<T>(cast: impl Cast<T>) -> impl Cast<Vec<T>> {
    let all = zero_or_more(cast);
    move |value: &Value, at: &Position| match all.apply(value, at)? {
        none if none.is_empty() => Err(Failure::argument(at.clone(), "Non-empty array expected.").into()),
        some => Ok(some),
    }
}

/// As `cast`, but accepts null too.
pub fn nullable<T>(cast: impl Cast<T>) -> impl Cast<Option<T>> {
    move |value: &Value, at: &Position| match value {
        Value::Null => Ok(None),
        other => match cast.apply(other, at) {
            Err(Halt::Failures(failures)) => Err(Halt::Failures(failures.into_iter().map(or_null).collect())),
            outcome => outcome.map(Some),
        },
    }
}

fn or_null(failure: Failure) -> Failure {
    match failure.description.split_once(" expected, ") {
        Some((kinds, rest)) if failure.code == "invalid argument" => {
            Failure { description: format!("{kinds} or Null expected, {rest}"), ..failure.clone() }
        }
        _ => failure,
    }
}
