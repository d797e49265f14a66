//! How far back a collection can be read, and taking away what lies before.

use crate::ir::{Outcome, Ref, Value};
use crate::storage::{ALWAYS_KEPT, Transaction};

/// A day in microseconds.
const DAY: i64 = 86_400 * 1_000_000;
/// How much of each kind is looked at in one transaction: what takes a few milliseconds, because writers wait.
const BATCH: usize = 256;

/// The earliest time at which a collection can be read.
///
/// # Errors
/// Where the storage fails.
pub fn kept_since(transaction: &Transaction<'_>, collection: Ref) -> Outcome<i64> {
    let days = match transaction.get(collection)?.and_then(|stored| stored.fields.get("history_days").cloned()) {
        Some(Value::Integer(days)) => days,
        _ => 0,
    };
    Ok(transaction.snapshot().saturating_sub(ALWAYS_KEPT).saturating_sub(days.saturating_mul(DAY)))
}

/// Takes away some of what can no longer be read. Whether there may be more.
///
/// # Errors
/// Where the storage fails.
pub fn prune(transaction: &Transaction<'_>) -> Outcome<bool> {
    let kept_since = |collection| kept_since(transaction, collection);
    let expired = transaction.prune_expired(BATCH)?;
    let versions = transaction.prune_history(BATCH, kept_since)?;
    let entries = transaction.prune_entries(BATCH, kept_since)?;
    Ok(expired || versions || entries)
}
