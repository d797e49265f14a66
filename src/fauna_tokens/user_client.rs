//! Access to a session's token outside the queries of [`FaunaTokens`], for code that shows it or its revocation.

use std::panic::Location;
use std::time::Duration;

use fauna_client::AsUser;
use secrecy::ExposeSecret as _;

use crate::events;
use crate::events::EventKind;
use crate::fauna_tokens::{Error, FaunaTokens, SessionToken};
use crate::session::SignedIn;

/// A query that was sent with [`FaunaTokens::user_client`].
pub struct SentQuery {
    /// FQL with its values masked.
    pub text: String,
    /// HTTP status; `None` without a response.
    pub status: Option<u16>,
    pub duration: Duration,
}

impl FaunaTokens {
    /// Publishes a query that was sent without [`FaunaTokens::query`], in the name of the code that calls this.
    #[track_caller]
    pub fn publish_query(&self, session: &SignedIn, token: &AsUser, query: SentQuery) {
        let caller = Location::caller();
        let kind = EventKind::TokenUsed {
            fingerprint: events::fingerprint(token.secret().expose_secret()),
            query: query.text,
            built_at: format!("{}:{}", caller.file(), caller.line()),
            status: query.status,
            duration_micros: query.duration.as_micros().try_into().unwrap_or(u64::MAX),
        };
        self.publish(session.user(), session.handle(), kind);
    }

    /// A Fauna client with the current token of this session. It can be kept after the session has ended, and then shows that Fauna
    /// refuses the token.
    pub async fn user_client(&self, session: &SignedIn) -> Result<AsUser, Error> {
        Ok(self.token_of(session).await?.client)
    }

    pub fn users_collection(&self) -> &str {
        &self.settings.users
    }
}

impl SessionToken {
    pub(super) fn fingerprint(&self) -> String {
        events::fingerprint(self.client.secret().expose_secret())
    }
}
