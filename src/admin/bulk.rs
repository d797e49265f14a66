//! The form of SuperTokens' bulk import: what an entry must be like, and how a user looks in it.

use std::collections::HashSet;

use serde::Serialize;
use serde_json::Value;
use serde_json::json;

use crate::admin::Error;
use crate::clock::Timestamp;
use crate::fauna::DocumentId;
use crate::users::Email;
use crate::users::Export;
use crate::users::Import;
use crate::users::ImportedPassword;
use crate::users::NewPassword;

/// How many users one import may bring.
const ENTRIES_MAX: usize = 10_000;
/// How many of them may bring a password instead of a hash: each costs as much as a sign-up.
const PLAIN_MAX: usize = 200;
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

/// Reads `{"users": […]}`; every entry is judged.
pub fn parse(body: &[u8]) -> Result<Vec<Import>, Error> {
    let json: Value = serde_json::from_slice(body).map_err(|_why| Error::Malformed("the body is not JSON"))?;
    let entries = json.get("users").and_then(Value::as_array).ok_or(Error::Malformed("users must be an array"))?;
    if entries.is_empty() {
        return Err(Error::Malformed("You need to add at least one user."));
    }
    if entries.len() > ENTRIES_MAX {
        return Err(Error::Malformed("You can only add 10000 users at a time."));
    }
    let (mut people, mut problems) = (Vec::with_capacity(entries.len()), Vec::new());
    let (mut addresses, mut plain) = (HashSet::new(), 0);
    for (index, entry) in entries.iter().enumerate() {
        let mut errors = Vec::new();
        match person(entry, &mut errors) {
            Some(person) => {
                if !addresses.insert(person.email.as_str().to_owned()) {
                    errors.push("another entry has the same email".to_owned());
                }
                plain += usize::from(matches!(person.password, ImportedPassword::Plain(_)));
                if plain > PLAIN_MAX {
                    errors.push(format!("at most {PLAIN_MAX} users with plainTextPassword at a time"));
                }
                people.push(person);
            }
            None if errors.is_empty() => errors.push("the entry cannot be read".to_owned()),
            None => {}
        }
        if !errors.is_empty() {
            problems.push(EntryProblem { index, errors });
        }
    }
    if problems.is_empty() { Ok(people) } else { Err(Error::Import(problems)) }
}

/// Entries whose address has an account here.
pub fn already_there(people: &[Import], taken: &[String]) -> Vec<EntryProblem> {
    let taken: HashSet<&str> = taken.iter().map(String::as_str).collect();
    let is_taken = |person: &Import| taken.contains(person.email.as_str());
    let there = people.iter().enumerate().filter(|(_, person)| is_taken(person));
    let errors = || vec!["a user with this email already exists".to_owned()];
    there.map(|(index, _)| EntryProblem { index, errors: errors() }).collect()
}

/// One entry; what is wrong with it is added to `errors`.
fn person(entry: &Value, errors: &mut Vec<String>) -> Option<Import> {
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
        None | Some(Value::Null) => Some(Timestamp::from_millis(0)),
        Some(time) => time.as_i64().filter(|time| (0..253_402_300_800_000).contains(time)).map(Timestamp::from_millis),
    };
    if joined_at.is_none() {
        errors.push("timeJoinedInMSSinceEpoch must be milliseconds since 1970".to_owned());
    }
    let is_verified = match method.get("isVerified") {
        None | Some(Value::Null) => Some(false),
        Some(flag) => flag.as_bool(),
    };
    if is_verified.is_none() {
        errors.push("isVerified must be true or false".to_owned());
    }
    let name = entry.pointer("/userMetadata/name").and_then(Value::as_str);
    let name = name.map(|name| name.chars().filter(|c| !c.is_control()).take(NAME_CHARS_MAX).collect());
    let id = entry.get("externalUserId").and_then(Value::as_str).and_then(DocumentId::parse);
    if !errors.is_empty() {
        return None;
    }
    Some(Import { id, email: email?, name, joined_at: joined_at?, password: password?, is_verified: is_verified? })
}

/// What somebody signs in with.
fn password(method: &Value) -> Result<ImportedPassword, String> {
    let text = |name| method.get(name).and_then(Value::as_str);
    match (text("passwordHash"), text("plainTextPassword")) {
        (Some(hash), None) => {
            let named = text("hashingAlgorithm").unwrap_or_default().to_ascii_lowercase();
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
    let Export { user, password_hash } = export;
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
    let metadata = json!({"name": user.name});
    format!("{}\n", json!({"externalUserId": user.id.as_str(), "userMetadata": metadata, "loginMethods": [method]}))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "$argon2id$v=19$m=16,t=2,p=1$VG1Oa1lMbzZLbzk5azQ2Qg$kjcNNtZ/b0t/8HgXUiQ76A";

    fn entry(changes: &[(&str, Value)]) -> Value {
        let mut method = json!({"recipeId": "emailpassword", "email": " Ada@Example.com", "passwordHash": HASH,
            "hashingAlgorithm": "ARGON2", "isVerified": true, "timeJoinedInMSSinceEpoch": 1_672_531_199_000_i64});
        for (name, value) in changes {
            method[*name] = value.clone();
        }
        json!({"externalUserId": "42", "userMetadata": {"name": "Ada"}, "loginMethods": [method]})
    }

    fn problems(entries: &[Value]) -> Vec<(usize, usize)> {
        match parse(json!({"users": entries}).to_string().as_bytes()) {
            Err(Error::Import(problems)) => {
                problems.into_iter().map(|found| (found.index, found.errors.len())).collect()
            }
            Err(other) => panic!("{other}"),
            Ok(_) => Vec::new(),
        }
    }

    #[test]
    fn an_entry_of_the_official_form_is_taken() {
        let people = parse(json!({"users": [entry(&[])]}).to_string().as_bytes()).unwrap();
        let [ada] = people.as_slice() else { panic!("one entry") };
        assert_eq!((ada.email.as_str(), ada.name.as_deref(), ada.is_verified), ("ada@example.com", Some("Ada"), true));
        assert_eq!((ada.joined_at.millis(), ada.id.as_ref().map(DocumentId::as_str)), (1_672_531_199_000, Some("42")));
    }

    #[test]
    fn everything_that_is_wrong_is_said_for_every_entry() {
        let good = entry(&[("email", json!("b@x.io"))]);
        for (what, bad, count) in [
            ("no address", entry(&[("email", json!("nope"))]), 1),
            ("another recipe", entry(&[("recipeId", json!("passwordless"))]), 1),
            ("a hash of no known form", entry(&[("passwordHash", json!("$f_scrypt$x"))]), 1),
            ("a hash that is too dear", entry(&[("passwordHash", json!(HASH.replace("m=16", "m=4194304")))]), 1),
            ("an algorithm that is not the hash's", entry(&[("hashingAlgorithm", json!("bcrypt"))]), 1),
            ("two passwords", entry(&[("plainTextPassword", json!("abcdefg1"))]), 1),
            ("a time that is none", entry(&[("timeJoinedInMSSinceEpoch", json!(-1))]), 1),
            ("three things", entry(&[("email", json!(1)), ("isVerified", json!("yes")), ("recipeId", json!(null))]), 3),
            ("nothing", json!({}), 1),
            ("no object", json!(5), 1),
        ] {
            assert_eq!(problems(&[good.clone(), bad]), [(1, count)], "{what}");
        }
        assert_eq!(problems(&[good.clone(), entry(&[("email", json!("B@x.io"))])]), [(1, 1)]);
        assert!(matches!(parse(b"{"), Err(Error::Malformed(_))) && matches!(parse(b"{}"), Err(Error::Malformed(_))));
    }
}
