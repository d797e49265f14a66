//! The tree of databases, id counters, and the look-up tables for keys and credentials.

use std::sync::Arc;

use rusqlite::{OptionalExtension, Row};

use super::Transaction;
use crate::ir::{Outcome, Ref, native};

const ID_EPOCH: i64 = 1_336_258_850_000;

impl Transaction<'_> {
    /// The next number of a counter, beginning with `first`.
    fn next(&self, counter: &str, first: i64) -> Outcome<i64> {
        let sql = "insert into counters (name, value) values (?1, ?2)
                   on conflict (name) do update set value = max(value + 1, ?2) returning value";
        self.wrote();
        Ok(self.connection.prepare_cached(sql)?.query_row((counter, first), |row| row.get(0))?)
    }

    /// A new document id: milliseconds since the epoch in the upper bits, then a sequence. Ids increase.
    pub fn new_id(&self) -> Outcome<i64> {
        self.next("id", (self.snapshot / 1000 - ID_EPOCH).max(0) << 20)
    }

    /// The next number of a collection or an index.
    pub fn next_schema_id(&self, database: i64, collection: i64) -> Outcome<i64> {
        let first = if collection == native::COLLECTIONS { native::FIRST_USER } else { 32_768 };
        self.next(&format!("schema {database} {collection}"), first)
    }

    /// Creates the database that a document of `databases` represents; returns its id.
    pub fn make_database(&self, document: Ref) -> Outcome<i64> {
        let id = self.new_id()?;
        let global_id = self.new_id()?;
        let sql = "insert into databases (id, parent, document, global_id) values (?1, ?2, ?3, ?4)";
        self.connection.prepare_cached(sql)?.execute((id, document.database, document.id, global_id))?;
        self.wrote_schema();
        Ok(id)
    }

    /// The id of a database that is unique across all databases; part of token secrets.
    pub fn global_id(&self, database: i64) -> Outcome<i64> {
        let find = |database: &i64| {
            let mut statement = self.connection.prepare_cached("select global_id from databases where id = ?1")?;
            Ok(statement.query_row([database], |row| row.get(0)).optional()?.unwrap_or(0))
        };
        self.cached(|cache| &cache.global_ids, database, find)
    }

    /// The database with a global number.
    pub fn database_by_global_id(&self, global_id: i64) -> Outcome<Option<i64>> {
        if global_id == 0 {
            return Ok(Some(0));
        }
        let find = |global_id: &i64| {
            let mut statement = self.connection.prepare_cached("select id from databases where global_id = ?1")?;
            Ok(statement.query_row([global_id], |row| row.get(0)).optional()?)
        };
        self.cached(|cache| &cache.by_global_id, global_id, find)
    }

    /// Moves a database to another parent.
    pub fn move_database(&self, from: Ref, to: Ref) -> Outcome<()> {
        let sql = "update databases set parent = ?3, document = ?4 where parent = ?1 and document = ?2";
        self.connection.prepare_cached(sql)?.execute((from.database, from.id, to.database, to.id))?;
        self.wrote_schema();
        Ok(())
    }

    /// Deletes a database with its contents and all its descendants.
    pub fn drop_database(&self, database: i64) -> Outcome<()> {
        let mut statement = self.connection.prepare_cached("select id from databases where parent = ?1")?;
        let children: Vec<i64> =
            statement.query_map([database], |row: &Row<'_>| row.get(0))?.collect::<Result<_, _>>()?;
        for child in children {
            self.drop_database(child)?;
        }
        for table in
            ["documents", "history", "names", "labels", "sources", "entries", "past_entries", "keys", "credentials"]
        {
            self.connection.execute(&format!("delete from {table} where database = ?1"), [database])?;
        }
        self.connection.execute("delete from databases where id = ?1", [database])?;
        self.wrote_schema();
        Ok(())
    }

    /// Databases that contain a key with this id.
    pub fn databases_of_key(&self, key: i64) -> Outcome<Arc<[i64]>> {
        let find = |key: &i64| {
            let mut statement = self.connection.prepare_cached("select database from keys where id = ?1")?;
            Ok(statement.query_map([key], |row: &Row<'_>| row.get(0))?.collect::<Result<_, _>>()?)
        };
        self.cached(|cache| &cache.keys, key, find)
    }

    /// Records that a key exists or was deleted.
    pub fn note_key(&self, key: Ref, exists: bool) -> Outcome<()> {
        let sql = if exists {
            "insert or ignore into keys (id, database) values (?1, ?2)"
        } else {
            "delete from keys where id = ?1 and database = ?2"
        };
        self.connection.prepare_cached(sql)?.execute((key.id, key.database))?;
        self.wrote_schema();
        Ok(())
    }

    /// Records the credentials of a document; `None` if it has none.
    pub fn note_credentials(&self, document: Ref, credentials: Option<i64>) -> Outcome<()> {
        let sql = match credentials {
            Some(_) => {
                "insert or replace into credentials (database, collection, document, id) values (?1, ?2, ?3, ?4)"
            }
            None => "delete from credentials where database = ?1 and collection = ?2 and document = ?3 and ?4 is null",
        };
        let parameters = (document.database, document.collection, document.id, credentials);
        self.connection.prepare_cached(sql)?.execute(parameters)?;
        self.wrote();
        Ok(())
    }
}
