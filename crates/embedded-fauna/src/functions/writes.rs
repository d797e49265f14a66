//! Writing: `create` and its kin, `update`, `replace`, `delete`, `insert`, `remove`, `move_database`.

use std::sync::Arc;

use crate::access::{Access, allows};
use crate::evaluator::{Context, Form, cast};
use crate::ir::{
    ApiVersion, Failure, FieldFailure, FormCall, Halt, Key, Kind, Object, Outcome, Position, Ref, Step, Time,
    Unresolved, Value, native,
};
use crate::system_documents;
use crate::system_documents::{Change, HistoryVersion};

pub const FORMS: &[Form] = &[
    Form::write(&[Key::required("create"), Key::optional("params")], create),
    Form::write(&[Key::required("update"), Key::optional("params")], |context, call| {
        update(context, call, Change::Update)
    }),
    Form::write(&[Key::required("replace"), Key::optional("params")], |context, call| {
        update(context, call, Change::Replace)
    }),
    Form::write(&[Key::required("delete")], delete),
    Form::write(&[Key::required("create_class")], |context, call| create_schema(context, call, native::COLLECTIONS)),
    Form::write(&[Key::required("create_collection")], |context, call| {
        create_schema(context, call, native::COLLECTIONS)
    }),
    Form::write(&[Key::required("create_database")], |context, call| create_schema(context, call, native::DATABASES)),
    Form::write(&[Key::required("create_index")], |context, call| create_schema(context, call, native::INDEXES)),
    Form::write(&[Key::required("create_key")], |context, call| create_schema(context, call, native::KEYS)),
    Form::write(&[Key::required("create_function")], |context, call| create_schema(context, call, native::FUNCTIONS)),
    Form::write(&[Key::required("create_role")], |context, call| create_schema(context, call, native::ROLES)),
    Form::write(&[Key::required("create_access_provider")], |context, call| {
        create_schema(context, call, native::ACCESS_PROVIDERS)
    })
    .since(ApiVersion::V4),
    Form::write(
        &[Key::required("insert"), Key::required("ts"), Key::required("action"), Key::optional("params")],
        insert,
    ),
    Form::write(&[Key::required("remove"), Key::required("ts"), Key::required("action")], remove),
    Form::write(&[Key::required("move_database"), Key::required("to")], move_database),
];

/// Failures for unresolved references and references into other databases inside a value to be written.
fn bad_references(context: &Context<'_>, value: &Value, path: &Position, failures: &mut Vec<FieldFailure>) {
    let failure = |text: &str| {
        let steps = path.steps().into_iter().map(|step| match step {
            Step::Name(name) => name.to_owned(),
            Step::Key(key) => key.to_string(),
            Step::Index(index) => index.to_string(),
        });
        FieldFailure { field: steps.collect(), code: "invalid reference", description: text.to_owned() }
    };
    match value {
        Value::Ref(reference) if reference.database != context.database() => {
            failures.push(failure("Reference cannot be scoped."));
        }
        Value::Unresolved(_) => failures.push(failure("Cannot read reference.")),
        Value::Object(object) => {
            for (name, value) in object.iter() {
                bad_references(context, value, &path.at(name), failures);
            }
        }
        Value::Array(elements) => {
            for (index, value) in elements.iter().enumerate() {
                bad_references(context, value, &path.at(index), failures);
            }
        }
        _ => {}
    }
}

fn checked(context: &Context<'_>, call: &FormCall, params: &Arc<Object>) -> Option<Failure> {
    let mut failures = Vec::new();
    bad_references(context, &Value::Object(Arc::clone(params)), &call.position, &mut failures);
    (!failures.is_empty()).then(|| Failure::invalid(failures, call.position.clone()))
}

fn target(value: &Value, at: &Position) -> Outcome<Value> {
    match value {
        Value::String(_) | Value::Ref(_) => Ok(value.clone()),
        other => cast::unexpected(&[Kind::Identifier], other, at),
    }
}

fn create(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    let target = call.required(context, 0, target)?;
    let params = call.optional(context, 1, cast::object)?.unwrap_or_default();
    if let Some(failure) = checked(context, call, &params) {
        return Err(failure.into());
    }
    let at = call.at(0);
    let reference = match target {
        Value::Ref(reference) => reference,
        Value::String(name) => {
            match context.transaction().id_by_name(context.database(), native::COLLECTIONS, &name)? {
                Some(id) => Ref::to_collection(context.database(), id),
                None if native::by_name(&name).is_some() => {
                    let text = format!("Unknown unresolved ref: {name}");
                    return Err(Halt::Fault(crate::ir::Fault::Internal(text)));
                }
                None => {
                    let missing = Unresolved::Named { collection: native::COLLECTIONS, name, scope: None };
                    return Err(Failure::unresolved(&missing, at).into());
                }
            }
        }
        other => return cast::unexpected(&[Kind::Identifier], &other, &at),
    };
    if reference.database != context.database() {
        return Err(Failure::argument(at, "Cannot write a scoped ref.").into());
    }
    if reference.is_collection() {
        system_documents::create(context, reference, None, &params, &at)
    } else {
        system_documents::create(context, reference.parent(), Some(reference.id), &params, &at)
    }
}

/// `create_collection` and its kin.
fn create_schema(context: &Context<'_>, call: &FormCall, collection: i64) -> Outcome<Value> {
    let params = call.required(context, 0, cast::object)?;
    if let Some(failure) = checked(context, call, &params) {
        return Err(failure.into());
    }
    system_documents::create(context, Ref::to_collection(context.database(), collection), None, &params, &call.at(0))
}

/// Refuses a document of another database, and bad references in `params`: both are reported.
fn require_writable(context: &Context<'_>, call: &FormCall, document: Ref, params: &Arc<Object>) -> Outcome<()> {
    let mut failures = Vec::new();
    if document.database != context.database() {
        failures.push(Failure::argument(call.at(0), "Cannot write a scoped ref."));
    }
    failures.extend(checked(context, call, params));
    if failures.is_empty() { Ok(()) } else { Err(Halt::Failures(failures)) }
}

fn update(context: &Context<'_>, call: &FormCall, change: Change) -> Outcome<Value> {
    let document = call.required(context, 0, cast::reference)?;
    let params = call.optional(context, 1, cast::object)?.unwrap_or_default();
    require_writable(context, call, document, &params)?;
    system_documents::update(context, document, change, &params, &call.position)
}

fn delete(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    let document = call.required(context, 0, cast::reference)?;
    require_writable(context, call, document, &Arc::default())?;
    system_documents::delete(context, document, &call.position)
}

fn insert(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    let document = call.required(context, 0, cast::reference)?;
    let ts = call.required(context, 1, cast::timestamp)?;
    let action = call.required(context, 2, cast::document_action)?;
    let params = call.optional(context, 3, cast::object)?.unwrap_or_default();
    let at = call.position.clone();
    if ts > Time::from_micros(context.transaction().snapshot()) {
        return Err(Failure::new("invalid write time", at, "Cannot write outside of snapshot time.").into());
    }
    require_writable(context, call, document, &params)?;
    if !document.is_user_document() && document.collection != native::KEYS {
        return Err(Failure::argument(at, "Cannot insert event for specified ref.").into());
    }
    system_documents::insert_version(context, document, HistoryVersion { ts, action }, &params, &at)
}

fn remove(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    let document = call.required(context, 0, cast::reference)?;
    let ts = call.required(context, 1, cast::timestamp)?;
    let action = call.required(context, 2, cast::document_action)?;
    require_writable(context, call, document, &Arc::default())?;
    if !document.is_user_document() {
        let text = "Cannot remove event for specified ref.";
        return Err(Failure::argument(call.position.clone(), text).into());
    }
    system_documents::remove_version(context, document, HistoryVersion { ts, action }, &call.position)
}

/// `move_database`: a child database becomes a child of another.
fn move_database(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    let from = call.required(context, 0, cast::database_ref)?;
    let to = call.required(context, 1, cast::database_ref)?;
    let transaction = context.transaction();
    let (Some(source), Some(target)) = (transaction.child_database(from)?, transaction.child_database(to)?) else {
        return Err(Failure::not_found(native::DATABASES, call.at(0)).into());
    };
    let mut above = Some(target);
    while let Some(database) = above {
        if database == source {
            let [from, to] = [transaction.name(from)?.unwrap_or_default(), transaction.name(to)?.unwrap_or_default()];
            let text = format!(
                "Cannot move database '{from}' into parent '{to}': Cannot move database from ancestor to descendant."
            );
            return Err(Failure::new("move database error", call.position.clone(), text).into());
        }
        above = transaction.database_document(database)?.map(|document| document.database);
    }
    if !allows(context, &Access::Delete(from))? {
        return Err(Failure::denied(call.position.clone()).into());
    }
    system_documents::move_database(context, from, target, &call.position)
}
