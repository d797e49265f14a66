//! Reading documents as the caller sees them.

use std::sync::Arc;

use super::prune::kept_since;
use crate::evaluator::Context;
use crate::ir::{Document, Fault, Object, Outcome, Ref, Value, native};
use crate::storage::Stored;

/// A document as it is now, or was at the time that is read.
///
/// # Errors
/// Where that time lies before what is kept; where the storage fails.
pub fn get(context: &Context<'_>, document: Ref) -> Outcome<Option<Stored>> {
    match context.valid_time {
        None => context.transaction().get(document),
        Some(ts) => {
            require_kept(context, document.parent(), ts)?;
            context.transaction().get_at(document, ts)
        }
    }
}

/// Refuses a time that lies before what a collection keeps. Schema was simply not there.
///
/// # Errors
/// Where the time lies before; where the storage fails.
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

/// A version as a value: without what nobody may see.
pub fn document(context: &Context<'_>, reference: Ref, stored: &Stored) -> Outcome<Document> {
    let fields = visible(context, reference, &stored.fields)?;
    let ts = context.transaction().stamp(stored.ts);
    Ok(Document { reference, ts, deleted: false, fields, is_new: false })
}

/// The fields that may be seen, and those that are made up for reading.
///
/// # Errors
/// Where the storage fails.
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

/// How the global number of a database is shown: digits and letters, without those that look alike.
pub fn global_id(number: i64) -> String {
    const DIGITS: &[u8; 32] = b"ybndrfg8ejkmcpqxot1uwisza345h769";
    let number = number.cast_unsigned();
    let digit = |place: u32| -> char {
        let index = usize::try_from((number >> (place * 5)) & 31).unwrap_or_default();
        DIGITS.get(index).copied().map_or('y', char::from)
    };
    (0..13).map(digit).collect()
}
