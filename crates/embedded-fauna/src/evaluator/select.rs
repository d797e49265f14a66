//! Paths through values: `select`, `contains_path` and what else looks inside.

use std::sync::Arc;

use super::{Context, cast};
use crate::ir::{Document, Failure, Kind, Outcome, Position, Ref, Value, native};

/// One step of a path into a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathStep {
    Field(Arc<str>),
    Index(i64),
}

pub type Path = Vec<PathStep>;

/// Accepts a path: a string, an integer, or an array of them.
pub fn path(value: &Value, at: &Position) -> Outcome<Path> {
    let step = |value: &Value, at: &Position| match value {
        Value::String(name) => Ok(PathStep::Field(Arc::clone(name))),
        Value::Integer(index) => Ok(PathStep::Index(*index)),
        other => Err(Failure::expected(&[Kind::String, Kind::Integer], other.kind(), at.clone()).into()),
    };
    cast::Cast::apply(&cast::zero_or_more(step), value, at)
}

/// The value at a path; with `all`, an array of the values in all elements of the arrays on the way.
///
/// # Errors
/// If there is none, reported at `at`.
pub fn select(context: &Context<'_>, path: &[PathStep], all: bool, from: &Value, at: &Position) -> Outcome<Value> {
    let found = Selector { context, all }.value(from.clone(), path)?;
    if all {
        return Ok(match found {
            Some(elements @ Value::Array(_)) => elements,
            Some(one) => Value::array(vec![one]),
            None => Value::array(Vec::new()),
        });
    }
    found.ok_or_else(|| {
        let steps: Vec<String> = path
            .iter()
            .map(|step| match step {
                PathStep::Field(name) => name.to_string(),
                PathStep::Index(index) => index.to_string(),
            })
            .collect();
        Failure::value_not_found(&steps, at.clone()).into()
    })
}

/// Whether there is a value at a path.
pub fn contains(context: &Context<'_>, path: &[PathStep], from: &Value) -> Outcome<bool> {
    Ok(Selector { context, all: false }.value(from.clone(), path)?.is_some())
}

struct Selector<'c, 'r> {
    context: &'c Context<'r>,
    /// Whether a field is looked up in all elements of an array.
    all: bool,
}

impl Selector<'_, '_> {
    fn value(&self, container: Value, path: &[PathStep]) -> Outcome<Option<Value>> {
        let Some((step, rest)) = path.split_first() else {
            return match &container {
                Value::Array(elements) if self.all => self.flattened(elements, path).map(Some),
                _ => Ok(Some(container)),
            };
        };
        let inner = match (&container, step) {
            (Value::Ref(reference), PathStep::Field(name)) => self.of_reference(*reference, name, rest)?,
            (Value::Document(document), PathStep::Field(name)) => of_document(document, name),
            (Value::Array(elements), PathStep::Index(index)) => element(elements, *index),
            (Value::Array(elements), PathStep::Field(_)) if self.all => {
                return self.flattened(elements, path).map(Some);
            }
            (Value::Object(object), PathStep::Field(name)) => object.get(name).cloned(),
            (Value::Page(page), PathStep::Index(index)) => element(&page.data, *index),
            (Value::Page(page), PathStep::Field(name)) => match &**name {
                "data" => Some(Value::array(page.data.clone())),
                "before" => page.before.clone(),
                "after" => page.after.clone(),
                _ => None,
            },
            (Value::Element(element), PathStep::Field(name)) => match &**name {
                "value" => Some(element.value.clone()),
                "sources" => {
                    Some(Value::array(element.sources.iter().map(|set| Value::Set(Arc::clone(set))).collect()))
                }
                _ => None,
            },
            (Value::DocumentEvent(event), PathStep::Field(name)) => match &**name {
                "ts" => last(rest, event.ts.value()),
                "action" => last(rest, Value::Action(event.action)),
                "resource" | "instance" | "document" => Some(Value::Ref(event.document)),
                "data" => event.data.clone(),
                _ => None,
            },
            (Value::SetEvent(event), PathStep::Field(name)) => match &**name {
                "ts" => last(rest, event.ts.value()),
                "action" => last(rest, Value::Action(event.action)),
                "resource" | "instance" | "document" => Some(Value::Ref(event.document)),
                "data" => Some(one_or_all(&event.values)),
                _ => None,
            },
            (Value::Cursor(cursor), _) => {
                let inner = match &**cursor {
                    crate::ir::Cursor::Values(values) => Value::array(values.clone()),
                    crate::ir::Cursor::Event(event) => event.clone(),
                };
                return self.value(inner, path);
            }
            _ => None,
        };
        inner.map_or(Ok(None), |inner| self.value(inner, rest))
    }

    /// The values at a path in each element; arrays among them are flattened.
    fn flattened(&self, elements: &[Value], path: &[PathStep]) -> Outcome<Value> {
        let mut all = Vec::new();
        for element in elements {
            match self.value(element.clone(), path)? {
                None => {}
                Some(Value::Array(inner)) => all.extend(inner.iter().cloned()),
                Some(one) => all.push(one),
            }
        }
        Ok(Value::array(all))
    }

    /// A field of a reference.
    fn of_reference(&self, reference: Ref, name: &str, rest: &[PathStep]) -> Outcome<Option<Value>> {
        Ok(match name {
            "class" | "collection" => Some(Value::Ref(reference.parent())),
            "id" if rest.is_empty() => self.id(reference)?,
            "database" if reference.database != self.context.database() => {
                self.context.transaction().database_document(reference.database)?.map(Value::Ref)
            }
            _ => None,
        })
    }

    /// The id of a reference: a name, or a number as text.
    fn id(&self, reference: Ref) -> Outcome<Option<Value>> {
        if reference.is_native_collection() {
            return Ok(native::name(reference.id).map(Value::from));
        }
        if native::is_named(reference.collection) {
            return Ok(self.context.transaction().name(reference)?.map(Value::String));
        }
        Ok(Some(Value::from(reference.id.to_string())))
    }
}

/// A value without fields: only at the end of a path.
fn last(rest: &[PathStep], value: Value) -> Option<Value> {
    rest.is_empty().then_some(value)
}

fn element(elements: &[Value], index: i64) -> Option<Value> {
    elements.get(usize::try_from(index).ok()?).cloned()
}

/// The only value, or an array of several.
fn one_or_all(values: &[Value]) -> Value {
    match values {
        [only] => only.clone(),
        several => Value::array(several.to_vec()),
    }
}

fn of_document(document: &Document, name: &str) -> Option<Value> {
    match name {
        "class" => Some(Value::Ref(document.reference.parent())),
        "action" => None,
        _ => document.field(name),
    }
}
