//! Entries of indexes, in order.
//!
//! The primary key of an entry is the key of its terms, then the sort key of its values and its document (`ir/value/order.rs`), so a page
//! is a range scan.

use std::ops::Range;
use std::sync::Arc;

use rusqlite::{OptionalExtension, Row};

use super::{Transaction, codec};
use crate::ir::{Outcome, Ref, Value};
use crate::storage::prune::due;

/// An entry of an index.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub terms: Vec<u8>,
    /// Sort key of the values, followed by that of the document.
    pub sort: Vec<u8>,
    pub values: Vec<Value>,
    pub document: Ref,
}

impl Entry {
    /// Length of its key in bytes.
    pub const fn key_length(&self) -> usize {
        self.terms.len().saturating_add(self.sort.len())
    }
}

/// A range of sort keys under one set of terms.
#[derive(Clone, Debug)]
pub struct Span {
    pub terms: Vec<u8>,
    /// Lower bound, which belongs to the range.
    pub lower: Vec<u8>,
    /// Upper bound, which does not belong to the range; `None` for no bound.
    pub upper: Option<Vec<u8>>,
    /// Reads from the lower end.
    pub ascending: bool,
    /// Maximum number of entries.
    pub limit: usize,
}

fn content(values: &[Value], document: Ref, now: i64) -> Vec<u8> {
    let mut all = values.to_vec();
    all.push(Value::Ref(document));
    codec::encode(&Value::array(all), now)
}

impl Transaction<'_> {
    /// Adds an entry at the commit time, or updates the `ttl` of an existing one.
    pub fn add_entry(&self, index: Ref, entry: &Entry, ttl: Option<i64>) -> Outcome<()> {
        self.put_entry(index, entry, self.commit, ttl)
    }

    /// As [`Self::add_entry`], with `came` as the time at which the entry was added.
    pub fn put_entry(&self, index: Ref, entry: &Entry, came: i64, ttl: Option<i64>) -> Outcome<()> {
        let sql =
            "insert into entries (database, index_id, terms, sort, ts, ttl, entry) values (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                   on conflict (database, index_id, terms, sort) do update set ttl = ?6";
        let content = content(&entry.values, entry.document, self.commit);
        self.write_bytes(entry.key_length().saturating_add(content.len()))?;
        let parameters = (index.database, index.id, &entry.terms, &entry.sort, came, ttl, content);
        self.connection.prepare_cached(sql)?.execute(parameters)?;
        self.wrote();
        Ok(())
    }

    /// Adds an entry that was added and removed before the index was created; `existed` in microseconds.
    pub fn put_past_entry(&self, index: Ref, entry: &Entry, existed: Range<i64>, ttl: Option<i64>) -> Outcome<()> {
        let sql = "insert or replace into past_entries (database, index_id, terms, sort, ts, ended, ttl, entry, due)
                   values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
        let content = content(&entry.values, entry.document, self.commit);
        let place = (index.database, index.id, &entry.terms, &entry.sort);
        let parameters =
            (place.0, place.1, place.2, place.3, existed.start, existed.end, ttl, content, due(self.commit));
        self.connection.prepare_cached(sql)?.execute(parameters)?;
        self.wrote();
        Ok(())
    }

    /// Removes an entry and keeps it in the history of the index.
    pub fn remove_entry(&self, index: Ref, entry: &Entry) -> Outcome<()> {
        self.write_bytes(entry.key_length())?;
        let key = (index.database, index.id, &entry.terms, &entry.sort, self.commit, due(self.commit));
        let sql = "insert or replace into past_entries (database, index_id, terms, sort, ts, ended, ttl, entry, due)
                   select database, index_id, terms, sort, ts, ?5, ttl, entry, ?6 from entries
                   where database = ?1 and index_id = ?2 and terms = ?3 and sort = ?4 and ts < ?5";
        self.connection.prepare_cached(sql)?.execute(key)?;
        let sql = "delete from entries where database = ?1 and index_id = ?2 and terms = ?3 and sort = ?4";
        self.connection.prepare_cached(sql)?.execute((key.0, key.1, key.2, key.3))?;
        self.wrote();
        Ok(())
    }

    /// Whether a document other than `document` has an entry whose sort key begins with `values`.
    pub fn is_taken(&self, index: Ref, terms: &[u8], values: &[u8], document: Ref) -> Outcome<bool> {
        let sql = "select entry from entries where database = ?1 and index_id = ?2 and terms = ?3 and sort >= ?4 and sort < ?5
                   and (ttl is null or ttl > ?6)";
        let mut statement = self.connection.prepare_cached(sql)?;
        let upper = after(values);
        let mut rows = statement.query((index.database, index.id, terms, values, upper, self.snapshot))?;
        while let Some(row) = rows.next()? {
            self.row(row.get_ref(0)?.as_blob().map_or(0, <[u8]>::len))?;
            let (_, owner) = decode_entry(row.get_ref(0)?.as_blob().unwrap_or_default(), index.database)?;
            if owner != document {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The entries of a part of an index, as they are now or were at `at`.
    pub fn entries(&self, index: Ref, span: &Span, at: Option<i64>) -> Outcome<Vec<Entry>> {
        let order = if span.ascending { "asc" } else { "desc" };
        let place = "database = ?1 and index_id = ?2 and terms = ?3 and sort >= ?4 and (?5 is null or sort < ?5)
                     and (ttl is null or ttl > ?6)";
        let sql = match at {
            None => {
                format!("select sort, entry from entries where {place} and ?8 is null order by sort {order} limit ?7")
            }
            Some(_) => format!(
                "select sort, entry from entries where {place} and ts <= ?8
                 union all select sort, entry from past_entries where {place} and ts <= ?8 and ended > ?8
                 order by sort {order} limit ?7"
            ),
        };
        let mut statement = self.connection.prepare_cached(&sql)?;
        let limit = i64::try_from(span.limit).unwrap_or(i64::MAX);
        let parameters = (index.database, index.id, &span.terms, &span.lower, &span.upper, self.snapshot, limit, at);
        let mut rows = statement.query(parameters)?;
        let mut entries = Vec::new();
        while let Some(row) = rows.next()? {
            self.row(row.get_ref(1)?.as_blob().map_or(0, <[u8]>::len))?;
            let (values, document) = decode_entry(row.get_ref(1)?.as_blob().unwrap_or_default(), index.database)?;
            entries.push(Entry { terms: span.terms.clone(), sort: row.get(0)?, values, document });
        }
        Ok(entries)
    }

    /// The history of the entries under some terms: time added, time removed, entry.
    pub fn entry_history(&self, index: Ref, terms: &[u8]) -> Outcome<Vec<(i64, Option<i64>, Entry)>> {
        let sql = "select ts, null, sort, entry from entries where database = ?1 and index_id = ?2 and terms = ?3
                   union all select ts, ended, sort, entry from past_entries where database = ?1 and index_id = ?2 and terms = ?3";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query((index.database, index.id, terms))?;
        let mut events = Vec::new();
        while let Some(row) = rows.next()? {
            self.row(row.get_ref(3)?.as_blob().map_or(0, <[u8]>::len))?;
            let (values, document) = decode_entry(row.get_ref(3)?.as_blob().unwrap_or_default(), index.database)?;
            let entry = Entry { terms: terms.to_vec(), sort: row.get(2)?, values, document };
            events.push((row.get(0)?, row.get(1)?, entry));
        }
        Ok(events)
    }

    /// Deletes all entries of an index and their history.
    pub fn drop_entries(&self, index: Ref) -> Outcome<()> {
        for table in ["entries", "past_entries"] {
            let sql = format!("delete from {table} where database = ?1 and index_id = ?2");
            self.connection.prepare_cached(&sql)?.execute((index.database, index.id))?;
        }
        self.wrote();
        Ok(())
    }

    /// Records the source collections of an index; −1 stands for every user collection.
    pub fn set_sources(&self, index: Ref, collections: &[i64]) -> Outcome<()> {
        let sql = "delete from sources where database = ?1 and index_id = ?2";
        self.connection.prepare_cached(sql)?.execute((index.database, index.id))?;
        for collection in collections {
            let sql = "insert or ignore into sources (database, collection, index_id) values (?1, ?2, ?3)";
            self.connection.prepare_cached(sql)?.execute((index.database, collection, index.id))?;
        }
        self.wrote_schema();
        Ok(())
    }

    /// The indexes that a collection feeds.
    pub fn indexes_of(&self, collection: Ref) -> Outcome<Arc<[i64]>> {
        let find = |collection: &Ref| {
            let wildcard = if collection.is_native_collection() { collection.id } else { -1 };
            let sql = "select index_id from sources where database = ?1 and collection in (?2, ?3) order by index_id";
            let mut statement = self.connection.prepare_cached(sql)?;
            let key = (collection.database, collection.id, wildcard);
            Ok(statement.query_map(key, |row: &Row<'_>| row.get(0))?.collect::<Result<_, _>>()?)
        };
        self.cached(|cache| &cache.indexes, collection, find)
    }

    /// Whether this collection is the only source of an index.
    pub fn is_only_source(&self, index: Ref, collection: i64) -> Outcome<bool> {
        let sql = "select 1 from sources where database = ?1 and index_id = ?2 and collection <> ?3";
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_row((index.database, index.id, collection), |_| Ok(())).optional()?.is_none())
    }
}

/// Values and document of an entry.
pub(super) fn decode_entry(bytes: &[u8], database: i64) -> Outcome<(Vec<Value>, Ref)> {
    let Value::Array(all) = codec::decode(bytes, database)? else {
        return Ok((Vec::new(), Ref::new(database, 0, 0)));
    };
    match all.split_last() {
        Some((Value::Ref(document), values)) => Ok((values.to_vec(), *document)),
        _ => Ok((Vec::new(), Ref::new(database, 0, 0))),
    }
}

/// The smallest key that is greater than every key with this prefix.
pub fn after(prefix: &[u8]) -> Vec<u8> {
    let mut key = prefix.to_vec();
    while let Some(last) = key.pop() {
        if last < u8::MAX {
            key.push(last + 1);
            return key;
        }
    }
    vec![u8::MAX; 9]
}
