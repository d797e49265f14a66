//! The form of SuperTokens' bulk import: what an entry must be like, and how a user looks in it.

use std::collections::BTreeMap;
use std::collections::HashSet;

use serde::Serialize;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use crate::admin::Error;
use crate::clock::Timestamp;
use crate::fauna::DocumentId;
use crate::users;
use crate::users::Email;
use crate::users::Export;
use crate::users::Import;
use crate::users::ImportedPassword;
use crate::users::NewPassword;

/// How many users one import may bring.
const ENTRIES_MAX: usize = 10_000;
/// How many of them may bring a password instead of a hash: each costs as much as a sign-up.
const PLAIN_MAX: usize = 200;
/// Longest id that somebody has elsewhere, in bytes.
const EXTERNAL_ID_MAX: usize = 128;
/// Where that id is kept in the user's profile if it can be none here: Fauna's ids are numbers.
const EXTERNAL_ID: &str = "externalUserId";
/// Longest name, in characters.
const NAME_CHARS_MAX: usize = 100;

/// What is wrong with an entry.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct EntryProblem {
    /// Which one, counted from 0.
    pub index: usize,
    /// Everything that is wrong with it.
    pub errors: Vec<String>,
}

/// An entry that has not been judged; nothing where the line was no JSON.
pub type Entry = Option<Value>;

/// The entries of a request: `{"users": […]}`.
pub fn of_body(body: &[u8]) -> Result<Vec<Entry>, Error> {
    let json: Value = serde_json::from_slice(body).map_err(|_why| Error::Malformed("the body is not JSON"))?;
    of_json(json)
}

/// The entries of a file: the same, or an export, which has one entry a line.
pub fn of_file(text: &str) -> Result<Vec<Entry>, Error> {
    match serde_json::from_str::<Value>(text) {
        Ok(json) if json.get("users").is_some() => of_json(json),
        Ok(_) | Err(_) => {
            let lines = text.lines().filter(|line| !line.trim().is_empty());
            Ok(lines.map(|line| serde_json::from_str(line).ok()).collect())
        }
    }
}

/// The entries of SuperTokens' form.
fn of_json(mut json: Value) -> Result<Vec<Entry>, Error> {
    match json.get_mut("users").map(Value::take) {
        Some(Value::Array(entries)) => Ok(entries.into_iter().map(Some).collect()),
        _ => Err(Error::Malformed("users must be an array")),
    }
}

/// Entries that were looked at one by one and beside each other.
pub struct Judged {
    /// Those with which nothing is wrong so far, and which they are, counted from 0.
    people: Vec<(usize, Import)>,
    /// What is wrong with others.
    problems: BTreeMap<usize, Vec<String>>,
}

impl Judged {
    /// Judges every entry.
    pub fn new(entries: Vec<Entry>, now: Timestamp) -> Result<Self, Error> {
        if entries.is_empty() {
            return Err(Error::Malformed("You need to add at least one user."));
        }
        if entries.len() > ENTRIES_MAX {
            return Err(Error::Malformed("You can only add 10000 users at a time."));
        }
        let mut judged = Self { people: Vec::with_capacity(entries.len()), problems: BTreeMap::new() };
        let mut seen = Seen::default();
        for (index, entry) in entries.into_iter().enumerate() {
            let mut errors = Vec::new();
            let person = if let Some(entry) = entry {
                person(&entry, now, &mut errors)
            } else {
                errors.push("this is not JSON".to_owned());
                None
            };
            if let Some(person) = person {
                seen.take(&person, &mut errors);
                judged.people.push((index, person));
            }
            if !errors.is_empty() {
                judged.problems.insert(index, errors);
            }
        }
        Ok(judged)
    }

    /// The addresses of those who can be read.
    pub fn emails(&self) -> Vec<&str> {
        self.people.iter().map(|(_, person)| person.email.as_str()).collect()
    }

    /// The ids that they bring.
    pub fn ids(&self) -> Vec<&DocumentId> {
        self.people.iter().filter_map(|(_, person)| person.id.as_ref()).collect()
    }

    /// Notes who is here already, by these addresses and ids.
    pub fn note_taken(&mut self, emails: &[String], ids: &[DocumentId]) {
        let emails: HashSet<&str> = emails.iter().map(String::as_str).collect();
        let ids: HashSet<&str> = ids.iter().map(DocumentId::as_str).collect();
        for (index, person) in &self.people {
            let mut note = |error: &str| self.problems.entry(*index).or_default().push(error.to_owned());
            if emails.contains(person.email.as_str()) {
                note("a user with this email already exists");
            }
            if person.id.as_ref().is_some_and(|id| ids.contains(id.as_str())) {
                note("a user with this externalUserId already exists");
            }
        }
    }

    /// Everybody, where nothing is wrong with anybody.
    pub fn people(self) -> Result<Vec<Import>, Error> {
        if self.problems.is_empty() {
            return Ok(self.people.into_iter().map(|(_, person)| person).collect());
        }
        let problems = self.problems.into_iter().map(|(index, errors)| EntryProblem { index, errors });
        Err(Error::Import(problems.collect()))
    }
}

/// What entries have that only one may have.
#[derive(Default)]
struct Seen {
    /// Addresses.
    emails: HashSet<String>,
    /// Ids.
    ids: HashSet<String>,
    /// How many passwords that are no hashes.
    plain: usize,
}

impl Seen {
    /// One more entry; what others had before is wrong with this one.
    fn take(&mut self, person: &Import, errors: &mut Vec<String>) {
        if !self.emails.insert(person.email.as_str().to_owned()) {
            errors.push("another entry has the same email".to_owned());
        }
        let kept = || person.profile.get(EXTERNAL_ID).and_then(Value::as_str);
        let id = person.id.as_ref().map(DocumentId::as_str).or_else(kept);
        if id.is_some_and(|id| !self.ids.insert(id.to_owned())) {
            errors.push("another entry has the same externalUserId".to_owned());
        }
        self.plain += usize::from(matches!(person.password, ImportedPassword::Plain(_)));
        if self.plain > PLAIN_MAX {
            errors.push(format!("at most {PLAIN_MAX} users with plainTextPassword at a time"));
        }
    }
}

/// One entry; what is wrong with it is added to `errors`.
fn person(entry: &Value, now: Timestamp, errors: &mut Vec<String>) -> Option<Import> {
    refuse_what_is_not_here(entry, errors);
    let methods = entry.get("loginMethods").and_then(Value::as_array).map(Vec::as_slice);
    let Some([method]) = methods else {
        errors.push("loginMethods must be an array with one login method".to_owned());
        return None;
    };
    if method.get("recipeId").and_then(Value::as_str) != Some("emailpassword") {
        errors.push("recipeId must be emailpassword".to_owned());
    }
    let email = method.get("email").and_then(Value::as_str).and_then(Email::parse);
    if email.is_none() {
        errors.push("email is required for an emailpassword recipe and must be an address".to_owned());
    }
    let password = password(method).map_err(|why| errors.push(why)).ok();
    let joined_at = match method.get("timeJoinedInMSSinceEpoch") {
        None | Some(Value::Null) => Some(now),
        Some(time) => time.as_i64().filter(|time| (0..=now.millis()).contains(time)).map(Timestamp::from_millis),
    };
    if joined_at.is_none() {
        errors.push("timeJoinedInMSSinceEpoch must be milliseconds since 1970, and not in future".to_owned());
    }
    let is_verified = match method.get("isVerified") {
        None | Some(Value::Null) => Some(false),
        Some(flag) => flag.as_bool(),
    };
    if is_verified.is_none() {
        errors.push("isVerified must be true or false".to_owned());
    }
    let mut profile = metadata(entry, errors);
    let name = profile.shift_remove("name").and_then(|name| match name {
        Value::String(name) => Some(name.chars().filter(|c| !c.is_control()).take(NAME_CHARS_MAX).collect()),
        other => {
            profile.insert("name".to_owned(), other);
            None
        }
    });
    let external = external_id(entry, errors);
    let id = external.and_then(DocumentId::parse);
    if let (Some(external), None) = (external, &id) {
        profile.insert(EXTERNAL_ID.to_owned(), external.into());
    }
    if !errors.is_empty() {
        return None;
    }
    let (email, joined_at, password, is_verified) = (email?, joined_at?, password?, is_verified?);
    Some(Import { id, email, name, joined_at, password, is_verified, profile })
}

/// Notes what an entry brings that nothing here knows, so that nobody believes it was taken over.
fn refuse_what_is_not_here(entry: &Value, errors: &mut Vec<String>) {
    let list = |name: &str| entry.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for role in list("userRoles") {
        let role = role.get("role").and_then(Value::as_str).unwrap_or_default();
        errors.push(format!("Role {role} does not exist."));
    }
    if !list("totpDevices").is_empty() {
        errors.push("MFA must be enabled to import totp devices.".to_owned());
    }
    let tenants = entry.pointer("/loginMethods/0/tenantIds").and_then(Value::as_array);
    if tenants.is_some_and(|tenants| tenants.iter().any(|tenant| tenant != "public")) {
        errors.push("Multitenancy must be enabled before importing users to a different tenant.".to_owned());
    }
}

/// What an entry says of somebody besides.
fn metadata(entry: &Value, errors: &mut Vec<String>) -> Map<String, Value> {
    match entry.get("userMetadata") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(fields)) => {
            for (name, value) in fields {
                if let Err(why) = users::is_storable(value) {
                    errors.push(format!("userMetadata.{name} cannot be kept: {why}"));
                }
            }
            fields.clone()
        }
        Some(_) => {
            errors.push("userMetadata must be an object".to_owned());
            Map::new()
        }
    }
}

/// The id that somebody has elsewhere.
fn external_id<'e>(entry: &'e Value, errors: &mut Vec<String>) -> Option<&'e str> {
    let id = match entry.get("externalUserId") {
        None | Some(Value::Null) => return None,
        Some(id) => id.as_str().map(str::trim).filter(|id| (1..=EXTERNAL_ID_MAX).contains(&id.len())),
    };
    if id.is_none() {
        errors.push(format!("externalUserId must be text of at most {EXTERNAL_ID_MAX} characters"));
    }
    id
}

/// What somebody signs in with.
fn password(method: &Value) -> Result<ImportedPassword, String> {
    let text = |name| method.get(name).and_then(Value::as_str);
    match (text("passwordHash"), text("plainTextPassword")) {
        (Some(hash), None) => {
            let hash = hash.trim();
            let named = text("hashingAlgorithm").unwrap_or_default().trim().to_ascii_lowercase();
            let is_named = match named.as_str() {
                "bcrypt" => hash.starts_with("$2"),
                "argon2" => hash.starts_with("$argon2"),
                _ => return Err("hashingAlgorithm must be argon2 or bcrypt".to_owned()),
            };
            let known = ImportedPassword::hashed(hash).filter(|_| is_named);
            known.ok_or_else(|| "passwordHash is not in a form that can be checked here".to_owned())
        }
        (None, Some(plain)) => NewPassword::parse(plain.to_owned()).map(ImportedPassword::Plain).map_err(str::to_owned),
        _ => Err("either passwordHash or plainTextPassword is required for an emailpassword recipe".to_owned()),
    }
}

/// A user as an entry, on a line of its own.
pub fn line(export: &Export) -> String {
    let Export { user, profile, password_hash } = export;
    let algorithm = if password_hash.starts_with("$2") { "bcrypt" } else { "argon2" };
    let method = json!({
        "recipeId": "emailpassword",
        "tenantIds": ["public"],
        "email": user.email.as_str(),
        "isVerified": user.email_verified,
        "isPrimary": false,
        "timeJoinedInMSSinceEpoch": user.joined_at.millis(),
        "passwordHash": password_hash,
        "hashingAlgorithm": algorithm,
    });
    let mut metadata = Map::from_iter([("name".to_owned(), user.name.as_str().into())]);
    metadata.extend(profile.clone());
    format!("{}\n", json!({"externalUserId": user.id.as_str(), "userMetadata": metadata, "loginMethods": [method]}))
}

#[cfg(test)]
mod tests {
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
        Judged::new(of_body(body.to_string().as_bytes())?, NOW)?.people()
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
        let people = parse(&json!({"users": [entry(&[])]})).unwrap();
        let [ada] = people.as_slice() else { panic!("one entry") };
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
        assert!(matches!(of_body(b"{"), Err(Error::Malformed(_))));
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
            (String::new(), vec![]),
        ] {
            assert_eq!(of_file(&text).unwrap(), expected, "{text}");
        }
    }
}
