//! What was sent after the session had ended, kept until its author has signed in again: comments, and the fields of forms but
//! never a password.
//!
//! In memory and bounded: where a draft is forgotten, or another process answers, `static/home.js` still has it.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand;

/// Drafts that are kept; the oldest gives way.
const DRAFTS_MAX: usize = 200;
/// Longer texts are cut, in characters: several times what a comment may have.
const TEXT_CHARS_MAX: usize = 4000;

/// Texts by an unguessable key.
#[derive(Debug, Default)]
pub struct Drafts(Mutex<VecDeque<(String, String)>>);

impl Drafts {
    /// Keeps a text; returns its key.
    pub fn keep(&self, text: &str) -> Result<String, Unspecified> {
        let mut bytes = [0; 16];
        rand::fill(&mut bytes)?;
        let key = hex::encode(bytes);
        let mut drafts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        drafts.push_back((key.clone(), text.chars().take(TEXT_CHARS_MAX).collect()));
        if drafts.len() > DRAFTS_MAX {
            drafts.pop_front();
        }
        Ok(key)
    }

    pub fn find(&self, key: &str) -> Option<String> {
        let drafts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        drafts.iter().find(|(known, _)| known == key).map(|(_, text)| text.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drafts_are_found_by_their_key_and_bounded() {
        let drafts = Drafts::default();
        let first = drafts.keep("first").unwrap();
        assert_eq!(drafts.find(&first).as_deref(), Some("first"));
        assert_eq!(drafts.find("other"), None);
        let long = drafts.keep(&"ü".repeat(5000)).unwrap();
        assert_eq!(drafts.find(&long).unwrap().chars().count(), TEXT_CHARS_MAX);
        for _ in 1..DRAFTS_MAX {
            drafts.keep("other").unwrap();
        }
        assert_eq!(drafts.find(&first), None);
    }
}
