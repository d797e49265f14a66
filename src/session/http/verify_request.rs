//! Verifies the access token of a request.
//!
//! [`Sessions::get_session`] reads the token, verifies it, applies the anti-CSRF rules ([`Sessions::check_origin`]), promotes its
//! refresh token if this is the first use, and runs the claim validators, in this order. Extractors first try
//! [`Sessions::get_session_at_once`], which takes the same steps for a token that needs neither SQL nor a claim.

use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::http::header::HeaderMap;

use crate::session::claims::Validator;
use crate::session::http::cookies::CookieMatch;
use crate::session::http::requirements::{ClaimCheck, Requirements};
use crate::session::http::response_tokens::ResponseTokens;
use crate::session::http::transport::TokenDelivery;
use crate::session::http::{anti_csrf, cookies, transport};
use crate::session::service::Sessions;
use crate::session::service::verify::AccessToken;
use crate::session::settings::Transfer;
use crate::session::tokens::verified_cache::Verified;
use crate::session::{Error, SignedIn, compat};

/// The access token of a request.
enum Presented<'a> {
    One(Transfer, AccessToken<'a>),
    /// Several cookies of the same name, from different domains or paths.
    Several(Vec<AccessToken<'a>>),
}

impl Sessions {
    /// The session of a request, or `None` if it carries no access token.
    ///
    /// # Errors
    /// [`Error::TryRefresh`], [`Error::Ended`] (the response then clears the client's tokens), [`Error::InvalidClaims`], or a
    /// failure of SQL or of a claim's source.
    pub async fn get_session(
        &self,
        request: &HttpRequest,
        requirements: &Requirements,
    ) -> Result<Option<SignedIn>, Error> {
        let result = self.verify_request(request, requirements).await;
        if let Err(Error::Ended(_)) = result {
            self.clear_tokens(request);
        }
        result
    }

    /// The session of a request whose token is in the cache and needs neither SQL nor claims. On `None`, call
    /// [`Sessions::get_session`].
    pub(in crate::session) fn get_session_at_once(
        &self,
        request: &HttpRequest,
        requirements: &Requirements,
    ) -> Option<SignedIn> {
        let Presented::One(transfer, AccessToken::Known(token)) = self.presented(request.headers()).ok()?? else {
            return None;
        };
        let needs_waiting = Self::needs_database(&token, requirements.session)
            || !self.validators(requirements).is_empty()
            || self.verified().is_revoked(&token.claims.handle);
        if needs_waiting {
            return None;
        }
        let delivery = self.check_origin(request, requirements, transfer, &token).ok()?;
        Some(SignedIn::new(self.clone(), token, delivery, ResponseTokens::of(request)))
    }

    async fn verify_request(
        &self,
        request: &HttpRequest,
        requirements: &Requirements,
    ) -> Result<Option<SignedIn>, Error> {
        let response_tokens = ResponseTokens::of(request);
        let (transfer, token) = match self.presented(request.headers())? {
            None => return Ok(None),
            Some(Presented::One(transfer, token)) => (transfer, self.verify(token).await?),
            Some(Presented::Several(tokens)) => {
                self.warn_of_duplicate_cookies();
                (Transfer::Cookie, self.verify_one_of(tokens).await?)
            }
        };
        let delivery = self.check_origin(request, requirements, transfer, &token)?;
        let current = self.promote_if_due(token, requirements.session).await?;
        if let Some(replacement) = current.replacement {
            response_tokens.set(&self.delivery_context(delivery), replacement);
        }
        let mut signed_in = SignedIn::new(self.clone(), current.token, delivery, response_tokens);
        signed_in.assert_claims(self.validators(requirements)).await?;
        Ok(Some(signed_in))
    }

    /// Reads the access token. The `Authorization` header has precedence over the cookie if it has the form of an access token.
    ///
    /// # Errors
    /// [`Error::TryRefresh`]: an old frontend's cookie `sIdRefreshToken` is there without an access token, or none of several
    /// cookies of the same name has the form of an access token.
    fn presented<'a>(&self, headers: &'a HeaderMap) -> Result<Option<Presented<'a>>, Error> {
        let set = self.settings().transfer;
        if transport::is_allowed(Transfer::Header, set)
            && let Some(token) = transport::bearer(headers).and_then(|text| self.read_access_token(text))
        {
            return Ok(Some(Presented::One(Transfer::Header, token)));
        }
        let mut presented = None;
        if transport::is_allowed(Transfer::Cookie, set) {
            let name = self.cookies().access_name;
            presented = match cookies::find(headers, name) {
                CookieMatch::Absent => None,
                CookieMatch::Single(text) => {
                    self.read_access_token(text).map(|token| Presented::One(Transfer::Cookie, token))
                }
                CookieMatch::Duplicate => {
                    let texts = cookies::all(headers, name);
                    Some(Presented::Several(
                        texts.into_iter().filter_map(|text| self.read_access_token(text)).collect(),
                    ))
                }
            };
        }
        if presented.is_none() && compat::has_id_cookie(headers) {
            return Err(Error::TryRefresh("expired: the access token of an old frontend"));
        }
        Ok(presented)
    }

    /// Checks how a verified token was sent: anti-CSRF protection, and whether the cookies of an old frontend belong together.
    fn check_origin(
        &self,
        request: &HttpRequest,
        requirements: &Requirements,
        transfer: Transfer,
        token: &Verified,
    ) -> Result<TokenDelivery, Error> {
        let headers = request.headers();
        let frontend = compat::frontend_of_token(headers, &token.claims)
            .ok_or(Error::TryRefresh("malformed: the cookie sIdRefreshToken is of another session"))?;
        if transfer == Transfer::Cookie && requirements.anti_csrf.applies_to(request.method()) {
            anti_csrf::check(self.settings().anti_csrf(), headers, token.claims.anti_csrf.as_deref())?;
        }
        Ok(TokenDelivery { transfer, frontend })
    }

    pub(in crate::session) fn validators<'a>(&'a self, requirements: &'a Requirements) -> &'a [Arc<dyn Validator>] {
        match &requirements.claims {
            ClaimCheck::Configured => &self.settings().validators,
            ClaimCheck::Only(validators) => validators,
            ClaimCheck::Skip => &[],
        }
    }

    /// Queues the removal of the client's tokens, in cookies and headers.
    pub(in crate::session) fn clear_tokens(&self, request: &HttpRequest) {
        let response_tokens = ResponseTokens::of(request);
        response_tokens.clear_all(self.cookies());
        if compat::has_id_cookie(request.headers()) {
            response_tokens.clear_id(self.cookies());
        }
    }
}
