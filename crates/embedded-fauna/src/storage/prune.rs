//! Deletes versions and entries that can no longer be read, and expired documents.
//!
//! Every row of the history tables has a `due` time, indexed, at which it is examined. A version is deleted once the earliest readable
//! time of its collection is not before its end, together with all older versions of the document.

use rusqlite::Row;

use super::Transaction;
use crate::ir::{Outcome, Ref, native};
use crate::storage::entries::decode_entry;

/// Minimum retention in microseconds: 15 minutes, as in FaunaDB.
pub const ALWAYS_KEPT: i64 = 15 * 60 * 1_000_000;

/// When something that comes into the past at `ended` is to be looked at.
pub(super) const fn due(ended: i64) -> i64 {
    ended.saturating_add(ALWAYS_KEPT)
}

/// The version of a document, or the entry of an index, that is to be looked at.
struct Due {
    /// The document, or the index.
    place: Ref,
    /// The keys of the terms and of the values of an entry.
    keys: (Vec<u8>, Vec<u8>),
    ts: i64,
    ended: i64,
    /// The collection of the document.
    collection: Ref,
}

impl Transaction<'_> {
    /// Examines up to `limit` due versions: deletes them, or postpones them if `kept_since` (the earliest readable time of a
    /// collection) says that they may still be read. Returns whether there may be more.
    pub fn prune_history(&self, limit: usize, kept_since: impl Fn(Ref) -> Outcome<i64>) -> Outcome<bool> {
        let sql = "select database, collection, id, ts, ended from history where due <= ?1 order by due limit ?2";
        let due = self.due(sql, limit, |row| {
            let place = Ref::new(row.get(0)?, row.get(1)?, row.get(2)?);
            let (ts, ended) = (row.get(3)?, row.get(4)?);
            Ok(Due { place, keys: Default::default(), ts, ended, collection: place.parent() })
        })?;
        for version in &due {
            let key = (version.place.database, version.place.collection, version.place.id, version.ts);
            let kept = kept_since(version.collection)?;
            if version.ended <= kept {
                let sql = "delete from history where database = ?1 and collection = ?2 and id = ?3 and ts <= ?4";
                self.connection.prepare_cached(sql)?.execute(key)?;
            } else {
                let sql = "update history set due = ?5 where database = ?1 and collection = ?2 and id = ?3 and ts = ?4";
                let later = self.snapshot.saturating_add(version.ended - kept);
                self.connection.prepare_cached(sql)?.execute((key.0, key.1, key.2, key.3, later))?;
            }
        }
        Ok(due.len() == limit)
    }

    /// As [`Self::prune_history`], for index entries.
    pub fn prune_entries(&self, limit: usize, kept_since: impl Fn(Ref) -> Outcome<i64>) -> Outcome<bool> {
        let sql = "select database, index_id, terms, sort, ts, ended, entry from past_entries
                   where due <= ?1 order by due limit ?2";
        let due = self.due(sql, limit, |row| {
            let place = Ref::new(row.get(0)?, native::INDEXES, row.get(1)?);
            let (_, document) = decode_entry(row.get_ref(6)?.as_blob().unwrap_or_default(), place.database)?;
            let (ts, ended) = (row.get(4)?, row.get(5)?);
            Ok(Due { place, keys: (row.get(2)?, row.get(3)?), ts, ended, collection: document.parent() })
        })?;
        for entry in &due {
            let (terms, sort) = &entry.keys;
            let key = (entry.place.database, entry.place.id, terms, sort, entry.ts);
            let kept = kept_since(entry.collection)?;
            if entry.ended <= kept {
                let sql = "delete from past_entries
                           where database = ?1 and index_id = ?2 and terms = ?3 and sort = ?4 and ts = ?5";
                self.connection.prepare_cached(sql)?.execute(key)?;
            } else {
                let sql = "update past_entries set due = ?6
                           where database = ?1 and index_id = ?2 and terms = ?3 and sort = ?4 and ts = ?5";
                let later = self.snapshot.saturating_add(entry.ended - kept);
                self.connection.prepare_cached(sql)?.execute((key.0, key.1, key.2, key.3, key.4, later))?;
            }
        }
        Ok(due.len() == limit)
    }

    fn due<T>(&self, sql: &str, limit: usize, read: impl Fn(&Row<'_>) -> Outcome<T>) -> Outcome<Vec<T>> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query((self.snapshot, i64::try_from(limit).unwrap_or(i64::MAX)))?;
        let mut due = Vec::new();
        while let Some(row) = rows.next()? {
            due.push(read(row)?);
        }
        if !due.is_empty() {
            self.wrote();
        }
        Ok(due)
    }

    /// Moves up to `limit` documents whose `ttl` passed more than the minimum retention ago into the history, and deletes their index
    /// entries. Queries cannot see a difference. Returns whether there may be more.
    pub fn prune_expired(&self, limit: usize) -> Outcome<bool> {
        let before = self.snapshot.saturating_sub(ALWAYS_KEPT);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let sql = "delete from entries where (database, index_id, terms, sort) in
                   (select database, index_id, terms, sort from entries where ttl <= ?1 order by ttl limit ?2)";
        let entries = self.connection.prepare_cached(sql)?.execute((before, limit))?;
        let sql = "select database, collection, id from documents where ttl <= ?1 order by ttl limit ?2";
        let mut statement = self.connection.prepare_cached(sql)?;
        let documents: Vec<Ref> = statement
            .query_map((before, limit), |row| Ok(Ref::new(row.get(0)?, row.get(1)?, row.get(2)?)))?
            .collect::<Result<_, _>>()?;
        for document in &documents {
            self.retire(*document)?;
            if document.collection == native::KEYS {
                self.note_key(*document, false)?;
            }
        }
        Ok([entries, documents.len()].into_iter().any(|count| i64::try_from(count) == Ok(limit)))
    }
}
