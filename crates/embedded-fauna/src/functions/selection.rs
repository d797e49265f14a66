//! `contains` and its kin, and `select` of the versions that evaluate its default first.

use crate::evaluator::{Context, Form, PathStep, cast, contains, path, select};
use crate::ir::{
    Action, ApiVersion, Cursor, Document, Failure, FormCall, Halt, Key, Kind, Outcome, Page, Ref, Stamp, Value, native,
};
use crate::sets;
use crate::sets::PageRequest;

/// The keys of `select_all` and its other name.
macro_rules! select_all_keys {
    ($name:literal) => {
        &[Key::required($name), Key::required("from"), Key::optional("default")]
    };
}

pub const FORMS: &[Form] = &[
    Form::pure(&[Key::required("contains"), Key::required("in")], contains_path),
    Form::pure(&[Key::required("contains_path"), Key::required("in")], contains_path).since(ApiVersion::V3),
    Form::pure(&[Key::required("contains_field"), Key::required("in")], contains_field).since(ApiVersion::V3),
    Form::pure(
        &[Key::required("select"), Key::required("from"), Key::optional("all"), Key::optional("default")],
        select_eagerly,
    )
    .until(ApiVersion::V3),
    Form::pure(select_all_keys!("select_all"), select_all_eagerly).until(ApiVersion::V3),
    Form::pure(select_all_keys!("select_as_index"), select_all_eagerly).until(ApiVersion::V3),
    Form::read(&[Key::required("contains_value"), Key::required("in")], contains_value).since(ApiVersion::V3),
];

/// `select` where its default is evaluated in any case.
fn select_eagerly(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    let path = call.required(context, 0, path)?;
    let from = call.value(context, 1)?;
    let all = call.optional(context, 2, cast::boolean)?.unwrap_or(false);
    let default = call.optional(context, 3, cast::any)?;
    if let Value::Unresolved(reference) = &from {
        return Err(Failure::unresolved(reference, call.at(1)).into());
    }
    match (select(context, &path, all, &from, &call.at(1)), default) {
        (Err(Halt::Failures(_)), Some(default)) => Ok(default),
        (outcome, _) => outcome,
    }
}

/// `select_all` where its default, which is never needed, is evaluated in any case.
fn select_all_eagerly(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    let path = call.required(context, 0, path)?;
    let from = call.value(context, 1)?;
    call.value(context, 2)?;
    if let Value::Unresolved(reference) = &from {
        return Err(Failure::unresolved(reference, call.at(1)).into());
    }
    select(context, &path, true, &from, &call.at(1))
}

fn contains_path(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    let path = call.required(context, 0, path)?;
    let container = call.value(context, 1)?;
    Ok(Value::Bool(contains(context, &path, &container)?))
}

/// `contains_field`: whether there is a field of this name; arrays have none.
fn contains_field(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    let field = call.required(context, 0, cast::string)?;
    let container = call.value(context, 1)?;
    if matches!(container, Value::Array(_)) {
        return Err(Failure::expected(&[Kind::Object], Kind::Array, call.at(1)).into());
    }
    Ok(Value::Bool(contains(context, &[PathStep::Field(field)], &container)?))
}

/// `contains_value`: whether any field or element is this value.
fn contains_value(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    let wanted = call.value(context, 0)?;
    let container = call.value(context, 1)?;
    Ok(Value::Bool(match &container {
        Value::Ref(reference) => reference_contains(context, *reference, &wanted)?,
        scalar if scalar.is_scalar() => {
            let kinds = [Kind::Object, Kind::Array, Kind::Page, Kind::Set, Kind::Ref];
            return Err(Failure::expected(&kinds, Kind::Scalar, call.at(1)).into());
        }
        Value::Set(set) => {
            let at = call.at(0);
            let place = PageRequest::of(call, &at);
            let request = PageRequest { cursor: Some(wanted.clone()), size: 1, denied_at: &call.position, ..place };
            sets::page(context, set, &request)?.data.contains(&wanted)
        }
        Value::Document(document) => document_contains(document, &wanted),
        Value::Page(page) => page_contains(page, &wanted),
        Value::Object(object) => object.iter().any(|(_, value)| *value == wanted),
        Value::Array(elements) => elements.contains(&wanted),
        Value::DocumentEvent(event) => {
            let inside = match &event.data {
                Some(Value::Object(data)) => data.iter().any(|(_, value)| *value == wanted),
                _ => false,
            };
            event_contains(event.ts, event.action, event.document, &wanted) || inside
        }
        Value::SetEvent(event) => {
            event_contains(event.ts, event.action, event.document, &wanted) || event.values.contains(&wanted)
        }
        _ => false,
    }))
}

fn reference_contains(context: &Context<'_>, reference: Ref, wanted: &Value) -> Outcome<bool> {
    let id = if native::is_named(reference.collection) {
        match context.transaction().name(reference)? {
            Some(name) => Value::String(name),
            None => return Ok(false),
        }
    } else {
        Value::from(reference.id.to_string())
    };
    if id == *wanted || Value::Ref(reference.parent()) == *wanted {
        return Ok(true);
    }
    if reference.database == context.database() {
        return Ok(false);
    }
    Ok(context.transaction().database_document(reference.database)?.map(Value::Ref).as_ref() == Some(wanted))
}

/// Looks at the reference, collection, time and fields of a document.
fn document_contains(document: &Document, wanted: &Value) -> bool {
    Value::Ref(document.reference) == *wanted
        || Value::Ref(document.reference.parent()) == *wanted
        || document.ts.value() == *wanted
        || document.fields.iter().any(|(_, value)| value == wanted)
}

/// Looks at the elements and the cursors of a page.
fn page_contains(page: &Page, wanted: &Value) -> bool {
    let ends = |end: &Option<Value>| match end {
        Some(Value::Cursor(cursor)) => match &**cursor {
            Cursor::Values(values) => Value::array(values.clone()) == *wanted,
            Cursor::Event(_) => false,
        },
        _ => false,
    };
    Value::array(page.data.clone()) == *wanted || ends(&page.before) || ends(&page.after)
}

fn event_contains(ts: Stamp, action: Action, document: Ref, wanted: &Value) -> bool {
    ts.value() == *wanted || Value::Action(action) == *wanted || Value::Ref(document) == *wanted
}
