//! The queries about many users: listing and counting.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Deserialize;

use crate::fauna::DocumentId;
use crate::fauna::Page;
use crate::fauna::Ref;
use crate::fauna::Time;
use crate::fauna::fql;
use crate::fauna::fql::Expr;
use crate::users::store::Found;
use crate::users::store::with_secret;

/// All users, those who joined last first.
pub fn newest_index(users: &str) -> String {
    format!("{users}_newest")
}

/// All users, those who joined first first.
pub fn oldest_index(users: &str) -> String {
    format!("{users}_oldest")
}

/// Which end a list begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Order {
    /// Those who joined first.
    #[serde(rename = "ASC")]
    Oldest,
    /// Those who joined last.
    #[serde(rename = "DESC")]
    Newest,
}

/// A place in the list of users: the one that the next page begins with. Opaque to clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// When they joined, as exactly as Fauna knows.
    joined_at: Time,
    /// Who it is.
    id: DocumentId,
}

impl Cursor {
    /// Reads what was shown.
    pub fn parse(text: &str) -> Option<Self> {
        let text = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let (joined_at, id) = text.split_once(' ')?;
        Some(Self { joined_at: Time::parse(joined_at)?, id: DocumentId::parse(id)? })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{} {}", self.joined_at.text(), self.id.as_str());
        out.write_str(&BASE64_URL_SAFE_NO_PAD.encode(text))
    }
}

/// A page of users with Fauna's cursor.
pub type UserPage = Page<Found, (Time, Ref, Ref)>;

/// Where the page after this one begins.
pub fn next(page: &UserPage) -> Option<Cursor> {
    page.after.as_ref().map(|(joined_at, user, _)| Cursor { joined_at: *joined_at, id: user.id.clone() })
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
            fql::paginate_after(set, size, Expr::from([cursor.joined_at.into(), user(), user()]))
        }
    };
    fql::map(page, fql::lambda_of(&["joinedAt", "ref"], with_secret(fql::get(fql::var("ref")))))
}

/// How many users there are.
pub fn count(users: &str) -> Expr {
    fql::count(fql::documents(users))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_the_way_to_the_client_and_back() {
        let joined_at = Time::parse("2030-01-03T00:00:00.000001Z").unwrap();
        let cursor = Cursor { joined_at, id: DocumentId::parse("303").unwrap() };
        assert_eq!(Cursor::parse(&cursor.to_string()), Some(cursor));
        for text in ["", "x", "MQ", "garbage!"] {
            assert_eq!(Cursor::parse(text), None, "{text}");
        }
    }
}
