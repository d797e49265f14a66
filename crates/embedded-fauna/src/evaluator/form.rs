//! The forms of the language and how their implementations get at the arguments.

use super::Context;
use super::cast::Cast;
use crate::ir::{ApiVersion, Effect, Expression, FormCall, Key, Outcome, Position, Signature, Signatures, Value};

/// What a form does.
pub type Implementation = fn(&Context<'_>, &FormCall) -> Outcome<Value>;

/// A form: its signature and what it does.
pub struct Form {
    /// Its keys and its effect.
    pub signature: Signature,
    /// What it does.
    pub run: Implementation,
    /// Whether its effect is only what it might do.
    is_call: bool,
}

impl Form {
    /// A form that only computes.
    pub const fn pure(keys: &'static [Key], run: Implementation) -> Self {
        Self::with_effect(Effect::Pure, keys, run)
    }

    /// A form that reads.
    pub const fn read(keys: &'static [Key], run: Implementation) -> Self {
        Self::with_effect(Effect::Read, keys, run)
    }

    /// A form that writes.
    pub const fn write(keys: &'static [Key], run: Implementation) -> Self {
        Self::with_effect(Effect::Write, keys, run)
    }

    /// A form that calls a function: it may write, but only what it does inside is checked.
    pub const fn call(keys: &'static [Key], run: Implementation) -> Self {
        let form = Self::with_effect(Effect::Write, keys, run);
        Self { is_call: true, ..form }
    }

    /// A form with some effect.
    const fn with_effect(effect: Effect, keys: &'static [Key], run: Implementation) -> Self {
        Self { signature: Signature { keys, effect, since: ApiVersion::V20, until: None }, run, is_call: false }
    }

    /// What it does itself.
    const fn own_effect(&self) -> Effect {
        if self.is_call { Effect::Pure } else { self.signature.effect }
    }

    /// The same, but only from `version` on.
    #[must_use]
    pub const fn since(mut self, version: ApiVersion) -> Self {
        self.signature.since = version;
        self
    }

    /// The same, but only before `version`.
    #[must_use]
    pub const fn until(mut self, version: ApiVersion) -> Self {
        self.signature.until = Some(version);
        self
    }
}

/// All forms.
pub struct Forms {
    /// Their signatures, to be found by keys.
    pub signatures: Signatures,
    /// What they do, in the order of the signatures.
    implementations: Vec<(Implementation, Effect)>,
}

impl Forms {
    /// The forms of several groups.
    pub fn new(groups: &[&'static [Form]]) -> Self {
        let forms = || groups.iter().copied().flatten();
        Self {
            signatures: Signatures::new(forms().map(|form| &form.signature).collect()),
            implementations: forms().map(|form| (form.run, form.own_effect())).collect(),
        }
    }

    /// What a form does, and the effect that must be allowed for it.
    pub(super) fn implementation(&self, call: &FormCall) -> Option<(Implementation, Effect)> {
        self.implementations.get(call.form).copied()
    }
}

impl FormCall {
    /// The position of an argument: the call's, then the argument's key.
    pub fn at(&self, argument: usize) -> Position {
        self.signature.keys.get(argument).map_or_else(|| self.position.clone(), |key| self.position.at(key.name))
    }

    /// The expression of an argument.
    pub fn expression(&self, argument: usize) -> Option<&Expression> {
        self.arguments.get(argument).and_then(Option::as_ref)
    }

    /// Evaluates an argument that is there; null where it is not.
    ///
    /// # Errors
    /// Where evaluating it fails.
    pub fn value(&self, context: &Context<'_>, argument: usize) -> Outcome<Value> {
        self.expression(argument).map_or(Ok(Value::Null), |expression| context.evaluate(expression))
    }

    /// Evaluates an argument and casts it.
    ///
    /// # Errors
    /// Where evaluating fails, or the value is of another type: then at the argument's key.
    #[expect(clippy::needless_pass_by_value, reason = "casts are named functions or made on the spot")]
    pub fn required<T>(&self, context: &Context<'_>, argument: usize, cast: impl Cast<T>) -> Outcome<T> {
        let value = self.value(context, argument)?;
        cast.apply(&value, &self.at(argument))
    }

    /// Evaluates an argument, if it is there, and casts it.
    ///
    /// # Errors
    /// Where evaluating fails, or the value is of another type: then at the argument's key.
    #[expect(clippy::needless_pass_by_value, reason = "casts are named functions or made on the spot")]
    pub fn optional<T>(&self, context: &Context<'_>, argument: usize, cast: impl Cast<T>) -> Outcome<Option<T>> {
        match self.expression(argument) {
            None => Ok(None),
            Some(expression) => cast.apply(&context.evaluate(expression)?, &self.at(argument)).map(Some),
        }
    }
}
