//! The queries about many users: listing and counting.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use fauna_client::fql::Expr;
use fauna_client::{DocumentId, Page, Ref, Time, fql};
use serde::Deserialize;
use serde_json::Value;

use crate::users::store::{Document, SECRETS, Secret, data_of};

/// Stands in a cursor for a time that is missing.
const NEVER: &str = "-";

/// All users, those who joined last first.
pub fn newest_index(users: &str) -> String {
    format!("{users}_newest")
}

/// All users, those who joined first first.
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

/// A place in the list of users: the one that the next page begins with. Opaque to clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// When they joined, as exactly as Fauna knows; nothing where their document does not say it.
    joined_at: Option<Time>,
    id: DocumentId,
}

impl Cursor {
    pub fn parse(text: &str) -> Option<Self> {
        let text = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let (joined_at, id) = text.split_once(' ')?;
        let joined_at = if joined_at == NEVER { None } else { Some(Time::parse(joined_at)?) };
        Some(Self { joined_at, id: DocumentId::parse(id)? })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joined_at = self.joined_at.map_or_else(|| NEVER.to_owned(), Time::text);
        let text = format!("{joined_at} {}", self.id.as_str());
        out.write_str(&BASE64_URL_SAFE_NO_PAD.encode(text))
    }
}

/// A page of users with Fauna's cursor.
pub type UserPage = Page<Value, (Option<Time>, Ref, Ref)>;

pub fn next(page: &UserPage) -> Option<Cursor> {
    page.after.as_ref().map(|(joined_at, user, _)| Cursor { joined_at: *joined_at, id: user.id.clone() })
}

/// A user of a list, as they are stored.
#[derive(Deserialize)]
pub struct Listed {
    pub id: DocumentId,
    pub user: Document,
    pub secret: Option<Secret>,
}

/// The users of a page. Whose document is not what this site writes is left out: one must not hide the others.
pub fn listed(page: UserPage) -> impl Iterator<Item = Listed> {
    page.data.into_iter().filter_map(|row| {
        let id = row.get("id").cloned();
        serde_json::from_value(row)
            .inspect_err(|error| tracing::warn!(?id, %error, "a user is left out: their document is incomplete"))
            .ok()
    })
}

/// At most `size` users with their secrets.
pub fn list(users: &str, order: Order, size: i64, after: Option<&Cursor>) -> Expr {
    let set = match order {
        Order::Oldest => fql::all_of(&oldest_index(users)),
        Order::Newest => fql::all_of(&newest_index(users)),
    };
    let page = match after {
        None => fql::paginate(set, size),
        Some(cursor) => {
            let user = || fql::document(users, &cursor.id);
            let joined_at = cursor.joined_at.map_or_else(fql::null, Expr::from);
            fql::paginate_after(set, size, Expr::from([joined_at, user(), user()]))
        }
    };
    fql::map(page, fql::lambda_of(&["joinedAt", "ref"], with_secret_if_any(fql::get(fql::var("ref")))))
}

/// A user with their secret, where they have one: somebody may have made a user by hand.
fn with_secret_if_any(user: Expr) -> Expr {
    let id = || fql::select(&["ref", "id"], fql::var("user"));
    let secret = || fql::document(SECRETS, id());
    let data = fql::if_else(fql::exists(secret()), fql::select(&["data"], fql::get(secret())), fql::null());
    fql::let_in([("user", user)], fql::object([("id", id()), ("user", data_of("user")), ("secret", data)]))
}

pub fn count(users: &str) -> Expr {
    fql::count(fql::documents(users))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_the_way_to_the_client_and_back() {
        for joined_at in [Time::parse("2030-01-03T00:00:00.000001Z"), None] {
            let cursor = Cursor { joined_at, id: DocumentId::parse("303").unwrap() };
            assert_eq!(Cursor::parse(&cursor.to_string()), Some(cursor));
        }
        for text in ["", "x", "MQ", "garbage!"] {
            assert_eq!(Cursor::parse(text), None, "{text}");
        }
    }
}
