//! Forms that take effect once, although their button is pressed twice: each page with such a form puts a random key into it.
//!
//! In memory and bounded. Of a form that is sent to two processes, or again after a restart, nobody knows.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest;
use aws_lc_rs::error::Unspecified;
use tokio::sync::Mutex as AsyncMutex;
use tokio::task::JoinError;

use crate::http::trace;
use crate::random;

/// Forms that are remembered; the oldest gives way.
const FORMS_MAX: usize = 1000;

type Digest = [u8; digest::SHA256_OUTPUT_LEN];
/// Whether a form has taken effect; locked while its work runs.
type Outcome = Arc<AsyncMutex<bool>>;

/// Forms that were sent, by their digest. Clones share everything.
#[derive(Clone, Debug, Default)]
pub struct SentForms(Arc<Mutex<VecDeque<(Digest, Outcome)>>>);

/// A form as it was sent.
pub struct SentForm<'a> {
    /// The user who has sent it.
    pub user: &'a str,
    /// Key that the page put into it. A form without one, of a template of the site's own, is always new.
    pub key: &'a str,
    /// What was typed: a page that comes back from the browser's history can be sent again with another text.
    pub text: &'a str,
}

/// A key for a form of a new page.
pub fn new_key() -> Result<String, Unspecified> {
    random::hex::<16>()
}

impl SentForms {
    /// Runs `work` unless the same form has taken effect; while it runs, the same form waits for the outcome. The work goes on
    /// when the client has gone, as a browser does whose user presses the button again.
    ///
    /// # Errors
    /// Those of `work`, after which the form may be sent again.
    pub async fn once<E, F>(&self, form: &SentForm<'_>, work: F) -> Result<(), E>
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: From<JoinError> + Send + 'static,
    {
        let entry = if form.key.is_empty() { None } else { Some(self.entry(form.digest())) };
        let task = trace::spawn(async move {
            let Some(entry) = entry else { return work.await };
            let mut has_taken_effect = entry.lock().await;
            if !*has_taken_effect {
                work.await?;
                *has_taken_effect = true;
            }
            Ok(())
        });
        task.await?
    }

    fn entry(&self, form: Digest) -> Outcome {
        let mut forms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, entry)) = forms.iter().find(|(known, _)| *known == form) {
            return Arc::clone(entry);
        }
        let entry = Outcome::default();
        forms.push_back((form, Arc::clone(&entry)));
        if forms.len() > FORMS_MAX {
            forms.pop_front();
        }
        entry
    }
}

impl SentForm<'_> {
    fn digest(&self) -> Digest {
        let mut context = digest::Context::new(&digest::SHA256);
        for part in [self.user, self.key, self.text] {
            context.update(&part.len().to_be_bytes());
            context.update(part.as_bytes());
        }
        let mut out = Digest::default();
        out.copy_from_slice(context.finish().as_ref());
        out
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Poll;

    use super::*;

    const FORM: SentForm<'_> = SentForm { user: "ann", key: "k", text: "Hello" };

    /// Sends a form whose work counts.
    async fn send(forms: &SentForms, form: &SentForm<'_>, count: &Arc<AtomicUsize>, fails: bool) -> bool {
        let count = Arc::clone(count);
        let work = async move {
            tokio::task::yield_now().await;
            count.fetch_add(1, Ordering::Relaxed);
            if fails { Err(std::io::Error::other("refused")) } else { Ok(()) }
        };
        forms.once(form, work).await.is_ok()
    }

    #[tokio::test]
    async fn a_form_that_is_sent_twice_at_once_takes_effect_once() {
        let (forms, count) = (SentForms::default(), Arc::default());
        let both = tokio::join!(send(&forms, &FORM, &count, false), send(&forms, &FORM, &count, false));
        assert_eq!((both, count.load(Ordering::Relaxed)), ((true, true), 1));
        for other in [
            SentForm { user: "bob", ..FORM },
            SentForm { key: "other", ..FORM },
            SentForm { text: "Hello again", ..FORM },
        ] {
            assert!(send(&forms, &other, &count, false).await);
        }
        assert_eq!(count.load(Ordering::Relaxed), 4);
    }

    #[tokio::test]
    async fn a_form_that_failed_or_has_no_key_may_be_sent_again() {
        let (forms, count) = (SentForms::default(), Arc::default());
        assert!(!send(&forms, &FORM, &count, true).await);
        assert!(send(&forms, &FORM, &count, false).await);
        let without_key = SentForm { key: "", ..FORM };
        for _ in 0..2 {
            assert!(send(&forms, &without_key, &count, false).await);
        }
        assert_eq!(count.load(Ordering::Relaxed), 4);
    }

    #[tokio::test]
    async fn the_work_goes_on_when_the_client_has_gone() {
        let (forms, count) = (SentForms::default(), Arc::<AtomicUsize>::default());
        let mut abandoned = Box::pin(send(&forms, &FORM, &count, false));
        let is_pending = poll_fn(|context| Poll::Ready(abandoned.as_mut().poll(context).is_pending())).await;
        drop(abandoned);
        assert!(is_pending);
        assert!(send(&forms, &FORM, &count, false).await);
        assert_eq!(count.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn remembered_forms_are_bounded() {
        let (forms, count) = (SentForms::default(), Arc::default());
        for number in 0..=FORMS_MAX {
            send(&forms, &SentForm { text: &number.to_string(), ..FORM }, &count, false).await;
        }
        assert_eq!(forms.0.lock().unwrap().len(), FORMS_MAX);
    }
}
