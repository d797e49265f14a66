//! Committed changes on their way from the writer to the event streams.
//!
//! The writer publishes after each commit, in the order of commits, and never waits. Only changes of watched topics are kept, and only
//! a bounded amount: a reader that falls too far behind loses them and is told so.

mod changes;

use std::collections::{HashMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::ir::{Ref, Value, parts};

pub use changes::{Changes, DocumentChange, EntryChange};

/// Maximum number of commits that wait.
pub const MAX_COMMITS: usize = 4096;
/// Maximum size of the values that wait, in parts of about 16 bytes.
const MAX_PARTS: usize = 4 << 20;

/// Something whose changes are kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Topic {
    Document(Ref),
    /// Creation and deletion of the documents of a collection.
    Collection(Ref),
    /// Entries of an index under these encoded terms.
    Index(Ref, Vec<u8>),
    /// A document that somebody's permission depends on; schema is always included.
    Authority(Ref),
}

/// The watched changes of one transaction.
#[derive(Debug)]
pub struct Commit {
    /// Time of the transaction, in microseconds.
    pub at: i64,
    pub documents: Vec<DocumentChange>,
    pub entries: Vec<EntryChange>,
    /// The schema or a document of [`Topic::Authority`] has changed.
    pub affects_authority: bool,
    parts: usize,
}

/// A committed transaction, to be published.
pub struct Written {
    pub at: i64,
    pub changes: Changes,
    pub documents: Vec<Ref>,
    pub is_schema: bool,
}

/// Commits that wait for the reader.
#[derive(Debug, Default)]
pub struct Batch {
    pub commits: VecDeque<Commit>,
    /// Further commits were dropped because too many waited.
    pub is_incomplete: bool,
}

#[derive(Default)]
pub struct Feed {
    state: Mutex<State>,
    arrived: Condvar,
}

#[derive(Default)]
struct State {
    topics: HashMap<Topic, usize>,
    waiting: Batch,
    parts: usize,
    is_woken: bool,
}

impl Feed {
    /// Nothing that holds the lock can panic.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps changes of these topics from now on. A topic can be watched several times.
    pub fn watch(&self, topics: &[Topic]) {
        let mut state = self.lock();
        for topic in topics {
            *state.topics.entry(topic.clone()).or_insert(0) += 1;
        }
    }

    pub fn unwatch(&self, topics: &[Topic]) {
        let mut state = self.lock();
        for topic in topics {
            if let Some(count) = state.topics.get_mut(topic) {
                *count -= 1;
                if *count == 0 {
                    state.topics.remove(topic);
                }
            }
        }
    }

    /// Lets [`Self::next`] return, also without commits.
    pub fn wake(&self) {
        self.lock().is_woken = true;
        self.arrived.notify_one();
    }

    /// Publishes a transaction that has been committed. To be called by the writer before its next transaction.
    pub fn publish(&self, written: Written) {
        let mut state = self.lock();
        if state.topics.is_empty() {
            return;
        }
        let Written { at, changes, documents: all, is_schema } = written;
        let topics = &state.topics;
        let affects_authority =
            is_schema || all.iter().any(|document| topics.contains_key(&Topic::Authority(*document)));
        let (mut documents, mut entries) = changes.into_parts();
        documents.retain(|change| {
            let exists_differently = change.before.is_some() != change.after.is_some();
            topics.contains_key(&Topic::Document(change.document))
                || exists_differently && topics.contains_key(&Topic::Collection(change.document.parent()))
        });
        entries.retain(|change| topics.contains_key(&Topic::Index(change.index, change.entry.terms.clone())));
        if documents.is_empty() && entries.is_empty() && !affects_authority {
            return;
        }
        let parts = documents.iter().map(size).sum::<usize>() + entries.len() * 8;
        if state.waiting.commits.len() >= MAX_COMMITS || state.parts + parts > MAX_PARTS {
            state.waiting.is_incomplete = true;
        } else {
            state.parts += parts;
            state.waiting.commits.push_back(Commit { at, documents, entries, affects_authority, parts });
        }
        drop(state);
        self.arrived.notify_one();
    }

    /// The commits that wait; an empty batch after [`Self::wake`] or `timeout`.
    pub fn next(&self, timeout: Duration) -> Batch {
        let state = self.lock();
        let is_idle =
            |state: &mut State| state.waiting.commits.is_empty() && !state.waiting.is_incomplete && !state.is_woken;
        let waited = self.arrived.wait_timeout_while(state, timeout, is_idle);
        let (mut state, _elapsed) = waited.unwrap_or_else(PoisonError::into_inner);
        state.is_woken = false;
        let batch = std::mem::take(&mut state.waiting);
        state.parts -= batch.commits.iter().map(|commit| commit.parts).sum::<usize>();
        batch
    }
}

/// Size of the values of a change, in parts.
fn size(change: &DocumentChange) -> usize {
    let before = change.before.as_ref().map(|stored| &stored.fields);
    let current = before.into_iter().chain(change.after.as_ref());
    let histories = change.rewritten.iter().flat_map(|(before, after)| before.iter().chain(after));
    let all = current.chain(histories.filter_map(|version| version.fields.as_ref()));
    all.map(|fields| parts(&Value::Object(std::sync::Arc::clone(fields)), MAX_PARTS)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(at: i64, document: Ref) -> Written {
        let mut changes = Changes::default();
        let after = Some(std::sync::Arc::default());
        changes.note_document(DocumentChange { document, before: None, after, rewritten: None });
        Written { at, changes, documents: Vec::new(), is_schema: false }
    }

    #[test]
    fn only_watched_changes_are_kept() {
        let (feed, watched, other) = (Feed::default(), Ref::new(1, 1024, 1), Ref::new(1, 1024, 2));
        let topics = [Topic::Document(watched)];
        let times = |feed: &Feed| feed.next(Duration::ZERO).commits.iter().map(|commit| commit.at).collect::<Vec<_>>();
        feed.publish(written(1, watched));
        feed.watch(&topics);
        feed.publish(written(2, other));
        feed.publish(written(3, watched));
        feed.publish(written(4, watched));
        assert_eq!(times(&feed), [3, 4]);
        feed.unwatch(&topics);
        feed.publish(written(5, watched));
        assert!(times(&feed).is_empty());
    }

    #[test]
    fn a_reader_that_falls_behind_is_told() {
        let (feed, document) = (Feed::default(), Ref::new(1, 1024, 1));
        feed.watch(&[Topic::Document(document)]);
        for at in 0..=i64::try_from(MAX_COMMITS).unwrap() {
            feed.publish(written(at, document));
        }
        let batch = feed.next(Duration::ZERO);
        assert!(batch.is_incomplete && batch.commits.len() == MAX_COMMITS);
        assert!(!feed.next(Duration::ZERO).is_incomplete);
    }
}
