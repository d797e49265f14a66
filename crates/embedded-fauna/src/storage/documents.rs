//! The current versions of documents.

use std::sync::Arc;

use rusqlite::{OptionalExtension, Row};

use super::{Transaction, codec};
use crate::ir::{Object, Outcome, Ref, Value};
use crate::storage::prune::due;

/// A version of a document.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Time of the write, in microseconds since 1970.
    pub ts: i64,
    /// All fields, including internal ones such as hashed secrets.
    pub fields: Arc<Object>,
}

/// The `ttl` in microseconds since 1970, rounded up; `None` if the version does not expire.
pub fn expiry(fields: &Object) -> Option<i64> {
    match fields.get("ttl") {
        Some(Value::Time(time)) => Some(time.micros().saturating_add(i64::from(time.nanos() % 1000 != 0))),
        _ => None,
    }
}

/// The fields in some bytes.
pub(super) fn fields(bytes: &[u8], database: i64) -> Outcome<Arc<Object>> {
    match codec::decode(bytes, database)? {
        Value::Object(object) => Ok(object),
        _ => Ok(Arc::new(Object::new())),
    }
}

impl Transaction<'_> {
    /// The current version of a document, unless it has expired.
    pub fn get(&self, document: Ref) -> Outcome<Option<Stored>> {
        let found = if document.is_schema() {
            self.cached(|cache| &cache.documents, document, |document| self.current(*document))?
        } else {
            self.current(document)?
        };
        Ok(found.filter(|stored| expiry(&stored.fields).is_none_or(|ttl| ttl > self.snapshot)))
    }

    /// The current version of a document, even if it has expired.
    pub fn current(&self, document: Ref) -> Outcome<Option<Stored>> {
        let sql = "select ts, fields from documents where database = ?1 and collection = ?2 and id = ?3";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query((document.database, document.collection, document.id))?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let fields = fields(row.get_ref(1)?.as_blob().unwrap_or_default(), document.database)?;
        Ok(Some(Stored { ts: row.get(0)?, fields }))
    }

    pub fn exists(&self, document: Ref) -> Outcome<bool> {
        if document.is_schema() {
            return Ok(self.get(document)?.is_some());
        }
        let sql =
            "select 1 from documents where database = ?1 and collection = ?2 and id = ?3 and (ttl is null or ttl > ?4)";
        let mut statement = self.connection.prepare_cached(sql)?;
        let parameters = (document.database, document.collection, document.id, self.snapshot);
        Ok(statement.query_row(parameters, |_| Ok(())).optional()?.is_some())
    }

    /// Writes the current version of a document.
    pub fn put(&self, document: Ref, fields: &Arc<Object>) -> Outcome<()> {
        self.copy_into_past(document)?;
        let sql = "insert or replace into documents (database, collection, id, ts, ttl, fields) values (?1, ?2, ?3, ?4, ?5, ?6)";
        let bytes = codec::encode(&Value::Object(Arc::clone(fields)), self.commit);
        self.write_version(bytes.len())?;
        let parameters = (document.database, document.collection, document.id, self.commit, expiry(fields), bytes);
        self.connection.prepare_cached(sql)?.execute(parameters)?;
        self.wrote_document(document);
        Ok(())
    }

    /// Deletes a document and records the deletion in its history.
    pub fn remove(&self, document: Ref) -> Outcome<()> {
        self.retire(document)?;
        self.note_removal(document);
        self.put_past(document, self.commit, None)
    }

    /// Moves the current version into the history without recording a deletion.
    pub(super) fn retire(&self, document: Ref) -> Outcome<()> {
        self.copy_into_past(document)?;
        let sql = "delete from documents where database = ?1 and collection = ?2 and id = ?3";
        self.connection.prepare_cached(sql)?.execute((document.database, document.collection, document.id))?;
        self.wrote_document(document);
        Ok(())
    }

    /// Copies the current version into the history, unless this transaction wrote it.
    fn copy_into_past(&self, document: Ref) -> Outcome<()> {
        let key = (document.database, document.collection, document.id, self.commit);
        let sql = "insert or replace into history (database, collection, id, ts, ttl, fields, ended, due)
                   select database, collection, id, ts, ttl, fields, ?4, ?5 from documents
                   where database = ?1 and collection = ?2 and id = ?3 and ts < ?4 returning length(fields)";
        let parameters = (key.0, key.1, key.2, key.3, due(self.commit));
        let moved: Option<i64> =
            self.connection.prepare_cached(sql)?.query_row(parameters, |row| row.get(0)).optional()?;
        self.write_bytes(moved.map_or(0, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX)))?;
        let sql = "delete from history where database = ?1 and collection = ?2 and id = ?3 and ts = ?4";
        self.connection.prepare_cached(sql)?.execute(key)?;
        Ok(())
    }

    /// Ids of documents of a collection after (or before) an id, in order.
    pub fn ids(&self, collection: Ref, from: i64, ascending: bool, limit: usize) -> Outcome<Vec<i64>> {
        let sql = if ascending {
            "select id from documents where database = ?1 and collection = ?2 and id >= ?3 and (ttl is null or ttl > ?4)
             order by id limit ?5"
        } else {
            "select id from documents where database = ?1 and collection = ?2 and id <= ?3 and (ttl is null or ttl > ?4)
             order by id desc limit ?5"
        };
        self.some_ids(sql, collection, from, limit)
    }

    /// Ids of all documents of a native collection of schema, in order, also of those that have expired.
    pub fn schema_ids(&self, collection: Ref) -> Outcome<Arc<[i64]>> {
        self.cached(
            |cache| &cache.ids,
            collection,
            |collection| {
                let sql = "select id from documents where database = ?1 and collection = ?2 order by id";
                let mut statement = self.connection.prepare_cached(sql)?;
                let ids = statement.query_map((collection.database, collection.id), |row: &Row<'_>| row.get(0))?;
                Ok(ids.collect::<Result<_, _>>()?)
            },
        )
    }

    /// As [`Self::ids`], but including documents that have ended since.
    pub fn ids_ever(&self, collection: Ref, from: i64, ascending: bool, limit: usize) -> Outcome<Vec<i64>> {
        let sql = if ascending {
            "select id from documents where database = ?1 and collection = ?2 and id >= ?3 and ?4 is not null
             union select id from history where database = ?1 and collection = ?2 and id >= ?3 order by 1 limit ?5"
        } else {
            "select id from documents where database = ?1 and collection = ?2 and id <= ?3 and ?4 is not null
             union select id from history where database = ?1 and collection = ?2 and id <= ?3 order by 1 desc limit ?5"
        };
        self.some_ids(sql, collection, from, limit)
    }

    /// The ids that a statement gives.
    fn some_ids(&self, sql: &str, collection: Ref, from: i64, limit: usize) -> Outcome<Vec<i64>> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let parameters = (collection.database, collection.id, from, self.snapshot, limit);
        let mut rows = statement.query(parameters)?;
        let mut ids = Vec::new();
        while let Some(row) = rows.next()? {
            self.row(0)?;
            ids.push(row.get(0)?);
        }
        Ok(ids)
    }
}
