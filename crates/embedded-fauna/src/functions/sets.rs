//! Sets: `match`, `documents`, their algebra, `join`, `range`, `reverse`, `distinct`.

use std::sync::Arc;

use crate::evaluator::cast::{Identified, Iterable};
use crate::evaluator::{Context, Form, cast};
use crate::functions::arrays::occurrences;
use crate::ir::{
    Effect, Failure, FormCall, Key, Kind, Lambda, Outcome, Page, Position, Ref, Set, Unresolved, Value, both, native,
};
use crate::{documents, sets};

pub const FORMS: &[Form] = &[
    Form::pure(&[Key::required("singleton")], singleton),
    Form::pure(&[Key::required("events")], events),
    Form::pure(&[Key::required("documents")], documents_of),
    Form::pure(&[Key::required("match"), Key::required("index")], |context, call| {
        match_form(context, call, Some(1), Some(0))
    }),
    Form::pure(&[Key::required("match"), Key::required("terms")], |context, call| {
        match_form(context, call, Some(0), Some(1))
    }),
    Form::pure(&[Key::required("match")], |context, call| match_form(context, call, Some(0), None)),
    Form::pure(&[Key::required("union")], |context, call| merge(context, call, Set::Union, occurrences::union)),
    Form::pure(&[Key::required("intersection")], |context, call| {
        merge(context, call, Set::Intersection, occurrences::intersection)
    }),
    Form::pure(&[Key::required("difference")], |context, call| {
        merge(context, call, Set::Difference, occurrences::difference)
    }),
    Form::pure(&[Key::required("distinct")], distinct),
    Form::pure(&[Key::required("reverse")], reverse),
    Form::pure(&[Key::required("range"), Key::required("from"), Key::required("to")], range),
    Form::pure(&[Key::required("join"), Key::either("with")], join),
];

fn singleton(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    Ok(Value::set(Set::Singleton(call.required(context, 0, cast::reference)?)))
}

fn events(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    match call.required(context, 0, cast::identifier)? {
        Identified::Set(set) if matches!(*set, Set::Events(_)) => {
            Err(Failure::argument(call.position.clone(), "Set does not support events history.").into())
        }
        Identified::Set(set) => Ok(Value::set(Set::Events(set))),
        Identified::Document(document) => Ok(Value::set(Set::Events(Arc::new(Set::Document(document))))),
    }
}

fn documents_of(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    Ok(Value::set(Set::Documents(call.required(context, 0, cast::collection_ref)?)))
}

/// An index, by name or by reference.
fn index_argument(value: &Value, at: &Position) -> Outcome<Value> {
    match value {
        Value::String(_) => Ok(value.clone()),
        Value::Ref(reference) if reference.collection == native::INDEXES => Ok(value.clone()),
        other => cast::unexpected(&[Kind::Identifier], other, at),
    }
}

/// A term of a match in stored form; unresolved references are refused.
fn term(value: &Value, at: &Position) -> Outcome<Value> {
    if value.has_unresolved() {
        return Err(Failure::expected(&[Kind::Any], value.kind(), at.clone()).into());
    }
    value.stored()
}

/// `match`: the places of the index and of the terms among the arguments.
fn match_form(context: &Context<'_>, call: &FormCall, index: Option<usize>, terms: Option<usize>) -> Outcome<Value> {
    let mut given = (Value::Null, Vec::new());
    for place in 0..call.arguments.len() {
        if Some(place) == index {
            given.0 = call.required(context, place, index_argument)?;
        } else if Some(place) == terms {
            given.1 = call.required(context, place, cast::zero_or_more(term))?;
        }
    }
    let at = call.position.at("index");
    let reference = match given.0 {
        Value::Ref(reference) => reference,
        Value::String(name) => {
            let Some(id) = context.transaction().id_by_name(context.database(), native::INDEXES, &name)? else {
                let missing = Unresolved::Named { collection: native::INDEXES, name, scope: None };
                return Err(Failure::unresolved(&missing, at).into());
            };
            Ref::new(context.database(), native::INDEXES, id)
        }
        other => return cast::unexpected(&[Kind::Identifier], &other, &at),
    };
    match documents::index(context, reference)? {
        None => Err(Failure::not_found(native::INDEXES, at).into()),
        Some(index) if !index.active => {
            let name = context.transaction().name(reference)?.unwrap_or_default();
            Err(Failure::new("instance not found", at, format!("Index '{name}' is not active.")).into())
        }
        Some(_) => Ok(Value::set(Set::Match { index: reference, terms: given.1 })),
    }
}

/// `union`, `intersection` and `difference`: of sets or of arrays, not of both.
fn merge(
    context: &Context<'_>,
    call: &FormCall,
    of_sets: fn(Vec<Arc<Set>>) -> Set,
    of_arrays: occurrences::Operation,
) -> Outcome<Value> {
    let given = call.required(context, 0, cast::one_or_more(cast::set_or_array))?;
    let mut sets = Vec::new();
    let mut arrays = Vec::new();
    for one in given {
        match one {
            Iterable::Set(set) => sets.push(set),
            Iterable::Array(elements) => arrays.push(elements),
            Iterable::Page(_) => {}
        }
    }
    if !sets.is_empty() && !arrays.is_empty() {
        return Err(Failure::mixed(&[Kind::Set, Kind::Array], call.at(0)).into());
    }
    if sets.is_empty() {
        let mut arrays = arrays.into_iter();
        let first = arrays.next().map(|first| first.to_vec()).unwrap_or_default();
        let check_time = || context.in_time();
        return Ok(Value::array(arrays.try_fold(first, |all, next| of_arrays(&all, &next, &check_time))?));
    }
    let mut last: Option<sets::Shape> = None;
    for set in &sets {
        let shape = sets::shape(context, set)?;
        if last.as_ref().is_some_and(|last| !last.is_compatible(&shape)) {
            return Err(Failure::argument(call.at(0), "Sets are not compatible.").into());
        }
        last = Some(shape);
    }
    Ok(Value::set(of_sets(sets)))
}

fn with_elements(page: &Page, elements: Vec<Value>) -> Value {
    Value::Page(Arc::new(page.with(elements)))
}

fn distinct(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    let check_time = || context.in_time();
    Ok(match call.required(context, 0, cast::iterable)? {
        Iterable::Array(elements) => Value::array(occurrences::distinct(&elements, &check_time)?),
        Iterable::Page(page) => with_elements(&page, occurrences::distinct(&page.data, &check_time)?),
        Iterable::Set(set) => Value::set(Set::Distinct(set)),
    })
}

fn reverse(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    let backwards = |elements: &[Value]| elements.iter().rev().cloned().collect();
    Ok(match call.required(context, 0, cast::iterable)? {
        Iterable::Array(elements) => Value::array(backwards(&elements)),
        Iterable::Page(page) => with_elements(&page, backwards(&page.data)),
        Iterable::Set(set) => Value::set(Set::Reverse(set)),
    })
}

fn range(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    let source = call.required(context, 0, cast::set)?;
    let from = call.value(context, 1)?;
    let to = call.value(context, 2)?;
    let shape = sets::shape(context, &source)?;
    if shape.is_history {
        let require = |cursor: &Value, place: usize| sets::require_event_cursor(context, cursor, &call.at(place));
        both(require(&from, 1), require(&to, 2))?;
    }
    let from = Arc::new(sets::bound(&shape, &from, true, &call.at(1))?);
    let to = Arc::new(sets::bound(&shape, &to, false, &call.at(2))?);
    Ok(Value::set(Set::Range { source, from, to }))
}

/// `join` takes an index or a pure lambda.
fn join(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    let source = call.required(context, 0, cast::set)?;
    let with = call.value(context, 1)?;
    let at = call.at(1);
    match with {
        Value::Lambda(with) => {
            if effect(context, &with)? > Effect::Pure {
                let text = "Invalid lambda. Lambda in this context may not read, write, or call a user function.";
                return Err(Failure::argument(at, text).into());
            }
            Ok(Value::set(Set::Join { source, with }))
        }
        Value::Ref(index) if index.collection == native::INDEXES => {
            if context.transaction().exists(index)? {
                Ok(Value::set(Set::IndexJoin { source, index }))
            } else {
                Err(Failure::not_found(native::INDEXES, at).into())
            }
        }
        Value::Unresolved(reference) => Err(Failure::unresolved(&reference, at).into()),
        other => Err(Failure::expected(&[Kind::Lambda, Kind::IndexRef], other.kind(), at).into()),
    }
}

fn effect(context: &Context<'_>, lambda: &Lambda) -> Outcome<Effect> {
    match lambda {
        Lambda::Parsed { expression, .. } => Ok(expression.body.effect()),
        Lambda::Stored { .. } => Ok(context.parse_stored(lambda)?.body.effect()),
    }
}
