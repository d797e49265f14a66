//! Applying lambdas and calling user-defined functions.

use super::{Bindings, Context};
use crate::ir::{Failure, Lambda, LambdaExpression, Outcome, Pattern, Position, Value};

impl Context<'_> {
    /// Calls a lambda with one argument.
    ///
    /// # Errors
    /// If the argument does not fit the parameters, calls are nested too deeply, or the body fails.
    pub fn apply(&self, lambda: &Lambda, argument: Value, position: &Position) -> Outcome<Value> {
        match lambda {
            Lambda::Parsed { expression, captured } => {
                let mut bindings = Bindings::default();
                for (name, value) in captured {
                    bindings = bindings.with(name, value.clone());
                }
                self.apply_parsed(expression, bindings, argument, position)
            }
            Lambda::Stored { .. } => {
                let expression = self.parse_stored(lambda)?;
                self.apply_parsed(&expression, Bindings::default(), argument, position)
            }
        }
    }

    fn apply_parsed(
        &self,
        lambda: &LambdaExpression,
        bindings: Bindings,
        argument: Value,
        position: &Position,
    ) -> Outcome<Value> {
        let inner = self.calling(Bindings::default(), position)?;
        let bindings = bind(&lambda.pattern, argument, bindings, &position.at("lambda"))?;
        Context { bindings, ..inner }.evaluate(&lambda.body)
    }
}

/// Binds an argument to the parameters of a lambda.
fn bind(pattern: &Pattern, argument: Value, bindings: Bindings, position: &Position) -> Outcome<Bindings> {
    match (pattern, argument) {
        (Pattern::Ignored, _) => Ok(bindings),
        (Pattern::Name(name), value) => Ok(bindings.with(name, value)),
        (Pattern::Array(parameters), Value::Array(elements)) => {
            if parameters.len() != elements.len() {
                return Err(Failure::arity(parameters.len(), elements.len(), position.clone()).into());
            }
            let named =
                parameters.iter().zip(elements.iter()).filter_map(|(name, value)| Some((name.as_ref()?, value)));
            Ok(named.fold(bindings, |bindings, (name, value)| bindings.with(name, value.clone())))
        }
        (Pattern::Array(parameters), value) => match parameters.as_slice() {
            [None] => Ok(bindings),
            [Some(name)] => Ok(bindings.with(name, value)),
            several => Err(Failure::arity(several.len(), 1, position.clone()).into()),
        },
    }
}
