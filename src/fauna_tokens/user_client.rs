//! Access to a session's token outside the queries of [`FaunaTokens`], for code that shows its revocation.

use fauna_client::AsUser;

use crate::fauna_tokens::{Error, FaunaTokens};
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
