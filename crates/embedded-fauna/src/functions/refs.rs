//! References: `ref`, `collection`, `tokens` and their kin, `new_id`.

use std::sync::Arc;

use crate::evaluator::{Context, Form, cast};
use crate::ir::{ApiVersion, Failure, FormCall, Halt, Key, Kind, Outcome, Position, Ref, Unresolved, Value, native};

/// The keys of a form that names schema.
macro_rules! named {
    ($name:literal) => {
        &[Key::required($name), Key::optional("scope")]
    };
}

pub const FORMS: &[Form] = &[
    Form::pure(&[Key::required("ref"), Key::required("id"), Key::optional("scope")], document_ref),
    Form::pure(named!("database"), |context, call| schema_ref(context, call, native::DATABASES)),
    Form::pure(named!("index"), |context, call| schema_ref(context, call, native::INDEXES)),
    Form::pure(named!("class"), |context, call| schema_ref(context, call, native::COLLECTIONS)),
    Form::pure(named!("collection"), |context, call| schema_ref(context, call, native::COLLECTIONS)),
    Form::pure(named!("function"), |context, call| schema_ref(context, call, native::FUNCTIONS)),
    Form::pure(named!("role"), |context, call| schema_ref(context, call, native::ROLES)),
    Form::pure(named!("access_provider"), |context, call| schema_ref(context, call, native::ACCESS_PROVIDERS))
        .since(ApiVersion::V4),
    Form::pure(&[Key::required("databases")], |context, call| native_ref(context, call, native::DATABASES)),
    Form::pure(&[Key::required("indexes")], |context, call| native_ref(context, call, native::INDEXES)),
    Form::pure(&[Key::required("classes")], |context, call| native_ref(context, call, native::COLLECTIONS)),
    Form::pure(&[Key::required("collections")], |context, call| native_ref(context, call, native::COLLECTIONS)),
    Form::pure(&[Key::required("keys")], |context, call| native_ref(context, call, native::KEYS)),
    Form::pure(&[Key::required("tokens")], |context, call| native_ref(context, call, native::TOKENS)),
    Form::pure(&[Key::required("credentials")], |context, call| native_ref(context, call, native::CREDENTIALS)),
    Form::pure(&[Key::required("functions")], |context, call| native_ref(context, call, native::FUNCTIONS)),
    Form::pure(&[Key::required("roles")], |context, call| native_ref(context, call, native::ROLES)),
    Form::pure(&[Key::required("access_providers")], |context, call| {
        native_ref(context, call, native::ACCESS_PROVIDERS)
    })
    .since(ApiVersion::V4),
    Form::write(&[Key::required("new_id")], new_id),
    Form::write(&[Key::required("next_id")], new_id),
];

/// `ref`; every invalid argument is reported.
fn document_ref(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    let collection = call.value(context, 0)?;
    let id = call.value(context, 1)?;
    let scope = call.optional(context, 2, cast::database_ref)?;
    let mut failures = Vec::new();
    let collection = match collection {
        Value::Ref(reference) if reference.is_collection() && native::is_named(reference.id) => {
            failures.push(Failure::argument(call.at(0), "Regular Class Ref expected, Schema Class Ref provided."));
            None
        }
        Value::Ref(reference) if reference.is_collection() => Some(Ok(reference)),
        Value::Unresolved(missing) if matches!(*missing, Unresolved::Named { collection: native::COLLECTIONS, .. }) => {
            Some(Err(missing))
        }
        other => {
            failures.push(Failure::expected(&[Kind::CollectionRef], other.kind(), call.at(0)));
            None
        }
    };
    let id = match document_id(&id, &call.at(1)) {
        Ok(id) => Some(id),
        Err(failure) => {
            failures.push(failure);
            None
        }
    };
    let (Some(collection), Some(id)) = (collection, id) else { return Err(Halt::Failures(failures)) };
    Ok(match collection {
        Ok(collection) => {
            let database = scope.map_or(collection.database, |scope| scope.database);
            Value::Ref(Ref::new(database, collection.id, id))
        }
        Err(missing) => Value::Unresolved(Arc::new(Unresolved::Document { collection: missing, id })),
    })
}

/// The number of a document: an integer, or its text.
fn document_id(id: &Value, at: &Position) -> Result<i64, Failure> {
    match id {
        Value::Integer(id) => Ok(*id),
        Value::String(text) => text.parse().map_err(|_not_a_number| {
            if text.chars().all(char::is_numeric) {
                Failure::argument(at.clone(), format!("The id provided is too large: '{text}'"))
            } else {
                Failure::argument(
                    at.clone(),
                    format!("Number or numeric String expected, non-numeric '{text}' provided."),
                )
            }
        }),
        other => Err(Failure::expected(&[Kind::String, Kind::Number], other.kind(), at.clone())),
    }
}

/// `collection` and its kin: schema by name.
fn schema_ref(context: &Context<'_>, call: &FormCall, collection: i64) -> Outcome<Value> {
    let name = call.required(context, 0, cast::string)?;
    let scope = call.optional(context, 1, cast::database_ref)?;
    let transaction = context.transaction();
    let database = match scope {
        None => Some(context.database()),
        Some(document) => transaction.child_database(document)?,
    };
    if let Some(database) = database
        && let Some(id) = transaction.id_by_name(database, collection, &name)?
    {
        return Ok(Value::Ref(Ref::new(database, collection, id)));
    }
    let scope = match scope.filter(|_| database.is_some_and(|database| database != context.database())) {
        None => None,
        Some(document) => transaction
            .name(document)?
            .map(|name| Arc::new(Unresolved::Named { collection: native::DATABASES, name, scope: None })),
    };
    Ok(Value::Unresolved(Arc::new(Unresolved::Named { collection, name, scope })))
}

/// `tokens` and its kin: a native collection, here or in a child database.
fn native_ref(context: &Context<'_>, call: &FormCall, collection: i64) -> Outcome<Value> {
    let scope = call.required(context, 0, cast::nullable(cast::database_ref))?;
    let database = match scope {
        None => context.database(),
        Some(document) => {
            let Some(database) = context.transaction().child_database(document)? else {
                let at = call.position.at("scope");
                return Err(Failure::expected(&[Kind::DatabaseRef], Kind::DatabaseRef, at).into());
            };
            database
        }
    };
    Ok(Value::Ref(Ref::to_collection(database, collection)))
}

fn new_id(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    call.required(context, 0, cast::null)?;
    Ok(Value::from(context.transaction().new_id()?.to_string()))
}
