//! The parsed expression tree.

use std::sync::Arc;

use crate::ir::{Effect, LambdaExpression, Position, Signature, Value};

/// An expression, ready to be evaluated.
#[derive(Clone, Debug, PartialEq)]
pub enum Expression {
    /// A value that stands for itself.
    Value(Value),
    /// The value of a variable.
    Variable(Arc<str>),
    /// An array of expressions.
    Array(Vec<Expression>),
    /// `object`: fields of expressions.
    Object(Vec<(Arc<str>, Expression)>),
    Let(Box<Let>),
    If(Box<Conditional>),
    Select(Box<Select>),
    /// `do`: one after the other.
    Do(Vec<Expression>),
    /// `and`, evaluated only as far as needed.
    And(Vec<Expression>, Position),
    /// `or`, evaluated only as far as needed.
    Or(Vec<Expression>, Position),
    At(Box<At>),
    Lambda(Arc<LambdaExpression>),
    /// `query`: a lambda as a value.
    Query(Arc<LambdaExpression>),
    /// A form of the function table.
    Form(Arc<FormCall>),
}

/// `let`: names for values.
#[derive(Clone, Debug, PartialEq)]
pub struct Let {
    /// Names and what they stand for, in the order of evaluation.
    pub bindings: Vec<(Arc<str>, Expression)>,
    pub body: Expression,
}

#[derive(Clone, Debug)]
pub struct Conditional {
    pub condition: Expression,
    pub then: Expression,
    pub otherwise: Expression,
    pub position: Position,
}

impl PartialEq for Conditional {
    fn eq(&self, other: &Self) -> bool {
        self.condition == other.condition && self.then == other.then && self.otherwise == other.otherwise
    }
}

/// `select`, `select_all` or `select_as_index`.
#[derive(Clone, Debug)]
pub struct Select {
    pub name: &'static str,
    pub path: Expression,
    /// The value that the path leads through.
    pub from: Expression,
    /// Whether every match is wanted.
    pub all: Option<Expression>,
    /// The value if there is nothing at the path.
    pub default: Option<Expression>,
    pub position: Position,
}

impl PartialEq for Select {
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path && self.from == other.from && self.all == other.all && self.default == other.default
    }
}

/// `at`: reads of an earlier time.
#[derive(Clone, Debug)]
pub struct At {
    pub ts: Expression,
    pub body: Expression,
    pub position: Position,
}

impl PartialEq for At {
    fn eq(&self, other: &Self) -> bool {
        self.ts == other.ts && self.body == other.body
    }
}

/// A form of the function table with its arguments.
#[derive(Debug)]
pub struct FormCall {
    /// Number of the form in the table.
    pub form: usize,
    pub signature: &'static Signature,
    /// The arguments in the order of the keys; `None` for an optional one that is absent.
    pub arguments: Vec<Option<Expression>>,
    pub position: Position,
}

impl PartialEq for FormCall {
    /// Two calls are never the same, as in FaunaDB: only one and the same call is.
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Expression {
    /// The most that evaluating it can do. A user-defined function may do anything.
    pub fn effect(&self) -> Effect {
        let most = |all: &[Self]| all.iter().map(Self::effect).max().unwrap_or(Effect::Pure);
        match self {
            Self::Value(_) | Self::Variable(_) | Self::Lambda(_) | Self::Query(_) => Effect::Pure,
            Self::Array(all) | Self::Do(all) | Self::And(all, _) | Self::Or(all, _) => most(all),
            Self::Object(fields) => fields.iter().map(|(_, field)| field.effect()).max().unwrap_or(Effect::Pure),
            Self::Let(it) => {
                it.bindings.iter().map(|(_, bound)| bound.effect()).max().unwrap_or(Effect::Pure).max(it.body.effect())
            }
            Self::If(it) => it.condition.effect().max(it.then.effect()).max(it.otherwise.effect()),
            Self::Select(it) => {
                let rest = [&it.all, &it.default].into_iter().flatten().map(Self::effect).max();
                it.path.effect().max(it.from.effect()).max(rest.unwrap_or(Effect::Pure))
            }
            Self::At(it) => it.ts.effect().max(it.body.effect()),
            Self::Form(call) => {
                let argument = |argument: &Self| match argument {
                    Self::Lambda(lambda) => lambda.body.effect(),
                    other => other.effect(),
                };
                call.arguments.iter().flatten().map(argument).max().unwrap_or(Effect::Pure).max(call.signature.effect)
            }
        }
    }
}
