//! The form `call`, which runs a user-defined function.

use std::sync::Arc;

use crate::access;
use crate::access::Access;
use crate::evaluator::{Context, Form, cast};
use crate::ir::{Failure, FormCall, Halt, Key, Kind, Outcome, Position, Ref, Unresolved, Value, native};

/// A function may do anything, so a query that calls one counts as writing, but a function that only
/// reads may be called where writing is not allowed: what it does is checked inside.
pub const FORMS: &[Form] = &[Form::call(&[Key::required("call"), Key::optional("arguments")], call)];

fn call(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    let function = call.value(context, 0)?;
    let arguments = match call.expression(1) {
        Some(expression) => context.evaluate(expression)?,
        None => Value::array(Vec::new()),
    };
    let at = call.at(0);
    let function = function_ref(context, &function, &at)?;
    let transaction = context.transaction();
    let definition = transaction.get(function)?.filter(|stored| stored.ts < transaction.commit_time());
    let Some(definition) = definition else {
        return Err(Failure::not_found(native::FUNCTIONS, at).into());
    };
    access::require(context, &Access::Call { function, argument: &arguments }, &call.position)?;
    let Some(Value::Lambda(body)) = definition.fields.get("body") else {
        return Err(Failure::not_found(native::FUNCTIONS, at).into());
    };
    let caller = access::function_caller(&context.caller, definition.fields.get("role"));
    let inner = context.acting_as(caller);
    match inner.apply(body, arguments, &call.position) {
        Err(Halt::Failures(failures)) => Err(wrapped(failures, &call.position)),
        outcome => outcome,
    }
}

fn function_ref(context: &Context<'_>, function: &Value, at: &Position) -> Outcome<Ref> {
    match function {
        Value::Ref(reference) if reference.collection == native::FUNCTIONS => Ok(*reference),
        Value::String(name) => {
            if let Some(id) = context.transaction().id_by_name(context.database(), native::FUNCTIONS, name)? {
                return Ok(Ref::new(context.database(), native::FUNCTIONS, id));
            }
            let missing = Unresolved::Named { collection: native::FUNCTIONS, name: Arc::clone(name), scope: None };
            Err(Failure::unresolved(&missing, at.clone()).into())
        }
        other => cast::unexpected(&[Kind::Identifier], other, at),
    }
}

/// Wraps failures in a `call error`; a stack overflow is reported without wrapping.
fn wrapped(failures: Vec<Failure>, position: &Position) -> Halt {
    if matches!(failures.as_slice(), [only] if only.code == "stack overflow") {
        return Halt::Failures(failures);
    }
    let failure = Failure::new("call error", position.clone(), "Calling the function resulted in an error.");
    Failure { cause: failures, ..failure }.into()
}
