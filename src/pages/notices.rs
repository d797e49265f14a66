//! Sentences about what a form has done, shown once on the page that its answer leads to.
//!
//! In memory and bounded: where one is forgotten, or another process answers, the page is shown without it.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::session::SessionHandle;

/// Notices that wait; the oldest gives way.
const NOTICES_MAX: usize = 200;

#[derive(Debug, Default)]
pub struct Notices(Mutex<VecDeque<(SessionHandle, String)>>);

impl Notices {
    /// Keeps a sentence for the next page of this session, in place of one that waits.
    pub fn put(&self, session: &SessionHandle, sentence: String) {
        let mut waiting = self.lock();
        waiting.retain(|(known, _)| known != session);
        waiting.push_back((session.clone(), sentence));
        if waiting.len() > NOTICES_MAX {
            waiting.pop_front();
        }
    }

    /// The sentence for this session; empty if there is none.
    pub fn take(&self, session: &SessionHandle) -> String {
        let mut waiting = self.lock();
        let found = waiting.iter().position(|(known, _)| known == session);
        found.and_then(|index| waiting.remove(index)).map(|(_, sentence)| sentence).unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(SessionHandle, String)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
