//! A session's token outside the queries of [`FaunaTokens`], for code that must show what becomes of it.

use fauna_client::AsUser;

use crate::fauna_tokens::{Error, FaunaTokens};
use crate::session::SignedIn;

impl FaunaTokens {
    /// A Fauna client with the present token of this session. It is not watched: it goes on to exist after the session has ended,
    /// when Fauna refuses it.
    pub async fn user_client(&self, session: &SignedIn) -> Result<AsUser, Error> {
        Ok(self.token_of(session).await?.client)
    }

    pub fn users_collection(&self) -> &str {
        &self.settings.users
    }
}
