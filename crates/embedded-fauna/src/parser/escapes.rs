//! Escapes: objects whose only key begins with `@`.
//!
//! In a query `@obj` holds an expression; in data (`quote`, the inside of `@set` and `@query`) it holds data.

use std::sync::Arc;

use super::{Parser, literals};
use crate::ir::{ApiVersion, Expression, Failure, Kind, Lambda, LambdaExpression, Object, Outcome, Position, Value};

impl Parser<'_> {
    /// An escape in a query; `None` where it is none.
    pub(super) fn query_escape(&mut self, object: &Object, at: &Position) -> Option<Outcome<Expression>> {
        if let Some(inner) = sole(object, "@obj") {
            return Some(match inner {
                Value::Object(_) => self.expression(inner, &at.at("@obj")),
                _ => Err(Failure::expression(at.clone(), "Invalid object.").into()),
            });
        }
        Some(self.escape(object, at)?.map(Expression::Value))
    }

    /// An escape in data; `None` where it is none.
    fn data_escape(&mut self, object: &Object, at: &Position) -> Option<Outcome<Value>> {
        if let Some(inner) = sole(object, "@obj") {
            return Some(match inner {
                Value::Object(inner) => self.data_object(inner, at),
                _ => Err(Failure::expression(at.clone(), "Invalid object.").into()),
            });
        }
        self.escape(object, at)
    }

    /// Every escape but `@obj`.
    fn escape(&mut self, object: &Object, at: &Position) -> Option<Outcome<Value>> {
        let (tag, inner) = object.iter().next().filter(|_| object.len() == 1)?;
        let text = inner.as_str();
        let invalid = |what: &str| Failure::expression(at.clone(), format!("Invalid {what}.")).into();
        Some(match &**tag {
            "@ref" => self.reference(inner, at),
            "@set" => match inner {
                Value::Object(inner) => self.set(inner, at),
                _ => Err(invalid("set")),
            },
            "@query" => self
                .closed_lambda(inner, ApiVersion::V212, at)
                .map(|expression| Value::Lambda(Arc::new(Lambda::Parsed { expression, captured: Vec::new() }))),
            "@ts" => text.and_then(literals::time).map(Value::Time).ok_or_else(|| invalid("time")),
            "@date" => text.and_then(literals::date).map(Value::Date).ok_or_else(|| invalid("date")),
            "@bytes" => {
                text.and_then(literals::bytes).map(|bytes| Value::Bytes(bytes.into())).ok_or_else(|| invalid("bytes"))
            }
            "@uuid" => text.and_then(literals::uuid).map(Value::Uuid).ok_or_else(|| invalid("UUID")),
            _ => return None,
        })
    }

    /// Data: everything stands for itself, but escapes mean what they mean.
    pub(super) fn data(&mut self, given: &Value, at: &Position) -> Outcome<Value> {
        match given {
            Value::Array(elements) => {
                let elements = elements.iter().enumerate().map(|(index, element)| self.data(element, &at.at(index)));
                Ok(Value::array(elements.collect::<Outcome<_>>()?))
            }
            Value::Object(object) => match self.data_escape(object, at) {
                Some(escaped) => escaped,
                None => self.data_object(object, at),
            },
            other => Ok(other.clone()),
        }
    }

    /// The fields of an object as data.
    fn data_object(&mut self, object: &Object, at: &Position) -> Outcome<Value> {
        let fields = object.iter().map(|(name, value)| Ok((Arc::clone(name), self.data(value, &at.at(name))?)));
        Ok(Object::from_distinct(fields.collect::<Outcome<_>>()?).into())
    }

    /// The fields that `object` and `let` hold, which may stand inside `@obj`.
    pub(super) fn unescaped(&mut self, object: &Object, outer: &Position, at: &Position) -> Outcome<Object> {
        if let Some(Value::Object(inner)) = sole(object, "@obj") {
            return Ok((**inner).clone());
        }
        if sole(object, "@obj").is_some() {
            return Err(Failure::expression(at.clone(), "Invalid object.").into());
        }
        match self.escape(object, at) {
            None => Ok(object.clone()),
            Some(Ok(other)) => Err(Failure::expected_expression(&[Kind::Object], other.kind(), outer.clone()).into()),
            Some(Err(halt)) => Err(halt),
        }
    }

    /// A lambda that stands alone: it may use no variables from outside.
    pub(super) fn closed_lambda(
        &mut self,
        literal: &Value,
        version: ApiVersion,
        at: &Position,
    ) -> Outcome<Arc<LambdaExpression>> {
        let invalid = || Failure::expression(at.clone(), "Invalid lambda.");
        let Value::Object(object) = literal else { return Err(invalid().into()) };
        let version = match (object.get("api_version"), object.len()) {
            (None, 2) => version,
            (Some(Value::String(text)), 3) => ApiVersion::parse(text).ok_or_else(invalid)?,
            _ => return Err(invalid().into()),
        };
        let (Some(pattern), Some(body)) = (object.get("lambda"), object.get("expr")) else {
            return Err(invalid().into());
        };
        let mut inner = Parser { signatures: self.signatures, resolver: self.resolver, version, free: Vec::new() };
        let lambda = inner.lambda_of(pattern, body, at)?;
        if inner.free.is_empty() { Ok(lambda) } else { Err(invalid().into()) }
    }
}

/// The value of the only key, where it is this one.
fn sole<'o>(object: &'o Object, key: &str) -> Option<&'o Value> {
    object.get(key).filter(|_| object.len() == 1)
}
