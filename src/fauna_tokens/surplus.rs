//! The limit of live tokens per session.

use crate::fauna_tokens::{DELETE_TIMEOUT, FaunaTokens};
use crate::session::SessionHandle;

impl FaunaTokens {
    /// Keeps the number of a session's tokens at [`Settings::per_session`](crate::fauna_tokens::Settings::per_session): one refresh token may be used any number of times. It
    /// runs after a token was stored, so of two that are stored at once the later one sees both. A client whose token is deleted
    /// stays signed in: its next query gets another one.
    pub(super) async fn delete_surplus(&self, handle: &SessionHandle) {
        let kept = usize::try_from(self.settings.per_session).unwrap_or(usize::MAX);
        match tokio::time::timeout(DELETE_TIMEOUT, self.sweeper.delete_surplus(handle, kept)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, "surplus Fauna tokens of a session are deleted when it gets the next");
            }
            Err(_) => tracing::warn!("Fauna is slow: surplus tokens of a session are deleted when it gets the next"),
        }
    }
}
