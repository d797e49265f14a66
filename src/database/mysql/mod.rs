//! MySQL from 8.0 on and MariaDB from 10.5 on, with InnoDB.
//!
//! Statements keep to what both know. Transactions are `read committed`, as on PostgreSQL, so that searches lock no gaps
//! between rows. `rows_affected` counts rows that were found, also those that did not change, because the driver asks the
//! server for that (`CLIENT_FOUND_ROWS`).

mod server;
mod translate;

use futures_util::future::BoxFuture;
use sqlx::error::DatabaseError;
use sqlx::mysql::MySqlDatabaseError;
use sqlx::{AnyConnection, AnyPool, Connection as _, Executor as _};

use crate::database::dialect::{Dialect, NotPortable, Plan, Pools};
use crate::database::executor::Connections;
use crate::database::{pool_options, server_connections};

/// Settings of every connection, whatever those of the server are.
const SETTINGS: &str = "set session transaction isolation level read committed; \
     set session sql_mode = 'STRICT_ALL_TABLES,PIPES_AS_CONCAT,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'; \
     set session innodb_lock_wait_timeout = 2";

/// Longest time that the server spends on a statement. MySQL limits only `select` (in milliseconds), where other statements
/// are limited by their locks; MariaDB limits all (in seconds).
const STATEMENT_TIMEOUT_MYSQL: &str = "set session max_execution_time = 10000";
const STATEMENT_TIMEOUT_MARIADB: &str = "set session max_statement_time = 10";

/// Longest wait for another process that applies the migrations.
const MIGRATION_TIMEOUT_S: i64 = 60;

/// Error numbers of transactions that failed because of others: lock wait time-out, deadlock, and on MariaDB a record that
/// changed since it was read.
const LOCK_WAIT_TIMEOUT: u16 = 1205;
const DEADLOCK: u16 = 1213;
const RECORD_CHANGED: u16 = 1020;

#[derive(Debug)]
pub struct MySql;

impl Dialect for MySql {
    fn schemes(&self) -> &'static [&'static str] {
        &["mysql://", "mariadb://"]
    }

    fn open<'a>(&'a self, url: &'a str) -> BoxFuture<'a, Result<Pools, sqlx::Error>> {
        Box::pin(async move {
            // On a connection of its own: a pool would try again until its time-out, and then report only that.
            let mut connection = AnyConnection::connect(url).await?;
            let is_mariadb = server::check(&mut connection).await?;
            // Migrations have no limits of time.
            let migrating = pool_options().max_connections(1).connect(url).await?;
            migrate(&mut connection, &migrating).await?;
            migrating.close().await;
            let pool = pool_options().max_connections(server_connections()).after_connect(move |connection, _| {
                Box::pin(async move {
                    connection.execute(sqlx::raw_sql(SETTINGS)).await?;
                    let timeout = if is_mariadb { STATEMENT_TIMEOUT_MARIADB } else { STATEMENT_TIMEOUT_MYSQL };
                    connection.execute(sqlx::raw_sql(timeout)).await?;
                    Ok(())
                })
            });
            let pool = pool.connect(url).await?;
            server::check_tables(&pool).await?;
            connection.close().await?;
            Ok(Pools { read: None, write: Connections::Pooled(pool) })
        })
    }

    fn select_version(&self) -> &'static str {
        "select concat(if(version() like '%MariaDB%', 'MariaDB ', 'MySQL '), version())"
    }

    fn plan(&self, statement: &str) -> Option<Result<Plan, NotPortable>> {
        Some(translate::plan(statement))
    }

    fn translates(&self) -> bool {
        true
    }

    fn is_conflict(&self, error: &dyn DatabaseError) -> bool {
        error
            .try_downcast_ref::<MySqlDatabaseError>()
            .is_some_and(|error| [LOCK_WAIT_TIMEOUT, DEADLOCK, RECORD_CHANGED].contains(&error.number()))
    }
}

/// Applies the migrations while `connection` holds a lock, because definitions of tables are not part of transactions here. Of
/// the two kinds of server only MySQL understands the lock of the driver, which waits for ever. The lock ends with the
/// connection. Its name has at most 64 characters; MySQL 9 has no `md5`.
async fn migrate(connection: &mut AnyConnection, pool: &AnyPool) -> Result<(), sqlx::Error> {
    let lock = sqlx::query_scalar(
        "select cast(coalesce(get_lock(concat('migrate ', left(sha2(database(), 256), 32)), ?), 0) as signed)",
    );
    let is_locked: i64 = lock.bind(MIGRATION_TIMEOUT_S).fetch_one(connection).await?;
    if is_locked != 1 {
        return Err(sqlx::Error::Configuration("another process has been applying the migrations for a minute".into()));
    }
    let mut migrator = sqlx::migrate!("migrations/mysql");
    migrator.set_locking(false);
    Ok(migrator.run(pool).await?)
}
