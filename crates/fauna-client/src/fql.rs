//! FQL v4 expressions, built from typed values.
//!
//! In FQL v4 every JSON object is an expression: `{"delete": …}` inside forwarded user data would be executed. Literal objects must be
//! wrapped in `{"object": …}` at every depth. This module is the only encoder of the crate: input from outside enters as text, as a
//! number or through [`data`], always as a literal; so do values that Fauna has answered, through [`crate::literal()`]. There is no way to
//! make an [`Expr`] of raw JSON.

use serde_json::{Map, Value};

pub use crate::expr::Expr;
use crate::literal::unambiguous;

/// A form (function call) of the language; its name and arguments are the keys of one object.
#[track_caller]
pub(crate) fn form<const N: usize>(keys: [(&str, Expr); N]) -> Expr {
    Expr::new(keys.into_iter().map(|(key, value)| (key.to_owned(), value.value)).collect::<Map<_, _>>().into())
}

#[track_caller]
pub fn null() -> Expr {
    Expr::new(Value::Null)
}

/// A literal object whose values are expressions.
#[track_caller]
pub fn object<const N: usize>(fields: [(&str, Expr); N]) -> Expr {
    object_of(fields.into_iter().map(|(name, value)| (name.to_owned(), value)))
}

/// As [`object`], for any number of fields.
#[track_caller]
pub fn object_of(fields: impl IntoIterator<Item = (String, Expr)>) -> Expr {
    let fields = fields.into_iter().map(|(name, value)| (name, value.value)).collect::<Map<_, _>>();
    form([("object", Expr::new(unambiguous(fields).into()))])
}

/// JSON from outside as a literal: nothing in it is evaluated, at any depth.
#[track_caller]
pub fn data(json: &Value) -> Expr {
    match json {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Expr::new(json.clone()),
        Value::Array(items) => items.iter().map(data).collect(),
        Value::Object(fields) => object_of(fields.iter().map(|(name, value)| (name.clone(), data(value)))),
    }
}

/// A path into an object, such as `["data", "likes"]`.
#[track_caller]
fn path(fields: &[&str]) -> Expr {
    match fields {
        [single] => Expr::from(*single),
        several => several.iter().map(|field| Expr::from(*field)).collect(),
    }
}

/// A variable bound by [`let_in`] or a lambda.
#[track_caller]
pub fn var(name: &str) -> Expr {
    form([("var", Expr::from(name))])
}

/// Binds variables in order; later bindings can use earlier ones.
#[track_caller]
pub fn let_in<const N: usize>(bindings: [(&str, Expr); N], body: Expr) -> Expr {
    let bindings = bindings.into_iter().map(|(name, value)| form([(name, value)])).collect();
    form([("let", bindings), ("in", body)])
}

#[track_caller]
pub fn if_else(condition: Expr, then: Expr, otherwise: Expr) -> Expr {
    form([("if", condition), ("then", then), ("else", otherwise)])
}

/// Evaluates all steps in order; the value is that of the last one.
#[track_caller]
pub fn do_all<const N: usize>(steps: [Expr; N]) -> Expr {
    do_each(steps)
}

/// As [`do_all`], for any number of steps; at least one.
#[track_caller]
pub fn do_each(steps: impl IntoIterator<Item = Expr>) -> Expr {
    form([("do", steps.into_iter().collect())])
}

/// Fails the transaction with [`Error::Aborted`](crate::Error::Aborted); nothing is written.
#[track_caller]
pub fn abort(reason: &str) -> Expr {
    form([("abort", Expr::from(reason))])
}

/// A lambda with one parameter.
#[track_caller]
pub fn lambda(parameter: &str, body: Expr) -> Expr {
    form([("lambda", Expr::from(parameter)), ("expr", body)])
}

/// A lambda that destructures an array.
#[track_caller]
pub fn lambda_of(parameters: &[&str], body: Expr) -> Expr {
    form([("lambda", parameters.iter().map(|name| Expr::from(*name)).collect()), ("expr", body)])
}

/// A lambda as a value, for predicates and the bodies of stored functions.
#[track_caller]
pub fn query(lambda: Expr) -> Expr {
    form([("query", lambda)])
}

/// Calls a stored function.
#[track_caller]
pub fn call(function_name: &str, argument: Expr) -> Expr {
    form([("call", function(function_name)), ("arguments", argument)])
}

/// The collection of that name.
#[track_caller]
pub fn collection(name: &str) -> Expr {
    form([("collection", Expr::from(name))])
}

/// The index of that name.
#[track_caller]
pub fn index(name: &str) -> Expr {
    form([("index", Expr::from(name))])
}

/// The role of that name.
#[track_caller]
pub fn role(name: &str) -> Expr {
    form([("role", Expr::from(name))])
}

/// The stored function of that name.
#[track_caller]
pub fn function(name: &str) -> Expr {
    form([("function", Expr::from(name))])
}

/// The collection of all tokens.
#[track_caller]
pub fn tokens() -> Expr {
    form([("tokens", null())])
}

/// The collection of all keys of the database.
#[track_caller]
pub fn keys() -> Expr {
    form([("keys", null())])
}

/// The collection of all indexes.
#[track_caller]
pub fn indexes() -> Expr {
    form([("indexes", null())])
}

/// A document of a collection. The id is text because ids have 64 bits.
#[track_caller]
pub fn document(collection_name: &str, id: impl Into<Expr>) -> Expr {
    form([("ref", collection(collection_name)), ("id", id.into())])
}

/// A token, by the id of its document.
#[track_caller]
pub fn token(id: impl Into<Expr>) -> Expr {
    form([("ref", tokens()), ("id", id.into())])
}

/// The document that the token of the query belongs to.
#[track_caller]
pub fn current_identity() -> Expr {
    form([("current_identity", null())])
}

/// Reads a document; a missing one is [`Error::NotFound`](crate::Error::NotFound).
#[track_caller]
pub fn get(reference: Expr) -> Expr {
    form([("get", reference)])
}

/// `true` if a document exists or a set is not empty.
#[track_caller]
pub fn exists(what: Expr) -> Expr {
    form([("exists", what)])
}

/// Creates a document: in a collection with a new id, or at a reference.
#[track_caller]
pub fn create(place: Expr, params: Expr) -> Expr {
    form([("create", place), ("params", params)])
}

/// Merges into a document.
#[track_caller]
pub fn update(reference: Expr, params: Expr) -> Expr {
    form([("update", reference), ("params", params)])
}

#[track_caller]
pub fn delete(reference: Expr) -> Expr {
    form([("delete", reference)])
}

/// Creates a collection, index, role, function or key; `what` is the name of the form, such as `create_role`.
#[track_caller]
pub fn create_schema(what: &'static str, params: Expr) -> Expr {
    form([(what, params)])
}

/// A field of a value; [`Error::NotFound`](crate::Error::NotFound) if it is missing.
#[track_caller]
pub fn select(fields: &[&str], from: Expr) -> Expr {
    form([("select", path(fields)), ("from", from)])
}

/// A field of a value, or `default` if it is missing.
#[track_caller]
pub fn select_or(fields: &[&str], from: Expr, default: Expr) -> Expr {
    form([("select", path(fields)), ("from", from), ("default", default)])
}

/// All entries of an index without terms.
#[track_caller]
pub fn all_of(index_name: &str) -> Expr {
    form([("match", index(index_name))])
}

/// The entries of an index with these terms.
#[track_caller]
pub fn matching<const N: usize>(index_name: &str, terms: [Expr; N]) -> Expr {
    let mut terms = terms.into_iter();
    let terms = match (terms.next(), terms.len()) {
        (Some(only), 0) => only,
        (first, _) => first.into_iter().chain(terms).collect(),
    };
    form([("match", index(index_name)), ("terms", terms)])
}

/// The first `size` elements of a set, with the cursor of the next page.
#[track_caller]
pub fn paginate(set: Expr, size: i64) -> Expr {
    form([("paginate", set), ("size", Expr::from(size))])
}

/// As [`paginate`], beginning at a cursor.
#[track_caller]
pub fn paginate_after(set: Expr, size: i64, after: Expr) -> Expr {
    form([("paginate", set), ("size", Expr::from(size)), ("after", after)])
}

/// Applies a lambda to every element of an array or page.
#[track_caller]
pub fn map(items: Expr, each: Expr) -> Expr {
    form([("map", each), ("collection", items)])
}

/// Calls a lambda for every element of an array or page and returns the collection unchanged.
#[track_caller]
pub fn foreach(items: Expr, each: Expr) -> Expr {
    form([("foreach", each), ("collection", items)])
}

/// The number of elements of an array.
#[track_caller]
pub fn count(items: Expr) -> Expr {
    form([("count", items)])
}

#[track_caller]
pub fn equals(one: Expr, other: Expr) -> Expr {
    form([("equals", Expr::from([one, other]))])
}

/// Logical and, with short-circuit evaluation.
#[track_caller]
pub fn all<const N: usize>(conditions: [Expr; N]) -> Expr {
    form([("and", Expr::from(conditions))])
}

#[track_caller]
pub fn not(condition: Expr) -> Expr {
    form([("not", condition)])
}

/// `one <= other` in Fauna's order of all values.
#[track_caller]
pub fn at_most(one: Expr, other: Expr) -> Expr {
    form([("lte", Expr::from([one, other]))])
}

/// `one > other` in Fauna's order of all values.
#[track_caller]
pub fn greater(one: Expr, other: Expr) -> Expr {
    form([("gt", Expr::from([one, other]))])
}

#[track_caller]
pub fn add(one: Expr, other: Expr) -> Expr {
    form([("add", Expr::from([one, other]))])
}

#[track_caller]
pub fn subtract(one: Expr, other: Expr) -> Expr {
    form([("subtract", Expr::from([one, other]))])
}

/// The length of a text, in code points.
#[track_caller]
pub fn length(text: Expr) -> Expr {
    form([("length", text)])
}

#[track_caller]
pub fn is_string(value: Expr) -> Expr {
    form([("is_string", value)])
}

#[track_caller]
pub fn is_array(value: Expr) -> Expr {
    form([("is_array", value)])
}

#[track_caller]
pub fn is_object(value: Expr) -> Expr {
    form([("is_object", value)])
}

#[track_caller]
pub fn is_timestamp(value: Expr) -> Expr {
    form([("is_timestamp", value)])
}

#[track_caller]
pub fn contains_field(field: &str, value: Expr) -> Expr {
    form([("contains_field", Expr::from(field)), ("in", value)])
}

/// The transaction time, by Fauna's clock.
#[track_caller]
pub fn now() -> Expr {
    form([("now", null())])
}

/// Microseconds since the beginning of 1970.
#[track_caller]
pub fn to_micros(time: Expr) -> Expr {
    form([("to_micros", time)])
}

/// `time` plus `offset` units; `unit` is a name such as `"minutes"`.
#[track_caller]
pub fn time_add(time: Expr, offset: i64, unit: &str) -> Expr {
    form([("time_add", time), ("offset", Expr::from(offset)), ("unit", Expr::from(unit))])
}

/// All documents of a collection.
#[track_caller]
pub fn documents(collection_name: &str) -> Expr {
    form([("documents", collection(collection_name))])
}

/// The elements of an array or page for which the lambda returns `true`.
#[track_caller]
pub fn filter(items: Expr, holds: Expr) -> Expr {
    form([("filter", holds), ("collection", items)])
}
