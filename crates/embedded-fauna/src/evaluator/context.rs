//! What evaluation carries along.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Instant;

use super::{Bindings, Caller, Forms};
use crate::ir::{ApiVersion, Effect, Failure, Fault, Outcome, Position, Value, parts};
use crate::storage::Transaction;

/// How deep lambdas and functions may call each other.
const MAX_CALLS: usize = 200;
/// How deep evaluations may be nested in all.
const MAX_NESTING: u32 = 12_000;
/// How many parts all values that a request makes may have together: what a gigabyte is enough for.
const MAX_PARTS: usize = 1 << 25;

/// One request's evaluation: what stays the same through all of it.
pub struct Run<'t> {
    /// Reads and writes.
    pub transaction: &'t Transaction<'t>,
    /// The forms there are.
    pub forms: &'static Forms,
    /// When it must have ended.
    pub deadline: Instant,
    /// How deep evaluations are nested at the moment.
    nesting: Cell<u32>,
    /// How many parts values may still have.
    parts: Cell<usize>,
}

impl<'t> Run<'t> {
    /// A new evaluation.
    pub const fn new(transaction: &'t Transaction<'t>, forms: &'static Forms, deadline: Instant) -> Self {
        Self { transaction, forms, deadline, nesting: Cell::new(0), parts: Cell::new(MAX_PARTS) }
    }
}

/// The most that may be done, and where that limit comes from.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// The most that may be done.
    pub effect: Effect,
    /// In which place, for the refusal.
    pub place: &'static str,
}

/// What an expression sees of its surroundings.
#[derive(Clone)]
pub struct Context<'r> {
    /// The request.
    pub run: &'r Run<'r>,
    /// On whose behalf.
    pub caller: Arc<Caller>,
    /// The time that reads see, in microseconds; now where `None`.
    pub valid_time: Option<i64>,
    /// The most that may be done.
    pub limit: Limit,
    /// The version the query is read by.
    pub version: ApiVersion,
    /// The variables.
    pub(super) bindings: Bindings,
    /// How deep lambdas have called each other.
    pub(super) calls: usize,
}

impl<'r> Context<'r> {
    /// Where a request begins.
    pub fn new(run: &'r Run<'r>, caller: Arc<Caller>, version: ApiVersion, limit: Limit) -> Self {
        Self { run, caller, valid_time: None, limit, version, bindings: Bindings::default(), calls: 0 }
    }

    /// Reads and writes.
    pub const fn transaction(&self) -> &'r Transaction<'r> {
        self.run.transaction
    }

    /// The database that the query runs in.
    pub fn database(&self) -> i64 {
        self.caller.database
    }

    /// The same with reads of another time.
    #[must_use]
    pub fn at(&self, valid_time: Option<i64>) -> Self {
        Self { valid_time, ..self.clone() }
    }

    /// The same for another caller.
    #[must_use]
    pub fn acting_as(&self, caller: Arc<Caller>) -> Self {
        Self { caller, ..self.clone() }
    }

    /// The same, one call deeper, with other variables.
    ///
    /// # Errors
    /// Where calls are nested too deep.
    pub fn calling(&self, bindings: Bindings, position: &Position) -> Outcome<Self> {
        if self.calls >= MAX_CALLS {
            return Err(too_deep(position).into());
        }
        Ok(Self { bindings, calls: self.calls + 1, ..self.clone() })
    }

    /// Whether something with this effect may be done here.
    ///
    /// # Errors
    /// Where it may not.
    pub fn allow(&self, effect: Effect, position: &Position) -> Outcome<()> {
        if effect <= self.limit.effect {
            return Ok(());
        }
        let text = format!("Call performs {}, which is not allowed in {}.", effect.name(), self.limit.place);
        Err(Failure { rank: 0, ..Failure::expression(position.clone(), text) }.into())
    }

    /// Counts a value that has been made.
    ///
    /// # Errors
    /// Where the values of the request are too large by now.
    pub(super) fn made(&self, value: Value) -> Outcome<Value> {
        self.spend(parts(&value, self.run.parts.get()))?;
        Ok(value)
    }

    /// Counts parts that are about to be made.
    ///
    /// # Errors
    /// Where the values of the request are too large by now.
    pub fn spend(&self, parts: usize) -> Outcome<()> {
        let Some(left) = self.run.parts.get().checked_sub(parts) else {
            return Err(Fault::BadRequest("The values that the query makes are too large.".to_owned()).into());
        };
        self.run.parts.set(left);
        Ok(())
    }

    /// That there is still time.
    ///
    /// # Errors
    /// Where there is none.
    pub fn in_time(&self) -> Outcome<()> {
        if Instant::now() >= self.run.deadline { Err(Fault::TimedOut.into()) } else { Ok(()) }
    }

    /// Evaluates something one level deeper.
    ///
    /// # Errors
    /// Where evaluations are nested too deep, the time is up, or it fails itself.
    pub fn deeper<T>(&self, evaluate: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
        let nesting = self.run.nesting.get();
        if nesting >= MAX_NESTING {
            return Err(too_deep(&Position::root()).into());
        }
        self.in_time()?;
        self.run.nesting.set(nesting + 1);
        let outcome = evaluate();
        self.run.nesting.set(nesting);
        outcome
    }
}

/// Calls are nested too deep.
fn too_deep(position: &Position) -> Failure {
    Failure::new("stack overflow", position.clone(), format!("Call stack reached the maximum limit of {MAX_CALLS}."))
}
