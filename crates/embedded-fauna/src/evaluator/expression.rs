//! Evaluation proper.
//!
//! Of several failing arguments of one form the leftmost is reported; failing elements of an array and failing fields of an
//! object are all reported.

use std::sync::Arc;

use super::cast::Cast;
use super::{Context, cast, path, select};
use crate::ir::{
    At, Conditional, Effect, Expression, Failure, FormCall, Halt, Lambda, LambdaExpression, Let, Object, Outcome,
    Position, Select, Stamp, Value,
};

impl Context<'_> {
    /// Evaluates an expression.
    ///
    /// # Errors
    /// If evaluation fails.
    pub fn evaluate(&self, expression: &Expression) -> Outcome<Value> {
        match expression {
            Expression::Value(value) => Ok(value.clone()),
            Expression::Variable(name) => Ok(self.bindings.get(name).cloned().unwrap_or(Value::Null)),
            Expression::Lambda(lambda) => Ok(Value::Lambda(Arc::new(self.closure(lambda)))),
            Expression::Query(lambda) => self.made(Value::Lambda(Arc::new(self.closure(lambda)))),
            nested => self.deeper(|| self.evaluate_nested(nested)),
        }
    }

    fn evaluate_nested(&self, expression: &Expression) -> Outcome<Value> {
        match expression {
            Expression::Value(_) | Expression::Variable(_) | Expression::Lambda(_) | Expression::Query(_) => {
                self.evaluate(expression)
            }
            Expression::Array(all) => self.made(Value::array(collect(all.iter().map(|one| self.evaluate(one)))?)),
            Expression::Object(fields) => {
                let fields = fields.iter().map(|(name, field)| Ok((Arc::clone(name), self.evaluate(field)?)));
                self.made(Object::from_distinct(collect(fields)?).into())
            }
            Expression::Let(it) => self.let_form(it),
            Expression::If(it) => self.conditional(it),
            Expression::Select(it) => self.select_form(it),
            Expression::Do(all) => all.iter().try_fold(Value::Null, |_, one| self.evaluate(one)),
            Expression::And(all, position) => self.junction(all, &position.at("and"), false),
            Expression::Or(all, position) => self.junction(all, &position.at("or"), true),
            Expression::At(it) => self.at_form(it),
            Expression::Form(call) => self.form(call),
        }
    }

    fn form(&self, call: &FormCall) -> Outcome<Value> {
        let Some((run, effect)) = self.run.forms.implementation(call) else { return Ok(Value::Null) };
        self.allow(effect, &call.position)?;
        let value = run(self, call)?;
        if effect == Effect::Write {
            self.within_writes()?;
        }
        self.made(value)
    }

    /// Captures the free variables of a lambda.
    pub(super) fn closure(&self, lambda: &Arc<LambdaExpression>) -> Lambda {
        let captured = lambda.free.iter().filter_map(|name| Some((Arc::clone(name), self.bindings.get(name)?.clone())));
        Lambda::Parsed { expression: Arc::clone(lambda), captured: captured.collect() }
    }

    /// `let`: each binding sees those before it.
    fn let_form(&self, it: &Let) -> Outcome<Value> {
        let mut context = self.clone();
        for (name, bound) in &it.bindings {
            self.in_time()?;
            let value = context.evaluate(bound)?;
            context.bindings = context.bindings.with(name, value);
        }
        context.evaluate(&it.body)
    }

    /// `if`: evaluates only the chosen branch.
    fn conditional(&self, it: &Conditional) -> Outcome<Value> {
        let condition = self.evaluate(&it.condition)?;
        let chosen = if cast::boolean.apply(&condition, &it.position.at("if"))? { &it.then } else { &it.otherwise };
        self.evaluate(chosen)
    }

    /// `and` and `or`: evaluation stops at the deciding operand.
    fn junction(&self, all: &[Expression], position: &Position, decisive: bool) -> Outcome<Value> {
        for (index, one) in all.iter().enumerate() {
            let value = self.evaluate(one)?;
            if cast::boolean.apply(&value, &position.at(index))? == decisive {
                return Ok(Value::Bool(decisive));
            }
        }
        Ok(Value::Bool(!decisive))
    }

    /// `at`: a time in the future means now.
    fn at_form(&self, it: &At) -> Outcome<Value> {
        let ts = self.evaluate(&it.ts)?;
        let valid_time = match cast::transaction_time.apply(&ts, &it.position.at("at"))? {
            Stamp::At(micros) if micros > self.transaction().snapshot() => return self.evaluate(&it.body),
            Stamp::At(micros) => Some(micros).filter(|micros| *micros != self.transaction().snapshot()),
            Stamp::Now => None,
        };
        self.at(valid_time).evaluate(&it.body)
    }

    /// `select`: the default is evaluated only if the path does not exist.
    fn select_form(&self, it: &Select) -> Outcome<Value> {
        let given = self.evaluate(&it.path)?;
        let from = self.evaluate(&it.from)?;
        let all = it.all.as_ref().map_or(Ok(Value::Bool(false)), |all| self.evaluate(all))?;
        let path = path.apply(&given, &it.position.at(it.name))?;
        let all = cast::boolean.apply(&all, &it.position.at("all"))?;
        let here = it.position.at("from");
        if let Value::Unresolved(reference) = &from {
            return Err(Failure::unresolved(reference, here).into());
        }
        match (select(self, &path, all, &from, &here), &it.default) {
            (Err(Halt::Failures(failures)), Some(default)) if is_not_found(&failures) => self.evaluate(default),
            (outcome, _) => outcome,
        }
    }
}

fn is_not_found(failures: &[Failure]) -> bool {
    matches!(failures, [failure] if failure.code == "value not found")
}

/// All values, or the failures of all that failed.
fn collect<T>(outcomes: impl Iterator<Item = Outcome<T>>) -> Outcome<Vec<T>> {
    let mut values = Vec::new();
    let mut failures = Vec::new();
    for outcome in outcomes {
        match outcome {
            Ok(value) => values.push(value),
            Err(Halt::Failures(more)) => failures.extend(more),
            Err(fault) => return Err(fault),
        }
    }
    if failures.is_empty() { Ok(values) } else { Err(Halt::Failures(failures)) }
}
