//! The forms of the language and how their implementations get at the arguments.

use super::Context;
use super::cast::Cast;
use crate::ir::{ApiVersion, Effect, Expression, FormCall, Key, Outcome, Position, Signature, Signatures, Value};

/// Evaluates a call of a form.
pub type Implementation = fn(&Context<'_>, &FormCall) -> Outcome<Value>;

/// A built-in function of FQL: its signature and its implementation.
pub struct Form {
    pub signature: Signature,
    pub run: Implementation,
    /// Whether the effect of the signature is only an upper bound, checked inside the call.
    is_call: bool,
}

impl Form {
    pub const fn pure(keys: &'static [Key], run: Implementation) -> Self {
        Self::with_effect(Effect::Pure, keys, run)
    }

    pub const fn read(keys: &'static [Key], run: Implementation) -> Self {
        Self::with_effect(Effect::Read, keys, run)
    }

    pub const fn write(keys: &'static [Key], run: Implementation) -> Self {
        Self::with_effect(Effect::Write, keys, run)
    }

    /// A form that calls a user-defined function: the parser takes it for a write, but only the effects inside the function are checked.
    pub const fn call(keys: &'static [Key], run: Implementation) -> Self {
        let form = Self::with_effect(Effect::Write, keys, run);
        Self { is_call: true, ..form }
    }

    const fn with_effect(effect: Effect, keys: &'static [Key], run: Implementation) -> Self {
        Self { signature: Signature { keys, effect, since: ApiVersion::V20, until: None }, run, is_call: false }
    }

    /// The effect that is checked when it is called.
    const fn own_effect(&self) -> Effect {
        if self.is_call { Effect::Pure } else { self.signature.effect }
    }

    /// Restricts the form to `version` and later ones.
    #[must_use]
    pub const fn since(mut self, version: ApiVersion) -> Self {
        self.signature.since = version;
        self
    }

    /// Restricts the form to versions before `version`.
    #[must_use]
    pub const fn until(mut self, version: ApiVersion) -> Self {
        self.signature.until = Some(version);
        self
    }
}

/// The table of all forms.
pub struct Forms {
    pub signatures: Signatures,
    /// In the order of the signatures.
    implementations: Vec<(Implementation, Effect)>,
}

impl Forms {
    pub fn new(groups: &[&'static [Form]]) -> Self {
        let forms = || groups.iter().copied().flatten();
        Self {
            signatures: Signatures::new(forms().map(|form| &form.signature).collect()),
            implementations: forms().map(|form| (form.run, form.own_effect())).collect(),
        }
    }

    /// The implementation of a called form, and the effect that must be allowed for it.
    pub(super) fn implementation(&self, call: &FormCall) -> Option<(Implementation, Effect)> {
        self.implementations.get(call.form).copied()
    }
}

impl FormCall {
    /// The position of an argument: that of the call and the argument's key.
    pub fn at(&self, argument: usize) -> Position {
        self.signature.keys.get(argument).map_or_else(|| self.position.clone(), |key| self.position.at(key.name))
    }

    pub fn expression(&self, argument: usize) -> Option<&Expression> {
        self.arguments.get(argument).and_then(Option::as_ref)
    }

    /// Evaluates an argument; null if it is absent.
    ///
    /// # Errors
    /// If evaluation fails.
    pub fn value(&self, context: &Context<'_>, argument: usize) -> Outcome<Value> {
        self.expression(argument).map_or(Ok(Value::Null), |expression| context.evaluate(expression))
    }

    /// Evaluates an argument and casts it.
    ///
    /// # Errors
    /// If evaluation fails, or the value is of another type (reported at the argument's key).
    #[expect(clippy::needless_pass_by_value, reason = "casts are named functions or made on the spot")]
    pub fn required<T>(&self, context: &Context<'_>, argument: usize, cast: impl Cast<T>) -> Outcome<T> {
        let value = self.value(context, argument)?;
        cast.apply(&value, &self.at(argument))
    }

    /// Evaluates and casts an argument; `None` if it is absent.
    ///
    /// # Errors
    /// If evaluation fails, or the value is of another type (reported at the argument's key).
    #[expect(clippy::needless_pass_by_value, reason = "casts are named functions or made on the spot")]
    pub fn optional<T>(&self, context: &Context<'_>, argument: usize, cast: impl Cast<T>) -> Outcome<Option<T>> {
        match self.expression(argument) {
            None => Ok(None),
            Some(expression) => cast.apply(&context.evaluate(expression)?, &self.at(argument)).map(Some),
        }
    }
}
