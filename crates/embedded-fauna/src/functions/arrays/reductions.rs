//! `reduce`, `count`, `sum`, `max` and the others that make one value of many, and `is_empty`.
//!
//! Reducing a page gives a page with one value, reducing an array or a set the value itself. All of them have the effect `Read`,
//! whatever their argument is.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::evaluator::cast::{Cast, Iterable, Number};
use crate::evaluator::{Context, Form, cast};
use crate::functions::comparison::{all_resolved, order};
use crate::functions::numbers::java::{count, double, to_double};
use crate::functions::reads::set_exists;
use crate::ir::{Failure, FormCall, Key, Outcome, Position, Value};
use crate::sets;
use crate::sets::PageRequest;

pub const FORMS: &[Form] = &[
    Form::read(&[Key::lambda("reduce"), Key::required("initial"), Key::required("collection")], reduce),
    Form::read(&[Key::required("count")], |context, call| {
        let collection = call.required(context, 0, cast::iterable)?;
        fold(context, call, &collection, |elements| Ok(Value::Integer(count(elements.len()))))
    }),
    Form::read(&[Key::required("sum")], |context, call| {
        let collection = call.required(context, 0, cast::iterable)?;
        fold(context, call, &collection, |elements| Ok(Value::from(sum(elements, &call.at(0))?)))
    }),
    Form::read(&[Key::required("mean")], |context, call| {
        let collection = call.required(context, 0, cast::iterable)?;
        fold(context, call, &collection, |elements| mean(elements, &call.at(0)))
    }),
    Form::read(&[Key::required("any")], |context, call| {
        let collection = call.required(context, 0, cast::iterable)?;
        fold(context, call, &collection, |elements| Ok(Value::Bool(booleans(elements, &call.at(0))?.contains(&true))))
    }),
    Form::read(&[Key::required("all")], |context, call| {
        let collection = call.required(context, 0, cast::iterable)?;
        fold(context, call, &collection, |elements| Ok(Value::Bool(!booleans(elements, &call.at(0))?.contains(&false))))
    }),
    Form::read(&[Key::required("max")], |context, call| extreme(context, call, Ordering::Greater)),
    Form::read(&[Key::required("min")], |context, call| extreme(context, call, Ordering::Less)),
    Form::pure(&[Key::required("is_empty")], |context, call| Ok(Value::Bool(is_empty(context, call)?))),
    Form::pure(&[Key::required("is_nonempty")], |context, call| Ok(Value::Bool(!is_empty(context, call)?))),
];

/// Applies a reduction; a page keeps its cursors.
fn fold(
    context: &Context<'_>,
    call: &FormCall,
    collection: &Iterable,
    folded: impl Fn(&[Value]) -> Outcome<Value>,
) -> Outcome<Value> {
    match collection {
        Iterable::Array(elements) => folded(elements),
        Iterable::Page(page) => Ok(Value::Page(Arc::new(page.with(vec![folded(&page.data)?])))),
        Iterable::Set(set) => {
            let at = call.at(0);
            folded(&sets::page(context, set, &PageRequest::of(call, &at))?.data)
        }
    }
}

/// `reduce`: the lambda takes the accumulator and the element.
fn reduce(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    let lambda = call.required(context, 0, cast::lambda)?;
    let initial = call.value(context, 1)?;
    let collection = call.required(context, 2, cast::iterable)?;
    let position = call.at(0);
    fold(context, call, &collection, |elements| {
        elements.iter().try_fold(initial.clone(), |so_far, element| {
            context.apply(&lambda, Value::array(vec![so_far, element.clone()]), &position)
        })
    })
}

/// `sum`: an integer as long as there is no double.
fn sum(elements: &[Value], at: &Position) -> Outcome<Number> {
    elements.iter().try_fold(Number::Integer(0), |sum, element| {
        Ok(match (sum, cast::number.apply(element, at)?) {
            (Number::Integer(a), Number::Integer(b)) => Number::Integer(a.wrapping_add(b)),
            (a, b) => Number::Double(double(a) + double(b)),
        })
    })
}

fn mean(elements: &[Value], at: &Position) -> Outcome<Value> {
    let sum = double(sum(elements, at)?);
    if elements.is_empty() {
        return Err(nothing(at).into());
    }
    Ok(Value::Double(sum / to_double(count(elements.len()))))
}

/// The elements of `any` and `all`.
fn booleans(elements: &[Value], at: &Position) -> Outcome<Vec<bool>> {
    elements.iter().map(|element| cast::boolean.apply(element, at)).collect()
}

/// The failure for an empty collection.
fn nothing(at: &Position) -> Failure {
    Failure::argument(at.clone(), "Non-empty array expected.")
}

/// `max` and `min`: the last of several equal elements. An array with one collection stands for that collection.
fn extreme(context: &Context<'_>, call: &FormCall, wanted: Ordering) -> Outcome<Value> {
    let at = call.at(0);
    let mut collection = call.required(context, 0, cast::iterable)?;
    while let Some(inner) = only_collection(&collection) {
        collection = inner;
    }
    fold(context, call, &collection, |elements| {
        all_resolved(elements, &at)?;
        let (first, rest) = elements.split_first().ok_or_else(|| nothing(&at))?;
        let chosen = rest.iter().try_fold(first, |best, next| {
            context.in_time()?;
            Outcome::Ok(if order(best, next) == wanted { best } else { next })
        })?;
        Ok(chosen.clone())
    })
}

/// The collection that is the only element of an array.
fn only_collection(collection: &Iterable) -> Option<Iterable> {
    let Iterable::Array(elements) = collection else { return None };
    match elements.as_slice() {
        [Value::Array(inner)] => Some(Iterable::Array(Arc::clone(inner))),
        [Value::Page(inner)] => Some(Iterable::Page(Arc::clone(inner))),
        [Value::Set(inner)] => Some(Iterable::Set(Arc::clone(inner))),
        _ => None,
    }
}

fn is_empty(context: &Context<'_>, call: &FormCall) -> Outcome<bool> {
    match call.required(context, 0, cast::iterable)? {
        Iterable::Array(elements) => Ok(elements.is_empty()),
        Iterable::Page(page) => Ok(page.data.is_empty()),
        Iterable::Set(set) => Ok(!set_exists(context, &set, &call.position)?),
    }
}
