//! The changes of a write transaction, for event streams.

use std::collections::HashMap;
use std::sync::Arc;

use crate::ir::{Object, Ref};
use crate::storage::{Entry, Past, Stored};

/// The change of a document from before a transaction to after it.
#[derive(Clone, Debug)]
pub struct DocumentChange {
    pub document: Ref,
    /// `None` if the document did not exist.
    pub before: Option<Stored>,
    /// `None` if it was deleted.
    pub after: Option<Arc<Object>>,
    /// The histories before and after, if the history was rewritten.
    pub rewritten: Option<(Vec<Past>, Vec<Past>)>,
}

/// An entry that was added to an index or removed from it.
#[derive(Clone, Debug)]
pub struct EntryChange {
    pub index: Ref,
    pub entry: Entry,
    pub is_added: bool,
}

/// The changes of one transaction, in the order of the first write to each document or entry. Of several writes to the same place
/// only the difference between the first and the last state remains.
#[derive(Debug, Default)]
pub struct Changes {
    documents: Vec<DocumentChange>,
    document_places: HashMap<Ref, usize>,
    /// `None` for an entry whose changes cancelled each other.
    entries: Vec<Option<EntryChange>>,
    entry_places: HashMap<(Ref, Vec<u8>, Vec<u8>), usize>,
}

impl Changes {
    pub fn note_document(&mut self, change: DocumentChange) {
        let place = self.document_places.get(&change.document).copied();
        let Some(known) = place.and_then(|place| self.documents.get_mut(place)) else {
            self.document_places.insert(change.document, self.documents.len());
            self.documents.push(change);
            return;
        };
        known.after = change.after;
        known.rewritten = match (known.rewritten.take(), change.rewritten) {
            (Some((before, _)), Some((_, after))) => Some((before, after)),
            (known, new) => new.or(known),
        };
    }

    pub fn note_entry(&mut self, change: EntryChange) {
        let place = (change.index, change.entry.terms.clone(), change.entry.sort.clone());
        let number = *self.entry_places.entry(place).or_insert(self.entries.len());
        match self.entries.get_mut(number) {
            Some(known @ Some(_)) => *known = None,
            Some(known) => *known = Some(change),
            None => self.entries.push(Some(change)),
        }
    }

    pub fn into_parts(self) -> (Vec<DocumentChange>, Vec<EntryChange>) {
        (self.documents, self.entries.into_iter().flatten().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_writes_to_one_place_are_one_change() {
        let mut changes = Changes::default();
        let document = Ref::new(1, 1024, 1);
        let stored = |ts| Stored { ts, fields: Arc::default() };
        for (before, after) in [(Some(stored(1)), Some(Arc::default())), (Some(stored(2)), None)] {
            changes.note_document(DocumentChange { document, before, after, rewritten: None });
        }
        let entry = |sort: u8| Entry { terms: vec![1], sort: vec![sort], values: Vec::new(), document };
        let index = Ref::new(1, 7, 1);
        for (sort, is_added) in [(1, true), (2, true), (1, false), (3, false), (3, true), (3, false)] {
            changes.note_entry(EntryChange { index, entry: entry(sort), is_added });
        }
        let (documents, entries) = changes.into_parts();
        assert_eq!(
            documents
                .iter()
                .map(|change| (change.before.as_ref().unwrap().ts, change.after.is_some()))
                .collect::<Vec<_>>(),
            [(1, false)]
        );
        assert_eq!(
            entries.iter().map(|change| (change.entry.sort.clone(), change.is_added)).collect::<Vec<_>>(),
            [(vec![2], true), (vec![3], false)]
        );
    }
}
