//! Hooks: code of a site of its own that runs when something happens here, such as a sign-up. [`crate::app::SiteExtensions`]
//! lists them.
//!
//! A hook runs in a task of its own: it is completed even if the client disconnects, and a hook that panics fails like one
//! that returns an error. Whoever calls it waits for it, [`TIME_LIMIT`] at most.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// A hook that takes longer has failed for its caller; it goes on running.
pub const TIME_LIMIT: Duration = Duration::from_secs(10);

/// Why a hook failed. It is logged and never shown to a client.
pub type HookError = Box<dyn std::error::Error + Send + Sync>;

type Running<T> = Pin<Box<dyn Future<Output = Result<T, HookError>> + Send>>;

/// An async function from `I` to `O`. Clones share it.
pub struct Hook<I, O = ()>(Arc<dyn Fn(I) -> Running<O> + Send + Sync>);

impl<I, O: Send + 'static> Hook<I, O> {
    /// Takes an async function, or a closure that returns a future.
    pub fn new<F, R>(run: F) -> Self
    where
        F: Fn(I) -> R + Send + Sync + 'static,
        R: Future<Output = Result<O, HookError>> + Send + 'static,
    {
        Self(Arc::new(move |input| Box::pin(run(input))))
    }

    /// Runs the hook.
    ///
    /// # Errors
    /// That of the hook; it panicked, or takes longer than [`TIME_LIMIT`].
    pub async fn call(&self, input: I) -> Result<O, HookError> {
        tokio::time::timeout(TIME_LIMIT, tokio::spawn((self.0)(input))).await??
    }
}

impl<I, O: Send + 'static> Hook<I, O> {
    /// Runs the hook after something that its failure does not undo: a failure is logged.
    pub async fn notify(&self, name: &'static str, input: I) {
        if let Err(error) = self.call(input).await {
            tracing::error!(hook = name, error, "a hook failed");
        }
    }
}

impl<I, O> Clone for Hook<I, O> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<I, O> fmt::Debug for Hook<I, O> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Hook")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[actix_rt::test]
    async fn a_hook_that_fails_or_panics_is_an_error_for_its_caller() {
        let ok: Hook<u32, u32> = Hook::new(async |n| Ok(n + 1));
        assert_eq!(ok.call(1).await.unwrap(), 2);
        let fails: Hook<(), ()> = Hook::new(|()| async { Err("no".into()) });
        assert_eq!(fails.call(()).await.unwrap_err().to_string(), "no");
        let panics: Hook<(), ()> = Hook::new(|()| async { panic!("a defect of the hook") });
        assert!(panics.call(()).await.unwrap_err().to_string().contains("panicked"));
    }
}
