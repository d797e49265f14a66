//! The form `abort`, which ends the transaction.

use crate::evaluator::{Context, Form, cast};
use crate::ir::{Failure, FormCall, Key, Outcome, Value};

pub const FORMS: &[Form] = &[Form::pure(&[Key::required("abort")], abort)];

/// `abort` fails the query with the given text.
fn abort(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    let text = call.required(context, 0, cast::string)?;
    Err(Failure::new("transaction aborted", call.position.clone(), &*text).into())
}
