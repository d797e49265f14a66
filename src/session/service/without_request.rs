//! Sessions and signed statements where there is no request: for other protocols, jobs and servers that trust ours.

use std::time::Duration;

use actix_web::HttpRequest;
use jsonwebtoken::{Algorithm, Header};
use serde_json::{Map, Value};

use crate::session::compat::FrontendVersion;
use crate::session::http::anti_csrf;
use crate::session::http::requirements::AntiCsrfCheck;
use crate::session::http::response_tokens::ResponseTokens;
use crate::session::http::transport::TokenDelivery;
use crate::session::service::Sessions;
use crate::session::settings::Transfer;
use crate::session::tokens::signing_keys::Kind;
use crate::session::{Error, Requirements, SessionTokens, SignedIn};

impl Sessions {
    /// The session of an access token that came by some other way than a request, and the tokens to replace it with where that is
    /// due; the caller sends them. `anti_csrf` is what came along with a token from a cookie; it is compared only if
    /// [`AntiCsrfCheck::Always`] asks for it.
    ///
    /// # Errors
    /// As [`Sessions::get_session`], and [`Error::Missing`] if the text does not have the form of an access token.
    pub async fn session_of(
        &self,
        access_token: &str,
        anti_csrf: Option<&str>,
        requirements: &Requirements,
    ) -> Result<(SignedIn, Option<SessionTokens>), Error> {
        let token = self.verify(self.read_access_token(access_token).ok_or(Error::Missing)?).await?;
        if requirements.anti_csrf == AntiCsrfCheck::Always {
            anti_csrf::check_token(token.claims.anti_csrf.as_deref(), anti_csrf)?;
        }
        let current = self.promote_if_due(token, requirements.session).await?;
        let delivery = TokenDelivery { transfer: Transfer::Header, frontend: FrontendVersion::Modern };
        let mut signed_in = SignedIn::new(self.clone(), current.token, delivery, ResponseTokens::default());
        signed_in.assert_claims(self.validators(requirements)).await?;
        Ok((signed_in, current.replacement))
    }

    /// Queues tokens that were issued without a request for the response to this one.
    pub fn attach(&self, request: &HttpRequest, tokens: SessionTokens, transfer: Transfer) {
        let delivery = TokenDelivery { transfer, frontend: FrontendVersion::Modern };
        ResponseTokens::of(request).set(&self.delivery_context(delivery), tokens);
    }

    /// A signed statement for readers of our JWKS, signed with the key that is never replaced or with the one that signs access
    /// tokens. It cannot be used as an access token: it names no version of one.
    ///
    /// # Errors
    /// The database fails, or there is no key.
    pub async fn create_jwt(
        &self,
        mut payload: Map<String, Value>,
        validity: Duration,
        with_static_key: bool,
    ) -> Result<String, Error> {
        let now = self.now();
        payload.insert("iss".to_owned(), self.issuer().into());
        payload.insert("exp".to_owned(), now.after(validity).seconds().into());
        payload.insert("iat".to_owned(), now.seconds().into());
        let keys = self.keys();
        let key = if with_static_key { keys.signing_of(Kind::Static, now).await? } else { keys.signing(now).await? };
        let header = Header { kid: Some(key.kid.clone()), ..Header::new(Algorithm::ES256) };
        Ok(jsonwebtoken::encode(&header, &payload, &key.encoding)?)
    }
}
