//! A pool of connections to a database in this process, which does not test idle connections.
//!
//! The pool of `sqlx` pings each connection that is returned to it and hands it out again only after that. With SQLite, whose
//! connections are threads, that is half of the cost of a short statement, and nothing can happen to an idle connection. Here
//! a connection is only tested if its last statement or transaction was not completed, and replaced if it is unusable.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sqlx::{AnyConnection, Connection as _, Executor as _};
use tokio::runtime::Handle;
use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

use crate::database::ACQUIRE_TIMEOUT;

/// A connection, locked while it is in use.
type Slot = Arc<tokio::sync::Mutex<AnyConnection>>;

/// A fixed number of connections to one URL. Clones share them.
#[derive(Clone, Debug)]
pub struct LocalPool(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    url: String,
    /// Statements that each connection runs when it is opened.
    setup: &'static str,
    size: u32,
    /// One permit for each idle connection; first come, first served.
    free: Arc<Semaphore>,
    idle: Mutex<Vec<Slot>>,
}

/// A connection in use, returned to the pool when it is dropped.
#[derive(Debug)]
pub struct PooledConnection {
    connection: OwnedMutexGuard<AnyConnection>,
    /// Whether a statement has begun and was not completed.
    is_busy: bool,
    is_in_transaction: bool,
    /// `None` only while the connection is returned.
    permit: Option<OwnedSemaphorePermit>,
    shared: Arc<Shared>,
}

impl LocalPool {
    /// Opens `size` connections.
    ///
    /// # Errors
    /// The database cannot be opened.
    pub async fn open(url: &str, size: u32, setup: &'static str) -> Result<Self, sqlx::Error> {
        let free = Arc::new(Semaphore::new(usize::try_from(size).unwrap_or(1)));
        let shared = Shared { url: url.to_owned(), setup, size, free, idle: Mutex::default() };
        for _ in 0..size {
            let connection = shared.connect().await?;
            shared.idle().push(Arc::new(tokio::sync::Mutex::new(connection)));
        }
        Ok(Self(Arc::new(shared)))
    }

    /// A connection, when one is idle.
    ///
    /// # Errors
    /// None becomes idle within [`ACQUIRE_TIMEOUT`].
    pub async fn acquire(&self) -> Result<PooledConnection, sqlx::Error> {
        let free = &self.0.free;
        let permit = if let Ok(permit) = Arc::clone(free).try_acquire_owned() {
            permit
        } else {
            let waiting = tokio::time::timeout(ACQUIRE_TIMEOUT, Arc::clone(free).acquire_owned());
            waiting.await.map_err(|_elapsed| sqlx::Error::PoolTimedOut)?.map_err(|_closed| sqlx::Error::PoolClosed)?
        };
        let slot = self.0.idle().pop().ok_or(sqlx::Error::PoolTimedOut)?;
        let connection = slot.lock_owned().await;
        let shared = Arc::clone(&self.0);
        Ok(PooledConnection { connection, is_busy: false, is_in_transaction: false, permit: Some(permit), shared })
    }

    /// Number of connections, in use or idle.
    pub fn size(&self) -> u32 {
        self.0.size
    }

    pub fn num_idle(&self) -> usize {
        self.0.free.available_permits()
    }
}

impl Shared {
    fn idle(&self) -> MutexGuard<'_, Vec<Slot>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn connect(&self) -> Result<AnyConnection, sqlx::Error> {
        let mut connection = AnyConnection::connect(&self.url).await?;
        connection.execute(sqlx::raw_sql(self.setup)).await?;
        Ok(connection)
    }

    /// Rolls back what may be left of a transaction. A connection on which no transaction can begin then is replaced: its commit
    /// or rollback failed, for instance because the disk was full.
    async fn mend(&self, connection: &mut AnyConnection) {
        // It fails where no transaction is open.
        let _outcome = connection.execute(sqlx::query("rollback")).await;
        let is_usable = connection.execute(sqlx::raw_sql("begin; rollback")).await.is_ok();
        if is_usable {
            return;
        }
        tracing::warn!("a database connection is replaced: its last transaction could not be ended");
        match self.connect().await {
            Ok(new) => *connection = new,
            // The next statement on it fails, and then this is tried again.
            Err(error) => tracing::warn!(%error, "a database connection could not be replaced"),
        }
    }
}

impl PooledConnection {
    pub fn sqlx(&mut self) -> &mut AnyConnection {
        &mut self.connection
    }

    #[cfg(test)]
    pub fn is_in_transaction(&self) -> bool {
        self.is_in_transaction
    }

    /// To be called before a statement, and [`PooledConnection::completed`] after it unless it failed.
    pub fn begin_statement(&mut self) {
        self.is_busy = true;
    }

    pub fn completed(&mut self) {
        self.is_busy = false;
    }

    /// Begins a transaction, which is rolled back when this is dropped.
    ///
    /// # Errors
    /// The database refuses it.
    pub async fn begin(&mut self, statement: &'static str) -> Result<(), sqlx::Error> {
        self.execute(statement).await?;
        self.is_in_transaction = true;
        Ok(())
    }

    /// # Errors
    /// The transaction could not be committed; it is rolled back.
    pub async fn commit(mut self) -> Result<(), sqlx::Error> {
        self.execute("commit").await?;
        self.is_in_transaction = false;
        Ok(())
    }

    /// # Errors
    /// The transaction could not be ended.
    pub async fn rollback(mut self) -> Result<(), sqlx::Error> {
        self.execute("rollback").await?;
        self.is_in_transaction = false;
        Ok(())
    }

    async fn execute(&mut self, statement: &'static str) -> Result<(), sqlx::Error> {
        self.begin_statement();
        self.connection.execute(sqlx::query(statement)).await?;
        self.completed();
        Ok(())
    }
}

impl Drop for PooledConnection {
    fn drop(&mut self) {
        let slot = Arc::clone(OwnedMutexGuard::mutex(&self.connection));
        let is_complete = !self.is_busy && !self.is_in_transaction;
        let (Some(runtime), Some(permit)) =
            (Handle::try_current().ok().filter(|_| !is_complete), self.permit.take_if(|_| !is_complete))
        else {
            // The permit is dropped after this, and the guard too: whoever gets the slot first waits for the guard.
            return self.shared.idle().push(slot);
        };
        let shared = Arc::clone(&self.shared);
        runtime.spawn(async move {
            shared.mend(&mut *slot.lock().await).await;
            shared.idle().push(slot);
            drop(permit);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn connections(directory: &tempfile::TempDir) -> LocalPool {
        sqlx::any::install_default_drivers();
        let url = format!("sqlite://{}?mode=rwc", directory.path().join("pool.sqlite").display());
        let connections = LocalPool::open(&url, 1, "pragma busy_timeout = 0;").await.unwrap();
        run(&mut connections.acquire().await.unwrap(), "create table t (n integer primary key)").await.unwrap();
        connections
    }

    async fn run(connection: &mut PooledConnection, statement: &'static str) -> Result<u64, sqlx::Error> {
        connection.begin_statement();
        let done = connection.sqlx().execute(sqlx::query(statement)).await?;
        connection.completed();
        Ok(done.rows_affected())
    }

    #[tokio::test]
    async fn a_transaction_that_is_dropped_is_rolled_back_before_the_connection_is_lent_again() {
        let directory = tempfile::tempdir().unwrap();
        let connections = connections(&directory).await;
        for _ in 0..3 {
            let mut connection = connections.acquire().await.unwrap();
            connection.begin("begin immediate").await.unwrap();
            assert_eq!(run(&mut connection, "insert into t values (1)").await.unwrap(), 1);
        }
        let mut connection = connections.acquire().await.unwrap();
        connection.begin("begin immediate").await.unwrap();
        assert_eq!(run(&mut connection, "insert into t values (1)").await.unwrap(), 1);
        connection.commit().await.unwrap();
    }

    #[tokio::test]
    async fn a_statement_that_was_given_up_leaves_no_transaction_open() {
        let directory = tempfile::tempdir().unwrap();
        let connections = connections(&directory).await;
        let mut connection = connections.acquire().await.unwrap();
        connection.begin("begin immediate").await.unwrap();
        // As if nobody had waited for that.
        (connection.is_busy, connection.is_in_transaction) = (true, false);
        drop(connection);
        let mut connection = connections.acquire().await.unwrap();
        connection.begin("begin immediate").await.unwrap();
        assert_eq!(run(&mut connection, "insert into t values (1)").await.unwrap(), 1);
        connection.commit().await.unwrap();
    }

    #[tokio::test]
    async fn a_failed_statement_does_not_cost_the_connection() {
        let directory = tempfile::tempdir().unwrap();
        let connections = connections(&directory).await;
        for _ in 0..3 {
            assert!(run(&mut connections.acquire().await.unwrap(), "insert into nothing values (1)").await.is_err());
        }
        assert_eq!(run(&mut connections.acquire().await.unwrap(), "insert into t values (1)").await.unwrap(), 1);
        assert_eq!((connections.size(), connections.num_idle()), (1, 1));
    }
}
