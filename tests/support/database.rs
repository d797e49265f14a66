//! Databases that nobody else uses, on the server that `DATABASE_TEST_URL` names.

use std::sync::atomic::{AtomicUsize, Ordering};

use sqlx::AssertSqlSafe;

/// The URL of a new database on that server; none where the tests run on SQLite.
pub async fn on_server() -> Option<String> {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let server = std::env::var("DATABASE_TEST_URL").ok()?;
    let name = format!("starter_test_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::SeqCst));
    sqlx::any::install_default_drivers();
    let admin = sqlx::AnyPool::connect(&server).await.unwrap();
    sqlx::query(AssertSqlSafe(format!("create database {name}"))).execute(&admin).await.unwrap();
    admin.close().await;
    let (before, _) = server.rsplit_once('/').unwrap();
    Some(format!("{before}/{name}"))
}
