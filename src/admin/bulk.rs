//! Checks the entries of an import, each by itself and against each other.

use std::collections::{BTreeMap, HashMap, HashSet};

use fauna_client::DocumentId;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::admin::{Error, entry};
use crate::clock::Timestamp;
use crate::http::json_body;
use crate::users::{Email, ExistingUser, Import, ImportedPassword};

const ENTRIES_MAX: usize = 10_000;
/// Limit of entries with a password instead of a hash, each of which costs as much as a sign-up.
const PLAIN_MAX: usize = 200;

#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct EntryProblem {
    pub index: usize,
    pub errors: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bulk {
    users: Vec<Value>,
}

/// An unchecked entry; `None` for a line that is not JSON.
pub type Entry = Option<Value>;

/// The entries of a request: `{"users": […]}`.
pub fn parse_body(body: &[u8]) -> Result<Vec<Entry>, Error> {
    let json: Value =
        serde_json::from_slice(body).map_err(|error| Error::Malformed(json_body::describe_syntax(&error).into()))?;
    parse_json(json)
}

/// The entries of a file: the same, or an export, which has one entry per line. A byte order mark is skipped.
pub fn parse_file(text: &str) -> Result<Vec<Entry>, Error> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    match serde_json::from_str::<Value>(text) {
        Ok(json) if json.get("users").is_some() => parse_json(json),
        Ok(json) if json.is_object() => Ok(vec![Some(json)]),
        Ok(_) => Err(Error::Malformed("the file must be {\"users\": […]} or have one user a line, as JSON".into())),
        Err(error) => match parse_lines(text) {
            Some(entries) => Ok(entries),
            None => Err(Error::Document(error)),
        },
    }
}

/// One entry per line; `None` if the lines belong to one pretty-printed document, whose lines are mostly not JSON by themselves.
fn parse_lines(text: &str) -> Option<Vec<Entry>> {
    let lines = || text.lines().filter(|line| !line.trim().is_empty());
    let entries: Vec<Entry> = lines().map(|line| serde_json::from_str(line).ok()).collect();
    let first = lines().next().map(serde_json::from_str::<IgnoredAny>);
    let is_cut = first.is_some_and(|first| first.is_err_and(|error| error.is_eof()));
    let whole = entries.iter().flatten().filter(|entry| entry.is_object()).count();
    (!is_cut || whole.saturating_mul(2) >= entries.len()).then_some(entries)
}

/// A misspelt member must not be ignored, although SuperTokens' core ignores it.
fn parse_json(json: Value) -> Result<Vec<Entry>, Error> {
    let Bulk { users } = json_body::read_object(json).map_err(|message| Error::Malformed(message.into()))?;
    Ok(users.into_iter().map(Some).collect())
}

/// Entries that were checked, and the problems that were found.
pub struct CheckedEntries {
    /// Valid entries so far with their index from 0.
    imports: Vec<(usize, Import)>,
    problems: BTreeMap<usize, Vec<String>>,
}

impl CheckedEntries {
    pub fn new(entries: Vec<Entry>, now: Timestamp) -> Result<Self, Error> {
        if entries.is_empty() {
            return Err(Error::Malformed("You need to add at least one user.".into()));
        }
        if entries.len() > ENTRIES_MAX {
            return Err(Error::Malformed("You can only add 10000 users at a time.".into()));
        }
        let mut checked = Self { imports: Vec::with_capacity(entries.len()), problems: BTreeMap::new() };
        let mut seen = UniqueKeys::default();
        for (index, entry) in entries.into_iter().enumerate() {
            let mut errors = Vec::new();
            let import = if let Some(entry) = entry {
                entry::read(&entry, now, &mut errors)
            } else {
                errors.push("this is not JSON".to_owned());
                None
            };
            if let Some(import) = import {
                seen.take(&import, &mut errors);
                checked.imports.push((index, import));
            }
            if !errors.is_empty() {
                checked.problems.insert(index, errors);
            }
        }
        Ok(checked)
    }

    /// The addresses of the valid entries.
    pub fn emails(&self) -> Vec<&str> {
        self.imports.iter().map(|(_, import)| import.email.as_str()).collect()
    }

    /// The ids of the valid entries.
    pub fn ids(&self) -> Vec<&DocumentId> {
        self.imports.iter().filter_map(|(_, import)| import.id.as_ref()).collect()
    }

    /// Compares with the users that exist. An entry with the id of a document that has the same address and no secret adopts it.
    pub fn note_existing(&mut self, emails: &[String], existing: &[ExistingUser]) {
        let emails: HashSet<&str> = emails.iter().map(String::as_str).collect();
        let existing: HashMap<&str, &ExistingUser> = existing.iter().map(|user| (user.id.as_str(), user)).collect();
        for (index, import) in &mut self.imports {
            let mut note = |error: &str| self.problems.entry(*index).or_default().push(error.to_owned());
            let same_id = import.id.as_ref().and_then(|id| existing.get(id.as_str()));
            let has_same_email = |user: &ExistingUser| {
                user.email.as_deref().and_then(Email::stored).is_some_and(|email| email == import.email)
            };
            import.adopts = same_id.is_some_and(|user| !user.has_secret && has_same_email(user));
            if import.adopts {
                continue;
            }
            if emails.contains(import.email.as_str()) {
                note("a user with this email already exists");
            }
            match same_id {
                Some(user) if user.has_secret => note("a user with this externalUserId already exists"),
                Some(_) => note("the existing user with this externalUserId has another email"),
                None => {}
            }
        }
    }

    /// All entries in order, if there are no problems.
    pub fn imports(self) -> Result<Vec<Import>, Error> {
        if self.problems.is_empty() {
            return Ok(self.imports.into_iter().map(|(_, import)| import).collect());
        }
        let problems = self.problems.into_iter().map(|(index, errors)| EntryProblem { index, errors });
        Err(Error::Import(problems.collect()))
    }
}

#[derive(Default)]
struct UniqueKeys {
    emails: HashSet<String>,
    ids: HashSet<String>,
    plain: usize,
}

impl UniqueKeys {
    /// Adds an entry; an address or id that an earlier entry has is a problem of this one.
    fn take(&mut self, import: &Import, errors: &mut Vec<String>) {
        if !self.emails.insert(import.email.as_str().to_owned()) {
            errors.push("another entry has the same email".to_owned());
        }
        if entry::effective_external_id(import).is_some_and(|id| !self.ids.insert(id.to_owned())) {
            errors.push("another entry has the same externalUserId".to_owned());
        }
        self.plain += usize::from(matches!(import.password, ImportedPassword::Plain(_)));
        if self.plain > PLAIN_MAX {
            errors.push(format!("at most {PLAIN_MAX} users with plainTextPassword at a time"));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
    const HASH: &str = "$argon2id$v=19$m=16,t=2,p=1$VG1Oa1lMbzZLbzk5azQ2Qg$kjcNNtZ/b0t/8HgXUiQ76A";

    fn entry(changes: &[(&str, Value)]) -> Value {
        let mut method = json!({"recipeId": "emailpassword", "email": " Ada@Example.com", "passwordHash": HASH,
            "hashingAlgorithm": "ARGON2", "isVerified": true, "timeJoinedInMSSinceEpoch": 1_672_531_199_000_i64});
        for (name, value) in changes {
            method[*name] = value.clone();
        }
        json!({"externalUserId": "42", "userMetadata": {"name": "Ada"}, "loginMethods": [method]})
    }

    fn parse(body: &Value) -> Result<Vec<Import>, Error> {
        CheckedEntries::new(parse_body(body.to_string().as_bytes())?, NOW)?.imports()
    }

    fn problems(entries: &[Value]) -> Vec<(usize, usize)> {
        match parse(&json!({"users": entries})) {
            Err(Error::Import(problems)) => {
                problems.into_iter().map(|found| (found.index, found.errors.len())).collect()
            }
            Err(other) => panic!("{other}"),
            Ok(_) => Vec::new(),
        }
    }

    #[test]
    fn an_entry_of_the_official_form_is_taken() {
        let imports = parse(&json!({"users": [entry(&[])]})).unwrap();
        let [ada] = imports.as_slice() else { panic!("one entry") };
        assert_eq!((ada.email.as_str(), ada.name.as_deref(), ada.is_verified), ("ada@example.com", Some("Ada"), true));
        assert_eq!((ada.joined_at.millis(), ada.id.as_ref().map(DocumentId::as_str)), (1_672_531_199_000, Some("42")));
    }

    #[test]
    fn everything_that_is_wrong_is_said_for_every_entry() {
        let good = entry(&[("email", json!("b@x.io"))]);
        let with = |field: &str, value: Value| {
            let mut entry = entry(&[]);
            entry[field] = value;
            entry
        };
        for (what, bad, count) in [
            ("no address", entry(&[("email", json!("nope"))]), 1),
            ("another recipe", entry(&[("recipeId", json!("passwordless"))]), 1),
            ("a hash of no known form", entry(&[("passwordHash", json!("$f_scrypt$x"))]), 1),
            ("a hash that is too dear", entry(&[("passwordHash", json!(HASH.replace("m=16", "m=4194304")))]), 1),
            ("an algorithm that is not the hash's", entry(&[("hashingAlgorithm", json!("bcrypt"))]), 1),
            ("two passwords", entry(&[("plainTextPassword", json!("abcdefg1"))]), 1),
            ("a time that is none", entry(&[("timeJoinedInMSSinceEpoch", json!(-1))]), 1),
            ("a time to come", entry(&[("timeJoinedInMSSinceEpoch", json!(1_700_000_000_001_i64))]), 1),
            ("another tenant", entry(&[("tenantIds", json!(["public", "t1"]))]), 1),
            ("an id that is too long", with("externalUserId", json!("x".repeat(129))), 1),
            ("an id that is no text", with("externalUserId", json!(43)), 1),
            ("a name that is too long", with("userMetadata", json!({"name": "x".repeat(101)})), 1),
            ("a name of several lines", with("userMetadata", json!({"name": "x\ny"})), 1),
            ("metadata that is no object", with("userMetadata", json!([])), 1),
            ("metadata that Fauna cannot keep", with("userMetadata", json!({"a": u64::MAX, "b": [u64::MAX]})), 2),
            ("two roles", with("userRoles", json!([{"role": "admin"}, {"role": "editor"}])), 2),
            ("a second factor", with("totpDevices", json!([{"secretKey": "x"}])), 1),
            ("three things", entry(&[("email", json!(1)), ("isVerified", json!("yes")), ("recipeId", json!(null))]), 3),
            ("nothing", json!({}), 1),
            ("no object", json!(5), 1),
        ] {
            assert_eq!(problems(&[good.clone(), bad]), [(1, count)], "{what}");
        }
        let twin = entry(&[("email", json!("B@x.io"))]);
        assert_eq!(problems(&[good.clone(), twin]), [(1, 2)], "the same address and id");
        assert_eq!(problems(&[entry(&[]), good]), [(1, 1)], "the same id");
        assert!(matches!(parse_body(b"{"), Err(Error::Malformed(_))));
        for body in [json!({}), json!({"users": {}}), json!({"users": []}), json!([])] {
            assert!(matches!(parse(&body), Err(Error::Malformed(_))), "{body}");
        }
    }

    #[test]
    fn a_file_has_entries_by_line_or_in_a_list() {
        let official = json!({"users": [1, 2]});
        for (text, expected) in [
            (format!("{official:#}"), vec![Some(json!(1)), Some(json!(2))]),
            ("{\"a\": 1}\n\n{\"b\": 2}\n".to_owned(), vec![Some(json!({"a": 1})), Some(json!({"b": 2}))]),
            ("{\"a\": 1}\n{\"b\"".to_owned(), vec![Some(json!({"a": 1})), None]),
            ("{\"a\": 1}".to_owned(), vec![Some(json!({"a": 1}))]),
            ("{\n\"a\": 1\n}".to_owned(), vec![Some(json!({"a": 1}))]),
            ("\u{feff}{\"a\": 1}\n{\"b\": 2}".to_owned(), vec![Some(json!({"a": 1})), Some(json!({"b": 2}))]),
            ("{\"a\n{\"b\": 2}\n".to_owned(), vec![None, Some(json!({"b": 2}))]),
            (String::new(), vec![]),
        ] {
            assert_eq!(parse_file(&text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn a_document_that_is_broken_is_told_once_with_line_and_column() {
        let official = format!("{:#}", json!({"users": [{"a": 1}, {"a": 2}]}));
        for (text, place) in [
            (official.replace("1\n", "1,\n"), "line 5 column 5"),
            (official.trim_end_matches('}').to_owned(), "line 10"),
            (format!("\u{feff}{}", official.replace("2\n", "two\n")), "line 7 column 13"),
        ] {
            let error = parse_file(&text).unwrap_err();
            assert!(matches!(error, Error::Document(_)) && error.to_string().contains(place), "{error}: {text}");
        }
        assert!(matches!(parse_file("[{}]"), Err(Error::Malformed(_))));
    }
}
