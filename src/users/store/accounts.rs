//! The queries that change or delete an account.

use fauna_client::fql::Expr;
use fauna_client::{DocumentId, fql};
use serde::Deserialize;
use serde_json::Value;

use crate::users::store::{SECRETS, links, with_secret};
use crate::users::{AccountDeletionHook, ProfileChange, UserLayout};

/// Finds the tokens of a user. Defined by [`mod@crate::users::schema`] because deleting an account needs it.
pub const TOKENS_BY_USER: &str = "tokens_by_instance";
const TOKENS_MAX: i64 = 1000;
/// Field with the hash of the password, in the document of [`SECRETS`] with the id of the user.
pub const PASSWORD_HASH: &[&str] = &["data", "passwordHash"];

/// Whether a hash is that of the user's current password.
pub fn has_hash(user: &str, hash: &str) -> Expr {
    let secret = || fql::document(SECRETS, user);
    let is_same = fql::equals(fql::select(PASSWORD_HASH, fql::get(secret())), hash.into());
    fql::all([fql::exists(secret()), is_same])
}

/// Microseconds since the user's secret was written last, if it has this hash; else null.
pub fn age_of_hash(user: &str, hash: &str) -> Expr {
    let written_at = fql::select(&["ts"], fql::get(fql::document(SECRETS, user)));
    fql::if_else(has_hash(user, hash), fql::subtract(fql::to_micros(fql::now()), written_at), fql::null())
}

/// Replaces a password's hash if it is still the old one; evaluates to whether it was.
pub fn replace_hash(id: &DocumentId, old: &str, new: &str) -> Expr {
    let params = fql::object([("data", fql::object([("passwordHash", new.into())]))]);
    let update = fql::update(fql::document(SECRETS, id), params);
    fql::if_else(has_hash(id.as_str(), old), fql::do_all([update, true.into()]), false.into())
}

/// The same for a password change; also true if an earlier attempt was committed. Links become invalid with which an attacker who
/// knew the old password could still take over the account.
pub fn change_hash(users: &UserLayout, id: &DocumentId, old: &str, new: &str) -> Expr {
    let replace = fql::if_else(has_hash(id.as_str(), new), true.into(), replace_hash(id, old, new));
    let [resets, changes] = links::delete_takeovers(|| fql::document(&users.collection, id));
    fql::do_all([resets, changes, replace])
}

/// Address of a user, if there is one, and whether it is verified.
#[derive(Deserialize)]
pub struct Contact {
    pub email: Option<String>,
    #[serde(rename = "emailVerified")]
    pub is_verified: bool,
}

/// [`Contact`] of a user, or null.
pub fn contact(users: &UserLayout, id: &DocumentId) -> Expr {
    let (user, secret) = (|| fql::document(&users.collection, id), || fql::document(SECRETS, id));
    let verified = fql::select_or(&["data", "emailVerified"], fql::get(secret()), false.into());
    let verified = fql::if_else(fql::exists(secret()), verified, false.into());
    let contact = fql::object([("email", users.email_of(fql::get(user()))), ("emailVerified", verified)]);
    fql::if_else(fql::exists(user()), contact, fql::null())
}

/// Writes name and profile fields, and evaluates to the [`Found`](crate::users::store::Found) after that; null where there is no
/// such user. `Update` merges objects, so every field is removed before it is set: an object replaces the former one.
pub fn update_profile(users: &UserLayout, id: &DocumentId, change: &ProfileChange) -> Expr {
    let user = || fql::document(&users.collection, id);
    let write = |fields: Vec<(String, Expr)>| fql::update(user(), fql::object([("data", fql::object_of(fields))]));
    let profile = |value: &dyn Fn(&Value) -> Expr| {
        let fields = change.fields.iter().map(|(field, new)| (field.clone(), value(new)));
        ("profile".to_owned(), fql::object_of(fields))
    };
    let name = change.name.as_ref().map(|name| ("name".to_owned(), name.as_str().into()));
    let has_fields = !change.fields.is_empty();
    let removed = has_fields.then(|| write(vec![profile(&|_| fql::null())]));
    let set: Vec<_> = name.into_iter().chain(has_fields.then(|| profile(&fql::data))).collect();
    let set = (!set.is_empty()).then(|| write(set));
    let steps = removed.into_iter().chain(set).chain([with_secret(users, fql::get(user()))]);
    fql::if_else(fql::exists(user()), fql::do_each(steps), fql::null())
}

/// Deletes an account with its tokens, links and secret. True: deleted; false: there was none; null: a hook has more to delete
/// and the query must run again. Tokens are deleted first, because a token outliving its document could become valid again.
pub fn delete(users: &UserLayout, id: &DocumentId, deletion_hooks: &[AccountDeletionHook]) -> Expr {
    let user = || fql::document(&users.collection, id);
    let secret = || fql::document(SECRETS, id);
    let tokens = fql::paginate(fql::matching(TOKENS_BY_USER, [user()]), TOKENS_MAX);
    let end_tokens = fql::foreach(fql::select(&["data"], tokens), fql::lambda("r", fql::delete(fql::var("r"))));
    let end_secret = fql::if_else(fql::exists(secret()), fql::delete(secret()), fql::null());
    let steps = std::iter::once(end_tokens).chain(links::delete_all(user));
    let end = fql::do_each(steps.chain([end_secret, fql::delete(user()), true.into()]));
    let after = |then, deletion_hook: &AccountDeletionHook| fql::if_else(deletion_hook(user()), then, fql::null());
    fql::if_else(fql::exists(user()), deletion_hooks.iter().rev().fold(end, after), false.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded;

    #[test]
    fn the_queries_are_those_that_faunadb_has_answered() {
        let id = DocumentId::parse("101").unwrap();
        let query = replace_hash(&id, "$argon2id$ann-4", "$argon2id$ann-6");
        assert_eq!(*query.wire(), recorded::query("password: changed"));
        let mut ours = delete(&UserLayout::default(), &id, &[]).wire().clone();
        let mut steps = ours["then"]["do"].as_array().unwrap().clone();
        steps.remove(3);
        for step in &mut steps {
            // The recording calls the elements of every loop `r`.
            let text = step.to_string().replace(r#""l""#, r#""r""#);
            *step = serde_json::from_str(&text).unwrap();
        }
        ours["then"]["do"] = steps.into();
        assert_eq!(ours, recorded::query("account: delete"));
    }
}
