//! Writes values as FaunaDB does.

use std::fmt::Write;
use std::sync::Arc;

use base64::Engine;

use super::sets::set_fields;
use super::{double, escape, hyphenated};
use crate::ir::{Action, ApiVersion, Cursor, Document, Lambda, Object, Outcome, Ref, Set, Stamp, Time, Value};

/// Knows the names of what references point to.
pub trait Names {
    /// The name of a schema document; `None` where it exists no more.
    ///
    /// # Errors
    /// If the storage fails.
    fn name(&self, schema: Ref) -> Outcome<Option<Arc<str>>>;

    /// The names of the databases that lead from the caller's to `database`, the innermost first; `None` where it is none of them.
    ///
    /// # Errors
    /// If the storage fails.
    fn path(&self, database: i64) -> Outcome<Option<Vec<Arc<str>>>>;

    /// Checks that an answer of so many bytes may be written, and that there is time to.
    ///
    /// # Errors
    /// If it may not.
    fn may_write(&self, bytes: usize) -> Outcome<()>;
}

pub struct Writer<'n> {
    pub(super) names: &'n dyn Names,
    /// The version that the request asked for.
    pub(super) version: ApiVersion,
    /// The time of the transaction, in microseconds.
    now: i64,
    pub(super) out: String,
}

impl<'n> Writer<'n> {
    pub const fn new(names: &'n dyn Names, version: ApiVersion, now: i64) -> Self {
        Self { names, version, now, out: String::new() }
    }

    /// Writes one value and gives the text.
    ///
    /// # Errors
    /// If the storage fails.
    pub fn finish(mut self, value: &Value) -> Outcome<String> {
        if !self.value(value)? {
            self.out.push_str("null");
        }
        Ok(self.out)
    }

    /// Writes a value; `false` where there is nothing to write: a reference to what exists no more.
    fn value(&mut self, value: &Value) -> Outcome<bool> {
        let text = match value {
            Value::String(text) => text.len(),
            Value::Bytes(bytes) => bytes.len(),
            _ => 0,
        };
        self.names.may_write(self.out.len().saturating_add(text))?;
        match value {
            Value::Null => self.out.push_str("null"),
            Value::Bool(value) => self.out.push_str(if *value { "true" } else { "false" }),
            Value::Integer(number) => self.integer(*number),
            Value::Double(number) if number.is_finite() => self.out.push_str(&double(*number)),
            Value::Double(number) => self.string(&double(*number)),
            Value::String(text) => self.string(text),
            Value::Bytes(bytes) => self.tagged("@bytes", &base64::engine::general_purpose::STANDARD.encode(bytes)),
            Value::Uuid(uuid) => self.tagged("@uuid", &hyphenated(*uuid)),
            Value::Time(time) => self.tagged("@ts", &time.to_string()),
            Value::Date(date) => self.tagged("@date", &date.to_string()),
            Value::TransactionTime => self.tagged("@ts", &Time::from_micros(self.now).to_string()),
            Value::TransactionMicros => self.integer(self.now),
            Value::Array(elements) => self.array(elements)?,
            Value::Object(object) => self.object(object)?,
            Value::Ref(reference) => return self.reference(*reference),
            Value::Unresolved(reference) => self.unresolved(reference),
            Value::Lambda(lambda) => self.lambda(lambda)?,
            Value::Set(set) => return self.set(set),
            Value::Document(document) => self.document(document)?,
            Value::Page(page) => {
                let ends = [("before", &page.before), ("after", &page.after)];
                let mut fields: Vec<(&str, Value)> =
                    ends.into_iter().filter_map(|(name, end)| Some((name, end.clone()?))).collect();
                fields.push(("data", Value::array(page.data.clone())));
                self.fields(&fields)?;
            }
            Value::Action(action) => self.string(self.action(*action)),
            Value::DocumentEvent(event) => {
                let mut fields = self.event(event.ts, event.action, event.document);
                if self.version > ApiVersion::V20 {
                    fields.push(("data", event.data.clone().unwrap_or(Value::Null)));
                }
                self.fields(&fields)?;
            }
            Value::SetEvent(event) => {
                let mut fields = self.event(event.ts, event.action, event.document);
                if !event.values.is_empty() {
                    let name = if self.version > ApiVersion::V20 { "data" } else { "values" };
                    fields.push((name, Value::array(event.values.clone())));
                }
                self.fields(&fields)?;
            }
            Value::Element(element) => {
                let sources = element.sources.iter().map(|set| Value::Set(Arc::clone(set))).collect();
                self.fields(&[("value", element.value.clone()), ("sources", Value::array(sources))])?;
            }
            Value::Cursor(cursor) => match &**cursor {
                Cursor::Values(values) => self.array(values)?,
                Cursor::Event(event) => return self.event_cursor(event),
            },
        }
        Ok(true)
    }

    /// A lambda, with the version it is read by where that is not the oldest one of lambdas.
    fn lambda(&mut self, lambda: &Lambda) -> Outcome<()> {
        self.out.push_str("{\"@query\":");
        self.object(&lambda.shown(self.version))?;
        self.out.push('}');
        Ok(())
    }

    /// The fields that both kinds of events have.
    fn event(&self, ts: Stamp, action: Action, document: Ref) -> Vec<(&'static str, Value)> {
        vec![("ts", ts.value()), ("action", Value::Action(action)), (self.document_name(), Value::Ref(document))]
    }

    /// An event as a cursor.
    fn event_cursor(&mut self, event: &Value) -> Outcome<bool> {
        let Value::Object(object) = event else { return self.value(event) };
        let document = Arc::from(self.document_name());
        let named = |name: &Arc<str>| Arc::clone(if &**name == "document" { &document } else { name });
        let fields: Object = object.iter().map(|(name, value)| (named(name), value.clone())).collect();
        self.object(&fields)?;
        Ok(true)
    }

    /// The name of an action; API 2.1 and earlier know only `create` and `delete`.
    const fn action(&self, action: Action) -> &'static str {
        match action {
            Action::Remove | Action::Delete if matches!(self.version, ApiVersion::V20) => "delete",
            _ if matches!(self.version, ApiVersion::V20) => "create",
            other => other.name(),
        }
    }

    /// The key of the document in events.
    const fn document_name(&self) -> &'static str {
        match self.version {
            ApiVersion::V20 => "resource",
            ApiVersion::V21 => "instance",
            _ => "document",
        }
    }

    fn integer(&mut self, number: i64) {
        let _infallible = write!(self.out, "{number}");
    }

    /// A string with what must be escaped escaped.
    pub(super) fn string(&mut self, text: &str) {
        escape(&mut self.out, text);
    }

    pub(super) fn tagged(&mut self, tag: &str, text: &str) {
        self.out.push('{');
        self.string(tag);
        self.out.push(':');
        self.string(text);
        self.out.push('}');
    }

    /// The elements that can be written.
    fn array(&mut self, elements: &[Value]) -> Outcome<()> {
        self.out.push('[');
        let mut first = true;
        for element in elements {
            let before = self.out.len();
            if !first {
                self.out.push(',');
            }
            if self.value(element)? {
                first = false;
            } else {
                self.out.truncate(before);
            }
        }
        self.out.push(']');
        Ok(())
    }

    /// The fields whose values can be written.
    fn fields(&mut self, fields: &[(&str, Value)]) -> Outcome<()> {
        self.out.push('{');
        let mut first = true;
        for (name, value) in fields {
            first &= !self.field(first, name, value)?;
        }
        self.out.push('}');
        Ok(())
    }

    /// A field, where its value can be written.
    fn field(&mut self, first: bool, name: &str, value: &Value) -> Outcome<bool> {
        let before = self.out.len();
        if !first {
            self.out.push(',');
        }
        self.string(name);
        self.out.push(':');
        let written = self.value(value)?;
        if !written {
            self.out.truncate(before);
        }
        Ok(written)
    }

    /// An object; inside `@obj` where a name could be taken for a tag.
    fn object(&mut self, object: &Object) -> Outcome<()> {
        let escaped = object.names().any(|name| name.starts_with('@'));
        if escaped {
            self.out.push_str("{\"@obj\":");
        }
        self.out.push('{');
        let mut first = true;
        for (name, value) in object {
            first &= !self.field(first, name, value)?;
        }
        self.out.push('}');
        if escaped {
            self.out.push('}');
        }
        Ok(())
    }

    /// A document: `ref`, `ts`, then its fields.
    fn document(&mut self, document: &Document) -> Outcome<()> {
        let mut fields: Vec<(&str, Value)> = vec![("ref", Value::Ref(document.reference))];
        if self.version <= ApiVersion::V20 {
            fields.push(("class", Value::Ref(document.reference.parent())));
        }
        fields.push(("ts", document.ts.value()));
        if document.deleted {
            fields.push(("action", Value::from("delete")));
        }
        fields.extend(document.fields.iter().map(|(name, value)| (&**name, value.clone())));
        self.fields(&fields)
    }

    /// A set; some are written as plain references.
    fn set(&mut self, set: &Set) -> Outcome<bool> {
        if let Set::Schema(reference) | Set::Document(reference) = set {
            return self.reference(*reference);
        }
        if let Set::Unnamed(_) = set {
            self.out.push_str("{\"@set\":null}");
            return Ok(true);
        }
        self.out.push_str("{\"@set\":");
        let fields = set_fields(set, self.version);
        self.fields(&fields)?;
        self.out.push('}');
        Ok(true)
    }
}
