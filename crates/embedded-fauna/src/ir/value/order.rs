//! The order of all values, as bytes.
//!
//! Numbers < bytes < strings < arrays < objects < references < times < dates < lambdas < UUIDs < false < true < null
//!. Comparing the bytes of two values compares the values; no key is the beginning of another, so keys can be put
//! one after the other, and inverting every byte inverts the order.

use std::cmp::Ordering;
use std::sync::LazyLock;

use icu_collator::options::CollatorOptions;
use icu_collator::{Collator, CollatorBorrowed};

use crate::ir::{Object, Value};

/// ICU's order of the root locale, with its default strength.
static COLLATOR: LazyLock<Option<CollatorBorrowed<'static>>> =
    LazyLock::new(|| Collator::try_new(icu_collator::CollatorPreferences::default(), CollatorOptions::default()).ok());

/// Compares two values in the order of indexes.
pub fn compare(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Integer(a), Value::Integer(b)) => a.cmp(b),
        (Value::String(a), Value::String(b)) => compare_texts(a, b),
        _ => index_key(a).cmp(&index_key(b)),
    }
}

/// As their keys compare, without making them: that takes long for long texts.
fn compare_texts(a: &str, b: &str) -> Ordering {
    let by_collation = COLLATOR.as_ref().map_or(Ordering::Equal, |collator| collator.compare(a, b));
    by_collation.then_with(|| a.cmp(b))
}

/// The bytes that stand for a value in order.
pub fn index_key(value: &Value) -> Vec<u8> {
    let mut key = Vec::new();
    push(&mut key, value);
    key
}

/// The bytes that stand for a value in the inverted order.
pub fn reversed(mut key: Vec<u8>) -> Vec<u8> {
    for byte in &mut key {
        *byte = !*byte;
    }
    key
}

/// Appends the bytes of a value.
fn push(key: &mut Vec<u8>, value: &Value) {
    match value {
        #[expect(
            clippy::as_conversions,
            clippy::cast_precision_loss,
            reason = "the order of mixed numbers is that of doubles; the integer follows"
        )]
        Value::Integer(number) => push_number(key, *number as f64, *number),
        #[expect(
            clippy::as_conversions,
            clippy::cast_possible_truncation,
            reason = "saturates, and only breaks ties between doubles and integers"
        )]
        Value::Double(number) => push_number(key, *number, *number as i64),
        Value::Bytes(bytes) => push_escaped(key, 0x20, bytes),
        Value::String(text) => push_text(key, text),
        Value::Action(action) => push_text(key, action.name()),
        Value::Array(elements) => push_all(key, elements),
        Value::Object(object) => push_object(key, object),
        Value::Ref(reference) => {
            key.push(0x60);
            key.extend(reference.id.to_be_bytes());
            key.extend(reference.collection.to_be_bytes());
        }
        Value::Time(time) => {
            key.push(0x61);
            push_integer(key, time.seconds());
            push_integer(key, time.nanos());
        }
        Value::Date(date) => {
            key.push(0x62);
            push_integer(key, date.days());
        }
        Value::Lambda(lambda) => {
            key.push(0x63);
            push(key, &lambda.literal());
        }
        Value::TransactionTime => key.extend([0x64, 0]),
        Value::TransactionMicros => key.extend([0x64, 1]),
        Value::Uuid(uuid) => {
            key.push(0x65);
            key.extend(uuid.to_be_bytes());
        }
        Value::Bool(value) => key.push(if *value { 0x71 } else { 0x70 }),
        Value::Null | Value::Unresolved(_) => key.push(0x7f),
        Value::Document(document) => push_object(key, &document.to_object()),
        Value::Page(page) => push_all(key, &page.data),
        other => push_text(key, other.kind().name()),
    }
}

/// A number: as a double, then exactly.
fn push_number(key: &mut Vec<u8>, double: f64, exact: i64) {
    key.push(0x10);
    let bits = if double.is_nan() { f64::NAN.to_bits() } else { double.to_bits() };
    let ordered = if bits >> 63 == 1 { !bits } else { bits | 1 << 63 };
    key.extend(ordered.to_be_bytes());
    push_integer(key, exact);
}

fn push_integer(key: &mut Vec<u8>, number: i64) {
    key.extend((number ^ i64::MIN).to_be_bytes());
}

/// Text: its sort key, then itself, because texts that collate alike are still two.
fn push_text(key: &mut Vec<u8>, text: &str) {
    let mut sort_key = Vec::new();
    if let Some(collator) = COLLATOR.as_ref() {
        let Ok(()) = collator.write_sort_key_to(text, &mut sort_key);
    }
    push_escaped(key, 0x30, &sort_key);
    push_escaped(key, 0x30, text.as_bytes());
}

/// Bytes of any length after a tag: a zero becomes `00 FF`, the end is `00 00`.
fn push_escaped(key: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    key.push(tag);
    for byte in bytes {
        key.push(*byte);
        if *byte == 0 {
            key.push(0xff);
        }
    }
    key.extend([0, 0]);
}

/// The elements of an array, ended by a byte that begins no value.
fn push_all(key: &mut Vec<u8>, elements: &[Value]) {
    key.push(0x40);
    for element in elements {
        push(key, element);
    }
    key.push(0);
}

/// The names and values of an object.
fn push_object(key: &mut Vec<u8>, object: &Object) {
    key.push(0x50);
    for (name, value) in object {
        push_text(key, name);
        push(key, value);
    }
    key.push(0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Date;

    #[test]
    fn values_of_all_types_stand_in_one_order() {
        let ordered = [
            Value::Double(f64::NEG_INFINITY),
            Value::Integer(i64::MIN),
            Value::Double(-1.5),
            Value::Integer(-1),
            Value::Double(-0.0),
            Value::Integer(0),
            Value::Double(0.5),
            Value::Integer(2),
            Value::Integer(i64::MAX),
            Value::Bytes(vec![0].into()),
            Value::Bytes(vec![0, 0].into()),
            Value::from(""),
            Value::from("a"),
            Value::from("A"),
            Value::from("a b"),
            Value::from("ab"),
            Value::from("é"),
            Value::from("f"),
            Value::array(vec![]),
            Value::array(vec![Value::Integer(1)]),
            Value::array(vec![Value::Integer(1), Value::Integer(0)]),
            Value::object([("a", Value::Integer(1))]),
            Value::Date(Date::from_days(-1).unwrap()),
            Value::Date(Date::from_days(1).unwrap()),
            Value::Bool(false),
            Value::Bool(true),
            Value::Null,
        ];
        for pair in ordered.windows(2) {
            assert_eq!(compare(&pair[0], &pair[1]), Ordering::Less, "{pair:?}");
            assert_eq!(
                reversed(index_key(&pair[0])).cmp(&reversed(index_key(&pair[1]))),
                Ordering::Greater,
                "{pair:?}"
            );
        }
    }
}
