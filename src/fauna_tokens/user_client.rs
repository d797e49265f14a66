//! Access to a session's token outside the queries of [`FaunaTokens`], for code that shows it or its revocation.

use fauna_client::AsUser;
use secrecy::ExposeSecret as _;

use crate::events;
use crate::fauna_tokens::{Error, FaunaTokens, SessionToken};
use crate::session::SignedIn;

impl FaunaTokens {
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
