//! One entry in the form of SuperTokens' bulk import: reading, validation, and writing for an export.

use fauna_client::DocumentId;
use serde_json::{Map, Value, json};

use crate::clock::Timestamp;
use crate::users;
use crate::users::{Email, Export, Import, ImportedPassword, NewPassword};

/// Maximum length of an `externalUserId`, bytes.
const EXTERNAL_ID_MAX: usize = 128;
/// Field of the profile for an `externalUserId` that cannot be a document id, which is a number in Fauna.
const EXTERNAL_ID: &str = "externalUserId";
/// Longest name, in characters.
const NAME_CHARS_MAX: usize = 100;
/// Advice about roles, after the message of SuperTokens' core.
const NO_ROLES: &str = "Roles are not supported here: leave userRoles out.";
/// Advice about second factors.
const NO_TOTP: &str = "Second factors are not supported here: leave totpDevices out.";
const NO_TENANTS: &str = "Tenants are not supported here: leave tenantIds out, or public in it alone.";

/// Reads one entry; problems are added to `errors`.
pub fn read(entry: &Value, now: Timestamp, errors: &mut Vec<String>) -> Option<Import> {
    if !entry.is_object() {
        errors.push("the entry must be an object".to_owned());
        return None;
    }
    refuse_unsupported(entry, errors);
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
        Value::String(name) => Some(name.trim().to_owned()).filter(|name| !name.is_empty()),
        other => {
            profile.insert("name".to_owned(), other);
            None
        }
    });
    if name.as_ref().is_some_and(|name| {
        name.chars().count() > NAME_CHARS_MAX
            || name.contains(|c: char| c.is_control() || users::is_refused_in_names(c))
    }) {
        errors.push(format!("userMetadata.name must be at most {NAME_CHARS_MAX} characters, none of them invisible"));
    }
    let external = external_id(entry, errors);
    let id = external.and_then(DocumentId::parse);
    if let (Some(external), None) = (external, &id) {
        profile.insert(EXTERNAL_ID.to_owned(), external.into());
    }
    if !errors.is_empty() {
        return None;
    }
    let (email, joined_at, password, is_verified) = (email?, joined_at?, password?, is_verified?);
    Some(Import { id, email, name, joined_at, password, adopts: false, is_verified, profile })
}

/// Reports fields that are not supported, which would otherwise be lost silently.
fn refuse_unsupported(entry: &Value, errors: &mut Vec<String>) {
    let list = |name: &str| entry.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for role in list("userRoles") {
        let role = role.get("role").and_then(Value::as_str).unwrap_or_default();
        errors.push(format!("Role {role} does not exist. {NO_ROLES}"));
    }
    if !list("totpDevices").is_empty() {
        errors.push(format!("MFA must be enabled to import totp devices. {NO_TOTP}"));
    }
    let tenants = entry.pointer("/loginMethods/0/tenantIds").and_then(Value::as_array);
    if tenants.is_some_and(|tenants| tenants.iter().any(|tenant| tenant != "public")) {
        errors.push(format!("Multitenancy must be enabled before importing users to a different tenant. {NO_TENANTS}"));
    }
}

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

fn password(method: &Value) -> Result<ImportedPassword, String> {
    let text = |name| method.get(name).and_then(Value::as_str);
    // As exports show a user who has not set a password yet; SuperTokens has no such entries.
    if method.get("passwordHash") == Some(&Value::Null) && method.get("plainTextPassword").is_none() {
        return Ok(ImportedPassword::None);
    }
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

/// A user as an entry, on one line.
pub fn line(export: &Export) -> String {
    let Export { user, profile, password_hash } = export;
    let is_bcrypt = |hash: &String| hash.starts_with("$2");
    let algorithm = password_hash.as_ref().map(|hash| if is_bcrypt(hash) { "bcrypt" } else { "argon2" });
    let method = json!({
        "recipeId": "emailpassword",
        "tenantIds": ["public"],
        "email": user.email.as_ref().map(Email::as_str),
        "isVerified": user.email_verified,
        "isPrimary": false,
        "timeJoinedInMSSinceEpoch": user.joined_at.map(Timestamp::millis),
        "passwordHash": password_hash,
        "hashingAlgorithm": algorithm,
    });
    let name = user.name.as_deref().map(|name| ("name".to_owned(), Value::from(name)));
    let mut metadata = Map::from_iter(name);
    metadata.extend(profile.clone());
    format!("{}\n", json!({"externalUserId": user.id.as_str(), "userMetadata": metadata, "loginMethods": [method]}))
}

/// The `externalUserId` of a user, whether or not it is the document id.
pub fn effective_external_id(import: &Import) -> Option<&str> {
    let kept = || import.profile.get(EXTERNAL_ID).and_then(Value::as_str);
    import.id.as_ref().map(DocumentId::as_str).or_else(kept)
}
