//! Opens SQLite, PostgreSQL or MySQL and brings the schema up to date.
//!
//! One set of statements serves all of them through `sqlx::Any`; [`dialect`] says in which subset of SQL they are written and
//! what is done where a database cannot run it. Transactions that fail only because of others are repeated ([`retry`]).
//! Statements of features are in their `store.rs`; the one write here is that of the readiness check.

mod batcher;
mod dialect;
mod executor;
#[cfg(test)]
pub mod faults;
mod local_pool;
mod mysql;
mod postgres;
mod retry;
mod sqlite;
mod statement;

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::AnyConnection;
use sqlx::Connection as _;
use sqlx::any::{AnyPoolOptions, install_default_drivers};
use tokio::sync::Mutex;

use dialect::Dialect;

pub use batcher::{Batcher, SHARED_MAX, placeholders};
pub use executor::{Connection, Pool, Transaction};
pub use retry::RETRIES;

/// Longest wait for a free connection; after that a request is answered 503.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);

/// Message of [`Database::open`] for any other URL.
const SCHEMES: &str = "must begin with sqlite://, postgres:// or mysql://";

/// A write check that is younger than this is not repeated: anybody may ask for `/ready`.
const WRITE_CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// The SQL database. Clones share its connections.
#[derive(Clone, Debug)]
pub struct Database {
    /// For single statements that only read, where not those of `write` do it.
    readers: Option<Pool>,
    write: Pool,
    dialect: &'static dyn Dialect,
    /// When [`Database::check_write`] succeeded last.
    last_write_check: Arc<Mutex<Option<Instant>>>,
}

/// One attempt of [`Database::repeat`], which alone makes it.
#[derive(Debug)]
pub struct Attempt(Pool);

impl Attempt {
    /// Opens a transaction that may write from its first statement on.
    ///
    /// # Errors
    /// The database does not answer, or no connection is free in time.
    pub async fn begin(self) -> Result<Transaction, sqlx::Error> {
        self.0.begin().await
    }
}

impl Database {
    /// Connects to `sqlite://…` (the file is created), `postgres://…` or `mysql://…` and applies the migrations.
    ///
    /// # Errors
    /// The URL is of no such kind, the database does not answer, it is too old, or it holds a newer or different schema.
    pub async fn open(url: &str) -> Result<Self, sqlx::Error> {
        install_default_drivers();
        let dialect = dialect::of_url(url).ok_or_else(|| sqlx::Error::Configuration(SCHEMES.into()))?;
        let pools = dialect.open(url).await?;
        let readers = pools.read.map(|pool| Pool::new(pool, dialect));
        Ok(Self { readers, write: Pool::new(pools.write, dialect), dialect, last_write_check: Arc::default() })
    }

    /// Connects once, without a pool, whose errors say less.
    ///
    /// # Errors
    /// The database does not answer or refuses the connection.
    pub async fn try_connect(url: &str) -> Result<(), sqlx::Error> {
        install_default_drivers();
        AnyConnection::connect(url).await?.close().await
    }

    /// Name and version of the server, in its own words.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn version(&self) -> Result<String, sqlx::Error> {
        sqlx::query_scalar(self.dialect.select_version()).fetch_one(self.read()).await
    }

    /// Runs `work`, a whole transaction, again while it fails because of others, for a few seconds. There is no other way to
    /// begin a transaction.
    ///
    /// # Errors
    /// That of the last attempt.
    pub async fn repeat<T, E, F>(&self, mut work: impl FnMut(Attempt) -> F) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>>,
        E: Error + 'static,
    {
        retry::repeat(self.dialect, || work(Attempt(self.write.clone()))).await
    }

    /// For statements that only read, outside transactions.
    pub fn read(&self) -> &Pool {
        self.readers.as_ref().unwrap_or(&self.write)
    }

    /// For single statements that write.
    pub fn write(&self) -> &Pool {
        &self.write
    }

    /// Commits a row, durably: whether the database can be written, not only asked. At most one write per second, however often
    /// it is called.
    ///
    /// # Errors
    /// The write fails, for instance because the disk is full.
    pub async fn check_write(&self) -> Result<(), sqlx::Error> {
        let mut last = self.last_write_check.lock().await;
        if last.is_some_and(|checked| checked.elapsed() < WRITE_CHECK_INTERVAL) {
            return Ok(());
        }
        let statement = "insert into write_check (id, count) values (1, 1)
                         on conflict (id) do update set count = write_check.count + 1";
        sqlx::query(statement).execute(&self.write).await?;
        *last = Some(Instant::now());
        Ok(())
    }

    /// Asks both pools for an answer.
    ///
    /// # Errors
    /// One of them does not answer.
    pub async fn ping(&self) -> Result<(), sqlx::Error> {
        sqlx::query("select 1").execute(&self.write).await?;
        sqlx::query("select 1").execute(self.read()).await?;
        Ok(())
    }

    /// How many connections are in use, and how many are open but idle.
    pub fn connections(&self) -> (u32, u32) {
        let pools = || std::iter::once(&self.write).chain(&self.readers);
        let open: u32 = pools().map(Pool::size).sum();
        let idle: usize = pools().map(Pool::num_idle).sum();
        let idle = u32::try_from(idle).unwrap_or(u32::MAX);
        (open.saturating_sub(idle), idle)
    }
}

/// Connections to a server: twice the cores; more only add latency.
fn server_connections() -> u32 {
    let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    u32::try_from(cores.saturating_mul(2)).unwrap_or(u32::MAX)
}

/// A connection that is idle and yet in a transaction is closed instead of used: its commit or rollback failed, for instance
/// because the disk was full, and no further transaction could begin on it.
fn pool_options() -> AnyPoolOptions {
    AnyPoolOptions::new().acquire_timeout(ACQUIRE_TIMEOUT).before_acquire(|connection, _| {
        Box::pin(async move {
            let is_usable = !connection.is_in_transaction();
            if !is_usable {
                tracing::warn!("a database connection is replaced: its last transaction could not be ended");
            }
            Ok(is_usable)
        })
    })
}

#[cfg(test)]
mod tests;

#[cfg(test)]
pub mod fresh {
    //! Databases for tests: SQLite, or on the server that `DATABASE_TEST_URL` names.

    use std::path::Path;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use sqlx::{AnyPool, AssertSqlSafe};

    /// The URL of a database that nobody else uses; its file, if it has one, is in that directory.
    ///
    /// # Panics
    /// Where that server does not answer.
    pub async fn url(directory: &Path) -> String {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let Ok(server) = std::env::var("DATABASE_TEST_URL") else {
            return format!("sqlite://{}", directory.join("test.sqlite").display());
        };
        sqlx::any::install_default_drivers();
        let name = format!("unit_test_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::SeqCst));
        let admin = AnyPool::connect(&server).await.unwrap();
        sqlx::query(AssertSqlSafe(format!("create database {name}"))).execute(&admin).await.unwrap();
        admin.close().await;
        let (before, _) = server.rsplit_once('/').unwrap();
        format!("{before}/{name}")
    }
}
