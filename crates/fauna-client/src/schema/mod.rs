//! Declaring and installing the schema.
//!
//! Each module of the application declares the collections, indexes, stored functions and roles that it needs, and its privileges in
//! the two roles of the application: `member` (every document of the users collection) and `backend` (the application's key).
//! [`apply`] installs the declarations and can be repeated: existing collections and indexes are left alone, roles and functions are
//! updated. A definition may only refer to earlier ones. [`Expected::check`] tells the application later whether what is installed is
//! what it was built for.

mod installed;
mod probes;

use secrecy::SecretString;
use serde::de::IgnoredAny;

use crate::fql::Expr;
use crate::{AsAdmin, AsApp, Error, fql};

pub use installed::{Expected, Fault};
pub use probes::read_probes;

/// Role of signed-in users.
const MEMBER: &str = "member";
/// Role of the application's key.
const BACKEND: &str = "backend";

/// The declarations of one module.
#[derive(Default)]
pub struct Declarations {
    /// Collections, indexes, roles of functions and functions, in order of dependency.
    pub definitions: Vec<Definition>,
    /// Privileges of signed-in users.
    pub member: Vec<Privilege>,
    /// Privileges of the application's key.
    pub backend: Vec<Privilege>,
}

/// A schema document to be created.
pub struct Definition {
    /// FQL form, such as `create_index`.
    create: &'static str,
    reference: Expr,
    params: Expr,
    update_existing: bool,
}

/// A collection with `history_days` 0.
pub fn collection(name: &str) -> Definition {
    Definition {
        create: "create_collection",
        reference: fql::collection(name),
        params: fql::object([("name", name.into()), ("history_days", 0.into())]),
        update_existing: false,
    }
}

/// A stored function that runs with a role of its own.
pub fn function(name: &str, role: &str, lambda: Expr) -> Definition {
    Definition {
        create: "create_function",
        reference: fql::function(name),
        params: fql::object([("name", name.into()), ("role", fql::role(role)), ("body", fql::query(lambda))]),
        update_existing: true,
    }
}

/// A role for stored functions: it has privileges but no members.
pub fn role<const N: usize>(name: &str, privileges: [Privilege; N]) -> Definition {
    let privileges = privileges.into_iter().map(Privilege::into_expr).collect();
    role_with(name, vec![("privileges", privileges)])
}

fn role_with(name: &str, fields: Vec<(&str, Expr)>) -> Definition {
    let fields = [("name", Expr::from(name))].into_iter().chain(fields);
    Definition {
        create: "create_role",
        reference: fql::role(name),
        params: fql::object_of(fields.map(|(field, value)| (field.to_owned(), value))),
        update_existing: true,
    }
}

/// Builder of an index; ends with [`Index::unique`] or [`Index::any`].
pub struct Index {
    fields: Vec<(&'static str, Expr)>,
    name: String,
}

/// An index over a source, such as `fql::collection("comments")`.
pub fn index(name: &str, source: Expr) -> Index {
    Index { fields: vec![("name", name.into()), ("source", source)], name: name.to_owned() }
}

impl Declarations {
    /// Names of the declared collections.
    pub fn collections(&self) -> impl Iterator<Item = &str> {
        self.definitions.iter().filter_map(|definition| definition.reference.wire().get("collection")?.as_str())
    }
}

impl Index {
    /// Paths of the terms that a `match` compares.
    #[must_use]
    pub fn terms<const N: usize>(mut self, terms: [&[&str]; N]) -> Self {
        self.fields.push(("terms", terms.into_iter().map(|path| field(path, false)).collect()));
        self
    }

    /// Finds documents by this field, compared in lower case. Fauna folds what is stored, not the term of a query: queries must
    /// pass it in lower case.
    #[must_use]
    pub fn term_ignoring_case(mut self, path: &[&str]) -> Self {
        let path = path.iter().map(|name| Expr::from(*name)).collect();
        let term = fql::object([("field", path), ("transform", "casefold".into())]);
        self.fields.push(("terms", [term].into_iter().collect()));
        self
    }

    /// Paths of the values that entries are sorted by and contain; `true` sorts in descending order.
    #[must_use]
    pub fn values<const N: usize>(mut self, values: [(&[&str], bool); N]) -> Self {
        self.fields.push(("values", values.into_iter().map(|(path, reverse)| field(path, reverse)).collect()));
        self
    }

    /// At most one document per combination of terms and values.
    pub fn unique(mut self) -> Definition {
        self.fields.push(("unique", true.into()));
        self.fields.push(("serialized", true.into()));
        self.any()
    }

    /// Without a uniqueness constraint.
    pub fn any(self) -> Definition {
        Definition {
            create: "create_index",
            reference: fql::index(&self.name),
            params: fql::object_of(self.fields.into_iter().map(|(field, value)| (field.to_owned(), value))),
            update_existing: false,
        }
    }
}

fn field(path: &[&str], reverse: bool) -> Expr {
    let path = ("field", path.iter().map(|name| Expr::from(*name)).collect());
    if reverse { fql::object([path, ("reverse", true.into())]) } else { fql::object([path]) }
}

/// The privileges of a role on one resource.
pub struct Privilege {
    resource: Expr,
    /// Action and `true` or a predicate lambda.
    actions: Vec<(&'static str, Expr)>,
}

impl Privilege {
    /// No actions yet on a collection, index or function.
    pub fn on(resource: Expr) -> Self {
        Self { resource, actions: Vec::new() }
    }

    /// Grants an action, such as `read` or `call`.
    #[must_use]
    pub fn allow(self, action: &'static str) -> Self {
        self.with(action, true.into())
    }

    /// Grants an action if the predicate returns `true`.
    #[must_use]
    pub fn allow_if(self, action: &'static str, predicate: Expr) -> Self {
        self.with(action, fql::query(predicate))
    }

    fn with(mut self, action: &'static str, permission: Expr) -> Self {
        self.actions.push((action, permission));
        self
    }

    fn into_expr(self) -> Expr {
        let actions = fql::object_of(self.actions.into_iter().map(|(action, allowed)| (action.to_owned(), allowed)));
        fql::object([("resource", self.resource), ("actions", actions)])
    }
}

/// All definitions in order of installation; the two roles of the application come last because they refer to the rest.
fn definitions(users: &str, modules: Vec<Declarations>) -> Vec<Definition> {
    let (mut all, mut member, mut backend) = (Vec::new(), Vec::new(), Vec::new());
    for module in modules {
        all.extend(module.definitions);
        member.extend(module.member.into_iter().map(Privilege::into_expr));
        backend.extend(module.backend.into_iter().map(Privilege::into_expr));
    }
    let membership = fql::object([("resource", fql::collection(users))]);
    // The application reads these to check what is installed.
    all.push(installed::placeholder());
    backend.extend(installed::privileges().map(Privilege::into_expr));
    all.push(role_with(MEMBER, vec![("membership", membership), ("privileges", member.into_iter().collect())]));
    all.push(role_with(BACKEND, vec![("privileges", backend.into_iter().collect())]));
    all
}

/// Whether the secret may read the keys of the database, as only an admin key or a server key may.
///
/// # Errors
/// Those of the query.
pub async fn is_admin_secret(app: &AsApp) -> Result<bool, Error> {
    match app.query_idempotent::<IgnoredAny>(&fql::paginate(fql::keys(), 1)).await {
        Ok(_) => Ok(true),
        Err(Error::PermissionDenied(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// The reference of a document that is declared twice: the second declaration would silently replace the first.
fn declared_twice(definitions: &[Definition]) -> Option<String> {
    let mut names = definitions.iter().map(|definition| definition.reference.wire().to_string()).collect::<Vec<_>>();
    names.sort_unstable();
    names.windows(2).find_map(|pair| match pair {
        [one, other] if one == other => Some(one.clone()),
        _ => None,
    })
}

/// An idempotent query that creates or updates a definition.
fn install(definition: Definition) -> Expr {
    let Definition { create, reference, params, update_existing } = definition;
    let there = if update_existing {
        fql::do_all([fql::update(reference.clone(), params.clone()), true.into()])
    } else {
        true.into()
    };
    let absent = fql::do_all([fql::create_schema(create, params), true.into()]);
    fql::if_else(fql::exists(reference), there, absent)
}

/// Installs the declarations of all modules; `users` is the collection of user documents. Can be repeated at any time.
///
/// # Errors
/// [`Error::DeclaredTwice`] and [`Error::OtherIndex`] before anything is installed; otherwise the error of the first query that fails.
/// Definitions before it stay installed, and [`Expected::check`] finds the schema outdated.
pub async fn apply(admin: &AsAdmin, users: &str, modules: Vec<Declarations>) -> Result<(), Error> {
    let definitions = definitions(users, modules);
    if let Some(twice) = declared_twice(&definitions) {
        return Err(Error::DeclaredTwice(twice));
    }
    let expected = Expected::of(&definitions);
    if let Some(other) = expected.other_index(admin).await? {
        return Err(Error::OtherIndex(other));
    }
    for definition in definitions {
        let _done: bool = admin.query_idempotent(&install(definition)).await?;
    }
    expected.mark(admin).await
}

/// What [`apply`] installs with these declarations, to be compared with what is installed.
pub fn expected(users: &str, modules: Vec<Declarations>) -> Expected {
    Expected::of(&definitions(users, modules))
}

/// Creates a key with the role `backend` and returns its secret, which cannot be read again.
///
/// # Errors
/// Those of the query.
pub async fn app_key(admin: &AsAdmin) -> Result<SecretString, Error> {
    let key = fql::create_schema("create_key", fql::object([("role", fql::role(BACKEND))]));
    let secret: String = admin.query(&fql::select(&["secret"], key)).await?;
    Ok(secret.into())
}

/// The query with which [`apply`] creates the definition of that name; `None` if nothing declares it. `form` is the FQL form, such as
/// `create_index`. For tests that compare it with exchanges recorded from FaunaDB.
pub fn creation_query(declarations: Vec<Declarations>, form: &str, name: &str) -> Option<serde_json::Value> {
    definitions("users", declarations)
        .into_iter()
        .map(|definition| fql::create_schema(definition.create, definition.params).wire().clone())
        .find(|query| query.pointer(&format!("/{form}/object/name")).is_some_and(|found| found == name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_be_declared_twice() {
        let module = |names: &[&str]| Declarations {
            definitions: names.iter().map(|name| collection(name)).collect(),
            ..Declarations::default()
        };
        assert_eq!(declared_twice(&definitions("users", vec![module(&["a", "b"]), module(&["c"])])), None);
        let twice = declared_twice(&definitions("users", vec![module(&["a", "b"]), module(&["b"])]));
        assert_eq!(twice.as_deref(), Some(r#"{"collection":"b"}"#));
    }
}
