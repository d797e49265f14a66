//! The layout of users in Fauna: the collection, and the field that holds the e-mail address.
//!
//! The collection may have existed before this application. Its documents may lack any field, may have values of any type and
//! size in it, and may have fields unknown to this application, which are never read or changed. A value of another type than
//! expected, or one that is too long, counts as missing: Fauna leaves it out of its answer.

use fauna_client::fql;
use fauna_client::fql::Expr;

/// Fields of a user's document that have a meaning here, besides the one that holds the address.
const OWN_FIELDS: [&str; 3] = ["name", "joinedAt", "profile"];

/// Longer names and addresses of documents count as missing, characters.
pub const NAME_CHARS_READ: i64 = 200;
const EMAIL_CHARS_MAX: i64 = 320;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserLayout {
    pub collection: String,
    /// Path of the address below `data`.
    email: Vec<String>,
}

impl UserLayout {
    /// `email_field` as in `USERS_EMAIL_FIELD`: a name, or a path such as `contact.email`. `None` if it is invalid.
    pub fn new(collection: &str, email_field: &str) -> Option<Self> {
        let email: Vec<String> = email_field.split('.').map(str::to_owned).collect();
        let is_name = |part: &String| {
            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
        };
        let is_free = email.first().is_some_and(|first| !OWN_FIELDS.contains(&first.as_str()));
        (is_free && email.iter().all(is_name)).then(|| Self { collection: collection.to_owned(), email })
    }

    /// Path of the address in a document.
    pub fn email_path(&self) -> Vec<&str> {
        ["data"].into_iter().chain(self.email.iter().map(String::as_str)).collect()
    }

    /// The address of the document that `document` evaluates to, or null.
    pub fn email_of(&self, document: Expr) -> Expr {
        let address = fql::select_or(&self.email_path(), document, fql::null());
        fql::let_in([("address", address)], text_of("address", EMAIL_CHARS_MAX))
    }

    /// A field that sets the address, for the data of a document: name and value.
    pub fn email_field(&self, email: Expr) -> (String, Expr) {
        let (first, rest) = self.email.split_first().map_or(("email", &[][..]), |(first, rest)| (first.as_str(), rest));
        let nested = rest.iter().rev().fold(email, |inner, name| fql::object_of([(name.clone(), inner)]));
        (first.to_owned(), nested)
    }

    /// The data of a bound document that has a meaning here, with the address in `email` whatever field it is stored in.
    pub fn data_of(&self, document: &str) -> Expr {
        let profile = fql::select_or(&["data", "profile"], fql::var(document), fql::null());
        let profile = fql::let_in(
            [("profile", profile)],
            fql::if_else(fql::is_object(fql::var("profile")), fql::var("profile"), fql::null()),
        );
        let [name, joined_at, email] = self.summary(document);
        fql::object([name, joined_at, email, ("profile", profile)])
    }

    /// The same without `profile`, which may be large.
    pub fn summary_of(&self, document: &str) -> Expr {
        fql::object(self.summary(document))
    }

    fn summary(&self, document: &str) -> [(&'static str, Expr); 3] {
        let field = |name: &str| fql::select_or(&["data", name], fql::var(document), fql::null());
        let joined_at = fql::if_else(fql::is_timestamp(fql::var("joined")), fql::var("joined"), fql::null());
        [
            ("name", fql::let_in([("name", field("name"))], text_of("name", NAME_CHARS_READ))),
            ("joinedAt", fql::let_in([("joined", field("joinedAt"))], joined_at)),
            ("email", self.email_of(fql::var(document))),
        ]
    }
}

/// The text that a variable is bound to; null for another type, or for more than so many characters.
fn text_of(variable: &str, chars_max: i64) -> Expr {
    let is_short = fql::at_most(fql::length(fql::var(variable)), chars_max.into());
    fql::if_else(fql::all([fql::is_string(fql::var(variable)), is_short]), fql::var(variable), fql::null())
}

impl Default for UserLayout {
    fn default() -> Self {
        Self { collection: "users".to_owned(), email: vec!["email".to_owned()] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_into_the_document_and_not_into_our_fields() {
        let layout = UserLayout::new("people", "contact.mail").unwrap();
        assert_eq!(layout.email_path(), ["data", "contact", "mail"]);
        let (name, value) = layout.email_field("a@x.io".into());
        assert_eq!(
            (name.as_str(), value.wire().to_string()),
            ("contact", r#"{"object":{"mail":"a@x.io"}}"#.to_owned())
        );
        for bad in ["", "a..b", "name", "profile.mail", "a b", ".a"] {
            assert_eq!(UserLayout::new("users", bad), None, "{bad}");
        }
    }
}
