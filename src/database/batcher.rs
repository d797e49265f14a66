//! Batches requests for the database: those that wait at the same time share a statement.
//!
//! Nothing is cached. A statement begins as soon as no other of its kind runs and the tasks that are ready now have had their turn;
//! all requests that have arrived by then share it, so no answer is older than its request. The cost per request falls as the
//! load rises, and a single request waits for nobody.

use std::fmt::{self, Debug};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};

/// The most requests or rows that share a statement. Each number of them is a statement of its own in the cache of a connection.
pub const SHARED_MAX: usize = 16;

type Answers<V> = Result<Arc<Vec<V>>, Arc<sqlx::Error>>;

/// Requests of one kind. Clones share them.
pub struct Batcher<K, V>(Arc<Inner<K, V>>);

struct Inner<K, V> {
    /// Held while a statement runs.
    turn: tokio::sync::Mutex<()>,
    /// The requests of the next statement, if any wait for it.
    next: Mutex<Option<Batch<K, V>>>,
}

struct Batch<K, V> {
    members: Arc<Mutex<Vec<K>>>,
    answers: Shared<BoxFuture<'static, Answers<V>>>,
}

impl<K, V> Default for Batcher<K, V> {
    fn default() -> Self {
        Self(Arc::new(Inner { turn: tokio::sync::Mutex::default(), next: Mutex::default() }))
    }
}

impl<K, V> Clone for Batcher<K, V> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K, V> Debug for Batcher<K, V> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Batcher { .. }")
    }
}

impl<K, V> Batcher<K, V>
where
    K: Clone + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Runs `statement` for this request and others. It gets at most [`SHARED_MAX`] requests and returns an answer for each, in
    /// their order. If it fails because of what it is asked or finds, each request is tried alone, so that one cannot harm the
    /// others.
    ///
    /// # Errors
    /// The statement failed.
    pub async fn run<F>(
        &self,
        request: K,
        statement: impl FnOnce(Vec<K>) -> F + Clone + Send + 'static,
    ) -> Result<V, sqlx::Error>
    where
        F: Future<Output = Result<Vec<V>, sqlx::Error>> + Send + 'static,
    {
        let (place, answers) = self.join(request.clone(), statement.clone());
        match answers.await {
            Ok(answers) => answers.get(place).cloned().ok_or(sqlx::Error::RowNotFound),
            Err(error) if is_about_data(&error) => run_alone(request, statement).await,
            Err(error) => Err(sqlx::Error::AnyDriverError(Box::new(error))),
        }
    }

    /// Adds a request to those that wait. Returns its place among them, and their answers.
    fn join<F>(
        &self,
        request: K,
        statement: impl FnOnce(Vec<K>) -> F + Send + 'static,
    ) -> (usize, Shared<BoxFuture<'static, Answers<V>>>)
    where
        F: Future<Output = Result<Vec<V>, sqlx::Error>> + Send + 'static,
    {
        let mut next = self.0.next();
        if let Some(batch) = next.as_ref() {
            let mut members = lock(&batch.members);
            if members.len() < SHARED_MAX {
                members.push(request);
                return (members.len() - 1, batch.answers.clone());
            }
        }
        let members = Arc::new(Mutex::new(vec![request]));
        let answers = Arc::clone(&self.0).answer(Arc::clone(&members), statement).boxed().shared();
        *next = Some(Batch { members, answers: answers.clone() });
        (0, answers)
    }
}

impl<K, V> Inner<K, V> {
    fn next(&self) -> MutexGuard<'_, Option<Batch<K, V>>> {
        lock(&self.next)
    }

    async fn answer<F>(self: Arc<Self>, members: Arc<Mutex<Vec<K>>>, statement: impl FnOnce(Vec<K>) -> F) -> Answers<V>
    where
        F: Future<Output = Result<Vec<V>, sqlx::Error>>,
    {
        let _turn = self.turn.lock().await;
        // Several connections are often readable at the same moment.
        tokio::task::yield_now().await;
        let requests = {
            let mut next = self.next();
            // A request that arrives from here on may follow a write that this statement does not see.
            if next.as_ref().is_some_and(|batch| Arc::ptr_eq(&batch.members, &members)) {
                *next = None;
            }
            std::mem::take(&mut *lock(&members))
        };
        statement(requests).await.map(Arc::new).map_err(Arc::new)
    }
}

async fn run_alone<K, V, F>(request: K, statement: impl FnOnce(Vec<K>) -> F) -> Result<V, sqlx::Error>
where
    F: Future<Output = Result<Vec<V>, sqlx::Error>>,
{
    statement(vec![request]).await?.pop().ok_or(sqlx::Error::RowNotFound)
}

/// Whether a statement failed because of its arguments or of rows, and not because the database does not answer.
fn is_about_data(error: &sqlx::Error) -> bool {
    use sqlx::Error::{ColumnDecode, Database, Decode, Encode};
    matches!(error, ColumnDecode { .. } | Database(_) | Decode(_) | Encode(_))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `$first, …`, as many as `count`.
pub fn placeholders(first: usize, count: usize) -> String {
    let mut list = String::with_capacity(count * 5);
    for number in first..first + count {
        if number > first {
            list.push_str(", ");
        }
        list.push('$');
        list.push_str(&number.to_string());
    }
    list
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;
    use tokio::sync::Semaphore;

    use super::*;

    /// Keys for which the statement fails.
    const BAD: u32 = 666;
    const LOST: u32 = 667;

    /// A statement that waits for a permit and answers with the version that it read then.
    #[derive(Clone)]
    struct Table {
        version: Arc<AtomicUsize>,
        statements: Arc<AtomicUsize>,
        permits: Arc<Semaphore>,
    }

    impl Table {
        fn new() -> Self {
            let [version, statements] = [0, 0].map(|start| Arc::new(AtomicUsize::new(start)));
            Self { version, statements, permits: Arc::new(Semaphore::new(0)) }
        }

        async fn read(self, keys: Vec<u32>) -> Result<Vec<(u32, usize)>, sqlx::Error> {
            let version = self.version.load(Ordering::SeqCst);
            self.statements.fetch_add(1, Ordering::SeqCst);
            self.permits.acquire().await.unwrap().forget();
            if keys.contains(&LOST) {
                return Err(sqlx::Error::PoolTimedOut);
            }
            if keys.contains(&BAD) {
                return Err(sqlx::Error::Decode("not a number".into()));
            }
            Ok(keys.into_iter().map(|key| (key, version)).collect())
        }
    }

    type Numbers = Batcher<u32, (u32, usize)>;

    fn ask(batcher: &Numbers, table: &Table, key: u32) -> tokio::task::JoinHandle<Result<(u32, usize), sqlx::Error>> {
        let (batcher, table) = (batcher.clone(), table.clone());
        tokio::spawn(async move { batcher.run(key, |keys| table.read(keys)).await })
    }

    async fn settle() {
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn who_asks_while_a_statement_runs_is_answered_by_one_that_begins_later() {
        let (batcher, table) = (Numbers::default(), Table::new());
        let first = ask(&batcher, &table, 1);
        settle().await;
        table.version.store(1, Ordering::SeqCst);
        let later: Vec<_> = (2..10).map(|key| ask(&batcher, &table, key)).collect();
        settle().await;
        table.permits.add_permits(2);
        assert_eq!(first.await.unwrap().unwrap(), (1, 0));
        for (answer, key) in join_all(later).await.into_iter().zip(2..) {
            assert_eq!(answer.unwrap().unwrap(), (key, 1));
        }
        assert_eq!(table.statements.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn a_statement_takes_a_bounded_number_of_requests() {
        let (batcher, table) = (Numbers::default(), Table::new());
        table.permits.add_permits(100);
        let many = u32::try_from(SHARED_MAX * 3).unwrap();
        let answers = join_all((0..many).map(|key| ask(&batcher, &table, key))).await;
        for (answer, key) in answers.into_iter().zip(0..) {
            assert_eq!(answer.unwrap().unwrap().0, key);
        }
    }

    #[tokio::test]
    async fn nobody_waits_for_one_who_has_gone() {
        let (batcher, table) = (Numbers::default(), Table::new());
        let first = ask(&batcher, &table, 1);
        settle().await;
        let (second, third) = (ask(&batcher, &table, 2), ask(&batcher, &table, 3));
        settle().await;
        first.abort();
        second.abort();
        settle().await;
        table.permits.add_permits(1);
        assert_eq!(third.await.unwrap().unwrap(), (3, 0));
    }

    #[tokio::test]
    async fn a_request_that_fails_does_not_harm_those_who_shared_its_statement() {
        let (batcher, table) = (Numbers::default(), Table::new());
        let first = ask(&batcher, &table, 1);
        settle().await;
        let (bad, good) = (ask(&batcher, &table, BAD), ask(&batcher, &table, 2));
        settle().await;
        table.permits.add_permits(100);
        assert!(first.await.unwrap().is_ok());
        assert!(matches!(bad.await.unwrap(), Err(sqlx::Error::Decode(_))));
        assert_eq!(good.await.unwrap().unwrap(), (2, 0));
    }

    #[tokio::test]
    async fn a_database_that_does_not_answer_is_not_asked_by_each_alone() {
        let (batcher, table) = (Numbers::default(), Table::new());
        let first = ask(&batcher, &table, 1);
        settle().await;
        let shared = [ask(&batcher, &table, LOST), ask(&batcher, &table, 2)];
        settle().await;
        table.permits.add_permits(100);
        assert!(first.await.unwrap().is_ok());
        for answer in shared {
            let error = answer.await.unwrap().unwrap_err().to_string();
            assert!(error.contains("pool timed out"), "{error}");
        }
        assert_eq!(table.statements.load(Ordering::SeqCst), 2);
        assert_eq!(ask(&batcher, &table, 3).await.unwrap().unwrap(), (3, 0));
    }

    #[test]
    fn placeholders_count_up() {
        assert_eq!(placeholders(3, 2), "$3, $4");
    }
}
