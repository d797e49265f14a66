//! From a request to its session: which token counts, what is checked in which order, and what the client is told to forget
//! (session.md 3.5, 3.6).

use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::http::header::HeaderMap;

use crate::session::claims::Validator;
use crate::session::http::cookies::{CookieRules, Sent};
use crate::session::http::frontend_version::FrontendVersion;
use crate::session::http::response_tokens::ResponseTokens;
use crate::session::http::transport::Travel;
use crate::session::http::{cookies, csrf, frontend_version, transport};
use crate::session::service::Sessions;
use crate::session::service::refresh::RefreshAntiCsrf;
use crate::session::settings::Transfer;
use crate::session::tokens::access_token::Unverified;
use crate::session::{Error, SignedIn};

/// What a route asks for beyond a session.
#[derive(Clone, Default)]
pub struct Requirements {
    /// That the session still exists, asked in SQL: an ended one is refused at once and everywhere.
    pub check_database: bool,
    /// Whether protection against cross-site requests applies; none: for every method but GET.
    pub anti_csrf: Option<bool>,
    /// What its claims must say; none: what [`Settings::validators`](crate::session::Settings::validators) ask for.
    pub validators: Option<Vec<Arc<dyn Validator>>>,
}

impl Sessions {
    /// The session that a request belongs to; nothing where it carries no token.
    ///
    /// # Errors
    /// [`Error::TryRefresh`], [`Error::Ended`] (the client is told to forget its tokens), [`Error::InvalidClaims`], or what
    /// keeps us from answering.
    pub async fn get_session(
        &self,
        request: &HttpRequest,
        requirements: &Requirements,
    ) -> Result<Option<SignedIn>, Error> {
        let result = self.get_picked(request, requirements).await;
        if let Err(Error::Ended(_)) = result {
            self.forget(request);
        }
        result
    }

    /// The same, without telling the client to forget anything.
    async fn get_picked(&self, request: &HttpRequest, requirements: &Requirements) -> Result<Option<SignedIn>, Error> {
        let headers = request.headers();
        let (transfer, unverified) = match pick(headers, self.cookies(), self.settings().transfer) {
            Picked::Nothing if frontend_version::has_id_cookie(headers) => {
                return Err(Error::TryRefresh("an old frontend's access token has ended"));
            }
            Picked::Nothing => return Ok(None),
            Picked::Ambiguous => return Err(Error::TryRefresh("the cookie came twice")),
            Picked::Token(transfer, unverified) => (transfer, unverified),
        };
        let token = self.verify(*unverified).await?;
        let profile = frontend_version::of_token(headers, &token.claims);
        let profile = profile.ok_or(Error::TryRefresh("the cookie sIdRefreshToken is of another session"))?;
        if transfer == Transfer::Cookie && requirements.anti_csrf.unwrap_or(request.method() != "GET") {
            csrf::check(self.settings().anti_csrf(), headers, token.claims.anti_csrf.as_deref())?;
        }
        let accepted = self.settle(token, requirements.check_database).await?;
        let (response_tokens, travel) = (ResponseTokens::of(request), Travel { transfer, profile });
        if let Some(hand_out) = accepted.renewed {
            response_tokens.hand_out(&self.manner(travel), hand_out);
        }
        let mut signed_in = SignedIn::new(self.clone(), accepted.token, travel, response_tokens);
        let validators = requirements.validators.as_deref().unwrap_or(&self.settings().validators);
        signed_in.assert_claims(validators).await?;
        Ok(Some(signed_in))
    }

    /// Performs a refresh for a request and queues the new tokens for its response.
    ///
    /// # Errors
    /// [`Error::Ended`], [`Error::Theft`] (in both cases the client is told to forget its tokens), or what keeps us from
    /// answering; then the old tokens keep working.
    pub async fn refresh(&self, request: &HttpRequest) -> Result<SignedIn, Error> {
        self.refresh_checked(request, true).await
    }

    /// The same for a browser on its way to a page, which can send no header against cross-site requests. All that another
    /// site reaches by leading it there is that the browser gets its own new tokens.
    ///
    /// # Errors
    /// As [`Sessions::refresh`].
    pub async fn refresh_without_anti_csrf(&self, request: &HttpRequest) -> Result<SignedIn, Error> {
        self.refresh_checked(request, false).await
    }

    /// Both of them.
    async fn refresh_checked(&self, request: &HttpRequest, anti_csrf: bool) -> Result<SignedIn, Error> {
        let result = self.refresh_picked(request, anti_csrf).await;
        match result {
            // A link of another site comes without cookies of `SameSite=Strict`, which the browser has nonetheless.
            Err(Error::Missing) if !anti_csrf && !self.shows_session(request.headers()) => {}
            Err(Error::Ended(_) | Error::Theft { .. } | Error::Missing) => self.forget(request),
            Ok(_) | Err(_) => {}
        }
        result
    }

    /// The same, without telling the client to forget anything.
    async fn refresh_picked(&self, request: &HttpRequest, anti_csrf: bool) -> Result<SignedIn, Error> {
        let (headers, rules, set) = (request.headers(), self.cookies(), self.settings().transfer);
        let response_tokens = ResponseTokens::of(request);
        let header = transport::bearer(headers).filter(|_| transport::is_allowed(Transfer::Header, set));
        let in_cookies = cookies::all(headers, rules.refresh_name);
        if let Some(former) = self.settings().older_cookie_domain.as_deref().filter(|_| rules.of_other_names(headers)) {
            // Beside ours they are not ambiguous, and nobody reads them.
            response_tokens.remove_former(rules, former);
        }
        let is_double = in_cookies.len() > 1 || cookies::find(headers, rules.access_name) == Sent::Twice;
        if is_double && transport::is_allowed(Transfer::Cookie, set) {
            self.meet_duplicates(&response_tokens)?;
        }
        let (transfer, text) = match (header, in_cookies.as_slice()) {
            (Some(token), _) => (Transfer::Header, token.to_owned()),
            (None, []) => return Err(Error::Missing),
            (None, _) if !transport::is_allowed(Transfer::Cookie, set) => return Err(Error::Missing),
            (None, [token]) => (Transfer::Cookie, (*token).to_owned()),
            (None, several) => (Transfer::Cookie, self.choose_refresh(several).await?),
        };
        let is_cookie = transfer == Transfer::Cookie;
        if is_cookie && anti_csrf {
            csrf::check_refresh(self.settings().anti_csrf(), headers)?;
        }
        let claimed = csrf::token(headers).map(str::to_owned);
        let anti_csrf = match transfer {
            Transfer::Header => RefreshAntiCsrf::Unneeded,
            Transfer::Cookie if anti_csrf => RefreshAntiCsrf::Checked(claimed),
            Transfer::Cookie => RefreshAntiCsrf::Unchecked,
        };
        let sessions = self.clone();
        // A client that goes away must not stop this halfway (security.md F7).
        let profile = if is_cookie { frontend_version::of_request(headers) } else { FrontendVersion::Modern };
        let version = profile.version();
        let issued = tokio::spawn(async move { sessions.refresh_as(&text, anti_csrf, version).await }).await??;

        match transfer {
            Transfer::Header if !in_cookies.is_empty() => response_tokens.clear(rules, Transfer::Cookie),
            Transfer::Cookie if transport::bearer(headers).is_some() => response_tokens.clear(rules, Transfer::Header),
            Transfer::Header | Transfer::Cookie => {}
        }
        if profile == FrontendVersion::Modern && frontend_version::has_id_cookie(headers) {
            response_tokens.remove_id_cookie(rules);
        }
        let (travel, token) = (Travel { transfer, profile }, Arc::clone(&issued.token));
        response_tokens.hand_out(&self.manner(travel), issued);
        Ok(SignedIn::new(self.clone(), token, travel, response_tokens))
    }

    /// What happens when a session cookie came twice, typically from two domains.
    fn meet_duplicates(&self, response_tokens: &ResponseTokens) -> Result<(), Error> {
        match self.settings().older_cookie_domain.as_deref() {
            Some(former) if self.cookies().can_come_twice() => {
                response_tokens.remove_former(self.cookies(), former);
                Err(Error::DuplicateCookiesCleared)
            }
            _ if self.settings().refuse_duplicate_cookies => Err(Error::DuplicateCookies),
            _ => Ok(()),
        }
    }

    /// Whether a browser has sent something that says that it has a session.
    fn shows_session(&self, headers: &HeaderMap) -> bool {
        transport::carries_access(headers, self.cookies(), Transfer::Cookie) || frontend_version::has_id_cookie(headers)
    }

    /// Tells the client to forget its tokens, in whichever way it has them.
    fn forget(&self, request: &HttpRequest) {
        let response_tokens = ResponseTokens::of(request);
        response_tokens.clear_all(self.cookies());
        if frontend_version::has_id_cookie(request.headers()) {
            response_tokens.clear_id(self.cookies());
        }
    }
}

/// The access token of a request.
enum Picked<'a> {
    /// None, or nothing that has the form of one.
    Nothing,
    /// It came twice, and which one is ours cannot be told.
    Ambiguous,
    /// This one.
    Token(Transfer, Box<Unverified<'a>>),
}

/// A well-formed header counts more than a cookie.
fn pick<'a>(headers: &'a HeaderMap, rules: &CookieRules, set: Option<Transfer>) -> Picked<'a> {
    if transport::is_allowed(Transfer::Header, set)
        && let Some(unverified) = transport::bearer(headers).and_then(Unverified::parse)
    {
        return Picked::Token(Transfer::Header, Box::new(unverified));
    }
    if !transport::is_allowed(Transfer::Cookie, set) {
        return Picked::Nothing;
    }
    match cookies::find(headers, rules.access_name) {
        Sent::Never => Picked::Nothing,
        Sent::Twice => Picked::Ambiguous,
        Sent::Once(text) => match Unverified::parse(text) {
            Some(unverified) => Picked::Token(Transfer::Cookie, Box::new(unverified)),
            None => Picked::Nothing,
        },
    }
}
