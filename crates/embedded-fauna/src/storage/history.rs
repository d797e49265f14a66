//! Earlier versions of documents.

use std::sync::Arc;

use super::{Stored, Transaction, codec};
use crate::ir::{Object, Outcome, Ref, Value};
use crate::storage::documents::{expiry, fields};
use crate::storage::prune::due;

/// A version in the history of a document.
#[derive(Clone, Debug)]
pub struct Past {
    /// Valid time, in microseconds since 1970.
    pub ts: i64,
    /// `None` for a deletion.
    pub fields: Option<Arc<Object>>,
}

/// The version that was current at `ts`; `history` is sorted, the oldest first.
pub fn version_at(history: &[Past], ts: i64) -> Option<Stored> {
    let version = history.iter().rev().find(|version| version.ts <= ts)?;
    Some(Stored { ts: version.ts, fields: Arc::clone(version.fields.as_ref()?) })
}

impl Transaction<'_> {
    /// All stored versions of a document, the oldest first.
    pub fn history(&self, document: Ref) -> Outcome<Vec<Past>> {
        let sql = "select ts, fields from history where database = ?1 and collection = ?2 and id = ?3
                   union all select ts, fields from documents where database = ?1 and collection = ?2 and id = ?3 order by 1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query((document.database, document.collection, document.id))?;
        let mut versions = Vec::new();
        while let Some(row) = rows.next()? {
            self.row(row.get_ref(1)?.as_blob_or_null().ok().flatten().map_or(0, <[u8]>::len))?;
            let fields = match row.get_ref(1)? {
                rusqlite::types::ValueRef::Blob(bytes) => Some(fields(bytes, document.database)?),
                _ => None,
            };
            versions.push(Past { ts: row.get(0)?, fields });
        }
        Ok(versions)
    }

    /// The version that was current at `ts`, unless it has expired by the snapshot time.
    pub fn get_at(&self, document: Ref, ts: i64) -> Outcome<Option<Stored>> {
        let sql =
            "select ts, ttl, fields from documents where database = ?1 and collection = ?2 and id = ?3 and ts <= ?4
                   union all select * from (select ts, ttl, fields from history
                   where database = ?1 and collection = ?2 and id = ?3 and ts <= ?4 order by ts desc limit 1) limit 1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query((document.database, document.collection, document.id, ts))?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let ttl: Option<i64> = row.get(1)?;
        match row.get_ref(2)? {
            rusqlite::types::ValueRef::Blob(bytes) if ttl.is_none_or(|ttl| ttl > self.snapshot) => {
                Ok(Some(Stored { ts: row.get(0)?, fields: fields(bytes, document.database)? }))
            }
            _ => Ok(None),
        }
    }

    /// Writes a version into the history.
    pub(super) fn put_past(&self, document: Ref, ts: i64, fields: Option<&Arc<Object>>) -> Outcome<()> {
        let sql = "insert or replace into history (database, collection, id, ts, ttl, fields, ended, due)
                   values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        let bytes = fields.map(|fields| codec::encode(&Value::Object(Arc::clone(fields)), self.commit));
        self.write_version(bytes.as_ref().map_or(0, Vec::len))?;
        let ttl = fields.and_then(|fields| expiry(fields));
        let (ended, due) = (self.commit, due(self.commit));
        let parameters = (document.database, document.collection, document.id, ts, ttl, bytes, ended, due);
        self.connection.prepare_cached(sql)?.execute(parameters)?;
        self.wrote_document(document);
        Ok(())
    }

    /// Replaces the whole history of a document, the oldest version first; the last becomes the current one.
    pub fn rewrite(&self, document: Ref, versions: &[Past]) -> Outcome<()> {
        let key = (document.database, document.collection, document.id);
        let sql = "delete from history where database = ?1 and collection = ?2 and id = ?3";
        self.connection.prepare_cached(sql)?.execute(key)?;
        let sql = "delete from documents where database = ?1 and collection = ?2 and id = ?3";
        self.connection.prepare_cached(sql)?.execute(key)?;
        let (current, past) = match versions.split_last() {
            Some((last, past)) if last.fields.is_some() => (Some(last), past),
            _ => (None, versions),
        };
        for version in past {
            self.put_past(document, version.ts, version.fields.as_ref())?;
        }
        if let Some((version, fields)) = current.and_then(|version| Some((version, version.fields.as_ref()?))) {
            let sql =
                "insert into documents (database, collection, id, ts, ttl, fields) values (?1, ?2, ?3, ?4, ?5, ?6)";
            let bytes = codec::encode(&Value::Object(Arc::clone(fields)), self.commit);
            self.write_version(bytes.len())?;
            let parameters = (key.0, key.1, key.2, version.ts, expiry(fields), bytes);
            self.connection.prepare_cached(sql)?.execute(parameters)?;
        }
        self.wrote_document(document);
        Ok(())
    }
}
