//! PostgreSQL, and databases that speak its protocol.
//!
//! Nothing here or in the stores uses what those lack: advisory locks, `listen`, sequences, `for update skip locked`.

use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::migrate::MigrateError;
use sqlx::{AnyPool, Executor as _};

use crate::database::dialect::{Dialect, Pools};
use crate::database::executor::Connections;
use crate::database::{pool_options, server_connections};

/// Settings of every connection: a statement that hangs, or a transaction whose process hangs, holds its locks no longer.
const SETTINGS: &str = "set statement_timeout = '10s'; set idle_in_transaction_session_timeout = '15s'";

/// How often migrations are begun anew because another process was applying the same ones.
const MIGRATION_ATTEMPTS: u32 = 50;
const MIGRATION_PAUSE: Duration = Duration::from_millis(100);

/// SQLSTATEs of a migration that met another process: unique violation, duplicate table, object and column, serialization
/// failure, deadlock, and `tuple concurrently updated`.
const MIGRATED_BY_ANOTHER: [&str; 7] = ["23505", "42P07", "42710", "42701", "40001", "40P01", "XX000"];

#[derive(Debug)]
pub struct Postgres;

impl Dialect for Postgres {
    fn schemes(&self) -> &'static [&'static str] {
        &["postgres://", "postgresql://"]
    }

    fn open<'a>(&'a self, url: &'a str) -> BoxFuture<'a, Result<Pools, sqlx::Error>> {
        Box::pin(async move {
            // Migrations have no limits of time.
            let migrating = pool_options().max_connections(1).connect(url).await?;
            migrate(&migrating).await?;
            migrating.close().await;
            let pool = pool_options().max_connections(server_connections()).after_connect(|connection, _| {
                Box::pin(async move {
                    connection.execute(sqlx::raw_sql(SETTINGS)).await?;
                    Ok(())
                })
            });
            let pool = pool.connect(url).await?;
            Ok(Pools { read: None, write: Connections::Pooled(pool) })
        })
    }

    fn select_version(&self) -> &'static str {
        "select version()"
    }
}

/// Each migration is one transaction that also notes its number, so of two processes one fails and finds it done when it
/// asks again; that needs no advisory lock.
async fn migrate(pool: &AnyPool) -> Result<(), MigrateError> {
    let mut migrator = sqlx::migrate!();
    migrator.set_locking(false);
    for _ in 1..MIGRATION_ATTEMPTS {
        match migrator.run(pool).await {
            Err(error) if is_by_another(&error) => tokio::time::sleep(MIGRATION_PAUSE).await,
            done => return done,
        }
    }
    migrator.run(pool).await
}

fn is_by_another(error: &MigrateError) -> bool {
    let (MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) = error else { return false };
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| MIGRATED_BY_ANOTHER.contains(&code.as_ref()))
}
