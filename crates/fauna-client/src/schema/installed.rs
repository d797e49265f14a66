//! Whether the installed schema is the one that a program was built for.
//!
//! [`apply`](super::apply) ends with a mark: a stored function that evaluates to the fingerprint of all definitions, and to earlier ones.
//! A program whose fingerprint is among the earlier ones is older than the schema and goes on working, as while processes are replaced
//! one by one; one whose fingerprint is not there finds the schema outdated. Indexes are compared as well, because they cannot be
//! changed and `apply` leaves existing ones alone.

use std::fmt;

use aws_lc_rs::digest;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Definition, Privilege};
use crate::client::{App, Credential};
use crate::fql::Expr;
use crate::{As, AsAdmin, Error, fql};

/// The function that is the mark.
const MARK: &str = "installed_schema";
/// Earlier fingerprints that are remembered.
const EARLIER_MAX: usize = 30;
/// Characters of a fingerprint.
const FINGERPRINT_CHARS: usize = 32;
/// Elements of an index definition that are compared.
const INDEX_FIELDS: [&str; 4] = ["source", "terms", "values", "unique"];

/// The schema of a program, to be compared with the installed one.
#[derive(Clone, Debug)]
pub struct Expected {
    fingerprint: String,
    indexes: Vec<ExpectedIndex>,
}

#[derive(Clone, Debug)]
struct ExpectedIndex {
    name: String,
    definition: Value,
}

/// Why the installed schema does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No schema is installed, or one of a program that knew no marks.
    Missing,
    /// The schema of another program, probably of an earlier version of this one, or with other settings.
    Outdated,
    /// This index is missing.
    NoIndex(String),
    /// This index has another definition.
    OtherIndex(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => out.write_str("the schema is not installed"),
            Self::Outdated => {
                out.write_str("the installed schema is older than this program, or was made with other settings")
            }
            Self::NoIndex(name) => write!(out, "the index {name} is missing"),
            Self::OtherIndex(name) => write!(
                out,
                "the index {name} has another definition than this program expects; delete it with an admin key, and wait a minute"
            ),
        }
    }
}

/// The value of the mark.
#[derive(Default, Deserialize)]
struct Mark {
    current: String,
    earlier: Vec<String>,
}

impl Expected {
    /// Of all definitions, in order.
    pub(super) fn of(definitions: &[Definition]) -> Self {
        let mut hash = digest::Context::new(&digest::SHA256);
        for definition in definitions {
            hash.update(definition.create.as_bytes());
            hash.update(definition.params.wire().to_string().as_bytes());
        }
        let hex = hash.finish().as_ref().iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
        let indexes = definitions.iter().filter_map(|definition| {
            let name = definition.reference.wire().get("index")?.as_str()?.to_owned();
            Some(ExpectedIndex { name, definition: plain(&members_of(definition.params.wire())) })
        });
        Self { fingerprint: hex.chars().take(FINGERPRINT_CHARS).collect(), indexes: indexes.collect() }
    }

    /// What is wrong with the installed schema, asked with the application's key; `None` if it is the expected one or a later one.
    ///
    /// # Errors
    /// Those of the queries; [`Error::PermissionDenied`] if the key may not read the schema, which also happens where it was
    /// installed by a program that knew no marks.
    pub async fn check(&self, app: &As<App>) -> Result<Option<Fault>, Error> {
        let mark: Mark = match app.query_idempotent(&fql::call(MARK, fql::null())).await {
            Ok(mark) => mark,
            Err(Error::Refused { .. } | Error::NotFound) => return Ok(Some(Fault::Missing)),
            Err(error) => return Err(error),
        };
        if mark.current.is_empty() {
            return Ok(Some(Fault::Missing));
        }
        if mark.current != self.fingerprint && !mark.earlier.contains(&self.fingerprint) {
            return Ok(Some(Fault::Outdated));
        }
        let installed = self.installed_indexes(app).await?;
        Ok(self.indexes.iter().zip(installed).find_map(|(expected, installed)| match installed {
            None => Some(Fault::NoIndex(expected.name.clone())),
            Some(installed) if !expected.is(&installed) => Some(Fault::OtherIndex(expected.name.clone())),
            Some(_) => None,
        }))
    }

    /// The first existing index with another definition.
    pub(super) async fn other_index(&self, admin: &AsAdmin) -> Result<Option<String>, Error> {
        let installed = self.installed_indexes(admin).await?;
        let differs = |(expected, installed): (&ExpectedIndex, Option<Value>)| {
            installed.is_some_and(|installed| !expected.is(&installed)).then(|| expected.name.clone())
        };
        Ok(self.indexes.iter().zip(installed).find_map(differs))
    }

    /// The definitions of the expected indexes, in their order; null where there is none.
    async fn installed_indexes<Who: Credential>(&self, fauna: &As<Who>) -> Result<Vec<Option<Value>>, Error> {
        let definition = |expected: &ExpectedIndex| {
            let index = || fql::index(&expected.name);
            let fields = INDEX_FIELDS.map(|field| (field, fql::select_or(&[field], fql::var("found"), fql::null())));
            let there = fql::let_in([("found", fql::get(index()))], fql::object(fields));
            fql::if_else(fql::exists(index()), there, fql::null())
        };
        fauna.query_idempotent(&self.indexes.iter().map(definition).collect()).await
    }

    /// Records that everything is installed.
    pub(super) async fn mark(&self, admin: &AsAdmin) -> Result<(), Error> {
        let Mark { current, earlier } = admin.query_idempotent(&fql::call(MARK, fql::null())).await?;
        if current == self.fingerprint {
            return Ok(());
        }
        let others = [current].into_iter().chain(earlier).filter(|one| !one.is_empty() && *one != self.fingerprint);
        let mark = Mark { current: self.fingerprint.clone(), earlier: others.take(EARLIER_MAX).collect() };
        let update = fql::update(fql::function(MARK), fql::object([("body", body(&mark))]));
        let _marked: bool = admin.query_idempotent(&fql::do_all([update, true.into()])).await?;
        Ok(())
    }
}

impl ExpectedIndex {
    fn is(&self, installed: &Value) -> bool {
        plain(installed) == self.definition
    }
}

/// The mark before the schema is installed completely.
pub(super) fn placeholder() -> Definition {
    Definition {
        create: "create_function",
        reference: fql::function(MARK),
        params: fql::object([("name", MARK.into()), ("body", body(&Mark::default()))]),
        update_existing: false,
    }
}

/// Privileges of the application's key for [`Expected::check`].
pub(super) fn privileges() -> [Privilege; 2] {
    [Privilege::on(fql::function(MARK)).allow("call"), Privilege::on(fql::indexes()).allow("read")]
}

fn body(mark: &Mark) -> Expr {
    let earlier = mark.earlier.iter().map(Expr::from).collect();
    fql::query(fql::lambda("_", fql::object([("current", (&mark.current).into()), ("earlier", earlier)])))
}

/// The compared members of an index definition, whether as it is declared or as Fauna answers it.
fn plain(definition: &Value) -> Value {
    let members = INDEX_FIELDS.iter().filter_map(|field| {
        let value = simplified(definition.get(field)?);
        let is_default = value.is_null() || value == false || value.as_array().is_some_and(Vec::is_empty);
        (!is_default).then(|| ((*field).to_owned(), value))
    });
    Value::Object(members.collect())
}

/// Literals without their `object`, references as their name, defaults left out, and a single source instead of a list.
fn simplified(value: &Value) -> Value {
    match value {
        Value::Array(items) => match items.as_slice() {
            [only @ Value::Object(_)] if name_of(only).is_some() => simplified(only),
            items => items.iter().map(simplified).collect(),
        },
        Value::Object(members) => match (name_of(value), members.get("object")) {
            (Some(name), _) => name.into(),
            (None, Some(literal)) => simplified(literal),
            (None, None) => {
                let kept = members.iter().map(|(name, member)| (name.clone(), simplified(member)));
                Value::Object(kept.filter(|(_, member)| !member.is_null() && *member != false).collect())
            }
        },
        other => other.clone(),
    }
}

/// The name of the collection that an expression or an answer refers to.
fn name_of(value: &Value) -> Option<&str> {
    let named = value.get("collection").and_then(Value::as_str);
    let native = || value.get("tokens").filter(|argument| argument.is_null()).map(|_| "tokens");
    let answered = || value.get("@ref")?.get("id")?.as_str();
    named.or_else(native).or_else(answered)
}

/// The members of a literal object.
fn members_of(literal: &Value) -> Value {
    literal.get("object").cloned().unwrap_or_else(|| Value::Object(Map::new()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::schema::index;

    fn expected(definition: Definition) -> ExpectedIndex {
        Expected::of(&[definition]).indexes.remove(0)
    }

    fn users() -> Value {
        json!({"@ref": {"id": "users", "collection": {"@ref": {"id": "collections"}}}})
    }

    #[test]
    fn an_index_is_recognised_in_the_answer_of_fauna() {
        let by_email =
            expected(index("users_by_email", fql::collection("users")).term_ignoring_case(&["data", "email"]).unique());
        let fits = json!({"source": users(), "terms": [{"field": ["data", "email"], "transform": "casefold"}], "values": null,
            "unique": true});
        assert!(by_email.is(&fits), "{:?} {:?}", by_email.definition, plain(&fits));
        for (field, other) in [
            ("source", json!({"@ref": {"id": "people"}})),
            ("terms", json!([{"field": ["data", "email"]}])),
            ("terms", json!([{"field": ["data", "mail"], "transform": "casefold"}])),
            ("unique", json!(false)),
            ("values", json!([{"field": ["ref"]}])),
        ] {
            let mut changed = fits.clone();
            changed[field] = other;
            assert!(!by_email.is(&changed), "{changed}");
        }
        let newest = expected(
            index("x", fql::collection("users")).values([(&["data", "joinedAt"], true), (&["ref"], false)]).any(),
        );
        let answered = json!({"source": [users()], "unique": false, "terms": [],
            "values": [{"field": ["data", "joinedAt"], "reverse": true}, {"field": ["ref"], "reverse": false}]});
        assert!(newest.is(&answered), "{:?} {:?}", newest.definition, plain(&answered));
        let of_tokens = expected(index("x", fql::tokens()).terms([&["instance"]]).any());
        assert!(of_tokens.is(&json!({"source": {"@ref": {"id": "tokens"}}, "terms": [{"field": ["instance"]}]})));
    }

    #[test]
    fn every_change_of_a_definition_changes_the_fingerprint() {
        let of = |term: &str| {
            Expected::of(&[index("x", fql::collection("users")).terms([&["data", term]]).any()]).fingerprint
        };
        assert_eq!(of("a"), of("a"));
        assert_ne!(of("a"), of("b"));
        assert_eq!(of("a").len(), FINGERPRINT_CHARS);
    }
}
