//! The state of an evaluation.

use std::cell::Cell;
use std::sync::Arc;

use super::{Bindings, Caller, Forms};
use crate::ir::{ApiVersion, Effect, Failure, Fault, Outcome, Position, Value, parts};
use crate::storage::Transaction;

/// The deepest nesting of lambda and function calls; FaunaDB's limit.
const MAX_CALLS: usize = 200;
/// The deepest nesting of evaluations: what the stack of a worker holds.
const MAX_NESTING: u32 = 12_000;

/// Resources that one query may use.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Parts of all values that it makes together (see [`parts`]).
    pub parts: usize,
    /// Documents that it writes; one written twice counts twice.
    pub writes: usize,
    /// Bytes of its answer.
    pub answer_bytes: usize,
}

/// State shared by all nested evaluations of one query.
pub struct Run<'t> {
    pub transaction: &'t Transaction<'t>,
    pub forms: &'static Forms,
    pub budget: Budget,
    /// The time that reads see, in microseconds; `None` for the current state.
    pub valid_time: Option<i64>,
    /// The current nesting of evaluations.
    nesting: Cell<u32>,
    /// The unspent part of [`Budget::parts`].
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

/// The strongest effect that is allowed, and the reason given when it is exceeded.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    pub effect: Effect,
    /// The place named in the failure, for instance `role predicates`.
    pub place: &'static str,
}

/// The environment of an expression: caller, time, limits and variables.
#[derive(Clone)]
pub struct Context<'r> {
    pub run: &'r Run<'r>,
    pub caller: Arc<Caller>,
    /// The time that reads see, in microseconds; `None` for the current versions.
    pub valid_time: Option<i64>,
    pub limit: Limit,
    pub version: ApiVersion,
    pub(super) bindings: Bindings,
    pub(super) calls: usize,
}

impl<'r> Context<'r> {
    /// The environment of a whole query.
    pub fn new(run: &'r Run<'r>, caller: Arc<Caller>, version: ApiVersion, limit: Limit) -> Self {
        Self { run, caller, valid_time: run.valid_time, limit, version, bindings: Bindings::default(), calls: 0 }
    }

    pub const fn transaction(&self) -> &'r Transaction<'r> {
        self.run.transaction
    }

    pub fn database(&self) -> i64 {
        self.caller.database
    }

    /// The same environment with reads as of another time.
    #[must_use]
    pub fn at(&self, valid_time: Option<i64>) -> Self {
        Self { valid_time, ..self.clone() }
    }

    /// The same environment for another caller.
    #[must_use]
    pub fn acting_as(&self, caller: Arc<Caller>) -> Self {
        Self { caller, ..self.clone() }
    }

    /// The environment of a called lambda, with its own variables.
    ///
    /// # Errors
    /// If calls are nested too deep.
    pub fn calling(&self, bindings: Bindings, position: &Position) -> Outcome<Self> {
        if self.calls >= MAX_CALLS {
            return Err(too_deep(position).into());
        }
        Ok(Self { bindings, calls: self.calls + 1, ..self.clone() })
    }

    /// Checks that an effect is allowed here.
    ///
    /// # Errors
    /// If it may not.
    pub fn allow(&self, effect: Effect, position: &Position) -> Outcome<()> {
        if effect <= self.limit.effect {
            return Ok(());
        }
        let text = format!("Call performs {}, which is not allowed in {}.", effect.name(), self.limit.place);
        Err(Failure { rank: 0, ..Failure::expression(position.clone(), text) }.into())
    }

    /// Charges a new value to [`Budget::parts`].
    ///
    /// # Errors
    /// If the budget is exhausted.
    pub(super) fn made(&self, value: Value) -> Outcome<Value> {
        self.spend(parts(&value, self.run.parts.get()))?;
        Ok(value)
    }

    /// Charges values that are about to be created to [`Budget::parts`].
    ///
    /// # Errors
    /// If the budget is exhausted.
    pub fn spend(&self, parts: usize) -> Outcome<()> {
        self.require_budget(parts)?;
        self.run.parts.set(self.run.parts.get().saturating_sub(parts));
        Ok(())
    }

    /// Checks that so much of [`Budget::parts`] is left.
    ///
    /// # Errors
    /// If it is not.
    pub fn require_budget(&self, parts: usize) -> Outcome<()> {
        if parts <= self.run.parts.get() {
            return Ok(());
        }
        Err(Fault::BadRequest("The values that the query makes are too large.".to_owned()).into())
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

    /// Runs a nested evaluation.
    ///
    /// # Errors
    /// If evaluations are nested too deep, the time is up, or it fails itself.
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

fn too_deep(position: &Position) -> Failure {
    Failure::new("stack overflow", position.clone(), format!("Call stack reached the maximum limit of {MAX_CALLS}."))
}
