//! Forms whose arguments are not simply evaluated first: `let`, `if`, `do`, `and`, `select` and `at`.

use std::collections::HashSet;
use std::sync::Arc;

use super::Parser;
use crate::ir::{
    ApiVersion, At, Conditional, Expression, Failure, Halt, Kind, Let, Object, Outcome, Position, Select, Value, both,
};

/// The parts of a form, in the order asked for, where it has exactly these keys.
fn parts<'o, const N: usize>(object: &'o Object, keys: [&str; N]) -> Option<[&'o Value; N]> {
    if object.len() != N {
        return None;
    }
    let mut found = [&Value::Null; N];
    for (slot, key) in found.iter_mut().zip(keys) {
        *slot = object.get(key)?;
    }
    Some(found)
}

impl Parser<'_> {
    /// The special form that has these keys.
    pub(super) fn special_form(&mut self, object: &Object, at: &Position) -> Option<Outcome<Expression>> {
        if let Some([name]) = parts(object, ["var"]) {
            return Some(self.variable(name, at));
        }
        if let Some([bindings, body]) = parts(object, ["let", "in"]) {
            return Some(self.let_form(bindings, body, at));
        }
        if let Some([condition, then, otherwise]) = parts(object, ["if", "then", "else"]) {
            return Some(self.conditional([condition, then, otherwise], at));
        }
        if let Some([fields]) = parts(object, ["object"]) {
            return Some(self.object(fields, at));
        }
        if let Some([list]) = parts(object, ["do"]) {
            return Some(self.sequence(list, at));
        }
        if let Some([data]) = parts(object, ["quote"]) {
            return Some(self.data(data, &at.at("quote")).map(Expression::Value));
        }
        if let Some([lambda]) = parts(object, ["query"]) {
            return Some(self.lambda(lambda, &at.at("query")).map(Expression::Query));
        }
        if let Some([ts, body]) = parts(object, ["at", "expr"]) {
            return Some(self.at_form(ts, body, at));
        }
        if self.version < ApiVersion::V3 {
            return None;
        }
        if let Some([list]) = parts(object, ["and"]) {
            return Some(self.junction(list, &at.at("and")).map(|all| Expression::And(all, at.clone())));
        }
        if let Some([list]) = parts(object, ["or"]) {
            return Some(self.junction(list, &at.at("or")).map(|all| Expression::Or(all, at.clone())));
        }
        self.select(object, at)
    }

    fn variable(&mut self, name: &Value, at: &Position) -> Outcome<Expression> {
        match name {
            Value::String(name) => {
                self.free.push((Arc::clone(name), at.clone()));
                Ok(Expression::Variable(Arc::clone(name)))
            }
            other => Err(Failure::expected_expression(&[Kind::String], other.kind(), at.at("var")).into()),
        }
    }

    /// `let`: the bindings, each of which sees those before it, then the body. Failures of all of them are reported.
    fn let_form(&mut self, bindings: &Value, body: &Value, at: &Position) -> Outcome<Expression> {
        let here = at.at("let");
        let before = self.free.len();
        let body_expression = self.expression(body, &at.at("in"));
        let body_free = self.free.split_off(before);
        let mut bound: Vec<(Arc<str>, Expression)> = Vec::new();
        let mut names = HashSet::new();
        let mut failures = Vec::new();
        let bindings = match self.bindings(bindings, at, &here) {
            Ok(bindings) => bindings,
            Err(halt) => return both(Err(halt), body_expression).map(|(never, _)| never),
        };
        for (name, given) in bindings {
            let start = self.free.len();
            let parsed = given.and_then(|(value, position)| self.expression(&value, &position));
            self.unbind(start, &names);
            match parsed {
                Ok(expression) => {
                    names.insert(Arc::clone(&name));
                    bound.push((name, expression));
                }
                Err(Halt::Failures(more)) => failures.extend(more),
                Err(fault) => return Err(fault),
            }
        }
        let bindings = if failures.is_empty() { Ok(bound) } else { Err(Halt::Failures(failures)) };
        let (bindings, body) = both(bindings, body_expression)?;
        let start = self.free.len();
        self.free.extend(body_free);
        self.unbind(start, &names);
        Ok(Expression::Let(Box::new(Let { bindings, body })))
    }

    /// The names of a `let` and what they stand for, each with its position.
    #[expect(clippy::type_complexity, reason = "a list of names, each with a value and a position, or why it is none")]
    fn bindings(
        &mut self,
        bindings: &Value,
        at: &Position,
        here: &Position,
    ) -> Outcome<Vec<(Arc<str>, Outcome<(Value, Position)>)>> {
        match bindings {
            Value::Array(elements) => Ok(elements
                .iter()
                .enumerate()
                .map(|(index, element)| match element {
                    Value::Object(object) if object.len() == 1 => {
                        let (name, value) = object.iter().next().cloned().unwrap_or((Arc::from(""), Value::Null));
                        let position = here.at(index).at(&name);
                        (name, Ok((value, position)))
                    }
                    other => {
                        let failure = Failure::expected_expression(&[Kind::Object], other.kind(), here.at(index));
                        (Arc::from(""), Err(failure.into()))
                    }
                })
                .collect()),
            Value::Object(object) => {
                let object = self.unescaped(object, at, here)?;
                let position = |name: &Arc<str>| here.at(name);
                Ok(object.iter().map(|(name, value)| (Arc::clone(name), Ok((value.clone(), position(name))))).collect())
            }
            other => Err(Failure::expected_expression(&[Kind::Array], other.kind(), here.clone()).into()),
        }
    }

    fn conditional(&mut self, [condition, then, otherwise]: [&Value; 3], at: &Position) -> Outcome<Expression> {
        Ok(Expression::If(Box::new(Conditional {
            condition: self.expression(condition, &at.at("if"))?,
            then: self.expression(then, &at.at("then"))?,
            otherwise: self.expression(otherwise, &at.at("else"))?,
            position: at.clone(),
        })))
    }

    fn object(&mut self, fields: &Value, at: &Position) -> Outcome<Expression> {
        let here = at.at("object");
        let Value::Object(object) = fields else {
            return Err(Failure::expected_expression(&[Kind::Object], fields.kind(), here).into());
        };
        let object = self.unescaped(object, at, &here)?;
        let fields = object.iter().map(|(name, value)| Ok((Arc::clone(name), self.expression(value, &here.at(name))?)));
        Ok(Expression::Object(fields.collect::<Outcome<_>>()?))
    }

    fn sequence(&mut self, list: &Value, at: &Position) -> Outcome<Expression> {
        let here = at.at("do");
        match list {
            Value::Array(elements) if elements.is_empty() => {
                Err(Failure::expression(here, "Expression list cannot be empty.").into())
            }
            Value::Array(elements) => Ok(Expression::Do(self.all(elements, &here)?)),
            other => Err(Failure::expected_expression(&[Kind::Array], other.kind(), here).into()),
        }
    }

    /// The arguments of `and` and `or`.
    fn junction(&mut self, list: &Value, here: &Position) -> Outcome<Vec<Expression>> {
        match list {
            Value::Array(elements) if elements.is_empty() => {
                Err(Failure::expression(here.clone(), "Expression list cannot be empty.").into())
            }
            Value::Array(elements) => self.all(elements, here),
            one => Ok(vec![self.expression(one, here)?]),
        }
    }

    fn at_form(&mut self, ts: &Value, body: &Value, at: &Position) -> Outcome<Expression> {
        Ok(Expression::At(Box::new(At {
            ts: self.expression(ts, &at.at("at"))?,
            body: self.expression(body, &at.at("expr"))?,
            position: at.clone(),
        })))
    }

    fn select(&mut self, object: &Object, at: &Position) -> Option<Outcome<Expression>> {
        let name = ["select", "select_all", "select_as_index"].into_iter().find(|name| object.contains(name))?;
        let from = object.get("from")?;
        let all = object.get("all").filter(|_| name == "select");
        let default = object.get("default");
        if object.len() != 2 + usize::from(all.is_some()) + usize::from(default.is_some()) {
            return None;
        }
        Some(self.select_of(name, [object.get(name), Some(from), all, default], at))
    }

    /// The parts of a `select`: path, from, all, default.
    fn select_of(&mut self, name: &'static str, parts: [Option<&Value>; 4], at: &Position) -> Outcome<Expression> {
        let keys = [name, "from", "all", "default"];
        let mut parsed = [None, None, None, None];
        for ((slot, given), key) in parsed.iter_mut().zip(parts).zip(keys) {
            *slot = given.map(|given| self.expression(given, &at.at(key))).transpose()?;
        }
        let [path, from, all, default] = parsed;
        let nothing = || Expression::Value(Value::Null);
        let all = if name == "select" { all } else { Some(Expression::Value(Value::Bool(true))) };
        Ok(Expression::Select(Box::new(Select {
            name,
            path: path.unwrap_or_else(nothing),
            from: from.unwrap_or_else(nothing),
            all,
            default,
            position: at.clone(),
        })))
    }
}
