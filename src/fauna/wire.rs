//! Values as Fauna writes them in its answers: references, times, pages.

use serde::Deserialize;
use serde::Deserializer;
use serde::de::Error as _;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::clock::Timestamp;
use crate::fauna::DocumentId;

/// A reference to a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ref {
    /// The document's id.
    pub id: DocumentId,
}

/// `{"@ref": {"id": …, "collection": …}}`.
#[derive(Deserialize)]
struct RefForm {
    /// The escape.
    #[serde(rename = "@ref")]
    inner: RefFields,
}

/// What a reference says; of its collection nothing is needed here.
#[derive(Deserialize)]
struct RefFields {
    /// Document id.
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

    /// A moment of the clock.
    pub fn of(moment: Timestamp) -> Self {
        let nanos = i128::from(moment.millis()) * 1_000_000;
        Self(OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap_or(OffsetDateTime::UNIX_EPOCH))
    }

    /// The same in RFC 3339, exactly. Years that the format cannot hold give an empty text, which Fauna refuses.
    pub fn text(self) -> String {
        self.0.format(&Rfc3339).unwrap_or_default()
    }

    /// Rounded down to the millisecond.
    pub fn timestamp(self) -> Timestamp {
        let millis = self.0.unix_timestamp_nanos().div_euclid(1_000_000);
        Timestamp::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
    }
}

/// `{"@ts": …}`.
#[derive(Deserialize)]
struct TimeForm {
    /// The escape.
    #[serde(rename = "@ts")]
    text: String,
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let form = TimeForm::deserialize(from)?;
        Self::parse(&form.text).ok_or_else(|| D::Error::custom("not a time"))
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
        assert_eq!((at.text().as_str(), at.timestamp().millis()), ("2030-01-03T00:00:00.000007Z", 1_893_628_800_000));
        assert_eq!((reference.id.as_str(), page.data[0].id.as_str()), ("303", "305"));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        assert!(serde_json::from_str::<Time>(r#"{"@ts":"yesterday"}"#).is_err());
        assert!(serde_json::from_str::<Time>(r#""2030-01-03T00:00:00Z""#).is_err());
    }
}
