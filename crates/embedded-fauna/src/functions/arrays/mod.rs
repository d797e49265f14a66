//! `map`, `filter`, `take` and the others over arrays and pages.
//!
//! A page keeps its ends; `take` and `drop` move the end they cut at.

pub mod occurrences;
pub mod reductions;

use std::sync::Arc;

use crate::evaluator::cast::{Cast, Iterable};
use crate::evaluator::{Context, Form, cast};
use crate::functions::numbers::java::to_int;
use crate::ir::{Effect, Failure, FormCall, Halt, Key, Kind, Lambda, Outcome, Page, Set, Value};

pub const FORMS: &[Form] = &[
    Form::pure(&[Key::lambda("map"), Key::required("collection")], map),
    Form::pure(&[Key::lambda("foreach"), Key::required("collection")], for_each),
    Form::pure(&[Key::lambda("filter"), Key::required("collection")], filter),
    Form::pure(&[Key::required("prepend"), Key::required("collection")], |context, call| {
        join(context, call, |added, elements| [added, elements].concat())
    }),
    Form::pure(&[Key::required("append"), Key::required("collection")], |context, call| {
        join(context, call, |added, elements| [elements, added].concat())
    }),
    Form::pure(&[Key::required("take"), Key::required("collection")], take),
    Form::pure(&[Key::required("drop"), Key::required("collection")], drop_first),
];

/// The failure for an argument that is neither an array nor a page.
fn no_array<T>(call: &FormCall, kind: Kind) -> Outcome<T> {
    Err(Failure::expected(&[Kind::ArrayOrPage], kind, call.at(1)).into())
}

fn lambda_and_collection(context: &Context<'_>, call: &FormCall) -> Outcome<(Arc<Lambda>, Iterable)> {
    let lambda = call.required(context, 0, cast::lambda)?;
    Ok((lambda, call.required(context, 1, cast::iterable)?))
}

fn each(context: &Context<'_>, call: &FormCall, lambda: &Lambda, elements: &[Value]) -> Outcome<Vec<Value>> {
    let position = call.at(0);
    elements.iter().map(|element| context.apply(lambda, element.clone(), &position)).collect()
}

fn map(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    let (lambda, collection) = lambda_and_collection(context, call)?;
    match collection {
        Iterable::Array(elements) => Ok(Value::array(each(context, call, &lambda, &elements)?)),
        Iterable::Page(page) => Ok(Value::Page(Arc::new(page.with(each(context, call, &lambda, &page.data)?)))),
        Iterable::Set(_) => no_array(call, Kind::Set),
    }
}

/// `foreach` returns its collection.
fn for_each(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    let (lambda, collection) = lambda_and_collection(context, call)?;
    match collection {
        Iterable::Array(elements) => {
            each(context, call, &lambda, &elements)?;
            Ok(Value::Array(elements))
        }
        Iterable::Page(page) => {
            each(context, call, &lambda, &page.data)?;
            Ok(Value::Page(page))
        }
        Iterable::Set(_) => no_array(call, Kind::Set),
    }
}

/// `filter` of a set is another set; its lambda may not write.
fn filter(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    let (lambda, collection) = lambda_and_collection(context, call)?;
    match collection {
        Iterable::Array(elements) => {
            let kept = kept(context, call, &lambda, &elements)?;
            let chosen = elements.iter().zip(kept).filter(|(_, kept)| *kept);
            Ok(Value::array(chosen.map(|(element, _)| element.clone()).collect()))
        }
        Iterable::Page(page) => {
            let kept = kept(context, call, &lambda, &page.data)?;
            let chosen = |elements: &[Value]| -> Vec<Value> {
                elements.iter().zip(&kept).filter(|(_, kept)| **kept).map(|(element, _)| element.clone()).collect()
            };
            let unmapped = Arc::new(chosen(&page.unmapped));
            Ok(Value::Page(Arc::new(Page { unmapped, ..page.with(chosen(&page.data)) })))
        }
        Iterable::Set(source) => {
            if may_write(&lambda) {
                let text = "Invalid lambda. Lambda in this context may not write or call a user function.";
                return Err(Failure::argument(call.at(0), text).into());
            }
            Ok(Value::set(Set::Filter { with: lambda, source }))
        }
    }
}

/// Whether calling a lambda can write; `true` for a stored lambda, which is not parsed yet.
fn may_write(lambda: &Lambda) -> bool {
    match lambda {
        Lambda::Parsed { expression, .. } => expression.body.effect() == Effect::Write,
        Lambda::Stored { .. } => true,
    }
}

/// One boolean per element. All failures are reported; a result that is not a boolean is reported at its index in the collection.
fn kept(context: &Context<'_>, call: &FormCall, lambda: &Lambda, elements: &[Value]) -> Outcome<Vec<bool>> {
    let position = call.at(0);
    let mut answers = Vec::with_capacity(elements.len());
    let mut failures = Vec::new();
    for element in elements {
        match context.apply(lambda, element.clone(), &position) {
            Ok(answer) => answers.push(answer),
            Err(Halt::Failures(more)) => failures.extend(more),
            Err(fault) => return Err(fault),
        }
    }
    if failures.is_empty() {
        cast::zero_or_more(cast::boolean).apply(&Value::array(answers), &call.position)
    } else {
        Err(Halt::Failures(failures))
    }
}

fn join(context: &Context<'_>, call: &FormCall, joined: fn(&[Value], &[Value]) -> Vec<Value>) -> Outcome<Value> {
    let added = call.required(context, 0, cast::zero_or_more(cast::any))?;
    let elements = call.required(context, 1, cast::array)?;
    Ok(Value::array(joined(&added, &elements)))
}

/// A count as Java cuts it to 32 bits, and as a length.
fn clipped(number: i64) -> (bool, usize) {
    let number = to_int(number);
    (number < 0, usize::try_from(number).unwrap_or(0))
}

/// `take`: the first elements. The page then ends before the element that is cut off.
fn take(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    let (is_negative, count) = clipped(call.required(context, 0, cast::integer)?);
    let first = |elements: &[Value]| elements.iter().take(count).cloned().collect::<Vec<_>>();
    match call.value(context, 1)? {
        Value::Array(elements) => Ok(Value::array(first(&elements))),
        Value::Page(page) => {
            let after = if is_negative {
                page.before.clone()
            } else {
                page.unmapped.get(count).cloned().or(page.after.clone())
            };
            let unmapped = Arc::new(first(&page.unmapped));
            Ok(Value::Page(Arc::new(Page { data: first(&page.data), unmapped, before: page.before.clone(), after })))
        }
        other => no_array(call, other.kind()),
    }
}

/// `drop`: all but the first elements. The page then begins at the first that is left.
fn drop_first(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    let (is_negative, count) = clipped(call.required(context, 0, cast::integer)?);
    let rest = |elements: &[Value]| elements.iter().skip(count).cloned().collect::<Vec<_>>();
    match call.value(context, 1)? {
        Value::Array(elements) => Ok(Value::array(rest(&elements))),
        Value::Page(page) => {
            let unmapped = rest(&page.unmapped);
            let before =
                if is_negative { page.before.clone() } else { unmapped.first().cloned().or(page.after.clone()) };
            let after = page.after.clone();
            Ok(Value::Page(Arc::new(Page { data: rest(&page.data), unmapped: Arc::new(unmapped), before, after })))
        }
        other => no_array(call, other.kind()),
    }
}
