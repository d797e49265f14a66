//! What rooms need in Fauna, declared by each room and installed in one go.
//!
//! A room declares collections, indexes, stored functions with the roles these run under, and what it adds to the two roles
//! of the application: `member` (everybody who has a document in the users collection) and `backend` (the app's own key).
//! [`apply`] installs that again and again without harm: collections and indexes that exist are left alone, roles and
//! functions are brought up to date. A definition may only mention what earlier ones define.

use secrecy::SecretString;

use crate::fql::Expr;
use crate::{AsAdmin, Error, fql};

/// The role of a signed-in person.
const MEMBER: &str = "member";
/// The role of the app's key.
const BACKEND: &str = "backend";

/// What a room needs.
#[derive(Default)]
pub struct Declarations {
    /// Collections, indexes, roles of functions and functions, in order of dependency.
    pub definitions: Vec<Definition>,
    /// What signed-in people may do with it.
    pub member: Vec<Privilege>,
    /// What the app's key may do with it.
    pub backend: Vec<Privilege>,
}

/// A thing to be created.
pub struct Definition {
    /// The form that creates it.
    create: &'static str,
    /// The reference it will have.
    reference: Expr,
    params: Expr,
    renewed: bool,
}

/// A collection without history.
pub fn collection(name: &str) -> Definition {
    Definition {
        create: "create_collection",
        reference: fql::collection(name),
        params: fql::object([("name", name.into()), ("history_days", 0.into())]),
        renewed: false,
    }
}

/// A stored function that runs with a role of its own.
pub fn function(name: &str, role: &str, lambda: Expr) -> Definition {
    Definition {
        create: "create_function",
        reference: fql::function(name),
        params: fql::object([("name", name.into()), ("role", fql::role(role)), ("body", fql::query(lambda))]),
        renewed: true,
    }
}

/// The role of stored functions.
pub fn role<const N: usize>(name: &str, privileges: [Privilege; N]) -> Definition {
    let privileges = privileges.into_iter().map(Privilege::into_expr).collect();
    role_with(name, vec![("privileges", privileges)])
}

/// A role with these fields.
fn role_with(name: &str, fields: Vec<(&str, Expr)>) -> Definition {
    let fields = [("name", Expr::from(name))].into_iter().chain(fields);
    Definition {
        create: "create_role",
        reference: fql::role(name),
        params: fql::object_of(fields.map(|(field, value)| (field.to_owned(), value))),
        renewed: true,
    }
}

/// An index being declared.
pub struct Index {
    /// Its fields so far.
    fields: Vec<(&'static str, Expr)>,
    name: String,
}

/// An index over a source, such as `fql::collection("comments")`.
pub fn index(name: &str, source: Expr) -> Index {
    Index { fields: vec![("name", name.into()), ("source", source)], name: name.to_owned() }
}

impl Index {
    /// Finds documents by these fields.
    #[must_use]
    pub fn terms<const N: usize>(mut self, terms: [&[&str]; N]) -> Self {
        self.fields.push(("terms", terms.into_iter().map(|path| field(path, false)).collect()));
        self
    }

    /// Sorts by these fields and shows them; `true` for the largest first.
    #[must_use]
    pub fn values<const N: usize>(mut self, values: [(&[&str], bool); N]) -> Self {
        self.fields.push(("values", values.into_iter().map(|(path, reverse)| field(path, reverse)).collect()));
        self
    }

    /// At most one document for each combination of terms and values.
    pub fn unique(mut self) -> Definition {
        self.fields.push(("unique", true.into()));
        self.fields.push(("serialized", true.into()));
        self.any()
    }

    /// Any number of documents.
    pub fn any(self) -> Definition {
        Definition {
            create: "create_index",
            reference: fql::index(&self.name),
            params: fql::object_of(self.fields.into_iter().map(|(field, value)| (field.to_owned(), value))),
            renewed: false,
        }
    }
}

/// A term or value of an index.
fn field(path: &[&str], reverse: bool) -> Expr {
    let path = ("field", path.iter().map(|name| Expr::from(*name)).collect());
    if reverse { fql::object([path, ("reverse", true.into())]) } else { fql::object([path]) }
}

/// What a role may do with one resource.
pub struct Privilege {
    /// A collection, index or function.
    resource: Expr,
    /// Actions, each `true` or a predicate.
    actions: Vec<(&'static str, Expr)>,
}

impl Privilege {
    /// Nothing yet, with this resource.
    pub fn on(resource: Expr) -> Self {
        Self { resource, actions: Vec::new() }
    }

    /// Also this action.
    #[must_use]
    pub fn allow(self, action: &'static str) -> Self {
        self.with(action, true.into())
    }

    /// Also this action, where the lambda says `true`.
    #[must_use]
    pub fn allow_if(self, action: &'static str, predicate: Expr) -> Self {
        self.with(action, fql::query(predicate))
    }

    fn with(mut self, action: &'static str, permission: Expr) -> Self {
        self.actions.push((action, permission));
        self
    }

    /// As a role's document holds it.
    fn into_expr(self) -> Expr {
        let actions = fql::object_of(self.actions.into_iter().map(|(action, allowed)| (action.to_owned(), allowed)));
        fql::object([("resource", self.resource), ("actions", actions)])
    }
}

/// All definitions in order, the two roles of the application last.
fn definitions(users: &str, rooms: Vec<Declarations>) -> Vec<Definition> {
    let (mut all, mut member, mut backend) = (Vec::new(), Vec::new(), Vec::new());
    for room in rooms {
        all.extend(room.definitions);
        member.extend(room.member.into_iter().map(Privilege::into_expr));
        backend.extend(room.backend.into_iter().map(Privilege::into_expr));
    }
    let membership = fql::object([("resource", fql::collection(users))]);
    all.push(role_with(MEMBER, vec![("membership", membership), ("privileges", member.into_iter().collect())]));
    all.push(role_with(BACKEND, vec![("privileges", backend.into_iter().collect())]));
    all
}

/// What two rooms call by the same name: the later would silently take the place of the earlier.
fn declared_twice(definitions: &[Definition]) -> Option<String> {
    let mut names = definitions.iter().map(|definition| definition.reference.wire().to_string()).collect::<Vec<_>>();
    names.sort_unstable();
    names.windows(2).find_map(|pair| match pair {
        [one, other] if one == other => Some(one.clone()),
        _ => None,
    })
}

/// The query that installs a definition or leaves it as it should be.
fn install(definition: Definition) -> Expr {
    let Definition { create, reference, params, renewed } = definition;
    let there =
        if renewed { fql::do_all([fql::update(reference.clone(), params.clone()), true.into()]) } else { true.into() };
    let absent = fql::do_all([fql::create_schema(create, params), true.into()]);
    fql::if_else(fql::exists(reference), there, absent)
}

/// Installs what the rooms need; `users` is the collection whose documents are people. May be repeated at any time.
///
/// # Errors
/// Two declare the same, or Fauna does not do its part.
pub async fn apply(admin: &AsAdmin, users: &str, rooms: Vec<Declarations>) -> Result<(), Error> {
    let definitions = definitions(users, rooms);
    if let Some(twice) = declared_twice(&definitions) {
        return Err(Error::DeclaredTwice(twice));
    }
    for definition in definitions {
        let _done: bool = admin.query_idempotent(&install(definition)).await?;
    }
    Ok(())
}

/// Makes a key for the app: it has the role `backend` and nothing else. The secret is not shown a second time.
pub async fn app_key(admin: &AsAdmin) -> Result<SecretString, Error> {
    let key = fql::create_schema("create_key", fql::object([("role", fql::role(BACKEND))]));
    let secret: String = admin.query(&fql::select(&["secret"], key)).await?;
    Ok(secret.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_rooms_cannot_declare_the_same() {
        let room = |names: &[&str]| Declarations {
            definitions: names.iter().map(|name| collection(name)).collect(),
            ..Declarations::default()
        };
        assert_eq!(declared_twice(&definitions("users", vec![room(&["a", "b"]), room(&["c"])])), None);
        let twice = declared_twice(&definitions("users", vec![room(&["a", "b"]), room(&["b"])]));
        assert_eq!(twice.as_deref(), Some(r#"{"collection":"b"}"#));
    }
}

/// The query that [`apply`] sends to create the definition of that name; `None` where nothing declares it. `form` is the
/// FQL form, such as `create_index`. Tests compare it with exchanges recorded from FaunaDB.
pub fn creation_query(declarations: Vec<Declarations>, form: &str, name: &str) -> Option<serde_json::Value> {
    definitions("users", declarations)
        .into_iter()
        .map(|definition| fql::create_schema(definition.create, definition.params).wire().clone())
        .find(|query| query.pointer(&format!("/{form}/object/name")).is_some_and(|found| found == name))
}
