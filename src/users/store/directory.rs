//! The queries that list and count users.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use fauna_client::fql::Expr;
use fauna_client::{DocumentId, Page, Ref, Time, fql};
use serde::Deserialize;
use serde_json::Value;

use crate::users::store::{Found, with_secret};
use crate::users::{Error, UserLayout};

/// Prefixes in a cursor for a `joinedAt` that is missing, a number or text.
const MISSING: &str = "-";
const NUMBER: &str = "n";
const TEXT: &str = "t";

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

/// The first user of the next page. Opaque to clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    joined_at: JoinedAt,
    id: DocumentId,
}

/// `joinedAt` exactly as stored, as an index position requires.
#[derive(Clone, Debug, PartialEq, Eq)]
enum JoinedAt {
    Missing,
    Time(Time),
    /// Written by another application.
    Number(i64),
    Text(String),
}

impl Cursor {
    /// Reads what [`Cursor`] displays.
    pub fn parse(text: &str) -> Option<Self> {
        let text = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let (joined_at, id) = text.rsplit_once(' ')?;
        let joined_at = match joined_at.split_once(':') {
            _ if joined_at == MISSING => JoinedAt::Missing,
            Some((NUMBER, number)) => JoinedAt::Number(number.parse().ok()?),
            Some((TEXT, text)) => JoinedAt::Text(text.to_owned()),
            _ => JoinedAt::Time(Time::parse(joined_at)?),
        };
        Some(Self { joined_at, id: DocumentId::parse(id)? })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.id.as_str();
        let text = match &self.joined_at {
            JoinedAt::Missing => format!("{MISSING} {id}"),
            JoinedAt::Time(time) => format!("{} {id}", time.text()),
            JoinedAt::Number(number) => format!("{NUMBER}:{number} {id}"),
            JoinedAt::Text(text) => format!("{TEXT}:{text} {id}"),
        };
        out.write_str(&BASE64_URL_SAFE_NO_PAD.encode(text))
    }
}

impl JoinedAt {
    fn of(value: Value) -> Option<Self> {
        match value {
            Value::Null => Some(Self::Missing),
            Value::Number(number) => number.as_i64().map(Self::Number),
            Value::String(text) => Some(Self::Text(text)),
            other => serde_json::from_value(other).ok().map(Self::Time),
        }
    }
}

impl From<JoinedAt> for Expr {
    fn from(joined_at: JoinedAt) -> Self {
        match joined_at {
            JoinedAt::Missing => fql::null(),
            JoinedAt::Time(time) => time.into(),
            JoinedAt::Number(number) => number.into(),
            JoinedAt::Text(text) => text.as_str().into(),
        }
    }
}

/// A page of users with Fauna's cursor.
pub type UserPage = Page<Found, (Value, Ref, Ref)>;

/// The cursor of the page after this one.
///
/// # Errors
/// `joinedAt` of that user is of a type that cannot be paged by, such as a date.
pub fn next(page: &UserPage) -> Result<Option<Cursor>, Error> {
    let Some((joined_at, user, _)) = &page.after else { return Ok(None) };
    let joined_at = JoinedAt::of(joined_at.clone()).ok_or(Error::Unreadable("joinedAt"))?;
    Ok(Some(Cursor { joined_at, id: user.id.clone() }))
}

/// At most `size` users with their secrets.
pub fn list(users: &UserLayout, order: Order, size: i64, after: Option<&Cursor>) -> Expr {
    let set = match order {
        Order::Oldest => fql::all_of(&oldest_index(&users.collection)),
        Order::Newest => fql::all_of(&newest_index(&users.collection)),
    };
    let page = match after {
        None => fql::paginate(set, size),
        Some(cursor) => {
            let user = || fql::document(&users.collection, &cursor.id);
            let joined_at = Expr::from(cursor.joined_at.clone());
            fql::paginate_after(set, size, Expr::from([joined_at, user(), user()]))
        }
    };
    fql::map(page, fql::lambda_of(&["joinedAt", "ref"], with_secret(users, fql::get(fql::var("ref")))))
}

pub fn count(users: &UserLayout) -> Expr {
    fql::count(fql::documents(&users.collection))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_the_way_to_the_client_and_back() {
        let time = Time::parse("2030-01-03T00:00:00.000001Z").unwrap();
        let text = JoinedAt::Text("3 May 2020: noon".to_owned());
        for joined_at in [JoinedAt::Time(time), JoinedAt::Missing, JoinedAt::Number(-7), text] {
            let cursor = Cursor { joined_at, id: DocumentId::parse("303").unwrap() };
            assert_eq!(Cursor::parse(&cursor.to_string()), Some(cursor));
        }
        for text in ["", "x", "MQ", "garbage!"] {
            assert_eq!(Cursor::parse(text), None, "{text}");
        }
    }
}
