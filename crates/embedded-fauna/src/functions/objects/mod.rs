//! `merge`, `to_object` and `to_array`.

mod merge_order;

use std::sync::Arc;

use crate::evaluator::cast::Cast;
use crate::evaluator::{Context, Form, cast};
use crate::functions::objects::merge_order::Merged;
use crate::ir::{Failure, FormCall, Key, Kind, Object, Outcome, Position, Value, both};

pub const FORMS: &[Form] = &[
    Form::pure(&[Key::required("merge"), Key::required("with")], merge),
    Form::pure(&[Key::required("merge"), Key::required("with"), Key::lambda("lambda")], merge),
    Form::pure(&[Key::required("to_object")], to_object),
    Form::pure(&[Key::required("to_array")], to_array),
];

/// The fields of an object or a document.
fn fields(value: &Value, at: &Position) -> Outcome<Arc<Object>> {
    match value {
        Value::Object(object) => Ok(Arc::clone(object)),
        Value::Document(document) => Ok(Arc::new(document.to_object())),
        other => Err(Failure::expected(&[Kind::Object], other.kind(), at.clone()).into()),
    }
}

/// `merge` is shallow. The lambda decides the value of each field, and null removes it. Every argument that is not an object is
/// reported.
fn merge(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    let left = call.value(context, 0)?;
    let right = call.value(context, 1)?;
    let lambda = call.optional(context, 2, cast::lambda)?;
    let left = fields.apply(&left, &call.at(0));
    let right = cast::zero_or_more(fields).apply(&right, &call.at(1));
    let (left, right) = both(left, right)?;
    let mut merged = Merged::new(&left);
    for object in right {
        for (name, value) in object.iter() {
            let value = match &lambda {
                None => value.clone(),
                Some(lambda) => {
                    let old = merged.get(name).cloned().unwrap_or(Value::Null);
                    let arguments = vec![Value::String(Arc::clone(name)), old, value.clone()];
                    context.apply(lambda, Value::array(arguments), &call.position)?
                }
            };
            match value {
                Value::Null => merged.remove(name),
                value => merged.set(name, value),
            }
        }
    }
    Ok(merged.into_object().into())
}

/// A name and a value.
fn field(value: &Value, at: &Position) -> Outcome<(Arc<str>, Value)> {
    if let Value::Array(pair) = value
        && let [Value::String(name), value] = pair.as_slice()
    {
        return Ok((Arc::clone(name), value.clone()));
    }
    Err(Failure::expected(&[Kind::Field], value.kind(), at.clone()).into())
}

/// `to_object`: of pairs of names and values, or of a document.
fn to_object(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    match call.value(context, 0)? {
        pairs @ Value::Array(_) => {
            let pairs = cast::zero_or_more(field).apply(&pairs, &call.at(0))?;
            Ok(Object::from_distinct(pairs).into())
        }
        object @ Value::Object(_) => Ok(object),
        Value::Document(document) => Ok(document.to_object().into()),
        other => Err(Failure::cast(other.kind(), Kind::Object, call.at(0)).into()),
    }
}

/// `to_array`: pairs of names and values.
fn to_array(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    let pair = |(name, value): &(Arc<str>, Value)| Value::array(vec![Value::String(Arc::clone(name)), value.clone()]);
    match call.value(context, 0)? {
        array @ Value::Array(_) => Ok(array),
        Value::Object(object) => Ok(Value::array(object.iter().map(pair).collect())),
        Value::Document(document) => Ok(Value::array(document.to_object().iter().map(pair).collect())),
        other => Err(Failure::cast(other.kind(), Kind::Array, call.at(0)).into()),
    }
}
