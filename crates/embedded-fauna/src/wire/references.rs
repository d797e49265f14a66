//! Writes references: since version 2.1 as objects, before as paths.

use std::sync::Arc;

use super::Writer;
use crate::ir::{ApiVersion, Outcome, Ref, Unresolved, native};

impl Writer<'_> {
    /// A reference, where what it refers to has a name.
    ///
    /// # Errors
    /// If the storage fails.
    pub(super) fn reference(&mut self, reference: Ref) -> Outcome<bool> {
        if self.version <= ApiVersion::V20 {
            let path = self.path(reference)?;
            if let Some(path) = &path {
                self.tagged("@ref", path);
            }
            return Ok(path.is_some());
        }
        let before = self.out.len();
        self.out.push_str("{\"@ref\":");
        if !self.inner_reference(reference)? {
            self.out.truncate(before);
            return Ok(false);
        }
        self.out.push('}');
        Ok(true)
    }

    /// Writes the inside of `@ref`.
    fn inner_reference(&mut self, reference: Ref) -> Outcome<bool> {
        let Some(path) = self.names.path(reference.database)? else { return Ok(false) };
        if let Some(name) = self.native_collection(reference) {
            self.out.push_str("{\"id\":");
            self.string(name);
            self.database(&path);
            self.out.push('}');
            return Ok(true);
        }
        let id: Arc<str> = if native::is_named(reference.collection) {
            let Some(name) = self.names.name(reference)? else { return Ok(false) };
            name
        } else {
            Arc::from(reference.id.to_string())
        };
        self.out.push_str("{\"id\":");
        self.string(&id);
        self.out.push_str(self.collection_key());
        let parent = reference.parent();
        self.out.push_str("{\"@ref\":");
        if self.native_collection(parent).is_some() && native::is_named(reference.collection) {
            self.out.push_str("{\"id\":");
            self.string(self.native_collection(parent).unwrap_or_default());
            self.out.push_str("}}");
            self.database(&path);
        } else {
            if !self.inner_reference(parent)? {
                return Ok(false);
            }
            self.out.push('}');
        }
        self.out.push('}');
        Ok(true)
    }

    /// The name of a native collection that a reference is; collections were once classes.
    fn native_collection(&self, reference: Ref) -> Option<&'static str> {
        if !reference.is_collection() {
            return None;
        }
        self.native_name(reference.id)
    }

    /// The name of a native collection in this API version.
    fn native_name(&self, collection: i64) -> Option<&'static str> {
        match native::name(collection)? {
            "collections" if self.version < ApiVersion::V27 => Some("classes"),
            name => Some(name),
        }
    }

    /// The key of the collection in a reference, after another.
    fn collection_key(&self) -> &'static str {
        if self.version >= ApiVersion::V27 { ",\"collection\":" } else { ",\"class\":" }
    }

    /// A reference as version 2.0 writes it: a path, which says nothing about the database.
    fn path(&self, reference: Ref) -> Outcome<Option<String>> {
        if self.names.path(reference.database)?.is_none() {
            return Ok(None);
        }
        if let Some(name) = self.native_collection(reference) {
            return Ok(Some(name.to_owned()));
        }
        let Some(parent) = self.path(reference.parent())? else { return Ok(None) };
        if !native::is_named(reference.collection) {
            return Ok(Some(format!("{parent}/{}", reference.id)));
        }
        Ok(self.names.name(reference)?.map(|name| format!("{parent}/{name}")))
    }

    /// `,"database":…` for a child database, the innermost first.
    fn database(&mut self, path: &[Arc<str>]) {
        if let Some((name, outer)) = path.split_first() {
            self.out.push_str(",\"database\":{\"@ref\":{\"id\":");
            self.string(name);
            self.out.push_str(self.collection_key());
            self.out.push_str("{\"@ref\":{\"id\":\"databases\"}}");
            self.database(outer);
            self.out.push_str("}}");
        }
    }

    /// A reference to what does not exist, as it was given.
    pub(super) fn unresolved(&mut self, reference: &Unresolved) {
        if self.version <= ApiVersion::V20 {
            let path = self.unresolved_path(reference);
            return self.tagged("@ref", &path);
        }
        self.out.push_str("{\"@ref\":{\"id\":");
        let (collection, scope) = match reference {
            Unresolved::Named { collection, name, scope } => {
                self.string(name);
                (Some(*collection), scope)
            }
            Unresolved::Native { collection, scope } => {
                self.string(self.native_name(*collection).unwrap_or_default());
                (None, scope)
            }
            Unresolved::Key { id, scope } => {
                self.string(&id.to_string());
                (Some(native::KEYS), scope)
            }
            Unresolved::Document { collection, id } => {
                self.string(&id.to_string());
                return self.unresolved_document(collection);
            }
            Unresolved::Own { collection } => {
                self.string("self");
                return self.unresolved_document(collection);
            }
        };
        if let Some(collection) = collection.and_then(|collection| self.native_name(collection)) {
            self.out.push_str(self.collection_key());
            self.out.push_str("{\"@ref\":{\"id\":");
            self.string(collection);
            self.out.push_str("}}");
        }
        if let Some(scope) = scope {
            self.out.push_str(",\"database\":");
            self.unresolved(scope);
        }
        self.out.push_str("}}");
    }

    /// The rest of a document whose collection does not exist.
    fn unresolved_document(&mut self, collection: &Unresolved) {
        self.out.push_str(self.collection_key());
        self.unresolved(collection);
        self.out.push_str("}}");
    }

    /// A reference to what does not exist as version 2.0 writes it.
    fn unresolved_path(&self, reference: &Unresolved) -> String {
        let native = |collection: i64| self.native_name(collection).unwrap_or_default();
        match reference {
            Unresolved::Named { collection, name, .. } => format!("{}/{name}", native(*collection)),
            Unresolved::Native { collection, .. } => native(*collection).to_owned(),
            Unresolved::Key { id, .. } => format!("{}/{id}", native(native::KEYS)),
            Unresolved::Document { collection, id } => format!("{}/{id}", self.unresolved_path(collection)),
            Unresolved::Own { collection } => format!("{}/self", self.unresolved_path(collection)),
        }
    }
}
