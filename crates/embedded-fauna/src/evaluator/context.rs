//! The state of an evaluation.

use std::cell::Cell;
use std::sync::Arc;

use super::{Bindings, Caller, Forms};
use crate::ir::{ApiVersion, Effect, Failure, Fault, Outcome, Position, Value, parts};
use crate::storage::Transaction;

/// How deep lambdas and functions may call each other.
const MAX_CALLS: usize = 200;
/// How deep evaluations may be nested in all.
const MAX_NESTING: u32 = 12_000;

/// What one query may use up.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Parts of all values that it makes together (see [`parts`]).
    pub parts: usize,
    /// Documents that it writes; one written twice counts twice.
    pub writes: usize,
    /// Bytes of its answer.
    pub answer_bytes: usize,
}

/// What stays the same throughout the evaluation of a query.
pub struct Run<'t> {
    pub transaction: &'t Transaction<'t>,
    pub forms: &'static Forms,
    pub budget: Budget,
    /// The time that reads see, in microseconds; `None` for the current state.
    pub valid_time: Option<i64>,
    /// How deep evaluations are nested at the moment.
    nesting: Cell<u32>,
    /// How many parts values may still have.
    parts: Cell<usize>,
}

impl<'t> Run<'t> {
    /// An evaluation whose reads see the state of that time, in microseconds.
    pub const fn at(self, valid_time: i64) -> Self {
        Self { valid_time: Some(valid_time), ..self }
    }

    pub const fn new(transaction: &'t Transaction<'t>, forms: &'static Forms, budget: Budget) -> Self {
        Self { transaction, forms, budget, valid_time: None, nesting: Cell::new(0), parts: Cell::new(budget.parts) }
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
        Self { run, caller, valid_time: run.valid_time, limit, version, bindings: Bindings::default(), calls: 0 }
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

    /// Checks that the query may go on. To be called at least every few milliseconds of work.
    ///
    /// # Errors
    /// If its time is up, or it was interrupted for another reason.
    pub fn in_time(&self) -> Outcome<()> {
        self.transaction().in_time()
    }

    /// Checks that the query has not written more documents than it may.
    ///
    /// # Errors
    /// If it has.
    pub(super) fn within_writes(&self) -> Outcome<()> {
        let most = self.run.budget.writes;
        if self.transaction().written().len() <= most {
            return Ok(());
        }
        Err(Fault::BadRequest(format!("A query with this secret may write at most {most} documents.")).into())
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
