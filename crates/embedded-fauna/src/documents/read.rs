//! Reading documents as the caller sees them.

use std::sync::Arc;

use super::prune::kept_since;
use crate::evaluator::Context;
use crate::ir::{Document, Fault, Object, Outcome, Ref, Value, native};
use crate::storage::Stored;

/// The version at the valid time of the context (`at`), or the current one. A time older than the kept history is an error.
pub fn get(context: &Context<'_>, document: Ref) -> Outcome<Option<Stored>> {
    match context.valid_time {
        None => context.transaction().get(document),
        Some(ts) => {
            require_kept(context, document.parent(), ts)?;
            context.transaction().get_at(document, ts)
        }
    }
}

/// Refuses a time older than the history that a collection keeps. Schema documents keep no history and are never refused.
pub fn require_kept(context: &Context<'_>, collection: Ref, ts: i64) -> Outcome<()> {
    if Ref::new(collection.database, collection.id, 0).is_schema() {
        return Ok(());
    }
    let least = kept_since(context.transaction(), collection)?;
    if ts >= least {
        return Ok(());
    }
    let [ts, least] = [ts, least].map(crate::ir::Time::from_micros);
    Err(Fault::BadRequest(format!("Requested timestamp {ts} less than minimum allowed timestamp {least}.")).into())
}

/// A stored version as a value, without the fields that are never shown.
pub fn document(context: &Context<'_>, reference: Ref, stored: &Stored) -> Outcome<Document> {
    let fields = visible(context, reference, &stored.fields)?;
    let ts = context.transaction().stamp(stored.ts);
    Ok(Document { reference, ts, deleted: false, fields, is_new: false })
}

/// Removes internal fields and adds those that are computed when a document is read, such as `global_id`.
pub fn visible(context: &Context<'_>, reference: Ref, fields: &Arc<Object>) -> Outcome<Arc<Object>> {
    match reference.collection {
        native::TOKENS if fields.contains("global_id") => {
            let mut shown = (**fields).clone();
            shown.remove("global_id");
            Ok(Arc::new(shown))
        }
        native::DATABASES => {
            let mut shown = (**fields).clone();
            let database = context.transaction().child_database(reference)?.unwrap_or_default();
            shown.set("global_id", Value::from(global_id(context.transaction().global_id(database)?)));
            Ok(Arc::new(shown))
        }
        _ => Ok(Arc::clone(fields)),
    }
}

/// The global id of a database in FaunaDB's notation: 13 characters of z-base-32.
pub fn global_id(number: i64) -> String {
    const DIGITS: &[u8; 32] = b"ybndrfg8ejkmcpqxot1uwisza345h769";
    let number = number.cast_unsigned();
    let digit = |place: u32| -> char {
        let index = usize::try_from((number >> (place * 5)) & 31).unwrap_or_default();
        DIGITS.get(index).copied().map_or('y', char::from)
    };
    (0..13).map(digit).collect()
}
