//! Deletion of tokens, one by one or all tokens of a document.

use crate::documents;
use crate::evaluator::Context;
use crate::ir::{Outcome, Ref, Value, native};

/// Tokens that are read at once.
const BATCH: usize = 256;

/// Deletes a token, if it exists.
///
/// # Errors
/// If the endpoint fails.
pub fn delete_token(context: &Context<'_>, token: Ref) -> Outcome<()> {
    if context.transaction().exists(token)? {
        documents::delete(context, token)?;
    }
    Ok(())
}

/// Deletes all tokens of a document.
///
/// # Errors
/// If the endpoint fails.
pub fn delete_tokens_of(context: &Context<'_>, identity: Ref) -> Outcome<()> {
    let collection = Ref::to_collection(identity.database, native::TOKENS);
    let mut from = i64::MIN;
    loop {
        let ids = context.transaction().ids(collection, from, true, BATCH)?;
        for id in &ids {
            let token = Ref::new(identity.database, native::TOKENS, *id);
            let stored = context.transaction().get(token)?;
            if stored.is_some_and(|stored| stored.fields.get("instance") == Some(&Value::Ref(identity))) {
                documents::delete(context, token)?;
            }
        }
        match ids.last() {
            Some(last) if ids.len() == BATCH => from = last.saturating_add(1),
            _ => return Ok(()),
        }
    }
}
