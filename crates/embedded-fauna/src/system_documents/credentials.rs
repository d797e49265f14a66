//! Passwords: what credentials keep of them.
//!
//! Any document may carry `credentials` when it is written; they are stored beside it, whoever writes.

use super::checks::{Failures, wrong_type};
use crate::evaluator::Permissions;
use crate::ir::{Fault, FieldFailure, Object, Outcome, Value};

/// FaunaDB's cost of a password hash.
const COST: u32 = 5;

/// Whether a password is the one that credentials keep.
pub fn matches(password: &str, credentials: &Object) -> bool {
    match credentials.get("hashed_password") {
        Some(Value::String(hash)) => bcrypt::verify(password, hash).unwrap_or(false),
        _ => false,
    }
}

/// A text field of a patch: `None` where it is not there.
fn text<'p>(patch: &'p Object, at: &[&str], failures: &mut Failures) -> Option<&'p str> {
    match patch.get(at.last()?) {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(text),
        Some(other) => {
            failures.push(wrong_type(at, "String", other));
            None
        }
    }
}

/// A patch of credentials with the password replaced by its hash. Only a server may hand in a hash of its own; everybody else has
/// to know the password that is to be replaced.
///
/// # Errors
/// If hashing fails.
pub fn hashed(
    permissions: &Permissions,
    current: &Object,
    patch: &Object,
    root: &[&str],
) -> Outcome<Result<Object, Failures>> {
    let mut failures = Vec::new();
    let below = |field: &'static str| [root, &[field]].concat();
    let password = text(patch, &below("password"), &mut failures);
    let is_server = matches!(permissions, Permissions::Server | Permissions::ServerReadOnly);
    let mut result = patch.clone();
    for field in ["password", "current_password"] {
        result.remove(field);
    }
    if is_server {
        text(patch, &below("hashed_password"), &mut failures);
    } else {
        result.remove("hashed_password");
        let old = text(patch, &below("current_password"), &mut failures);
        let is_known = !current.contains("hashed_password") || old.is_some_and(|old| matches(old, current));
        if password.is_some() && !is_known {
            let at = [root, &["current_password"]].concat();
            failures.push(FieldFailure::new(
                &at,
                "invalid password",
                format!("Invalid password at `{}`.", at.join(".")),
            ));
        }
    }
    if !failures.is_empty() {
        return Ok(Err(failures));
    }
    if let Some(password) = password {
        let version = bcrypt::Version::TwoA;
        let hash = bcrypt::hash_with_result(password, COST)
            .map_err(|error| Fault::Internal(error.to_string()))?
            .format_for_version(version);
        result.set("hashed_password", Value::from(hash));
    }
    Ok(Ok(result))
}
