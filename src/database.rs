//! Opens SQLite or PostgreSQL and brings the schema up to date.
//!
//! One set of statements serves both through `sqlx::Any`: `$n` placeholders, columns of type text and bigint only, JSON as
//! text, times as integer milliseconds. SQLite has one writer, because several only sleep on each other's lock, and a few
//! readers; PostgreSQL has one pool of twice the cores. This module holds no statement of any room.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::any::{AnyPoolOptions, install_default_drivers};
use sqlx::{Any, AnyPool, Connection as _, Executor, Transaction};
use tokio::sync::Mutex;

/// How long a request waits for a connection before it is told to come again.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);

/// A write check that is younger than this is not repeated: anybody may ask for `/ready`.
const WRITE_CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Connections that read from SQLite at the same time.
const SQLITE_READERS: u32 = 4;

/// Durable, because a lost commit would bring back a refresh token that its owner has already replaced.
/// Checkpoints copy 200 pages at a time: with the usual 1000 the writer would make everybody wait. After one that could reset the log,
/// the log file is cut to 4 MiB instead of staying as large as it ever was while a reader was open.
const SQLITE_WRITER: &str = "pragma busy_timeout = 2000; pragma journal_mode = wal; pragma synchronous = full; \
                             pragma wal_autocheckpoint = 200; pragma journal_size_limit = 4194304;";

/// A reader that tries to write is a mistake; SQLite says so. What several readers remember of the file (KiB where it is
/// negative) they remember several times, and the system does so anyway.
const SQLITE_READER: &str = "pragma busy_timeout = 2000; pragma query_only = on; pragma cache_size = -512;";

/// The SQL database. Clones share its connections.
#[derive(Clone, Debug)]
pub struct Database {
    /// Where single statements that only read go.
    read: AnyPool,
    /// Where everything else goes.
    write: AnyPool,
    /// What opens a transaction that is going to write.
    begin: &'static str,
    /// When [`Database::check_write`] succeeded last.
    last_write_check: Arc<Mutex<Option<Instant>>>,
}

impl Database {
    /// Connects to `sqlite://…` (the file is created) or `postgres://…` and applies the migrations.
    ///
    /// # Errors
    /// The URL is of neither kind, the database does not answer, or it holds a newer or different schema.
    pub async fn open(url: &str) -> Result<Self, sqlx::Error> {
        install_default_drivers();
        let database = if url.starts_with("sqlite:") { Self::sqlite(url).await? } else { Self::postgres(url).await? };
        sqlx::migrate!().run(&database.write).await?;
        Ok(database)
    }

    /// For statements that only read, outside transactions.
    pub fn read(&self) -> &AnyPool {
        &self.read
    }

    /// For single statements that write.
    pub fn write(&self) -> &AnyPool {
        &self.write
    }

    /// A transaction that may write from its first statement on: on SQLite `begin immediate`, because a transaction that
    /// reads first and writes later fails at once when another has written meanwhile.
    ///
    /// # Errors
    /// The database does not answer, or no connection is free in time.
    pub async fn begin(&self) -> Result<Transaction<'static, Any>, sqlx::Error> {
        match self.write.begin_with(self.begin).await {
            // A commit or rollback has failed before, for instance because the disk was full, and the connection does not know
            // any more whether a transaction is open.
            Err(sqlx::Error::InvalidSavePointStatement | sqlx::Error::BeginFailed) => {
                self.discard_connection().await?;
                self.write.begin_with(self.begin).await
            }
            begun => begun,
        }
    }

    /// Closes a connection of the writing pool instead of giving it back. On SQLite that is the only one.
    async fn discard_connection(&self) -> Result<(), sqlx::Error> {
        tracing::warn!("a database connection is replaced: it could not begin a transaction");
        self.write.acquire().await?.detach().close_hard().await
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
        let mut transaction = self.begin().await?;
        let statement = "insert into write_check (id, count) values (1, 1)
                         on conflict (id) do update set count = write_check.count + 1";
        sqlx::query(statement).execute(&mut *transaction).await?;
        transaction.commit().await?;
        *last = Some(Instant::now());
        Ok(())
    }

    /// Asks both pools for an answer.
    ///
    /// # Errors
    /// One of them does not answer.
    pub async fn ping(&self) -> Result<(), sqlx::Error> {
        sqlx::query("select 1").execute(&self.write).await?;
        sqlx::query("select 1").execute(&self.read).await?;
        Ok(())
    }

    /// How many connections are in use, and how many are open but idle.
    pub fn connections(&self) -> (u32, u32) {
        let mut pools = vec![&self.write];
        if self.begin == "begin immediate" {
            pools.push(&self.read);
        }
        let open: u32 = pools.iter().map(|pool| pool.size()).sum();
        let idle: usize = pools.iter().map(|pool| pool.num_idle()).sum();
        let idle = u32::try_from(idle).unwrap_or(u32::MAX);
        (open.saturating_sub(idle), idle)
    }

    /// One writer and a few readers on a file.
    async fn sqlite(url: &str) -> Result<Self, sqlx::Error> {
        let separator = if url.contains('?') { '&' } else { '?' };
        let url = if url.contains("mode=") { url.to_owned() } else { format!("{url}{separator}mode=rwc") };
        let write = sqlite_pool(1, SQLITE_WRITER).connect(&url).await?;
        let read = sqlite_pool(SQLITE_READERS, SQLITE_READER).connect(&url).await?;
        Ok(Self { read, write, begin: "begin immediate", last_write_check: Arc::default() })
    }

    /// One pool for everything.
    async fn postgres(url: &str) -> Result<Self, sqlx::Error> {
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let connections = u32::try_from(cores.saturating_mul(2)).unwrap_or(u32::MAX);
        let pool =
            AnyPoolOptions::new().max_connections(connections).acquire_timeout(ACQUIRE_TIMEOUT).connect(url).await?;
        Ok(Self { read: pool.clone(), write: pool, begin: "begin", last_write_check: Arc::default() })
    }
}

/// A pool whose connections run `setup` when they are opened. They are files in this process, so nobody needs to ask
/// whether they are still there before each use.
fn sqlite_pool(connections: u32, setup: &'static str) -> AnyPoolOptions {
    AnyPoolOptions::new()
        .min_connections(connections)
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .after_connect(move |connection, _| {
            Box::pin(async move {
                connection.execute(sqlx::raw_sql(setup)).await?;
                Ok(())
            })
        })
}

#[cfg(test)]
pub mod fresh {
    //! Databases for tests: SQLite, or on the PostgreSQL server that `DATABASE_TEST_URL` names.

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
