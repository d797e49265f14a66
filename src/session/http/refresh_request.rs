//! Refresh of a request's session: selects the refresh token among cookies and headers, and clears the tokens that are out of date.

use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::http::header::HeaderMap;

use crate::http::trace;
use crate::session::compat::FrontendVersion;
use crate::session::http::cookies::CookieMatch;
use crate::session::http::response_tokens::ResponseTokens;
use crate::session::http::transport::TokenDelivery;
use crate::session::http::{anti_csrf, cookies, transport};
use crate::session::service::Sessions;
use crate::session::service::refresh::RefreshAntiCsrf;
use crate::session::settings::Transfer;
use crate::session::{Error, SignedIn, compat};

/// Whether a refresh must prove, by its anti-CSRF header or token, that no page of another site sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Proof {
    Required,
    NotRequired,
}

impl Sessions {
    /// Exchanges the request's refresh token and queues the new tokens for its response.
    ///
    /// # Errors
    /// [`Error::Ended`] and [`Error::Theft`], in which cases the response clears the client's tokens; or a failure of SQL or of the
    /// token provider, in which case the old tokens keep working.
    pub async fn refresh(&self, request: &HttpRequest) -> Result<SignedIn, Error> {
        self.refresh_or_forget(request, Proof::Required).await
    }

    /// The same without the anti-CSRF check, for a browser that navigates to a page and cannot send a header. A cross-site request
    /// to it only gives the browser new tokens of its own.
    ///
    /// # Errors
    /// As [`Sessions::refresh`].
    pub async fn refresh_without_anti_csrf(&self, request: &HttpRequest) -> Result<SignedIn, Error> {
        self.refresh_or_forget(request, Proof::NotRequired).await
    }

    async fn refresh_or_forget(&self, request: &HttpRequest, proof: Proof) -> Result<SignedIn, Error> {
        let result = self.refresh_request(request, proof).await;
        match result {
            // A link of another site comes without cookies of `SameSite=Strict`, which the browser has nonetheless.
            Err(Error::Missing) if proof == Proof::NotRequired && !self.shows_session(request.headers()) => {}
            Err(Error::Ended(_) | Error::Theft { .. } | Error::Missing) => self.clear_tokens(request),
            Ok(_) | Err(_) => {}
        }
        result
    }

    async fn refresh_request(&self, request: &HttpRequest, proof: Proof) -> Result<SignedIn, Error> {
        let (headers, rules) = (request.headers(), self.cookies());
        let response_tokens = ResponseTokens::of(request);
        let in_cookies = cookies::all(headers, rules.refresh_name);
        let is_duplicate = self.clear_cookies_of_other_domains(headers, in_cookies.len(), &response_tokens)?;
        let (transfer, text) = self.refresh_token_of(headers, &in_cookies).await?;
        if transfer == Transfer::Cookie && proof == Proof::Required {
            anti_csrf::check_refresh(self.settings().anti_csrf(), headers)?;
        }
        let anti_csrf = match (transfer, proof) {
            (Transfer::Header, _) => RefreshAntiCsrf::Unneeded,
            (Transfer::Cookie, Proof::Required) => {
                RefreshAntiCsrf::Checked(anti_csrf::token(headers).map(str::to_owned))
            }
            (Transfer::Cookie, Proof::NotRequired) => RefreshAntiCsrf::Unchecked,
        };
        let frontend = match transfer {
            Transfer::Cookie => compat::frontend_of_request(headers),
            Transfer::Header => FrontendVersion::Modern,
        };
        let sessions = self.clone();
        let version = frontend.token_version();
        // In a task of its own: a client that goes away must not stop it halfway.
        let issued = trace::spawn(async move { sessions.refresh_as(&text, anti_csrf, version).await }).await??;

        match transfer {
            Transfer::Header if !in_cookies.is_empty() => response_tokens.clear(rules, Transfer::Cookie),
            Transfer::Cookie if transport::bearer(headers).is_some() => response_tokens.clear(rules, Transfer::Header),
            Transfer::Header | Transfer::Cookie => {}
        }
        if is_duplicate && transfer == Transfer::Cookie {
            response_tokens.remove_cookies_of_host(rules);
        }
        if frontend == FrontendVersion::Modern && compat::has_id_cookie(headers) {
            response_tokens.remove_id_cookie(rules);
        }
        let (delivery, token) = (TokenDelivery { transfer, frontend }, Arc::clone(&issued.token));
        response_tokens.set(&self.delivery_context(delivery), issued);
        Ok(SignedIn::new(self.clone(), token, delivery, response_tokens))
    }

    /// The token in the header, else in the cookie, else the one of several cookies that is still valid.
    async fn refresh_token_of(&self, headers: &HeaderMap, in_cookies: &[&str]) -> Result<(Transfer, String), Error> {
        let set = self.settings().transfer;
        let header = transport::bearer(headers).filter(|_| transport::is_allowed(Transfer::Header, set));
        match (header, in_cookies) {
            (Some(token), _) => Ok((Transfer::Header, token.to_owned())),
            (None, []) => Err(Error::Missing),
            (None, _) if !transport::is_allowed(Transfer::Cookie, set) => Err(Error::Missing),
            (None, [token]) => Ok((Transfer::Cookie, (*token).to_owned())),
            (None, several) => Ok((Transfer::Cookie, self.choose_refresh_token(several).await?)),
        }
    }

    /// Queues the removal of cookies of `OLDER_COOKIE_DOMAIN`. Returns whether a session cookie occurred twice.
    ///
    /// # Errors
    /// [`Error::DuplicateCookiesCleared`], or [`Error::DuplicateCookies`] if
    /// [`Settings::refuse_duplicate_cookies`](crate::session::Settings::refuse_duplicate_cookies) is on.
    fn clear_cookies_of_other_domains(
        &self,
        headers: &HeaderMap,
        refresh_cookies: usize,
        response_tokens: &ResponseTokens,
    ) -> Result<bool, Error> {
        let (rules, settings) = (self.cookies(), self.settings());
        let older = settings.older_cookie_domain.as_deref();
        if let Some(older) = older.filter(|_| rules.has_cookies_of_other_names(headers)) {
            // Their names differ from ours: they are not ambiguous, and nobody reads them.
            response_tokens.remove_of_domain(rules, older);
        }
        let is_duplicate = refresh_cookies > 1 || cookies::find(headers, rules.access_name) == CookieMatch::Duplicate;
        if !is_duplicate || !transport::is_allowed(Transfer::Cookie, settings.transfer) {
            return Ok(false);
        }
        match older {
            Some(older) if rules.has_plain_names() => {
                response_tokens.remove_of_domain(rules, older);
                Err(Error::DuplicateCookiesCleared)
            }
            _ if settings.refuse_duplicate_cookies => Err(Error::DuplicateCookies),
            _ => {
                self.warn_of_duplicate_cookies();
                Ok(true)
            }
        }
    }

    /// Whether a cookie shows that the browser has a session.
    fn shows_session(&self, headers: &HeaderMap) -> bool {
        transport::carries_access(headers, self.cookies(), Transfer::Cookie) || compat::has_id_cookie(headers)
    }
}
