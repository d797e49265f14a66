//! SQLite: a file in this process. One writer, because several only sleep on each other's lock, and a few readers.

use futures_util::future::BoxFuture;

use crate::database::dialect::{Dialect, Pools};
use crate::database::executor::Connections;
use crate::database::local_pool::LocalPool;

/// Connections that read at the same time.
const READERS: u32 = 4;

/// Durable, because a lost commit would bring back a refresh token that its owner has already replaced.
/// Checkpoints copy 200 pages at a time: with the usual 1000 the writer would make everybody wait. After one that could reset the log,
/// the log file is cut to 4 MiB instead of staying as large as it ever was while a reader was open.
const WRITER: &str = "pragma busy_timeout = 2000; pragma journal_mode = wal; pragma synchronous = full; \
                      pragma wal_autocheckpoint = 200; pragma journal_size_limit = 4194304;";

/// A reader that tries to write is a mistake; SQLite says so. What several readers remember of the file (KiB where it is
/// negative) they remember several times, and the system does so anyway.
const READER: &str = "pragma busy_timeout = 2000; pragma query_only = on; pragma cache_size = -512;";

#[derive(Debug)]
pub struct Sqlite;

impl Dialect for Sqlite {
    fn schemes(&self) -> &'static [&'static str] {
        &["sqlite:"]
    }

    fn open<'a>(&'a self, url: &'a str) -> BoxFuture<'a, Result<Pools, sqlx::Error>> {
        Box::pin(async move {
            let separator = if url.contains('?') { '&' } else { '?' };
            let url = if url.contains("mode=") { url.to_owned() } else { format!("{url}{separator}mode=rwc") };
            let write = LocalPool::open(&url, 1, WRITER).await?;
            sqlx::migrate!().run_direct(None, write.acquire().await?.sqlx(), false).await?;
            let read = LocalPool::open(&url, READERS, READER).await?;
            Ok(Pools { read: Some(Connections::Local(read)), write: Connections::Local(write) })
        })
    }

    /// Takes the write lock at once: a transaction that reads first and writes later fails if another has written meanwhile.
    fn begin(&self) -> &'static str {
        "begin immediate"
    }

    fn select_version(&self) -> &'static str {
        "select 'SQLite ' || sqlite_version()"
    }

    fn has_conflicts(&self) -> bool {
        false
    }
}
