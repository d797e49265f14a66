//! What was typed and could not be taken yet, kept for its author: until they have signed in, or confirmed their address, and
//! posted or discarded it. Never a password.
//!
//! In memory and bounded: where a draft is forgotten, or another process answers, `static/home.js` still has it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use actix_web::HttpResponse;
use actix_web::web::{Data, Form};
use aws_lc_rs::error::Unspecified;
use serde::Deserialize;

use crate::pages::Pages;
use crate::pages::frame::see_other;
use crate::pages::guards::OptionalUser;
use crate::pages::site_path::SitePath;
use crate::random;

/// Before the key of a draft in the address of the page that shows it.
pub const QUERY: &str = "?draft=";

/// Drafts that are kept, and their bytes together; the oldest give way.
const DRAFTS_MAX: usize = 200;
const BYTES_MAX: usize = 4_000_000;

/// Text by the name of its field.
pub type Draft = BTreeMap<String, String>;

#[derive(Debug, Default)]
pub struct Drafts(Mutex<VecDeque<KeptDraft>>);

#[derive(Debug)]
struct KeptDraft {
    owner: Owner,
    draft: Draft,
}

#[derive(Debug, PartialEq, Eq)]
enum Owner {
    /// Whoever knows this unguessable key.
    Key(String),
    /// The user of this id; one draft each.
    User(String),
}

/// Body of the form that discards a draft.
#[derive(Deserialize)]
pub struct DiscardForm {
    /// Its key, for somebody who is not signed in.
    #[serde(default)]
    draft: String,
}

/// Forgets the draft of that key, and that of the user.
pub async fn discard(visitor: OptionalUser, pages: Data<Pages>, Form(form): Form<DiscardForm>) -> HttpResponse {
    pages.drafts.take(&Owner::Key(form.draft));
    if let Some(session) = visitor.session() {
        pages.drafts.forget(session.user().as_str());
    }
    see_other("/")
}

/// The key of the draft that waits at `path`; empty where none does.
pub fn key_in(path: &SitePath, drafts: &Drafts) -> String {
    let key = path.as_str().split_once(QUERY).map_or("", |(_page, key)| key);
    drafts.find(key).map(|_draft| key.to_owned()).unwrap_or_default()
}

impl Drafts {
    /// Keeps a draft of somebody who is not signed in; returns its key.
    pub fn keep(&self, draft: Draft) -> Result<String, Unspecified> {
        let key = random::hex::<16>()?;
        self.push(Owner::Key(key.clone()), draft);
        Ok(key)
    }

    pub fn find(&self, key: &str) -> Option<Draft> {
        self.draft_of(&Owner::Key(key.to_owned()))
    }

    /// Gives the draft of that key to the user who has come back to it, instead of the one before.
    pub fn claim(&self, key: &str, user: &str) {
        if let Some(draft) = self.take(&Owner::Key(key.to_owned())) {
            self.keep_for(user, draft);
        }
    }

    /// Keeps a draft of a signed-in user, instead of the one before.
    pub fn keep_for(&self, user: &str, draft: Draft) {
        self.forget(user);
        self.push(Owner::User(user.to_owned()), draft);
    }

    pub fn of_user(&self, user: &str) -> Option<Draft> {
        self.draft_of(&Owner::User(user.to_owned()))
    }

    pub fn forget(&self, user: &str) {
        self.take(&Owner::User(user.to_owned()));
    }

    fn take(&self, owner: &Owner) -> Option<Draft> {
        let mut drafts = self.lock();
        let place = drafts.iter().position(|kept| kept.owner == *owner)?;
        drafts.remove(place).map(|kept| kept.draft)
    }

    fn draft_of(&self, owner: &Owner) -> Option<Draft> {
        self.lock().iter().find(|kept| kept.owner == *owner).map(|kept| kept.draft.clone())
    }

    fn push(&self, owner: Owner, draft: Draft) {
        let mut drafts = self.lock();
        drafts.push_back(KeptDraft { owner, draft });
        let mut bytes: usize = drafts.iter().map(KeptDraft::bytes).sum();
        while drafts.len() > DRAFTS_MAX || bytes > BYTES_MAX {
            let Some(oldest) = drafts.pop_front() else { break };
            bytes -= oldest.bytes();
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<KeptDraft>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KeptDraft {
    fn bytes(&self) -> usize {
        self.draft.iter().map(|(name, text)| name.len() + text.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(text: &str) -> Draft {
        Draft::from([("text".to_owned(), text.to_owned())])
    }

    #[test]
    fn drafts_are_found_by_their_key_and_bounded() {
        let drafts = Drafts::default();
        let first = drafts.keep(draft("first")).unwrap();
        assert_eq!(drafts.find(&first), Some(draft("first")));
        assert_eq!(drafts.find("other"), None);
        for _ in 1..DRAFTS_MAX {
            drafts.keep(draft("other")).unwrap();
        }
        assert_eq!(drafts.find(&first), Some(draft("first")));
        drafts.keep(draft("other")).unwrap();
        assert_eq!(drafts.find(&first), None);
        let last = drafts.keep(draft("last")).unwrap();
        drafts.keep(draft(&"ü".repeat(BYTES_MAX / 2 - 10))).unwrap();
        assert_eq!((drafts.find(&last), drafts.lock().len()), (Some(draft("last")), 2));
        drafts.keep(draft(&"ü".repeat(BYTES_MAX / 2 - 10))).unwrap();
        assert_eq!((drafts.find(&last), drafts.lock().len()), (None, 1));
    }

    #[test]
    fn a_user_has_one_draft_that_nobody_else_finds() {
        let drafts = Drafts::default();
        drafts.keep_for("1", draft("before"));
        drafts.keep_for("1", draft("now"));
        assert_eq!((drafts.of_user("1"), drafts.of_user("2")), (Some(draft("now")), None));
        assert_eq!((drafts.find("1"), drafts.lock().len()), (None, 1));
        drafts.forget("1");
        assert_eq!(drafts.of_user("1"), None);
    }

    #[test]
    fn a_draft_belongs_to_the_first_user_who_comes_back_to_it() {
        let drafts = Drafts::default();
        let key = drafts.keep(draft("mine")).unwrap();
        drafts.claim("other", "1");
        assert_eq!(drafts.of_user("1"), None);
        drafts.claim(&key, "1");
        drafts.claim(&key, "2");
        assert_eq!((drafts.of_user("1"), drafts.of_user("2"), drafts.find(&key)), (Some(draft("mine")), None, None));
    }
}
