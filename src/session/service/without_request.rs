//! Sessions and signed statements where there is no request: for other protocols, jobs and servers that trust ours.

use std::time::Duration;

use actix_web::HttpRequest;
use jsonwebtoken::{Algorithm, Header};
use serde_json::{Map, Value};

use crate::session::http::csrf;
use crate::session::http::frontend_version::FrontendVersion;
use crate::session::http::response_tokens::ResponseTokens;
use crate::session::http::transport::Travel;
use crate::session::service::Sessions;
use crate::session::settings::Transfer;
use crate::session::tokens::access_token::Unverified;
use crate::session::tokens::signing_keys::Kind;
use crate::session::{Error, HandOut, Requirements, SignedIn};

impl Sessions {
    /// The session of an access token that came by some other way, and the token to replace it with where that is due; the
    /// caller hands it out. `anti_csrf` is what came along with a token from a cookie; [`Requirements::anti_csrf`] says
    /// whether it is asked for, and by default it is not.
    ///
    /// # Errors
    /// As [`Sessions::get_session`], and [`Error::Missing`] for what is no access token.
    pub async fn session_of(
        &self,
        access_token: &str,
        anti_csrf: Option<&str>,
        requirements: &Requirements,
    ) -> Result<(SignedIn, Option<HandOut>), Error> {
        let token = self.verify(Unverified::parse(access_token).ok_or(Error::Missing)?).await?;
        if requirements.anti_csrf.unwrap_or(false) {
            csrf::compare(token.claims.anti_csrf.as_deref(), anti_csrf)?;
        }
        let accepted = self.settle(token, requirements.check_database).await?;
        let travel = Travel { transfer: Transfer::Header, profile: FrontendVersion::Modern };
        let mut signed_in = SignedIn::new(self.clone(), accepted.token, travel, ResponseTokens::default());
        let validators = requirements.validators.as_deref().unwrap_or(&self.settings().validators);
        signed_in.assert_claims(validators).await?;
        Ok((signed_in, accepted.renewed))
    }

    /// Queues tokens that were made without a request for the response to this one.
    pub fn attach(&self, request: &HttpRequest, tokens: HandOut, transfer: Transfer) {
        let travel = Travel { transfer, profile: FrontendVersion::Modern };
        ResponseTokens::of(request).hand_out(&self.manner(travel), tokens);
    }

    /// A statement of ours for whoever reads our JWKS, signed with the key that is never replaced or with the one that signs
    /// access tokens. It is no access token: it names no version of one.
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
