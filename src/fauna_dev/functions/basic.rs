//! `abort`.

use crate::fauna_dev::evaluator::Context;
use crate::fauna_dev::evaluator::Form;
use crate::fauna_dev::evaluator::cast;
use crate::fauna_dev::language::Failure;
use crate::fauna_dev::language::FormCall;
use crate::fauna_dev::language::Key;
use crate::fauna_dev::language::Outcome;
use crate::fauna_dev::language::Value;

/// The forms of this group.
pub const FORMS: &[Form] = &[Form::pure(&[Key::required("abort")], abort)];

/// `abort`: ends the query with a text of the caller's.
fn abort(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    let text = call.required(context, 0, cast::string)?;
    Err(Failure::new("transaction aborted", call.position.clone(), &*text).into())
}
