//! Event streams: the changes of a document or a set, as they are committed.

use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::transport::transport_error;
use crate::{Data, Error, Ref, error};

/// Maximum size of one event: a version, the one before it, and their difference, of at most 8 MiB each.
const EVENT_BYTES_MAX: usize = 32 << 20;
/// The fields of events that are asked for.
pub(crate) const FIELDS: &str = "action,document,diff,prev";

/// The events of a document or a set, in the order of the transactions. Dropping it closes the stream.
///
/// `D` is the type of the field `data` of documents; of a set only references are sent.
pub struct EventStream<D> {
    response: reqwest::Response,
    /// Bytes received after the last complete event.
    buffer: Vec<u8>,
    /// The latest transaction time seen by the client, in microseconds.
    last_seen: Arc<AtomicI64>,
    data: PhantomData<fn() -> D>,
}

/// An event of a stream.
#[derive(Debug, PartialEq)]
pub struct Event<D> {
    /// Time of the transaction, in microseconds since 1970.
    pub txn: i64,
    pub change: Change<D>,
}

/// The change that an event reports.
#[derive(Debug, PartialEq)]
pub enum Change<D> {
    /// The stream has started: changes of all later transactions follow. Always the first event.
    Start,
    /// The document was created, updated or deleted.
    Version(Version<D>),
    /// A version in the history of the document was added, changed or removed.
    HistoryRewrite(Version<D>),
    /// A document has entered or left the set.
    Set(SetChange),
}

/// The action of an event.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// The document did not exist before.
    Create,
    /// The document existed and was written.
    Update,
    /// The document was deleted.
    Delete,
    /// The document has entered the set.
    Add,
    /// The document has left the set.
    Remove,
}

/// A version of a document.
#[derive(Debug, Deserialize, PartialEq)]
pub struct Version<D> {
    /// `Create`, `Update` or `Delete`.
    pub action: Action,
    /// The version; after a deletion the last one.
    pub document: Document<D>,
    /// The version before; its data is `None` if the document did not exist. `None` for a version that was removed from the history.
    #[serde(default = "Option::default")]
    pub prev: Option<Document<D>>,
    /// The changed fields of an update, with `null` for removed ones; all fields of a creation; no data for a deletion. `None` as
    /// for `prev`.
    #[serde(default = "Option::default")]
    pub diff: Option<Document<Data>>,
}

/// A document in an event.
#[derive(Debug, Deserialize, PartialEq)]
pub struct Document<D> {
    /// Reference to the document.
    #[serde(rename = "ref")]
    pub reference: Ref,
    /// Time of the version, in microseconds since 1970.
    pub ts: i64,
    /// `None` if the document has no data, or the version was removed from the history.
    #[serde(default = "Option::default")]
    pub data: Option<D>,
}

/// A change of a set.
#[derive(Debug, Deserialize, PartialEq)]
pub struct SetChange {
    /// Either `Add` or `Remove`.
    pub action: Action,
    /// Reference to the document and time of the change.
    pub document: SetDocument,
}

/// A document that has entered or left a set.
#[derive(Debug, Deserialize, PartialEq)]
pub struct SetDocument {
    /// Reference to the document.
    #[serde(rename = "ref")]
    pub reference: Ref,
    /// Time of the change, in microseconds since 1970.
    pub ts: i64,
}

#[derive(Deserialize)]
struct Line<D> {
    txn: i64,
    #[serde(flatten)]
    body: Body<D>,
}

#[derive(Deserialize)]
#[serde(tag = "type", content = "event", rename_all = "snake_case")]
enum Body<D> {
    Start(IgnoredAny),
    Version(Version<D>),
    HistoryRewrite(Version<D>),
    Set(SetChange),
    Error(error::StreamFault),
}

impl<D: DeserializeOwned> EventStream<D> {
    pub(crate) fn new(response: reqwest::Response, last_seen: Arc<AtomicI64>) -> Self {
        Self { response, buffer: Vec::new(), last_seen, data: PhantomData }
    }

    /// Waits for the next event. `None` if the endpoint has ended the stream, for instance because it stops: open it again, and read
    /// the state once more, because changes in between are not reported.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] if the secret or its permissions have changed; [`Error::Unanswered`] if the connection broke or the
    /// client was too slow. The stream is over after an error.
    pub async fn next(&mut self) -> Result<Option<Event<D>>, Error> {
        loop {
            if let Some(line) = self.line() {
                let Line { txn, body } =
                    serde_json::from_slice::<Line<D>>(&line).map_err(|error| Error::Protocol(error.to_string()))?;
                self.last_seen.fetch_max(txn, Ordering::Relaxed);
                let change = match body {
                    Body::Start(IgnoredAny) => Change::Start,
                    Body::Version(version) => Change::Version(version),
                    Body::HistoryRewrite(version) => Change::HistoryRewrite(version),
                    Body::Set(change) => Change::Set(change),
                    Body::Error(fault) => return Err(fault.into()),
                };
                return Ok(Some(Event { txn, change }));
            }
            if self.buffer.len() > EVENT_BYTES_MAX {
                return Err(Error::Protocol(format!("an event of more than {EVENT_BYTES_MAX} bytes")));
            }
            let chunk = self.response.chunk().await;
            match chunk.map_err(transport_error)? {
                Some(bytes) => self.buffer.extend_from_slice(&bytes),
                None => return Ok(None),
            }
        }
    }

    /// Takes a complete event from the buffer. JSON escapes line breaks, so the separator cannot be inside an event.
    fn line(&mut self) -> Option<Vec<u8>> {
        let end = self.buffer.iter().position(|byte| *byte == b'\n')?;
        Some(self.buffer.drain(..=end).collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn parse(text: &str) -> Result<Line<Value>, serde_json::Error> {
        serde_json::from_str(text)
    }

    #[test]
    fn events_have_a_type_each() {
        let start = parse(r#"{"type":"start","txn":5,"event":5}"#).unwrap();
        assert!(start.txn == 5 && matches!(start.body, Body::Start(IgnoredAny)));
        let version = r#"{"type":"version","txn":6,"event":{"action":"update","document":{"ref":{"@ref":{"id":"1"}},"ts":6,"data":{"a":1}}}}"#;
        let Body::Version(version) = parse(version).unwrap().body else { panic!() };
        assert_eq!((version.action, version.document.data), (Action::Update, Some(serde_json::json!({"a": 1}))));
        assert!(version.prev.is_none() && version.diff.is_none());
        let removed = r#"{"type":"history_rewrite","txn":6,"event":{"action":"create","document":{"ref":{"@ref":{"id":"1"}},"ts":6}}}"#;
        assert!(
            matches!(parse(removed).unwrap().body, Body::HistoryRewrite(version) if version.document.data.is_none())
        );
        let set = r#"{"type":"set","txn":6,"event":{"action":"add","document":{"ref":{"@ref":{"id":"1"}},"ts":6}}}"#;
        assert!(matches!(parse(set).unwrap().body, Body::Set(change) if change.action == Action::Add));
        assert!(parse(r#"{"type":"other","txn":6,"event":{}}"#).is_err());
    }

    #[test]
    fn error_events_are_errors() {
        for (code, expected) in [
            ("permission denied", "Fauna does not know the secret"),
            ("time out", "Fauna did not answer: time out: d"),
            ("too many requests", "Fauna cannot be asked: too many requests: d"),
        ] {
            let line = format!(r#"{{"type":"error","txn":6,"event":{{"code":"{code}","description":"d"}}}}"#);
            let Body::Error(fault) = parse(&line).unwrap().body else { panic!("{line}") };
            assert_eq!(Error::from(fault).to_string(), expected);
        }
    }
}
