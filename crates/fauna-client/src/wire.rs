//! Values as Fauna writes them in its answers: references, times, pages.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::DocumentId;

/// A reference to a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ref {
    /// The document's id.
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

/// A moment with Fauna's precision, up to nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time(OffsetDateTime);

impl Time {
    /// Reads RFC 3339, as in `2030-01-03T00:00:00.000001Z`.
    pub fn parse(text: &str) -> Option<Self> {
        OffsetDateTime::parse(text, &Rfc3339).ok().map(Self)
    }

    /// The time `millis` milliseconds after 1970-01-01 UTC; 1970 itself where that is outside the years 0 to 9999.
    pub fn from_millis(millis: i64) -> Self {
        let nanos = i128::from(millis) * 1_000_000;
        Self(OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap_or(OffsetDateTime::UNIX_EPOCH))
    }

    /// The same in RFC 3339, exactly. Years that the format cannot hold give an empty text, which Fauna refuses.
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

/// What was written as [`crate::fql::data`]: JSON again, where nothing else was put into it.
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

/// An object with a key that begins with `@` is answered inside another one whose only key is `@obj`.
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

/// A part of a set.
#[derive(Debug, Deserialize)]
pub struct Page<T, C> {
    /// Its members.
    pub data: Vec<T>,
    /// Where the next part begins; absent at the end.
    pub after: Option<C>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_with_a_cursor() {
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
    fn data_is_what_it_was_before_it_was_written() {
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
    fn what_is_no_time_is_refused() {
        assert!(serde_json::from_str::<Time>(r#"{"@ts":"yesterday"}"#).is_err());
        assert!(serde_json::from_str::<Time>(r#""2030-01-03T00:00:00Z""#).is_err());
    }
}
