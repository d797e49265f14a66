//! Deserialization of Fauna's special values: references, times, pages.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::DocumentId;

/// A reference to a document; the collection is not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ref {
    /// Id of the document within its collection.
    pub id: DocumentId,
}

#[derive(Deserialize)]
struct RefForm {
    #[serde(rename = "@ref")]
    inner: RefFields,
}

#[derive(Deserialize)]
struct RefFields {
    id: DocumentId,
}

impl<'de> Deserialize<'de> for Ref {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        RefForm::deserialize(from).map(|form| Self { id: form.inner.id })
    }
}

/// A UTC time with nanosecond precision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time(OffsetDateTime);

impl Time {
    /// Parses RFC 3339, such as `2030-01-03T00:00:00.000001Z`.
    pub fn parse(text: &str) -> Option<Self> {
        OffsetDateTime::parse(text, &Rfc3339).ok().map(Self)
    }

    /// The time `millis` milliseconds after 1970-01-01 UTC; 1970 itself where that is outside the years 0 to 9999.
    pub fn from_millis(millis: i64) -> Self {
        let nanos = i128::from(millis) * 1_000_000;
        Self(OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap_or(OffsetDateTime::UNIX_EPOCH))
    }

    /// Formats as RFC 3339 without loss. Years outside 0 to 9999 give an empty text, which Fauna refuses.
    pub fn text(self) -> String {
        self.0.format(&Rfc3339).unwrap_or_default()
    }

    /// Milliseconds since 1970-01-01 UTC, rounded down.
    pub fn millis(self) -> i64 {
        let millis = self.0.unix_timestamp_nanos().div_euclid(1_000_000);
        i64::try_from(millis).unwrap_or(i64::MAX)
    }
}

#[derive(Deserialize)]
struct TimeForm {
    #[serde(rename = "@ts")]
    text: String,
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let form = TimeForm::deserialize(from)?;
        Self::parse(&form.text).ok_or_else(|| D::Error::custom("not a time"))
    }
}

/// An object that was written with [`crate::fql::data`], as plain JSON again.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Data(pub Map<String, Value>);

impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match unescaped(Value::deserialize(from)?) {
            Value::Object(fields) => Ok(Self(fields)),
            Value::Null => Ok(Self::default()),
            _ => Err(D::Error::custom("not an object")),
        }
    }
}

/// Undoes Fauna's escape of objects with a key that begins with `@`: it wraps them in `{"@obj": …}`.
fn unescaped(value: Value) -> Value {
    let inside =
        |fields: Map<String, Value>| fields.into_iter().map(|(name, field)| (name, unescaped(field))).collect();
    match value {
        Value::Object(mut fields) => match fields.get_mut("@obj").map(Value::take) {
            Some(Value::Object(escaped)) => Value::Object(inside(escaped)),
            _ => Value::Object(inside(fields)),
        },
        Value::Array(items) => items.into_iter().map(unescaped).collect(),
        other => other,
    }
}

/// One page of a set. `C` is the type of the cursor.
#[derive(Debug, Deserialize)]
pub struct Page<T, C> {
    /// Elements of the page, in the order of the set.
    pub data: Vec<T>,
    /// Cursor of the next page; `None` on the last one.
    pub after: Option<C>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_deserializes_with_its_cursor() {
        let page: Page<Ref, (Time, Ref, Ref)> = serde_json::from_str(
            r#"{"after":[{"@ts":"2030-01-03T00:00:00.000007Z"},{"@ref":{"id":"303","collection":{"@ref":{"id":"comments"}}}},{"@ref":{"id":"303"}}],
                "data":[{"@ref":{"id":"305","collection":{"@ref":{"id":"comments"}}}}]}"#,
        )
        .unwrap();
        let (at, reference, _) = page.after.unwrap();
        assert_eq!((at.text().as_str(), at.millis()), ("2030-01-03T00:00:00.000007Z", 1_893_628_800_000));
        assert_eq!((reference.id.as_str(), page.data[0].id.as_str()), ("303", "305"));
    }

    #[test]
    fn data_removes_the_escapes_of_objects() {
        for (answered, expected) in [
            (r#"{"a":[1,{"b":null}]}"#, r#"{"a":[1,{"b":null}]}"#),
            (r#"{"@obj":{"@x":[{"@obj":{"@ref":"y"}}],"c d":1}}"#, r#"{"@x":[{"@ref":"y"}],"c d":1}"#),
            (r#"{"@obj":{"@obj":{"@obj":{"@x":1}}}}"#, r#"{"@obj":{"@x":1}}"#),
            ("null", "{}"),
        ] {
            let data: Data = serde_json::from_str(answered).unwrap();
            assert_eq!(Value::Object(data.0), serde_json::from_str::<Value>(expected).unwrap(), "{answered}");
        }
    }

    #[test]
    fn invalid_times_are_refused() {
        assert!(serde_json::from_str::<Time>(r#"{"@ts":"yesterday"}"#).is_err());
        assert!(serde_json::from_str::<Time>(r#""2030-01-03T00:00:00Z""#).is_err());
    }
}
