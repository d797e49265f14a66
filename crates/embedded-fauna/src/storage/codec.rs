//! Binary encoding of values: a tag byte, then the content; numbers are little-endian, lengths have 32 bits.
//!
//! Values that exist only inside a query are stored in the form that FaunaDB stores: a page as an object with its `data`, the
//! transaction time as a time.

use std::sync::Arc;

use crate::ir::{ApiVersion, Date, Fault, Lambda, Object, Outcome, Ref, Time, Value};

/// Encodes a value; `now` replaces the transaction time, in microseconds.
pub fn encode(value: &Value, now: i64) -> Vec<u8> {
    let mut out = Vec::new();
    push(&mut out, value, now);
    out
}

/// A length, or an id in 32 bits.
fn push_length(out: &mut Vec<u8>, length: usize) {
    out.extend(u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
}

/// Text with its length.
fn push_text(out: &mut Vec<u8>, text: &str) {
    push_length(out, text.len());
    out.extend(text.as_bytes());
}

fn push(out: &mut Vec<u8>, value: &Value, now: i64) {
    match value {
        Value::Bool(false) => out.push(1),
        Value::Bool(true) => out.push(2),
        Value::Integer(number) => push_fixed(out, 3, &number.to_le_bytes()),
        Value::TransactionMicros => push_fixed(out, 3, &now.to_le_bytes()),
        Value::Double(number) => push_fixed(out, 4, &number.to_le_bytes()),
        Value::String(text) => {
            out.push(5);
            push_text(out, text);
        }
        Value::Action(action) => {
            out.push(5);
            push_text(out, action.name());
        }
        Value::Bytes(bytes) => {
            out.push(6);
            push_length(out, bytes.len());
            out.extend(bytes.iter());
        }
        Value::Uuid(uuid) => push_fixed(out, 7, &uuid.to_le_bytes()),
        Value::Time(time) => push_time(out, *time),
        Value::TransactionTime => push_time(out, Time::from_micros(now)),
        Value::Date(date) => push_fixed(out, 9, &date.days().to_le_bytes()),
        Value::Ref(reference) => {
            push_fixed(out, 10, &reference.collection.to_le_bytes());
            out.extend(reference.id.to_le_bytes());
        }
        Value::Array(elements) => {
            out.push(11);
            push_length(out, elements.len());
            for element in elements.iter() {
                push(out, element, now);
            }
        }
        Value::Object(object) => push_object(out, object, now),
        Value::Document(document) => push_object(out, &document.to_object(), now),
        Value::Lambda(lambda) => {
            out.push(13);
            push_text(out, lambda.version().name());
            push(out, &lambda.literal(), now);
        }
        Value::Page(page) => {
            let mut object = Object::new();
            object.set("data", Value::array(page.data.clone()));
            push_object(out, &object, now);
        }
        _ => out.push(0),
    }
}

/// A tag and a content of fixed length.
fn push_fixed(out: &mut Vec<u8>, tag: u8, content: &[u8]) {
    out.push(tag);
    out.extend(content);
}

fn push_time(out: &mut Vec<u8>, time: Time) {
    push_fixed(out, 8, &time.seconds().to_le_bytes());
    out.extend(time.nanos().to_le_bytes());
}

fn push_object(out: &mut Vec<u8>, object: &Object, now: i64) {
    out.push(12);
    push_length(out, object.len());
    for (name, value) in object {
        push_text(out, name);
        push(out, value, now);
    }
}

/// Decodes a value; its references get the database id `database`. Fails if the bytes were not written by [`encode`].
pub fn decode(bytes: &[u8], database: i64) -> Outcome<Value> {
    Decoder { rest: bytes, database }.value().ok_or_else(|| Fault::Storage("a value is damaged".to_owned()).into())
}

struct Decoder<'b> {
    rest: &'b [u8],
    /// The database that references point into.
    database: i64,
}

impl<'b> Decoder<'b> {
    fn take(&mut self, count: usize) -> Option<&'b [u8]> {
        let (head, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(head)
    }

    /// An integer of 64 bits.
    fn integer(&mut self) -> Option<i64> {
        Some(i64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    fn length(&mut self) -> Option<usize> {
        usize::try_from(u32::from_le_bytes(self.take(4)?.try_into().ok()?)).ok()
    }

    fn text(&mut self) -> Option<&'b str> {
        let length = self.length()?;
        std::str::from_utf8(self.take(length)?).ok()
    }

    fn value(&mut self) -> Option<Value> {
        let [tag] = self.take(1)? else { return None };
        Some(match tag {
            0 => Value::Null,
            1 => Value::Bool(false),
            2 => Value::Bool(true),
            3 => Value::Integer(self.integer()?),
            4 => Value::Double(f64::from_le_bytes(self.take(8)?.try_into().ok()?)),
            5 => Value::string(self.text()?),
            6 => {
                let length = self.length()?;
                Value::Bytes(Arc::from(self.take(length)?))
            }
            7 => Value::Uuid(u128::from_le_bytes(self.take(16)?.try_into().ok()?)),
            8 => Value::Time(Time::new(self.integer()?, self.integer()?)?),
            9 => Value::Date(Date::from_days(self.integer()?)?),
            10 => Value::Ref(Ref::new(self.database, self.integer()?, self.integer()?)),
            11 => {
                let length = self.length()?;
                Value::array((0..length).map(|_| self.value()).collect::<Option<_>>()?)
            }
            12 => {
                let length = self.length()?;
                let fields = (0..length).map(|_| Some((Arc::from(self.text()?), self.value()?)));
                Object::from_distinct(fields.collect::<Option<_>>()?).into()
            }
            13 => {
                let version = ApiVersion::parse(self.text()?)?;
                Value::Lambda(Arc::new(Lambda::stored(version, self.value()?)))
            }
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoding_inverts_encoding() {
        let value = Value::object([
            ("a", Value::array(vec![Value::Integer(-1), Value::Double(0.5), Value::Null, Value::Bool(true)])),
            ("b", Value::Ref(Ref::new(7, 1024, 1))),
            ("c", Value::Time(Time::new(-1, 5).unwrap())),
            ("d", Value::Bytes(vec![1, 2].into())),
        ]);
        assert_eq!(decode(&encode(&value, 0), 7).unwrap(), value);
        assert!(decode(&[5, 1, 0, 0, 0], 7).is_err());
    }
}
