//! An FQL expression: its JSON, and the line that has built it. Only [`crate::fql`] and literals make them.

use std::panic::Location;
use std::sync::OnceLock;

use bytes::Bytes;
use serde_json::Value;

use crate::{Time, fql};

/// An expression in its wire form. It does not implement `Debug` because it may contain secrets.
#[derive(Clone)]
pub struct Expr {
    pub(crate) value: Value,
    /// The text of `value`, once it was sent.
    text: OnceLock<Bytes>,
    built_at: &'static Location<'static>,
}

impl Expr {
    #[track_caller]
    pub(crate) fn new(value: Value) -> Self {
        Self { value, text: OnceLock::new(), built_at: Location::caller() }
    }

    /// The line outside the functions of [`crate::fql`] that has built the outermost form.
    pub fn built_at(&self) -> &'static Location<'static> {
        self.built_at
    }

    /// The JSON that is sent.
    pub fn wire(&self) -> &Value {
        &self.value
    }

    /// The same as text. It is kept, so that an expression that is sent again is not written again.
    ///
    /// # Errors
    /// Never for an expression that [`crate::fql`] has built.
    pub(crate) fn text(&self) -> Result<Bytes, serde_json::Error> {
        if let Some(text) = self.text.get() {
            return Ok(text.clone());
        }
        let text = Bytes::from(serde_json::to_vec(&self.value)?);
        Ok(self.text.get_or_init(|| text).clone())
    }
}

impl From<&str> for Expr {
    #[track_caller]
    fn from(text: &str) -> Self {
        Self::new(Value::from(text))
    }
}

impl From<String> for Expr {
    #[track_caller]
    fn from(text: String) -> Self {
        Self::new(Value::from(text))
    }
}

impl From<&String> for Expr {
    #[track_caller]
    fn from(text: &String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<i64> for Expr {
    #[track_caller]
    fn from(number: i64) -> Self {
        Self::new(Value::from(number))
    }
}

impl From<bool> for Expr {
    #[track_caller]
    fn from(flag: bool) -> Self {
        Self::new(Value::from(flag))
    }
}

impl From<Time> for Expr {
    #[track_caller]
    fn from(time: Time) -> Self {
        fql::form([("@ts", Self::from(time.text()))])
    }
}

impl<const N: usize> From<[Expr; N]> for Expr {
    #[track_caller]
    fn from(items: [Expr; N]) -> Self {
        items.into_iter().collect()
    }
}

impl FromIterator<Expr> for Expr {
    fn from_iter<I: IntoIterator<Item = Expr>>(items: I) -> Self {
        Self::new(items.into_iter().map(|item| item.value).collect())
    }
}
