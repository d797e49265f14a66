//! Seed files and imports.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Error, Result};
use std::path::Path;

use embedded_fauna::Running;
use secrecy::SecretString;
use serde_json::{Map, Value, json};

/// Documents per import transaction.
const BATCH: usize = 256;
/// Bytes of JSON per import transaction; a query may have 8 MiB.
const BATCH_BYTES: usize = 1 << 20;

/// Numbers of documents of an import.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Imported {
    pub created: u64,
    pub existing: u64,
}

/// Runs every line of a file as a query, each in its own transaction; returns their number. Empty lines and lines that begin with `#`
/// are skipped.
///
/// # Errors
/// The first query that fails, with its line. Earlier queries stay committed.
pub async fn seed(running: &Running, secret: &SecretString, file: &Path) -> Result<u64> {
    let mut queries = 0;
    for line in lines(file)? {
        let Line { at, text } = line?;
        if let Err(failure) = running.query(secret, text).await {
            return Err(at.error(&failure));
        }
        queries += 1;
    }
    Ok(queries)
}

/// Creates the documents of a file, and collections that do not exist. Documents whose id exists are left alone, so that an import can
/// be repeated.
///
/// # Errors
/// A malformed line or a refused batch, with the line. Earlier batches stay committed.
pub async fn import(running: &Running, secret: &SecretString, file: &Path) -> Result<Imported> {
    let mut imported = Imported::default();
    let mut known = BTreeSet::new();
    let mut batch = Batch::default();
    for line in lines(file)? {
        let Line { at, text } = line?;
        let document = document(&text).map_err(|problem| at.error(problem))?;
        if known.insert(document.collection.clone()) {
            let create = json!({"if": {"exists": {"collection": document.collection}}, "then": null,
                "else": {"create_collection": {"object": {"name": document.collection}}}});
            running.query(secret, create.to_string()).await.map_err(|failure| at.error(&failure))?;
        }
        batch.bytes += text.len();
        batch.queries.push(document.query());
        if batch.queries.len() == BATCH || batch.bytes >= BATCH_BYTES {
            run(running, secret, std::mem::take(&mut batch), &mut imported)
                .await
                .map_err(|failure| at.error(&failure))?;
        }
    }
    let rest = run(running, secret, batch, &mut imported).await;
    rest.map_err(|failure| Error::other(format!("{}: {failure}", file.display())))?;
    Ok(imported)
}

#[derive(Default)]
struct Batch {
    queries: Vec<Value>,
    bytes: usize,
}

async fn run(
    running: &Running,
    secret: &SecretString,
    batch: Batch,
    imported: &mut Imported,
) -> std::result::Result<(), String> {
    if batch.queries.is_empty() {
        return Ok(());
    }
    let answer = running.query(secret, Value::Array(batch.queries).to_string()).await?;
    let answer: Value = serde_json::from_str(&answer).map_err(|error| error.to_string())?;
    for created in answer.pointer("/resource").and_then(Value::as_array).into_iter().flatten() {
        if *created == Value::Bool(true) {
            imported.created += 1;
        } else {
            imported.existing += 1;
        }
    }
    Ok(())
}

/// A document to be imported.
struct Document {
    collection: String,
    /// `None` for a generated id.
    id: Option<Value>,
    data: Map<String, Value>,
}

impl Document {
    /// A query that returns whether it created the document. The data is quoted: only the escapes for references, times and the like
    /// are interpreted.
    fn query(self) -> Value {
        let params = json!({"object": {"data": {"quote": self.data}}});
        let collection = json!({"collection": self.collection});
        let Some(id) = self.id else {
            return json!({"do": [{"create": collection, "params": params}, true]});
        };
        let reference = json!({"ref": collection, "id": id});
        json!({"if": {"exists": reference}, "then": false, "else": {"do": [{"create": reference, "params": params}, true]}})
    }
}

/// Parses `{"collection": …, "id": …, "data": …}`, or a document as FaunaDB answers it: `{"ref": {"@ref": …}, "ts": …, "data": …}`.
fn document(line: &str) -> std::result::Result<Document, &'static str> {
    let Ok(Value::Object(mut line)) = serde_json::from_str(line) else { return Err("not a JSON object") };
    let reference = line.get("ref").and_then(|reference| reference.get("@ref"));
    let (collection, id) = match reference {
        Some(reference) => (reference.pointer("/collection/@ref/id").cloned(), reference.get("id").cloned()),
        None => (line.get("collection").cloned(), line.get("id").cloned()),
    };
    let Some(Value::String(collection)) = collection else { return Err("names no collection") };
    match line.remove("data") {
        Some(Value::Object(data)) => Ok(Document { collection, id, data }),
        None => Ok(Document { collection, id, data: Map::new() }),
        Some(_) => Err("\"data\" is not an object"),
    }
}

/// A line of a file with its number, for messages.
struct Line {
    at: At,
    text: String,
}

struct At {
    file: String,
    number: usize,
}

impl At {
    fn error(&self, problem: &str) -> Error {
        Error::other(format!("{} line {}: {problem}", self.file, self.number))
    }
}

/// The lines of a file that are neither empty nor a comment.
fn lines(file: &Path) -> Result<impl Iterator<Item = Result<Line>>> {
    let name = file.display().to_string();
    let opened = File::open(file).map_err(|error| Error::other(format!("cannot read {name}: {error}")))?;
    let numbered = BufReader::new(opened).lines().enumerate();
    Ok(numbered.filter_map(move |(index, text)| {
        let at = At { file: name.clone(), number: index + 1 };
        match text {
            Ok(text) if text.trim().is_empty() || text.trim_start().starts_with('#') => None,
            Ok(text) => Some(Ok(Line { at, text })),
            Err(error) => Some(Err(at.error(&error.to_string()))),
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_a_document_are_read() {
        for line in [
            r#"{"collection":"users","id":"7","data":{"a":1}}"#,
            r#"{"ref":{"@ref":{"id":"7","collection":{"@ref":{"id":"users","collection":{"@ref":{"id":"collections"}}}}}},"ts":1,"data":{"a":1}}"#,
        ] {
            let document = document(line).unwrap();
            assert_eq!((document.collection.as_str(), &document.id), ("users", &Some(json!("7"))), "{line}");
            assert_eq!(Value::Object(document.data), json!({"a": 1}));
        }
        for line in ["[]", "{", r#"{"id":"7"}"#, r#"{"collection":"users","data":1}"#] {
            assert!(document(line).is_err(), "{line}");
        }
    }
}
