//! What differs between databases, each difference named once.
//!
//! Stores write one portable subset of SQL: `$n` placeholders, columns of type text and bigint, `insert … on conflict … do
//! nothing`, `insert … on conflict (…) do update set …` (without `excluded`; the number of affected rows means nothing), and
//! `delete … returning KEY, …`, where the first column that is returned is the primary key. In `update … set` no expression reads a column that was assigned before it, because MySQL
//! would read the new value. SQLite and PostgreSQL run these statements as they are; a dialect that cannot returns a [`Plan`].

use std::fmt::Debug;

use futures_util::future::BoxFuture;
use sqlx::error::DatabaseError;

use crate::database::executor::Connections;
use crate::database::mysql::MySql;
use crate::database::postgres::Postgres;
use crate::database::sqlite::Sqlite;

/// All databases; the scheme of the URL chooses. Another one is a file, a line here and one in `.ci/run`.
pub const DIALECTS: [&dyn Dialect; 3] = [&Sqlite, &Postgres, &MySql];

/// The connections of an open database.
pub struct Pools {
    /// For single statements that only read, where not those of `write` are to do it.
    pub read: Option<Connections>,
    pub write: Connections,
}

/// A kind of database.
pub trait Dialect: Debug + Send + Sync {
    /// Beginnings of the URLs that it understands.
    fn schemes(&self) -> &'static [&'static str];

    /// Opens the pools and applies the migrations.
    fn open<'a>(&'a self, url: &'a str) -> BoxFuture<'a, Result<Pools, sqlx::Error>>;

    /// Statement that opens a transaction which is going to write.
    fn begin(&self) -> &'static str {
        "begin"
    }

    /// Query for the name and version of the server.
    fn select_version(&self) -> &'static str;

    /// Whether [`Dialect::plan`] plans anything.
    fn translates(&self) -> bool {
        false
    }

    /// A portable statement in the words of this database; none where it runs as it is written.
    fn plan(&self, _statement: &str) -> Option<Result<Plan, NotPortable>> {
        None
    }

    /// Whether transactions can fail because of others although nothing is wrong with them. False: writers wait for each other.
    fn has_conflicts(&self) -> bool {
        true
    }

    /// Whether the transaction was rolled back because of another one, so that repeating it may succeed. SQLSTATE 40001 is a
    /// serialization failure (on MySQL also a deadlock), 40P01 a deadlock on PostgreSQL.
    fn is_conflict(&self, error: &dyn DatabaseError) -> bool {
        error.code().is_some_and(|code| code == "40001" || code == "40P01")
    }
}

/// The dialect of a URL.
pub fn of_url(url: &str) -> Option<&'static dyn Dialect> {
    DIALECTS.into_iter().find(|dialect| dialect.schemes().iter().any(|scheme| url.starts_with(scheme)))
}

/// A statement outside the portable subset; a mistake in a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("statement is not portable: {0}")]
pub struct NotPortable(pub &'static str);

/// A portable statement in the words of a dialect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    pub text: String,
    /// For each placeholder of `text`, the number of its argument, counted from 0.
    pub arguments: Vec<usize>,
    pub run: Run,
}

/// Steps that the text of a plan does not show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Run {
    Once,
    /// A row with the same key is no failure, but no row is affected.
    InsertUnlessExists,
    /// `text` selects rows and locks them, their keys in the first column; then this statement and a list of the keys deletes
    /// them.
    DeleteSelected {
        by_key: String,
    },
}
