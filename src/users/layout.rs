//! The layout of users in Fauna: the collection, and the field that holds the e-mail address.
//!
//! The collection may have existed before this application. Its documents may lack any field but the one that holds the
//! address, and may have fields unknown to this application, which are never changed.

use fauna_client::fql;
use fauna_client::fql::Expr;

/// Fields of a user's document that have a meaning here, besides the one that holds the address.
const OWN_FIELDS: [&str; 3] = ["name", "joinedAt", "profile"];

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
        fql::select_or(&self.email_path(), document, fql::null())
    }

    /// A field that sets the address, for the data of a document: name and value.
    pub fn email_field(&self, email: Expr) -> (String, Expr) {
        let (first, rest) = self.email.split_first().map_or(("email", &[][..]), |(first, rest)| (first.as_str(), rest));
        let nested = rest.iter().rev().fold(email, |inner, name| fql::object_of([(name.clone(), inner)]));
        (first.to_owned(), nested)
    }

    /// The data of a bound document, with the address in `email` whatever field it is stored in.
    pub fn data_of(&self, document: &str) -> Expr {
        if self.email == ["email"] {
            return fql::select(&["data"], fql::var(document));
        }
        let field = |name: &'static str| (name, fql::select_or(&["data", name], fql::var(document), fql::null()));
        let [name, joined_at, profile] = OWN_FIELDS.map(field);
        fql::object([name, joined_at, profile, ("email", self.email_of(fql::var(document)))])
    }
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
