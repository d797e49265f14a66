//! `abort`.

use crate::evaluator::{Context, Form, cast};
use crate::ir::{Failure, FormCall, Key, Outcome, Value};

/// The forms of this group.
pub const FORMS: &[Form] = &[Form::pure(&[Key::required("abort")], abort)];

/// `abort`: ends the query with a text of the caller's.
fn abort(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    let text = call.required(context, 0, cast::string)?;
    Err(Failure::new("transaction aborted", call.position.clone(), &*text).into())
}
