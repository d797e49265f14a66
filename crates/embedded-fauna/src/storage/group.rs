//! Several writing transactions that become durable together.

use rusqlite::TransactionBehavior;

use super::connection::counters;
use super::feed::Written;
use super::known::Known;
use super::{Attempt, Connection, Feed, Transaction};
use crate::clock::SharedClock;
use crate::ir::Outcome;

/// A transaction of SQLite, in which queries have savepoints: each sees what those before it have written, and fails alone.
pub struct Group<'c> {
    inner: rusqlite::Transaction<'c>,
    known: &'c Known,
    clock: &'c SharedClock,
    feed: &'c Feed,
    /// What was kept, to be published after the commit.
    written: Vec<Written>,
}

impl Connection {
    /// Begins a group; nothing else can write until it has ended.
    ///
    /// # Errors
    /// If the storage fails.
    pub fn group(&mut self) -> Outcome<Group<'_>> {
        let inner = self.inner.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let (known, clock, feed) = (&self.known, &self.file.clock, self.file.feed());
        Ok(Group { inner, known, clock, feed, written: Vec::new() })
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
        self.known.keep_only(schema);
        let snapshot = last_commit.max(self.clock.now_micros());
        self.execute("savepoint member")?;
        let transaction = Transaction::new(&self.inner, self.known, snapshot, attempt);
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
        let Self { inner, known, feed, written, .. } = self;
        let committed = if inner.is_autocommit() {
            Ok(false)
        } else if !written.is_empty() {
            inner.commit().map(|()| true)
        } else {
            inner.rollback().map(|()| true)
        };
        if matches!(committed, Ok(true)) {
            written.into_iter().for_each(|written| feed.publish(written));
        } else {
            known.forget();
        }
        Ok(committed?)
    }

    fn execute(&self, sql: &str) -> Outcome<()> {
        self.inner.prepare_cached(sql)?.execute([])?;
        Ok(())
    }
}
