//! Expressions turned back into what they were parsed from: how a lambda is stored and shown.
//!
//! The text of the request is not kept: `let` comes back in its object form, `match` with `terms`, captured variables as a `let`
//! around the body.

use std::sync::Arc;

use crate::ir::{ApiVersion, Expression, FormCall, Lambda, LambdaExpression, Object, Value};

impl Expression {
    /// The expression as data.
    pub fn literal(&self) -> Value {
        let list = |all: &[Self]| Value::array(all.iter().map(Self::literal).collect());
        match self {
            Self::Value(value) => value.clone(),
            Self::Variable(name) => Value::object([("var", Value::String(Arc::clone(name)))]),
            Self::Array(all) => list(all),
            Self::Do(all) => Value::object([("do", list(all))]),
            Self::And(all, _) => Value::object([("and", list(all))]),
            Self::Or(all, _) => Value::object([("or", list(all))]),
            Self::Object(fields) => Value::object([("object", fields_literal(fields))]),
            Self::Let(it) => Value::object([("let", fields_literal(&it.bindings)), ("in", it.body.literal())]),
            Self::If(it) => Value::object([
                ("if", it.condition.literal()),
                ("then", it.then.literal()),
                ("else", it.otherwise.literal()),
            ]),
            Self::Select(it) => {
                let mut object = Object::new();
                object.set(it.name, it.path.literal());
                object.set("from", it.from.literal());
                if let (Some(all), "select") = (&it.all, it.name) {
                    object.set("all", all.literal());
                }
                if let Some(default) = &it.default {
                    object.set("default", default.literal());
                }
                object.into()
            }
            Self::At(it) => Value::object([("at", it.ts.literal()), ("expr", it.body.literal())]),
            Self::Lambda(lambda) => lambda.literal(),
            Self::Query(lambda) => Value::object([("query", lambda.literal())]),
            Self::Form(call) => call.literal(),
        }
    }
}

/// Named expressions as data; of two with one name the last stays.
fn fields_literal(fields: &[(Arc<str>, Expression)]) -> Value {
    let mut object = Object::new();
    for (name, expression) in fields {
        object.set(Arc::clone(name), expression.literal());
    }
    object.into()
}

impl FormCall {
    /// The call as data, its keys in the order of the table.
    fn literal(&self) -> Value {
        let mut object = Object::new();
        for (key, argument) in self.signature.keys.iter().zip(&self.arguments) {
            if let Some(argument) = argument {
                object.set(key.name, argument.literal());
            }
        }
        object.into()
    }
}

impl LambdaExpression {
    /// The lambda as data, without what it captured.
    pub fn literal(&self) -> Value {
        Value::object([("lambda", self.pattern.literal()), ("expr", self.body.literal())])
    }
}

impl Lambda {
    /// The lambda as data: `{"lambda":…,"expr":…}`.
    pub fn literal(&self) -> Value {
        match self {
            Self::Stored { literal, .. } => literal.clone(),
            Self::Parsed { expression, captured } if captured.is_empty() => expression.literal(),
            Self::Parsed { expression, captured } => {
                let bindings: Object = captured.iter().map(|(name, value)| (Arc::clone(name), value.clone())).collect();
                let body = Value::object([("let", bindings.into()), ("in", expression.body.literal())]);
                Value::object([("lambda", expression.pattern.literal()), ("expr", body)])
            }
        }
    }

    /// The lambda as data, as `version` of the API shows it: after the version it is read by, unless neither is later than the one
    /// that lambdas without it are read by.
    pub fn shown(&self, version: ApiVersion) -> Object {
        let mut shown = Object::new();
        if self.version().max(version) > ApiVersion::V212 {
            shown.set("api_version", Value::from(self.version().name()));
        }
        if let Value::Object(literal) = self.literal() {
            for (name, value) in literal.iter() {
                shown.set(Arc::clone(name), value.clone());
            }
        }
        shown
    }
}
