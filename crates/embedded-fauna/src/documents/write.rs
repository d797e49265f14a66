//! Writing documents and the entries they have in indexes.

use std::collections::HashMap;
use std::sync::Arc;

use super::index::{Version, entry_parts};
use super::{Index, entries, index};
use crate::evaluator::Context;
use crate::ir::{Failure, Object, Outcome, Position, Ref, native};
use crate::storage::{DocumentChange, Entry, EntryChange, Past, Stored, expiry};

/// Writes a new version of a document. A violated unique index is reported at `position`.
pub fn put(context: &Context<'_>, document: Ref, fields: &Arc<Object>, position: &Position) -> Outcome<()> {
    let old = context.transaction().current(document)?;
    let ts = context.transaction().commit_time();
    let new = Stored { ts, fields: Arc::clone(fields) };
    move_entries(context, document, old.as_ref(), Some(&new), position)?;
    note(context, document, old, Some(Arc::clone(fields)));
    context.transaction().put(document, fields)
}

/// Deletes a document and its index entries; its last version stays in the history.
pub fn delete(context: &Context<'_>, document: Ref) -> Outcome<()> {
    let old = context.transaction().current(document)?;
    move_entries(context, document, old.as_ref(), None, &Position::root())?;
    note(context, document, old, None);
    context.transaction().remove(document)
}

/// Replaces the history of a document. A violated unique index is reported at `position`.
pub fn rewrite(context: &Context<'_>, document: Ref, versions: &[Past], position: &Position) -> Outcome<()> {
    let old = context.transaction().current(document)?;
    let new = versions.last().and_then(|last| Some(Stored { ts: last.ts, fields: Arc::clone(last.fields.as_ref()?) }));
    move_entries(context, document, old.as_ref(), new.as_ref(), position)?;
    let transaction = context.transaction();
    let rewritten = Some((transaction.history(document)?, versions.to_vec()));
    transaction.note_document(DocumentChange { document, before: old, after: new.map(|new| new.fields), rewritten });
    transaction.rewrite(document, versions)
}

/// Notes a change for event streams; an expired version does not count as existing.
fn note(context: &Context<'_>, document: Ref, old: Option<Stored>, after: Option<Arc<Object>>) {
    let snapshot = context.transaction().snapshot();
    let before = old.filter(|old| expiry(&old.fields).is_none_or(|ttl| ttl > snapshot));
    context.transaction().note_document(DocumentChange { document, before, after, rewritten: None });
}

/// Replaces the entries of the old version of a document by those of the new one.
fn move_entries(
    context: &Context<'_>,
    document: Ref,
    old: Option<&Stored>,
    new: Option<&Stored>,
    position: &Position,
) -> Outcome<()> {
    for id in context.transaction().indexes_of(document.parent())?.iter() {
        let reference = Ref::new(document.database, native::INDEXES, *id);
        let Some(index) = index(context, reference)? else { continue };
        let of = |version: Option<&Stored>, is_new: bool| {
            let Some(Stored { ts, fields }) = version else { return Ok(Vec::new()) };
            entries(context, &index, Version { document, ts: *ts, fields, is_new })
        };
        let (before, after) = (of(old, false)?, of(new, true)?);
        context.spend(entry_parts(&before).saturating_add(entry_parts(&after)))?;
        let (known, kept) = (Entries::new(&before), Entries::new(&after));
        let ttl = |version: Option<&Stored>| version.and_then(|version| expiry(&version.fields));
        for entry in before.iter().filter(|entry| !kept.contains(entry)) {
            context.in_time()?;
            context.transaction().remove_entry(reference, entry)?;
            let (index, entry) = (reference, entry.clone());
            context.transaction().note_entry(EntryChange { index, entry, is_added: false });
        }
        for entry in &after {
            context.in_time()?;
            let is_new = !known.contains(entry);
            if is_new {
                require_unique(context, &index, entry, position)?;
                let (index, entry) = (reference, entry.clone());
                context.transaction().note_entry(EntryChange { index, entry, is_added: true });
            }
            if is_new || ttl(old) != ttl(new) {
                context.transaction().add_entry(reference, entry, ttl(new))?;
            }
        }
    }
    Ok(())
}

/// The entries of one version of a document, to look them up.
struct Entries<'e>(HashMap<(&'e [u8], &'e [u8]), Vec<&'e Entry>>);

impl<'e> Entries<'e> {
    fn new(entries: impl IntoIterator<Item = &'e Entry>) -> Self {
        let mut by_key: HashMap<_, Vec<&Entry>> = HashMap::new();
        for entry in entries {
            by_key.entry((entry.terms.as_slice(), entry.sort.as_slice())).or_default().push(entry);
        }
        Self(by_key)
    }

    fn contains(&self, entry: &Entry) -> bool {
        let alike = self.0.get(&(entry.terms.as_slice(), entry.sort.as_slice()));
        alike.is_some_and(|alike| alike.contains(&entry))
    }
}

/// Refuses an entry that another document has already.
fn require_unique(context: &Context<'_>, index: &Index, entry: &Entry, position: &Position) -> Outcome<()> {
    if !index.unique {
        return Ok(());
    }
    let length = entry.sort.len().saturating_sub(SORTED_REF);
    let values = entry.sort.get(..length).unwrap_or_default();
    if context.transaction().is_taken(index.reference, &entry.terms, values, entry.document)? {
        return Err(Failure::not_unique(position.clone()).into());
    }
    Ok(())
}

/// Length in bytes of the document part of a sort key: a tag, the id, the collection.
const SORTED_REF: usize = 17;

const BATCH: usize = 256;

/// Builds a new index from the existing documents and their history. Uniqueness is not checked, as in FaunaDB: documents that
/// violate it keep their entries.
pub fn build(context: &Context<'_>, reference: Ref, collections: &[Ref]) -> Outcome<()> {
    let Some(index) = index(context, reference)? else { return Ok(()) };
    for collection in collections {
        let mut from = i64::MIN;
        loop {
            let ids = context.transaction().ids_ever(*collection, from, true, BATCH)?;
            for id in &ids {
                build_document(context, &index, Ref::new(collection.database, collection.id, *id))?;
            }
            match ids.last() {
                Some(last) if ids.len() == BATCH => from = last.saturating_add(1),
                _ => break,
            }
        }
    }
    Ok(())
}

fn build_document(context: &Context<'_>, index: &Index, document: Ref) -> Outcome<()> {
    let transaction = context.transaction();
    let mut open: Vec<(i64, Option<i64>, Entry)> = Vec::new();
    for version in transaction.history(document)? {
        let new = match &version.fields {
            Some(fields) => entries(context, index, Version { document, ts: version.ts, fields, is_new: false })?,
            None => Vec::new(),
        };
        let kept = Entries::new(&new);
        let (mut still_open, ended): (Vec<_>, Vec<_>) =
            open.into_iter().partition(|(_, _, entry)| kept.contains(entry));
        for (came, ttl, entry) in ended {
            context.in_time()?;
            transaction.put_past_entry(index.reference, &entry, came..version.ts, ttl)?;
        }
        let ttl = version.fields.as_deref().and_then(expiry);
        for kept in &mut still_open {
            kept.1 = ttl;
        }
        let known = Entries::new(still_open.iter().map(|(_, _, entry)| entry));
        let came: Vec<_> = new.iter().filter(|entry| !known.contains(entry)).cloned().collect();
        still_open.extend(came.into_iter().map(|entry| (version.ts, ttl, entry)));
        open = still_open;
    }
    for (came, ttl, entry) in open {
        context.in_time()?;
        transaction.put_entry(index.reference, &entry, came, ttl)?;
    }
    Ok(())
}
