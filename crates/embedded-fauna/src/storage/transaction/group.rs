//! Several writing transactions that become durable together.

use rusqlite::TransactionBehavior;

use crate::clock::SharedClock;
use crate::ir::Outcome;
use crate::storage::feed::Written;
use crate::storage::transaction::connection::counters;
use crate::storage::transaction::schema_cache::SchemaCache;
use crate::storage::{Attempt, Connection, Feed, Transaction};

/// A transaction of SQLite, in which queries have savepoints: each sees what those before it have written, and fails alone.
pub struct Group<'c> {
    inner: rusqlite::Transaction<'c>,
    schema_cache: &'c SchemaCache,
    clock: &'c SharedClock,
    feed: &'c Feed,
    /// Writes that were kept, to be published after the commit.
    written: Vec<Written>,
}

impl Connection {
    /// Begins a group; nothing else can write until it has ended.
    ///
    /// # Errors
    /// If the storage fails.
    pub fn group(&mut self) -> Outcome<Group<'_>> {
        let inner = self.inner.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let (schema_cache, clock, feed) = (&self.schema_cache, &self.file.clock, self.file.feed());
        Ok(Group { inner, schema_cache, clock, feed, written: Vec::new() })
    }
}

impl Group<'_> {
    /// Runs something that may write, and keeps what it wrote if it says so.
    ///
    /// # Errors
    /// If the storage fails, or what runs: then nothing of it is kept.
    pub fn write<T>(
        &mut self,
        attempt: Attempt,
        run: impl FnOnce(&Transaction<'_>) -> Outcome<(T, bool)>,
    ) -> Outcome<T> {
        let (last_commit, schema) = counters(&self.inner)?;
        self.schema_cache.keep_only(schema);
        let snapshot = last_commit.max(self.clock.now_micros());
        self.execute("savepoint member")?;
        let transaction = Transaction::new(&self.inner, self.schema_cache, snapshot, attempt);
        let outcome = run(&transaction).and_then(|(value, keep)| {
            let keep = keep && transaction.is_dirty();
            if keep {
                transaction.note_commit()?;
            }
            Ok((value, keep))
        });
        let is_kept = matches!(&outcome, Ok((_, true)));
        if is_kept {
            self.written.push(transaction.take_written());
        }
        if !is_kept && !self.is_lost() {
            self.execute("rollback to member")?;
        }
        if !self.is_lost() {
            self.execute("release member")?;
        }
        outcome.map(|(value, _)| value)
    }

    /// Interrupts the statement that is running, from another thread.
    pub fn interrupt_handle(&self) -> rusqlite::InterruptHandle {
        self.inner.get_interrupt_handle()
    }

    /// Whether SQLite has rolled back the whole group, which it does if a statement that writes is interrupted.
    pub fn is_lost(&self) -> bool {
        self.inner.is_autocommit()
    }

    /// Makes durable what was kept; `false` if the group is lost, so that nothing of it has happened.
    ///
    /// # Errors
    /// If the storage fails: then nothing of it has happened either.
    pub fn commit(self) -> Outcome<bool> {
        let Self { inner, feed, written, .. } = self;
        if inner.is_autocommit() {
            return Ok(false);
        }
        // What the connection knows of the schema has the version of the last member; the next transaction sees another one if
        // that did not become durable.
        if written.is_empty() {
            inner.rollback()?;
        } else {
            inner.commit()?;
        }
        for written in written {
            feed.publish(written);
        }
        Ok(true)
    }

    fn execute(&self, sql: &str) -> Outcome<()> {
        self.inner.prepare_cached(sql)?.execute([])?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::ir::{Fault, Ref, native};
    use crate::storage::File;

    const DATABASE: i64 = 0;

    /// A clock that stands still, so that a second attempt gets the commit time of the first.
    struct Still;

    impl crate::Clock for Still {
        fn now_micros(&self) -> i64 {
            1_800_000_000_000_000
        }
    }

    /// Gives a collection a name, and then keeps it, takes it back or fails.
    fn name(group: &mut Group<'_>, id: i64, name: &str, outcome: Outcome<bool>) -> Outcome<i64> {
        group.write(Attempt::unlimited(), |transaction| {
            transaction.set_name(Ref::to_collection(DATABASE, id), Some(name))?;
            Ok((transaction.commit_time(), outcome?))
        })
    }

    fn names(connection: &mut Connection, names: [&str; 3]) -> [Option<i64>; 3] {
        let find = |transaction: &Transaction<'_>, name| transaction.id_by_name(DATABASE, native::COLLECTIONS, name);
        let read = |transaction: &Transaction<'_>| {
            let [a, b, c] = names.map(|name| find(transaction, name));
            Ok([a?, b?, c?])
        };
        connection.read(Attempt::unlimited(), read).unwrap()
    }

    #[test]
    fn members_fail_alone_and_become_durable_together() {
        let directory = tempfile::tempdir().unwrap();
        let file = File::open(&directory.path().join("file"), Arc::new(crate::SystemClock)).unwrap();
        let (mut writer, mut reader) = (file.connect().unwrap(), file.connect().unwrap());
        let mut group = writer.group().unwrap();
        let first = name(&mut group, 2001, "a", Ok(true)).unwrap();
        name(&mut group, 2002, "b", Ok(false)).unwrap();
        assert!(name(&mut group, 2003, "b", Err(Fault::TimedOut.into())).is_err());
        let seen = group.write(Attempt::unlimited(), |transaction| {
            Ok((transaction.id_by_name(DATABASE, native::COLLECTIONS, "a")?, false))
        });
        assert_eq!(seen.unwrap(), Some(2001), "a member sees those before it");
        let last = name(&mut group, 2004, "c", Ok(true)).unwrap();
        assert!(last > first, "each has a time of its own");
        assert_eq!(names(&mut reader, ["a", "b", "c"]), [None, None, None], "nothing before the commit");
        assert!(group.commit().unwrap());
        assert_eq!(names(&mut reader, ["a", "b", "c"]), [Some(2001), None, Some(2004)]);
    }

    #[test]
    fn a_lost_group_leaves_nothing_behind() {
        let directory = tempfile::tempdir().unwrap();
        let file = File::open(&directory.path().join("file"), Arc::new(Still)).unwrap();
        let mut writer = file.connect().unwrap();
        let mut group = writer.group().unwrap();
        name(&mut group, 2001, "a", Ok(true)).unwrap();
        let found = group.write(Attempt::unlimited(), |transaction| {
            Ok((transaction.id_by_name(DATABASE, native::COLLECTIONS, "a")?, false))
        });
        assert_eq!(found.unwrap(), Some(2001));
        // As SQLite does when a statement that writes is interrupted.
        group.inner.execute_batch("rollback").unwrap();
        assert!(group.is_lost());
        assert!(!group.commit().unwrap());
        let mut group = writer.group().unwrap();
        name(&mut group, 2002, "b", Ok(true)).unwrap();
        assert!(group.commit().unwrap());
        assert_eq!(
            names(&mut writer, ["a", "b", "c"]),
            [None, Some(2002), None],
            "nor in what the connection remembers"
        );
    }
}
