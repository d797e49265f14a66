//! Finds what references in the text of a query mean, in the caller's database.

use std::cell::Cell;
use std::sync::Arc;

use super::{Context, Source};
use crate::ir::{Lambda, LambdaExpression, Outcome, Ref, Unresolved, native};
use crate::parser;
use crate::parser::Resolver;

impl Context<'_> {
    /// Parses the lambda of a stored function, index binding or role. The result is kept if it does not depend on the caller's database.
    ///
    /// # Errors
    /// If it cannot be parsed.
    pub fn parse_stored(&self, lambda: &Lambda) -> Outcome<Arc<LambdaExpression>> {
        if let Lambda::Stored { parsed, .. } = lambda
            && let Some(parsed) = parsed.get()
        {
            return Ok(Arc::clone(parsed));
        }
        let is_asked = Cell::new(false);
        let resolver = NotingResolver { context: self, note: |_: &Unresolved, _| is_asked.set(true) };
        let signatures = &self.run.forms.signatures;
        let expression = parser::parse_lambda(signatures, &resolver, lambda.version(), &lambda.literal())?;
        match lambda {
            Lambda::Stored { parsed, .. } if !is_asked.get() => Ok(Arc::clone(parsed.get_or_init(|| expression))),
            _ => Ok(expression),
        }
    }

    fn scope(&self, scope: Option<&Arc<Unresolved>>) -> Outcome<Option<i64>> {
        match scope.map(|scope| &**scope) {
            None => Ok(Some(self.database())),
            Some(Unresolved::Named { collection: native::DATABASES, name, scope }) => {
                let Some(outer) = self.scope(scope.as_ref())? else { return Ok(None) };
                let Some(document) = self.transaction().id_by_name(outer, native::DATABASES, name)? else {
                    return Ok(None);
                };
                self.transaction().child_database(Ref::new(outer, native::DATABASES, document))
            }
            Some(_) => Ok(None),
        }
    }

    /// The document that the id `self` stands for.
    fn own(&self, collection: &Unresolved) -> Outcome<Option<Ref>> {
        let Some(collection) = self.resolve(collection)? else { return Ok(None) };
        let identity = self.caller.identity;
        match (self.caller.source, collection.id) {
            (Source::Token(token), native::TOKENS) => Ok(Some(token)),
            (Source::Token(_), native::CREDENTIALS) => {
                identity.map_or(Ok(None), |identity| self.transaction().credentials_of(identity))
            }
            (_, id) => Ok(identity.filter(|identity| identity.collection == id)),
        }
    }
}

/// Notes what references mean to the caller, on which it depends whether and for whom a parsed expression can be used again.
pub struct NotingResolver<'c, F> {
    pub context: &'c Context<'c>,
    pub note: F,
}

impl<F: Fn(&Unresolved, Option<Ref>)> Resolver for NotingResolver<'_, F> {
    fn resolve(&self, reference: &Unresolved) -> Outcome<Option<Ref>> {
        let meaning = self.context.resolve(reference)?;
        (self.note)(reference, meaning);
        Ok(meaning)
    }

    fn in_time(&self) -> Outcome<()> {
        Context::in_time(self.context)
    }
}

impl Resolver for Context<'_> {
    fn resolve(&self, reference: &Unresolved) -> Outcome<Option<Ref>> {
        match reference {
            Unresolved::Named { collection, name, scope } => {
                let Some(database) = self.scope(scope.as_ref())? else { return Ok(None) };
                let id = self.transaction().id_by_name(database, *collection, name)?;
                Ok(id.map(|id| Ref::new(database, *collection, id)))
            }
            Unresolved::Native { collection, scope } => {
                Ok(self.scope(scope.as_ref())?.map(|database| Ref::to_collection(database, *collection)))
            }
            Unresolved::Key { id, scope } => {
                Ok(self.scope(scope.as_ref())?.map(|database| Ref::new(database, native::KEYS, *id)))
            }
            Unresolved::Document { collection, id } => {
                Ok(self.resolve(collection)?.map(|collection| Ref::new(collection.database, collection.id, *id)))
            }
            Unresolved::Own { collection } => self.own(collection),
        }
    }

    fn in_time(&self) -> Outcome<()> {
        Context::in_time(self)
    }
}
