//! JSON values to the expression tree.
//!
//! An object is a form or an escape, recognised by the set of its keys; nothing else is an object in a query. Of
//! several malformed forms the first is reported; of several unbound variables all, in the order of a hash trie.

mod escapes;
mod forms;
mod literals;
mod reference;
mod sets;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use crate::ir::{
    ApiVersion, ArgumentKind, Expression, Failure, FormCall, Halt, Kind, LambdaExpression, Object, Outcome, Pattern,
    Position, Ref, Signatures, Unresolved, Value, both, trie_order,
};

/// Finds what a reference in the text of a query means.
pub trait Resolver {
    /// The document it names; `None` where the schema it needs does not exist. `Own` means the caller's document of a collection.
    ///
    /// # Errors
    /// If the storage fails.
    fn resolve(&self, reference: &Unresolved) -> Outcome<Option<Ref>>;

    /// Checks that the query may go on: a large one takes its time to parse.
    ///
    /// # Errors
    /// If it was interrupted.
    fn in_time(&self) -> Outcome<()>;
}

pub struct Parser<'p> {
    /// The forms there are.
    signatures: &'p Signatures,
    resolver: &'p dyn Resolver,
    /// The version to read by.
    version: ApiVersion,
    /// Variables used and not bound so far.
    free: Vec<(Arc<str>, Position)>,
}

/// # Errors
/// If it is no expression.
pub fn parse(
    signatures: &Signatures,
    resolver: &dyn Resolver,
    version: ApiVersion,
    query: &Value,
) -> Outcome<Expression> {
    let mut parser = Parser { signatures, resolver, version, free: Vec::new() };
    let expression = parser.expression(query, &Position::root())?;
    if parser.free.is_empty() {
        return Ok(expression);
    }
    let mut uses: BTreeMap<Arc<str>, Vec<Position>> = BTreeMap::new();
    for (name, position) in parser.free {
        uses.entry(name).or_default().push(position);
    }
    let unbound = |(name, positions): (Arc<str>, Vec<Position>)| {
        let failure = move |at| Failure::expression(at, format!("Variable '{name}' is not defined."));
        positions.into_iter().map(failure)
    };
    Err(Halt::Failures(trie_order(uses).into_iter().flat_map(unbound).collect()))
}

/// Reads a stored lambda: `{"lambda":…,"expr":…}`.
///
/// # Errors
/// If it is none, or uses variables that it does not bind.
pub fn parse_lambda(
    signatures: &Signatures,
    resolver: &dyn Resolver,
    version: ApiVersion,
    literal: &Value,
) -> Outcome<Arc<LambdaExpression>> {
    Parser { signatures, resolver, version, free: Vec::new() }.closed_lambda(literal, version, &Position::root())
}

impl Parser<'_> {
    fn expression(&mut self, query: &Value, at: &Position) -> Outcome<Expression> {
        self.resolver.in_time()?;
        match query {
            Value::Object(object) => {
                if let Some(form) = self.special_form(object, at) {
                    return form;
                }
                if let Some(form) = self.table_form(object, at) {
                    return form;
                }
                if let Some(escaped) = self.query_escape(object, at) {
                    return escaped;
                }
                let keys: Vec<&str> = object.names().map(|name| &**name).collect();
                let text = format!("No form/function found, or invalid argument keys: {{ {} }}.", keys.join(", "));
                Err(Failure::expression(at.clone(), text).into())
            }
            Value::Array(elements) => Ok(Expression::Array(self.all(elements, at)?)),
            other => Ok(Expression::Value(other.clone())),
        }
    }

    /// The elements of an array, each an expression.
    fn all(&mut self, elements: &[Value], at: &Position) -> Outcome<Vec<Expression>> {
        elements.iter().enumerate().map(|(index, element)| self.expression(element, &at.at(index))).collect()
    }

    /// A form of the function table.
    fn table_form(&mut self, object: &Object, at: &Position) -> Option<Outcome<Expression>> {
        let keys: Vec<&str> = object.names().map(|name| &**name).collect();
        let (form, signature) = self.signatures.find(&keys, self.version)?;
        let mut arguments = Vec::with_capacity(signature.keys.len());
        for key in signature.keys {
            let argument = match (object.get(key.name), key.kind) {
                (None, _) => None,
                (Some(given), ArgumentKind::Expression) => Some(self.expression(given, &at.at(key.name))),
                (Some(given), ArgumentKind::Lambda) => {
                    Some(self.lambda(given, &at.at(key.name)).map(Expression::Lambda))
                }
                (Some(given), ArgumentKind::Either) => Some(self.lambda_or_expression(given, &at.at(key.name))),
            };
            match argument.transpose() {
                Ok(argument) => arguments.push(argument),
                Err(halt) => return Some(Err(halt)),
            }
        }
        Some(Ok(Expression::Form(Arc::new(FormCall { form, signature, arguments, position: at.clone() }))))
    }

    /// A lambda where it can be read as one, else whatever it is.
    fn lambda_or_expression(&mut self, given: &Value, at: &Position) -> Outcome<Expression> {
        let free = self.free.len();
        if let Ok(lambda) = self.lambda(given, at) {
            return Ok(Expression::Lambda(lambda));
        }
        self.free.truncate(free);
        self.expression(given, at)
    }

    /// `{"lambda":…,"expr":…}` as part of a form.
    fn lambda(&mut self, given: &Value, at: &Position) -> Outcome<Arc<LambdaExpression>> {
        let Value::Object(object) = given else {
            return Err(Failure::expected_expression(&[Kind::Lambda], given.kind(), at.clone()).into());
        };
        if let (Some(pattern), Some(body), 2) = (object.get("lambda"), object.get("expr"), object.len()) {
            return self.lambda_of(pattern, body, at);
        }
        let keys: Vec<&str> = object.names().map(|name| &**name).collect();
        let text = format!("No form/function found, or invalid argument keys: {{ {} }}.", keys.join(", "));
        Err(Failure::expression(at.clone(), text).into())
    }

    /// A lambda of its two parts.
    fn lambda_of(&mut self, pattern: &Value, body: &Value, at: &Position) -> Outcome<Arc<LambdaExpression>> {
        let pattern = pattern_of(pattern, &at.at("lambda"));
        let before = self.free.len();
        let body = self.expression(body, &at.at("expr"));
        let (pattern, body) = both(pattern, body)?;
        self.unbind(before, &pattern.names().into_iter().cloned().collect());
        let mut seen = HashSet::new();
        let uses = self.free.iter().skip(before).map(|(name, _)| name);
        let free = uses.filter(|name| seen.insert(Arc::clone(name))).cloned().collect();
        let version = self.version.max(ApiVersion::V212);
        Ok(Arc::new(LambdaExpression { pattern, body, free, version, position: at.clone() }))
    }

    /// Forgets the uses of variables, noted after `before`, that turn out to be bound.
    fn unbind(&mut self, before: usize, names: &HashSet<Arc<str>>) {
        let uses = self.free.split_off(before);
        self.free.extend(uses.into_iter().filter(|(name, _)| !names.contains(name)));
    }
}

/// The parameters of a lambda.
fn pattern_of(pattern: &Value, at: &Position) -> Outcome<Pattern> {
    let bound = |name: &Arc<str>| (&**name != "_").then(|| Arc::clone(name));
    match pattern {
        Value::String(name) => Ok(bound(name).map_or(Pattern::Ignored, Pattern::Name)),
        Value::Array(elements) => {
            let failures: Vec<Failure> = elements
                .iter()
                .enumerate()
                .filter(|(_, element)| element.as_str().is_none())
                .map(|(index, other)| Failure::expected_expression(&[Kind::String], other.kind(), at.at(index)))
                .collect();
            if !failures.is_empty() {
                return Err(Halt::Failures(failures));
            }
            let names = elements.iter().map(|element| match element {
                Value::String(name) => bound(name),
                _ => None,
            });
            Ok(Pattern::Array(names.collect()))
        }
        other => Err(Failure::expected_expression(&[Kind::String, Kind::Array], other.kind(), at.clone()).into()),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::functions::forms;
    use crate::ir::Fault;

    /// Lets a parser go on for three checks.
    struct TimeLimited(Cell<u32>);

    impl Resolver for TimeLimited {
        fn resolve(&self, _reference: &Unresolved) -> Outcome<Option<Ref>> {
            Ok(None)
        }

        fn in_time(&self) -> Outcome<()> {
            self.0.set(self.0.get() + 1);
            if self.0.get() < 3 { Ok(()) } else { Err(Fault::TimedOut.into()) }
        }
    }

    #[test]
    fn parsing_ends_at_the_deadline() {
        let resolver = TimeLimited(Cell::new(0));
        let query = Value::array(vec![Value::Integer(1); 1000]);
        let outcome = parse(&forms().signatures, &resolver, ApiVersion::V4, &query);
        assert!(matches!(outcome, Err(Halt::Fault(Fault::TimedOut))));
        assert_eq!(resolver.0.get(), 3);
    }
}
