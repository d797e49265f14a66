//! The queries that list and count users.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use fauna_client::fql::Expr;
use fauna_client::{DocumentId, Page, Ref, fql, scalar};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::users::UserLayout;
use crate::users::store::{Found, id_and_secret};

/// A longer position is left out of a cursor, bytes; it is read from the user's document instead.
const POSITION_BYTES_MAX: usize = 400;

/// Index of all users, newest first.
pub fn newest_index(users: &str) -> String {
    format!("{users}_newest")
}

/// Index of all users, oldest first.
pub fn oldest_index(users: &str) -> String {
    format!("{users}_oldest")
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Order {
    #[serde(rename = "ASC")]
    Oldest,
    #[serde(rename = "DESC")]
    Newest,
}

/// The first entry of the next page. Opaque to clients.
#[derive(Clone, Debug, PartialEq)]
pub struct Cursor {
    /// `joinedAt` exactly as in the index, in the form of an answer: another application may have stored a value of any type.
    joined_at: Value,
    id: DocumentId,
}

/// A cursor as text: a JSON array of id and position, or of the id alone.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Whole(DocumentId, Value),
    Short((DocumentId,)),
}

impl Cursor {
    /// Reads what [`Cursor`] displays.
    pub fn parse(text: &str) -> Option<Self> {
        match serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(text).ok()?).ok()? {
            Written::Whole(id, joined_at) => scalar(&joined_at).map(|_| Self { joined_at, id }),
            Written::Short((id,)) => Some(Self { joined_at: Value::Object(Map::new()), id }),
        }
    }

    /// The position in an index of `users` as Fauna takes it.
    fn position(&self, users: &UserLayout) -> Expr {
        let user = || fql::document(&users.collection, &self.id);
        let stored = || fql::select_or(&["data", "joinedAt"], fql::get(user()), fql::null());
        let joined_at = scalar(&self.joined_at).unwrap_or_else(stored);
        Expr::from([joined_at, user(), user()])
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (id, joined_at) = (self.id.as_str(), self.joined_at.to_string());
        let is_short = joined_at.len() <= POSITION_BYTES_MAX;
        let text = if is_short { format!("[\"{id}\",{joined_at}]") } else { format!("[\"{id}\"]") };
        out.write_str(&BASE64_URL_SAFE_NO_PAD.encode(text))
    }
}

/// An entry of the index with its user.
#[derive(Deserialize)]
pub struct Entry {
    #[serde(flatten)]
    pub found: Found,
    #[serde(default)]
    at: Value,
    /// `joinedAt` of the document, if that is an array: then the index has an entry for each element.
    #[serde(default)]
    several: Value,
}

impl Entry {
    /// Whether this is the entry of its user that counts: the only one, or that of the first element of an array.
    fn is_first(&self) -> bool {
        self.several.is_null() || *first_indexed(&self.several).unwrap_or(&Value::Null) == self.at
    }
}

/// The first value of nested arrays that an index has an entry for; objects have none.
fn first_indexed(value: &Value) -> Option<&Value> {
    match value {
        Value::Array(items) => items.iter().find_map(first_indexed),
        other => scalar(other).map(|_| other),
    }
}

/// A page of entries with Fauna's cursor.
pub type UserPage = Page<Entry, (Value, Ref, Ref)>;

/// The users of a page, each once, and the cursor of the page after it.
pub fn users_of(page: UserPage) -> (Vec<Found>, Option<Cursor>) {
    let found = page.data.into_iter().filter(Entry::is_first).map(|entry| entry.found).collect();
    (found, page.after.map(|(joined_at, user, _)| Cursor { joined_at, id: user.id }))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    Summary,
    WithProfile,
}

/// At most `size` users with their secrets.
pub fn list(users: &UserLayout, order: Order, shown: Shown, size: i64, after: Option<&Cursor>) -> Expr {
    let set = match order {
        Order::Oldest => fql::all_of(&oldest_index(&users.collection)),
        Order::Newest => fql::all_of(&newest_index(&users.collection)),
    };
    let page = match after {
        None => fql::paginate(set, size),
        Some(cursor) => fql::paginate_after(set, size, cursor.position(users)),
    };
    let data = match shown {
        Shown::Summary => users.summary_of("user"),
        Shown::WithProfile => users.data_of("user"),
    };
    let joined = fql::select_or(&["data", "joinedAt"], fql::var("user"), fql::null());
    let several = fql::if_else(fql::is_array(fql::var("joined")), fql::var("joined"), fql::null());
    let [id, secret] = id_and_secret();
    let entry = fql::let_in(
        [("user", fql::get(fql::var("ref"))), ("joined", joined)],
        fql::object([id, ("user", data), secret, ("at", fql::var("at")), ("several", several)]),
    );
    fql::map(page, fql::lambda_of(&["at", "ref"], entry))
}

pub fn count(users: &UserLayout) -> Expr {
    fql::count(fql::documents(&users.collection))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_cursor_survives_the_way_to_the_client_and_back() {
        for joined_at in [
            json!({"@ts": "2030-01-03T00:00:00.000001Z"}),
            json!({"@date": "2030-01-03"}),
            json!(null),
            json!(-7),
            json!(1.0),
            json!(true),
            json!("3 May 2020: noon"),
        ] {
            let cursor = Cursor { joined_at, id: DocumentId::parse("303").unwrap() };
            assert_eq!(Cursor::parse(&cursor.to_string()), Some(cursor));
        }
        let long = Cursor { joined_at: "x".repeat(1 << 20).into(), id: DocumentId::parse("303").unwrap() };
        assert!(long.to_string().len() < 100);
        assert_eq!(Cursor::parse(&long.to_string()).unwrap().id, long.id);
    }

    #[test]
    fn a_cursor_of_somebody_else_is_refused() {
        let query = BASE64_URL_SAFE_NO_PAD.encode(r#"["303",{"now":null}]"#);
        let list = BASE64_URL_SAFE_NO_PAD.encode(r#"["303",[1]]"#);
        for text in ["", "x", "MQ", "garbage!", &query, &list] {
            assert_eq!(Cursor::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_first_element_that_has_an_entry_counts() {
        for (array, first) in [
            (json!([]), None),
            (json!([{"a": 1}, [[], [3, 4]], 5]), Some(json!(3))),
            (json!([{"@date": "2030-01-03"}]), Some(json!({"@date": "2030-01-03"}))),
            (json!([null, 1]), Some(json!(null))),
        ] {
            assert_eq!(first_indexed(&array).cloned(), first, "{array}");
        }
    }
}
