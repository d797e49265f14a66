//! Names of schema documents, and the tree of databases.

use std::sync::Arc;

use rusqlite::{OptionalExtension, Row};

use super::Transaction;
use crate::ir::{Outcome, Ref, native};
use crate::storage::transaction::schema_cache::Name;

impl Transaction<'_> {
    /// Id of the schema document with this name. Names written by this transaction are not visible yet, as in FaunaDB.
    pub fn id_by_name(&self, database: i64, collection: i64, name: &str) -> Outcome<Option<i64>> {
        let find = |(database, collection, name): &Name| {
            let sql = "select id, ts from names where database = ?1 and collection = ?2 and name = ?3";
            let mut statement = self.connection.prepare_cached(sql)?;
            let row = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
            Ok(statement.query_row((database, collection, name), row).optional()?)
        };
        let found = self.cached(|cache| &cache.named, (database, collection, Box::from(name)), find)?;
        Ok(found.filter(|(_, ts)| *ts < self.commit).map(|(id, _)| id))
    }

    /// The name of a schema document; of a deleted one its last name.
    pub fn name(&self, schema: Ref) -> Outcome<Option<Arc<str>>> {
        let find = |schema: &Ref| {
            let sql = "select name from labels where database = ?1 and collection = ?2 and id = ?3";
            let mut statement = self.connection.prepare_cached(sql)?;
            let key = (schema.database, schema.collection, schema.id);
            Ok(statement.query_row(key, |row| row.get(0)).optional()?)
        };
        self.cached(|cache| &cache.names, schema, find)
    }

    /// Id of the database that a document of `databases` represents.
    pub fn child_database(&self, document: Ref) -> Outcome<Option<i64>> {
        let find = |document: &Ref| {
            let sql = "select id from databases where parent = ?1 and document = ?2";
            let mut statement = self.connection.prepare_cached(sql)?;
            Ok(statement.query_row((document.database, document.id), |row| row.get(0)).optional()?)
        };
        self.cached(|cache| &cache.children, document, find)
    }

    /// The document of `databases` (in the parent database) that represents a database; `None` for the root.
    pub fn database_document(&self, database: i64) -> Outcome<Option<Ref>> {
        let find = |database: &i64| {
            let mut statement =
                self.connection.prepare_cached("select parent, document from databases where id = ?1")?;
            let document = |row: &Row<'_>| Ok(Ref::new(row.get(0)?, native::DATABASES, row.get(1)?));
            Ok(statement.query_row([database], document).optional()?)
        };
        self.cached(|cache| &cache.parents, database, find)
    }

    /// The credentials of a document.
    pub fn credentials_of(&self, identity: Ref) -> Outcome<Option<Ref>> {
        let sql = "select id from credentials where database = ?1 and collection = ?2 and document = ?3";
        let mut statement = self.connection.prepare_cached(sql)?;
        let id =
            statement.query_row((identity.database, identity.collection, identity.id), |row| row.get(0)).optional()?;
        Ok(id.map(|id| Ref::new(identity.database, native::CREDENTIALS, id)))
    }

    /// Sets, replaces or removes the name of a schema document.
    pub fn set_name(&self, schema: Ref, name: Option<&str>) -> Outcome<()> {
        let sql = "delete from names where database = ?1 and collection = ?2 and name in
                   (select name from labels where database = ?1 and collection = ?2 and id = ?3) and id = ?3";
        self.connection.prepare_cached(sql)?.execute((schema.database, schema.collection, schema.id))?;
        if let Some(name) = name {
            let sql = "insert into names (database, collection, name, id, ts) values (?1, ?2, ?3, ?4, ?5)";
            let parameters = (schema.database, schema.collection, name, schema.id, self.commit);
            self.connection.prepare_cached(sql)?.execute(parameters)?;
            let sql = "insert or replace into labels (database, collection, id, name) values (?1, ?2, ?3, ?4)";
            self.connection.prepare_cached(sql)?.execute((schema.database, schema.collection, schema.id, name))?;
        }
        self.wrote_schema();
        Ok(())
    }

    /// As [`Self::id_by_name`], including names written by this transaction.
    pub fn owner_of_name(&self, database: i64, collection: i64, name: &str) -> Outcome<Option<i64>> {
        let sql = "select id from names where database = ?1 and collection = ?2 and name = ?3";
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_row((database, collection, name), |row| row.get(0)).optional()?)
    }
}
