//! The queries that read documents at one Fauna and write them at another.

use fauna_client::fql::Expr;
use fauna_client::{DocumentId, Page, Ref, fql, literal};
use serde::Deserialize;
use serde_json::Value;

/// A document of the source.
#[derive(Deserialize)]
pub struct Row {
    pub id: DocumentId,
    #[serde(default)]
    data: Value,
    #[serde(default)]
    ttl: Value,
    /// Of a user: the data of the secret, if there is one.
    #[serde(default)]
    secret: Value,
}

/// Result of writing a document at the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It was created; of a user perhaps only the secret.
    Copied,
    /// It was there, the same.
    There,
    /// There is another document with this id, which was left as it is.
    Different,
    /// A unique value of it belongs to another document, such as the address of a user.
    Taken,
    /// It has a value that cannot be written, such as a set.
    Unwritable,
}

pub type Rows = Page<Row, (Ref,)>;

/// At most `size` documents of a collection, in the order of their ids; with their documents of the collection `secrets`, if given.
pub fn page(collection: &str, secrets: Option<&str>, size: i64, after: Option<&DocumentId>) -> Expr {
    let all = fql::documents(collection);
    let page = match after {
        None => fql::paginate(all, size),
        Some(id) => fql::paginate_after(all, size, [fql::document(collection, id)].into()),
    };
    let field = |name: &str| fql::select_or(&[name], fql::var("document"), fql::null());
    let id = || fql::select(&["ref", "id"], fql::var("document"));
    let secret = secrets.map_or_else(fql::null, |secrets| {
        let secret = || fql::document(secrets, id());
        fql::if_else(fql::exists(secret()), fql::select(&["data"], fql::get(secret())), fql::null())
    });
    let row = fql::object([("id", id()), ("data", field("data")), ("ttl", field("ttl")), ("secret", secret)]);
    fql::map(page, fql::lambda("ref", fql::let_in([("document", fql::get(fql::var("ref")))], row)))
}

/// Creates a document that does not exist; evaluates to an [`Outcome`]. `None` for one that cannot be written.
pub fn write(collection: &str, secrets: Option<&str>, row: &Row) -> Option<Expr> {
    let place = || fql::document(collection, &row.id);
    let data = literal(&row.data)?;
    let create = fql::create(place(), fql::object([("data", fql::var("data")), ("ttl", literal(&row.ttl)?)]));
    let secret = match secrets {
        Some(secrets) if !row.secret.is_null() => Some((secrets, literal(&row.secret)?)),
        _ => None,
    };
    let (with_secret, same) = match secret {
        None => (create, "there".into()),
        Some((secrets, secret)) => {
            let place = || fql::document(secrets, &row.id);
            let write = || fql::create(place(), fql::object([("data", secret.clone())]));
            let is_same = fql::equals(data_of(place()), secret.clone());
            let there = fql::if_else(is_same, "there".into(), "different".into());
            let same = fql::if_else(fql::exists(place()), there, fql::do_all([write(), "copied".into()]));
            // A secret without its user belongs to nobody.
            let replace = fql::if_else(fql::exists(place()), fql::delete(place()), fql::null());
            (fql::do_all([create, replace, write()]), same)
        }
    };
    let is_same = fql::equals(data_of(place()), fql::var("data"));
    let there = fql::if_else(is_same, same, "different".into());
    let written = fql::if_else(fql::exists(place()), there, fql::do_all([with_secret, "copied".into()]));
    Some(fql::let_in([("data", data)], written))
}

fn data_of(reference: Expr) -> Expr {
    fql::select_or(&["data"], fql::get(reference), fql::null())
}

/// Those of these collections that do not exist.
pub fn missing(collections: &[&str]) -> Expr {
    let all =
        collections.iter().map(|name| fql::if_else(fql::exists(fql::collection(name)), fql::null(), Expr::from(*name)));
    all.collect()
}
