//! Opens SQLite or PostgreSQL and brings the schema up to date.
//!
//! One set of statements serves both through `sqlx::Any`: `$n` placeholders, columns of type text and bigint only, JSON as
//! text, times as integer milliseconds. SQLite has one writer, because several only sleep on each other's lock, and a few
//! readers; PostgreSQL has one pool of twice the cores. Statements of features are in their `store.rs`; the one write here is
//! that of the readiness check.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::any::{AnyPoolOptions, install_default_drivers};
use sqlx::{Any, AnyPool, Connection as _, Executor, Transaction};
use tokio::sync::Mutex;

/// Longest wait for a free connection; after that a request is answered 503.
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

/// Takes the write lock at once: a transaction that reads first and writes later fails if another has written meanwhile.
const SQLITE_BEGIN: &str = "begin immediate";

/// A reader that tries to write is a mistake; SQLite says so. What several readers remember of the file (KiB where it is
/// negative) they remember several times, and the system does so anyway.
const SQLITE_READER: &str = "pragma busy_timeout = 2000; pragma query_only = on; pragma cache_size = -512;";

/// The SQL database. Clones share its connections.
#[derive(Clone, Debug)]
pub struct Database {
    /// For single statements that only read. On PostgreSQL the same pool as `write`.
    read: AnyPool,
    write: AnyPool,
    /// Statement that opens a transaction which is going to write.
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

    /// A transaction that may write from its first statement on.
    ///
    /// # Errors
    /// The database does not answer, or no connection is free in time.
    pub async fn begin(&self) -> Result<Transaction<'static, Any>, sqlx::Error> {
        self.write.begin_with(self.begin).await
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
        if self.begin == SQLITE_BEGIN {
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
        Ok(Self { read, write, begin: SQLITE_BEGIN, last_write_check: Arc::default() })
    }

    /// One pool for everything.
    async fn postgres(url: &str) -> Result<Self, sqlx::Error> {
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let connections = u32::try_from(cores.saturating_mul(2)).unwrap_or(u32::MAX);
        let pool = pool_options().max_connections(connections).connect(url).await?;
        Ok(Self { read: pool.clone(), write: pool, begin: "begin", last_write_check: Arc::default() })
    }
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

/// A pool whose connections run `setup` when they are opened. They are files in this process, so nobody needs to ask
/// whether they are still there before each use.
fn sqlite_pool(connections: u32, setup: &'static str) -> AnyPoolOptions {
    pool_options()
        .min_connections(connections)
        .max_connections(connections)
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
