//! An object: fields in the order they were written.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::ir::Value;

/// Fields by name, in the order they were given. A name occurs once.
#[derive(Clone, Debug, Default)]
pub struct Object(Vec<(Arc<str>, Value)>);

impl Object {
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Of fields as they are. Their names are distinct but where `to_object` got pairs with one name: then all stay, and the first
    /// counts.
    pub const fn from_distinct(fields: Vec<(Arc<str>, Value)>) -> Self {
        Self(fields)
    }

    /// The value of a field.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(key, _)| &**key == name).map(|(_, value)| value)
    }

    /// Sets a field: in its old place if it exists, else last.
    pub fn set(&mut self, name: impl AsRef<str> + Into<Arc<str>>, value: Value) {
        match self.0.iter_mut().find(|(key, _)| **key == *name.as_ref()) {
            Some(field) => field.1 = value,
            None => self.0.push((name.into(), value)),
        }
    }

    /// Takes a field out.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        let at = self.0.iter().position(|(key, _)| &**key == name)?;
        Some(self.0.remove(at).1)
    }

    /// Whether a field exists.
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The fields in order.
    pub fn iter(&self) -> std::slice::Iter<'_, (Arc<str>, Value)> {
        self.0.iter()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no field.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The fields by name, to look up many of them.
    pub fn by_name(&self) -> HashMap<&str, &Value> {
        by_name(self.iter())
    }

    /// The names of the fields, in order.
    pub fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.0.iter().map(|(name, _)| name)
    }
}

fn by_name<'o>(fields: impl Iterator<Item = &'o (Arc<str>, Value)>) -> HashMap<&'o str, &'o Value> {
    let mut by_name = HashMap::new();
    for (name, value) in fields {
        by_name.entry(&**name).or_insert(value);
    }
    by_name
}

impl PartialEq for Object {
    /// The order of fields does not count.
    fn eq(&self, other: &Self) -> bool {
        if self.len() != other.len() {
            return false;
        }
        let alike = self.iter().zip(other.iter()).take_while(|(a, b)| a == b).count();
        if alike == self.len() {
            return true;
        }
        let rest = by_name(other.iter().skip(alike));
        self.iter().skip(alike).all(|(name, value)| rest.get(&**name) == Some(&value))
    }
}

impl FromIterator<(Arc<str>, Value)> for Object {
    /// Of fields with the same name the first one stays.
    fn from_iter<I: IntoIterator<Item = (Arc<str>, Value)>>(fields: I) -> Self {
        let mut names = HashSet::new();
        Self(fields.into_iter().filter(|(name, _)| names.insert(Arc::clone(name))).collect())
    }
}

impl<'a> IntoIterator for &'a Object {
    type Item = &'a (Arc<str>, Value);
    type IntoIter = std::slice::Iter<'a, (Arc<str>, Value)>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl IntoIterator for Object {
    type Item = (Arc<str>, Value);
    type IntoIter = std::vec::IntoIter<(Arc<str>, Value)>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
