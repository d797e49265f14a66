//! `is_number` and the others that ask for the type of a value.

use crate::evaluator::{Context, Form};
use crate::ir::{FormCall, Key, Outcome, Value, native};

pub const FORMS: &[Form] = &[
    Form::pure(&[Key::required("is_number")], |context, call| {
        check(context, call, |value| matches!(value, Value::Integer(_) | Value::Double(_)))
    }),
    Form::pure(&[Key::required("is_double")], |context, call| {
        check(context, call, |value| matches!(value, Value::Double(_)))
    }),
    Form::pure(&[Key::required("is_integer")], |context, call| {
        check(context, call, |value| matches!(value, Value::Integer(_)))
    }),
    Form::pure(&[Key::required("is_boolean")], |context, call| {
        check(context, call, |value| matches!(value, Value::Bool(_)))
    }),
    Form::pure(&[Key::required("is_null")], |context, call| check(context, call, |value| matches!(value, Value::Null))),
    Form::pure(&[Key::required("is_bytes")], |context, call| {
        check(context, call, |value| matches!(value, Value::Bytes(_)))
    }),
    Form::pure(&[Key::required("is_timestamp")], |context, call| {
        check(context, call, |value| matches!(value, Value::Time(_) | Value::TransactionTime))
    }),
    Form::pure(&[Key::required("is_date")], |context, call| {
        check(context, call, |value| matches!(value, Value::Date(_)))
    }),
    Form::pure(&[Key::required("is_uuid")], |context, call| {
        check(context, call, |value| matches!(value, Value::Uuid(_)))
    }),
    Form::pure(&[Key::required("is_string")], |context, call| {
        check(context, call, |value| matches!(value, Value::String(_) | Value::Action(_)))
    }),
    Form::pure(&[Key::required("is_array")], |context, call| {
        check(context, call, |value| matches!(value, Value::Array(_)))
    }),
    Form::pure(&[Key::required("is_object")], |context, call| check(context, call, is_object)),
    Form::pure(&[Key::required("is_ref")], |context, call| {
        check(context, call, |value| matches!(value, Value::Ref(_) | Value::Unresolved(_)))
    }),
    Form::pure(&[Key::required("is_set")], |context, call| check(context, call, is_set)),
    Form::pure(&[Key::required("is_doc")], |context, call| {
        check(context, call, |value| matches!(value, Value::Ref(_) | Value::Document(_)))
    }),
    Form::pure(&[Key::required("is_lambda")], |context, call| {
        check(context, call, |value| matches!(value, Value::Lambda(_)))
    }),
    Form::pure(&[Key::required("is_collection")], |context, call| check_in(context, call, native::COLLECTIONS)),
    Form::pure(&[Key::required("is_database")], |context, call| check_in(context, call, native::DATABASES)),
    Form::pure(&[Key::required("is_index")], |context, call| check_in(context, call, native::INDEXES)),
    Form::pure(&[Key::required("is_function")], |context, call| check_in(context, call, native::FUNCTIONS)),
    Form::pure(&[Key::required("is_key")], |context, call| check_in(context, call, native::KEYS)),
    Form::pure(&[Key::required("is_token")], |context, call| check_in(context, call, native::TOKENS)),
    Form::pure(&[Key::required("is_credentials")], |context, call| check_in(context, call, native::CREDENTIALS)),
    Form::pure(&[Key::required("is_role")], |context, call| check_in(context, call, native::ROLES)),
];

fn check(context: &Context<'_>, call: &FormCall, is: fn(&Value) -> bool) -> Outcome<Value> {
    Ok(Value::Bool(is(&call.value(context, 0)?)))
}

const fn is_object(value: &Value) -> bool {
    matches!(
        value,
        Value::Object(_)
            | Value::Page(_)
            | Value::Document(_)
            | Value::DocumentEvent(_)
            | Value::SetEvent(_)
            | Value::Cursor(_)
    )
}

const fn is_set(value: &Value) -> bool {
    match value {
        Value::Set(_) => true,
        Value::Ref(reference) => reference.is_native_collection(),
        _ => false,
    }
}

/// Whether the argument is a document of a native collection, or a reference to one.
fn check_in(context: &Context<'_>, call: &FormCall, collection: i64) -> Outcome<Value> {
    Ok(Value::Bool(match call.value(context, 0)? {
        Value::Ref(reference) => reference.collection == collection,
        Value::Document(document) => document.reference.collection == collection,
        _ => false,
    }))
}
