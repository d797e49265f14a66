//! What stores rely on, on SQLite or on the server that `DATABASE_TEST_URL` names.

use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use futures_util::future::{join, join_all};
use metrics_exporter_prometheus::PrometheusBuilder;
use sqlx::{AnyConnection, AssertSqlSafe, Connection as _, Executor as _};
use tempfile::TempDir;
use tokio::sync::Barrier;

use crate::database::{Attempt, Database, Transaction, fresh};

async fn open() -> (Database, TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let url = fresh::url(directory.path()).await;
    (Database::open(&url).await.unwrap(), directory, url)
}

/// A transaction outside of what would repeat it.
async fn begin(database: &Database) -> Transaction {
    database.repeat(Attempt::begin).await.unwrap()
}

/// Runs what must be repeated until `condition` holds; it must not have ended before.
async fn run_until<F>(waiting: &mut F, condition: impl AsyncFn() -> bool)
where
    F: Future<Output: Debug> + Unpin,
{
    let until = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        done = waiting => panic!("it was not repeated: {done:?}"),
        () = until => {}
    }
}

async fn add_counter(database: &Database, key: &str, count: i64) -> u64 {
    let insert = "insert into throttle (key, count, open_at, forget_at, known_until) values ($1, $2, 0, 0, 0)
                  on conflict (key) do nothing";
    sqlx::query(insert).bind(key).bind(count).execute(database.write()).await.unwrap().rows_affected()
}

async fn count(database: &Database, key: &str) -> Option<i64> {
    let count = sqlx::query_scalar("select count from throttle where key = $1").bind(key);
    count.fetch_optional(database.write()).await.unwrap()
}

async fn add_mails(database: &Database, ids: &[&str]) {
    for id in ids {
        let insert = "insert into mail (id, kind, sealed, created_at, attempts, due_at, expires_at, kept)
                      values ($1, 'test', '', 0, 0, 0, $2, 0)";
        sqlx::query(insert).bind(*id).bind(1_i64).execute(database.write()).await.unwrap();
    }
}

async fn mails(database: &Database) -> i64 {
    sqlx::query_scalar("select count(*) from mail").fetch_one(database.write()).await.unwrap()
}

#[tokio::test]
async fn an_insert_that_meets_its_key_affects_no_row_and_leaves_the_transaction_usable() {
    let (database, _directory, _) = open().await;
    assert_eq!(add_counter(&database, "a", 1).await, 1);
    assert_eq!(add_counter(&database, "a", 2).await, 0);
    let mut transaction = begin(&database).await;
    let again = "insert into throttle (key, count, open_at, forget_at, known_until) values ($1, 3, 0, 0, 0) on conflict do nothing";
    assert_eq!(sqlx::query(again).bind("a").execute(&mut *transaction).await.unwrap().rows_affected(), 0);
    assert_eq!(sqlx::query(again).bind("b").execute(&mut *transaction).await.unwrap().rows_affected(), 1);
    transaction.commit().await.unwrap();
    assert_eq!((count(&database, "a").await, count(&database, "b").await), (Some(1), Some(3)));
}

#[tokio::test]
async fn an_update_affects_rows_that_it_finds_and_does_not_change() {
    let (database, _directory, _) = open().await;
    add_counter(&database, "a", 1).await;
    let update = sqlx::query("update throttle set count = $2 where key = $1 and count = $2").bind("a").bind(1_i64);
    assert_eq!(update.execute(database.write()).await.unwrap().rows_affected(), 1);
    let other = sqlx::query("update throttle set count = $2 where key = $1 and count = 2").bind("a").bind(1_i64);
    assert_eq!(other.execute(database.write()).await.unwrap().rows_affected(), 0);
}

#[tokio::test]
async fn keys_are_compared_byte_by_byte() {
    let (database, _directory, _) = open().await;
    for key in ["a", "A", "ä", "\u{61}\u{308}", "ß", "ss"] {
        assert_eq!(add_counter(&database, key, 1).await, 1, "{key}");
    }
    let found = sqlx::query_scalar::<_, String>("select key from throttle where key = $1").bind("A");
    assert_eq!(found.fetch_all(database.read()).await.unwrap(), ["A"]);
}

#[tokio::test]
async fn texts_that_are_too_long_for_a_column_are_refused_or_stored_whole() {
    let (database, _directory, _) = open().await;
    let long = "x".repeat(300);
    let insert =
        sqlx::query("insert into throttle (key, count, open_at, forget_at, known_until) values ($1, 1, 0, 0, 0)");
    if insert.bind(&long).execute(database.write()).await.is_ok() {
        assert_eq!(count(&database, &long).await, Some(1));
    } else {
        let all: i64 = sqlx::query_scalar("select count(*) from throttle").fetch_one(database.read()).await.unwrap();
        assert_eq!(all, 0, "nothing is cut off");
    }
}

#[tokio::test]
async fn a_delete_returns_what_it_deleted_alone_and_in_a_transaction() {
    let (database, _directory, _) = open().await;
    add_mails(&database, &["a", "b", "c"]).await;
    let delete = "delete from mail where id <> $1 and expires_at = $2 returning id, kind";
    let mut transaction = begin(&database).await;
    let deleted = async |to: &mut Transaction, kept: &str| -> Vec<(String, String)> {
        let rows = sqlx::query_as(delete).bind(kept.to_owned()).bind(1_i64).fetch_all(&mut **to).await.unwrap();
        let mut rows: Vec<(String, String)> = rows;
        rows.sort();
        rows
    };
    let test = |id: &str| (id.to_owned(), "test".to_owned());
    assert_eq!(deleted(&mut transaction, "b").await, [test("a"), test("c")]);
    assert_eq!(deleted(&mut transaction, "b").await, []);
    transaction.rollback().await.unwrap();
    assert_eq!(mails(&database).await, 3, "nothing is deleted that was not committed");
    let rows: Vec<(String, String)> =
        sqlx::query_as(delete).bind("a").bind(1_i64).fetch_all(database.write()).await.unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!(mails(&database).await, 1);
}

#[tokio::test]
async fn a_delete_takes_a_few_of_many_rows() {
    let (database, _directory, _) = open().await;
    let ids: Vec<String> = (0..250).map(|number| format!("{number:03}")).collect();
    add_mails(&database, &ids.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let delete =
        "delete from mail where id in (select id from mail where expires_at < $1 order by id limit $2) returning id";
    let some = sqlx::query_scalar::<_, String>(delete).bind(2_i64).bind(220_i64).fetch_all(database.write());
    assert_eq!(some.await.unwrap().len(), 220);
    let rest = sqlx::query_scalar::<_, String>("select id from mail order by id").fetch_all(database.read());
    assert_eq!(rest.await.unwrap(), ids[220..]);
}

#[tokio::test]
async fn the_readiness_check_writes_again_and_again() {
    let (database, _directory, url) = open().await;
    database.check_write().await.unwrap();
    // Another process: the first one would not write again within a second.
    Database::open(&url).await.unwrap().check_write().await.unwrap();
    let count: i64 = sqlx::query_scalar("select count from write_check").fetch_one(database.read()).await.unwrap();
    assert_eq!(count, 2);
}

#[tokio::test]
async fn processes_that_start_at_once_migrate_once() {
    let directory = tempfile::tempdir().unwrap();
    let url = fresh::url(directory.path()).await;
    if url.starts_with("sqlite:") {
        // A file belongs to one process.
        return;
    }
    for opened in join_all((0..6).map(|_| {
        tokio::spawn({
            let url = url.clone();
            async move { Database::open(&url).await }
        })
    }))
    .await
    {
        opened.unwrap().unwrap().check_write().await.unwrap();
    }
}

/// Adds 1 to both counters in a transaction; waits in between, but only the first time, until the other one is there too.
async fn cross(attempt: Attempt, keys: [&str; 2], meeting: &Barrier, attempts: &AtomicU32) -> Result<(), sqlx::Error> {
    let is_first = attempts.fetch_add(1, Ordering::SeqCst) == 0;
    let mut transaction = attempt.begin().await?;
    for (number, key) in keys.into_iter().enumerate() {
        let update = sqlx::query("update throttle set count = count + 1 where key = $1").bind(key);
        update.execute(&mut *transaction).await?;
        if number == 0 && is_first {
            meeting.wait().await;
        }
    }
    transaction.commit().await
}

#[tokio::test]
async fn transactions_that_wait_for_each_other_are_repeated_until_both_succeed() {
    let (database, _directory, url) = open().await;
    if url.starts_with("sqlite:") {
        // There is one writer: the second transaction begins after the first.
        return;
    }
    add_counter(&database, "a", 0).await;
    add_counter(&database, "b", 0).await;
    let (meeting, one, other) = (Barrier::new(2), AtomicU32::new(0), AtomicU32::new(0));
    let done = join(
        database.repeat(|attempt| cross(attempt, ["a", "b"], &meeting, &one)),
        database.repeat(|attempt| cross(attempt, ["b", "a"], &meeting, &other)),
    );
    let (first, second) = done.await;
    first.unwrap();
    second.unwrap();
    assert_eq!((count(&database, "a").await, count(&database, "b").await), (Some(2), Some(2)));
    assert!(one.into_inner() + other.into_inner() > 2, "one of them was the victim of a deadlock");
}

#[tokio::test]
async fn who_waits_too_long_for_a_lock_is_repeated() {
    let (database, _directory, url) = open().await;
    if !url.starts_with("mysql:") {
        // Elsewhere the wait ends with the other transaction.
        return;
    }
    add_counter(&database, "a", 0).await;
    let update = "update throttle set count = count + 1 where key = $1";
    let mut holder = begin(&database).await;
    sqlx::query(update).bind("a").execute(&mut *holder).await.unwrap();
    let attempts = AtomicU32::new(0);
    let repeated = AtomicBool::new(false);
    let mut waiting = Box::pin(database.repeat(|attempt| async {
        repeated.store(attempts.fetch_add(1, Ordering::SeqCst) > 0, Ordering::SeqCst);
        let mut transaction = attempt.begin().await?;
        sqlx::query(update).bind("a").execute(&mut *transaction).await?;
        transaction.commit().await
    }));
    run_until(&mut waiting, async || repeated.load(Ordering::SeqCst)).await;
    holder.commit().await.unwrap();
    waiting.await.unwrap();
    assert_eq!(count(&database, "a").await, Some(2));
}

#[tokio::test]
async fn a_single_statement_that_fails_because_of_another_transaction_is_repeated() {
    let (database, _directory, url) = open().await;
    if url.starts_with("sqlite:") {
        return;
    }
    let recorder = PrometheusBuilder::new().build_recorder();
    let metrics = recorder.handle();
    let _counting = metrics::set_default_local_recorder(&recorder);
    add_counter(&database, "a", 0).await;
    let update = "update throttle set count = count + 1 where key = $1";
    let mut holder = begin(&database).await;
    sqlx::query(update).bind("a").execute(&mut *holder).await.unwrap();
    let mut waiting = Box::pin(sqlx::query(update).bind("a").execute(database.write()));
    // MySQL ends the wait for a lock; PostgreSQL, if serializable, refuses the statement after the other's commit.
    let waits = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()";
    let has_met_it = async || {
        if url.starts_with("mysql:") {
            return metrics.render().contains("database_retries_total 1");
        }
        sqlx::query_scalar::<_, i64>(waits).fetch_one(database.read()).await.unwrap() > 0
    };
    run_until(&mut waiting, has_met_it).await;
    holder.commit().await.unwrap();
    waiting.await.unwrap();
    assert_eq!(count(&database, "a").await, Some(2));
}

#[tokio::test]
async fn deletes_at_once_return_each_row_to_one_of_them() {
    let (database, _directory, _) = open().await;
    let ids: Vec<String> = (0..20).map(|number| format!("{number:02}")).collect();
    for _ in 0..5 {
        add_mails(&database, &ids.iter().map(String::as_str).collect::<Vec<_>>()).await;
        let deletes = (0..8).map(|_| {
            let database = database.clone();
            tokio::spawn(async move {
                let delete = sqlx::query_scalar::<_, String>("delete from mail where expires_at = $1 returning id");
                delete.bind(1_i64).fetch_all(database.write()).await.unwrap()
            })
        });
        let mut deleted: Vec<String> = join_all(deletes).await.into_iter().flat_map(Result::unwrap).collect();
        deleted.sort();
        assert_eq!(deleted, ids);
    }
}

#[tokio::test]
async fn another_engine_than_innodb_is_refused_and_named() {
    let (database, _directory, url) = open().await;
    if !url.starts_with("mysql:") {
        return;
    }
    sqlx::query("alter table mail engine = MyISAM").execute(database.write()).await.unwrap();
    let error = Database::open(&url).await.unwrap_err().to_string();
    assert!(error.contains("table mail is stored in MyISAM; run: alter table mail engine = InnoDB"), "{error}");
    sqlx::query("alter table mail engine = InnoDB").execute(database.write()).await.unwrap();
    Database::open(&url).await.unwrap();
}

/// S-Q-01 in `docs/threats.md`.
#[tokio::test]
async fn a_file_that_another_process_has_locked_is_an_error_and_written_afterwards() {
    let (database, _directory, url) = open().await;
    if !url.starts_with("sqlite:") {
        return;
    }
    let mut other = AnyConnection::connect(&url).await.unwrap();
    other.execute("begin immediate").await.unwrap();
    database.check_write().await.unwrap_err();
    let begun = database.repeat(Attempt::begin).await;
    begun.unwrap_err();
    other.execute("rollback").await.unwrap();
    assert_eq!(add_counter(&database, "a", 1).await, 1);
}

/// S-Q-10 in `docs/threats.md`.
#[tokio::test]
async fn a_statement_that_hangs_is_ended_by_the_server() {
    let (database, _directory, url) = open().await;
    let setting = match url.split_once(':').unwrap().0 {
        "mysql" => {
            let version = database.version().await.unwrap();
            let name = if version.starts_with("MariaDB") { "max_statement_time" } else { "max_execution_time / 1000" };
            format!("select cast(@@{name} as signed)")
        }
        "postgres" | "postgresql" => {
            "select setting::bigint / 1000 from pg_settings where name = 'statement_timeout'".to_owned()
        }
        _ => return,
    };
    let seconds: i64 = sqlx::query_scalar(AssertSqlSafe(setting)).fetch_one(database.write()).await.unwrap();
    assert_eq!(seconds, 10);
}

#[tokio::test]
async fn a_connection_that_was_lost_is_replaced() {
    let (database, _directory, url) = open().await;
    let end = match url.split_once(':').unwrap().0 {
        "mysql" => "kill connection_id()",
        "postgres" | "postgresql" => "select pg_terminate_backend(pg_backend_pid())",
        _ => return,
    };
    for _ in 0..8 {
        sqlx::query(end).execute(database.write()).await.unwrap_err();
        assert_eq!(add_counter(&database, "a", 1).await, 1);
        sqlx::query("delete from throttle").execute(database.write()).await.unwrap();
    }
}
