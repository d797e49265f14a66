//! Declaring and installing the schema.
//!
//! Each module of the application declares the collections, indexes, stored functions and roles that it needs, and its privileges in
//! the two roles of the application: `member` (every document of the users collection) and `backend` (the application's key).
//! [`apply`] installs the declarations and can be repeated: existing collections and indexes are left alone, roles and functions are
//! updated. A definition may only refer to earlier ones.

use secrecy::SecretString;
use serde::de::IgnoredAny;

use crate::fql::Expr;
use crate::{AsAdmin, AsApp, Error, fql};

/// Role of signed-in users.
const MEMBER: &str = "member";
/// Role of the application's key.
const BACKEND: &str = "backend";
/// Stored function that returns the [`fingerprint`] of the definitions that were installed last.
const FINGERPRINT: &str = "schema_fingerprint";

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
    all.push(fingerprint_function(INCOMPLETE));
    backend.push(Privilege::on(fql::function(FINGERPRINT)).allow("call").into_expr());
    let membership = fql::object([("resource", fql::collection(users))]);
    all.push(role_with(MEMBER, vec![("membership", membership), ("privileges", member.into_iter().collect())]));
    all.push(role_with(BACKEND, vec![("privileges", backend.into_iter().collect())]));
    all
}

/// Returned while definitions are being installed.
const INCOMPLETE: &str = "incomplete";

fn fingerprint_function(value: &str) -> Definition {
    let body = fql::query(fql::lambda("_", value.into()));
    Definition {
        create: "create_function",
        reference: fql::function(FINGERPRINT),
        params: fql::object([("name", FINGERPRINT.into()), ("body", body)]),
        update_existing: true,
    }
}

/// Changes whenever a definition does: FNV-1a over the definitions as they are sent, in hexadecimal.
fn fingerprint_of(definitions: &[Definition]) -> String {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let parts = definitions.iter().flat_map(|definition| [&definition.reference, &definition.params]);
    let hash = parts.fold(OFFSET, |hash, part| {
        part.wire().to_string().bytes().fold(hash, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME))
    });
    format!("{hash:016x}")
}

/// The fingerprint of the declarations of all modules, to be compared with [`installed_fingerprint`].
pub fn fingerprint(users: &str, modules: Vec<Declarations>) -> String {
    fingerprint_of(&definitions(users, modules))
}

/// The fingerprint of the installed schema; `None` if no schema is installed, or one of a version without fingerprints.
///
/// # Errors
/// Those of the query.
pub async fn installed_fingerprint(app: &AsApp) -> Result<Option<String>, Error> {
    match app.query_idempotent(&fql::call(FINGERPRINT, true.into())).await {
        Ok(fingerprint) => Ok(Some(fingerprint)),
        Err(Error::NotFound | Error::PermissionDenied(_) | Error::Refused { .. }) => Ok(None),
        Err(error) => Err(error),
    }
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
/// [`Error::DeclaredTwice`] before anything is installed; otherwise the error of the first query that fails. Definitions before it
/// stay installed.
pub async fn apply(admin: &AsAdmin, users: &str, modules: Vec<Declarations>) -> Result<(), Error> {
    let definitions = definitions(users, modules);
    if let Some(twice) = declared_twice(&definitions) {
        return Err(Error::DeclaredTwice(twice));
    }
    let installed = fingerprint_function(&fingerprint_of(&definitions));
    for definition in definitions.into_iter().chain([installed]) {
        let _done: bool = admin.query_idempotent(&install(definition)).await?;
    }
    Ok(())
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
    fn every_change_of_a_definition_changes_the_fingerprint() {
        let of = |modules: Vec<Declarations>| fingerprint("users", modules);
        let module = |privilege: Option<Privilege>| Declarations {
            definitions: vec![collection("a")],
            backend: privilege.into_iter().collect(),
            ..Declarations::default()
        };
        let may_read = || Privilege::on(fql::collection("a")).allow("read");
        let known = of(vec![module(None)]);
        assert_eq!(known, of(vec![module(None)]));
        assert_ne!(known, of(vec![module(Some(may_read()))]));
        assert_ne!(known, fingerprint("people", vec![module(None)]));
        assert_ne!(of(vec![module(Some(may_read()))]), of(vec![module(Some(may_read().allow("write")))]));
    }

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
