//! History retention: how far back a collection can be read, and deleting what is older.

use crate::ir::{Outcome, Ref, Value};
use crate::storage::{ALWAYS_KEPT, Transaction};

/// A day in microseconds.
const DAY: i64 = 86_400 * 1_000_000;
/// Rows examined per table and transaction: a few milliseconds, because other writers wait.
const BATCH: usize = 256;

/// The earliest time at which a collection can be read, in microseconds.
pub fn kept_since(transaction: &Transaction<'_>, collection: Ref) -> Outcome<i64> {
    let days = match transaction.get(collection)?.and_then(|stored| stored.fields.get("history_days").cloned()) {
        Some(Value::Integer(days)) => days,
        _ => 0,
    };
    Ok(transaction.snapshot().saturating_sub(ALWAYS_KEPT).saturating_sub(days.saturating_mul(DAY)))
}

/// Deletes a batch of expired history; `true` if there may be more.
pub fn prune(transaction: &Transaction<'_>) -> Outcome<bool> {
    let kept_since = |collection| kept_since(transaction, collection);
    let expired = transaction.prune_expired(BATCH)?;
    let versions = transaction.prune_history(BATCH, kept_since)?;
    let entries = transaction.prune_entries(BATCH, kept_since)?;
    Ok(expired || versions || entries)
}
