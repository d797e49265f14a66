//! Who may pass: the extractors, and the rules by which a token is picked from a request (session.md 3.5–3.6).

use std::fmt;
use std::future::Ready;
use std::future::ready;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use actix_web::FromRequest;
use actix_web::HttpMessage as _;
use actix_web::HttpRequest;
use actix_web::HttpResponse;
use actix_web::ResponseError;
use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::HeaderMap;
use actix_web::web::Data;
use futures_util::future::Either;
use futures_util::future::LocalBoxFuture;

use crate::session::Error;
use crate::session::access_token::Unverified;
use crate::session::answers::answer;
use crate::session::claims::Validator;
use crate::session::cookies;
use crate::session::cookies::CookieRules;
use crate::session::cookies::Sent;
use crate::session::csrf;
use crate::session::sessions::Sessions;
use crate::session::settings::Transfer;
use crate::session::signed_in::SignedIn;
use crate::session::transport;
use crate::session::transport::Outbox;
use crate::session::verified::Verified;

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

/// Somebody signed in, or nobody; a bad token is refused all the same.
pub struct MaybeSignedIn(pub Option<SignedIn>);

/// Somebody signed in whose session exists in SQL at this moment, not only when its access token was made.
pub struct SignedInNow(pub SignedIn);

/// A refusal, ready to be answered.
pub struct Refused {
    /// The status of the answer.
    status: StatusCode,
    /// The answer itself; given away once.
    answer: Mutex<Option<HttpResponse>>,
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
        let (transfer, unverified) = match pick(request.headers(), self.cookies(), self.settings().transfer) {
            Picked::Nothing => return Ok(None),
            Picked::Ambiguous => return Err(Error::TryRefresh("the cookie came twice")),
            Picked::Token(transfer, unverified) => (transfer, unverified),
        };
        let outbox = Outbox::of(request);
        let accepted = match self.accept(*unverified, requirements.check_database).await {
            Ok(accepted) => accepted,
            Err(error) => {
                if matches!(error, Error::Ended(_)) {
                    outbox.clear_all(self.cookies());
                }
                return Err(error);
            }
        };
        let token = &accepted.token.claims;
        if transfer == Transfer::Cookie && requirements.anti_csrf.unwrap_or(request.method() != "GET") {
            csrf::check(self.settings().anti_csrf(), request.headers(), token.anti_csrf.as_deref())?;
        }
        if let Some(hand_out) = accepted.renewed {
            let how = (self.now(), self.settings().expose_access_token);
            outbox.hand_out(self.cookies(), transfer, hand_out, how);
        }
        let mut signed_in = SignedIn::new(self.clone(), accepted.token, transfer, outbox);
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
        if let Err(Error::Ended(_) | Error::Theft { .. } | Error::Missing) = result {
            Outbox::of(request).clear_all(self.cookies());
        }
        result
    }

    /// The same, without telling the client to forget anything.
    async fn refresh_picked(&self, request: &HttpRequest, anti_csrf: bool) -> Result<SignedIn, Error> {
        let (headers, rules, set) = (request.headers(), self.cookies(), self.settings().transfer);
        let cookie = cookies::find(headers, rules.refresh_name);
        let is_double = cookie == Sent::Twice || cookies::find(headers, rules.access_name) == Sent::Twice;
        if is_double && transport::is_allowed(Transfer::Cookie, set) {
            let former = self.settings().older_cookie_domain.as_deref().ok_or(Error::DuplicateCookies)?;
            Outbox::of(request).remove_former(rules, former);
            return Err(Error::DuplicateCookiesCleared);
        }
        let header = transport::bearer(headers);
        let (transfer, text) = match (header, cookie) {
            (Some(token), _) if transport::is_allowed(Transfer::Header, set) => (Transfer::Header, token),
            (_, Sent::Once(token)) if transport::is_allowed(Transfer::Cookie, set) => (Transfer::Cookie, token),
            _ => return Err(Error::Missing),
        };
        let is_checked = anti_csrf && transfer == Transfer::Cookie;
        if is_checked {
            csrf::check_refresh(self.settings().anti_csrf(), headers)?;
        }
        let (sessions, text, token) = (self.clone(), text.to_owned(), csrf::token(headers).map(str::to_owned));
        // A client that goes away must not stop this halfway (security.md F7).
        let refreshing = async move { sessions.refresh_with(&text, token.as_deref(), is_checked).await };
        let issued = tokio::spawn(refreshing).await??;

        let outbox = Outbox::of(request);
        match transfer {
            Transfer::Header if cookie != Sent::Never => outbox.clear(rules, Transfer::Cookie),
            Transfer::Cookie if header.is_some() => outbox.clear(rules, Transfer::Header),
            Transfer::Header | Transfer::Cookie => {}
        }
        let how = (self.now(), self.settings().expose_access_token);
        outbox.hand_out(rules, transfer, issued.hand_out, how);
        Ok(SignedIn::new(self.clone(), issued.token, transfer, outbox))
    }

    /// Answers an error as the settings have it.
    pub fn refuse(&self, error: Error) -> Refused {
        let answer = answer(self.settings().answers.as_ref(), error);
        Refused { status: answer.status(), answer: Mutex::new(Some(answer)) }
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

/// What most requests come with: a cookie or header with a token that is known, and nothing else to ask.
fn recall(sessions: &Sessions, request: &HttpRequest) -> Option<(Arc<Verified>, Transfer)> {
    let settings = sessions.settings();
    let headers = request.headers();
    if !settings.validators.is_empty() {
        return None;
    }
    if transport::is_allowed(Transfer::Header, settings.transfer)
        && let Some(token) = transport::bearer(headers)
    {
        return Some((sessions.recall(token)?, Transfer::Header));
    }
    let is_free = request.method() == "GET" || settings.anti_csrf() == crate::session::settings::AntiCsrf::None;
    match cookies::find(headers, sessions.cookies().access_name) {
        Sent::Once(text) if is_free && transport::is_allowed(Transfer::Cookie, settings.transfer) => {
            Some((sessions.recall(text)?, Transfer::Cookie))
        }
        _ => None,
    }
}

/// The sessions of the application that serves this request.
fn sessions(request: &HttpRequest) -> Option<Data<Sessions>> {
    request.app_data::<Data<Sessions>>().cloned()
}

/// The session of a request, found once however often it is asked for.
async fn found(request: HttpRequest, requirements: Requirements) -> Result<Option<SignedIn>, Refused> {
    let sessions = sessions(&request).ok_or_else(Refused::unconfigured)?;
    let signed_in = sessions.get_session(&request, &requirements).await.map_err(|error| sessions.refuse(error))?;
    if let Some(signed_in) = &signed_in {
        request.extensions_mut().insert(signed_in.clone());
    }
    Ok(signed_in)
}

/// The same, where nobody is not enough.
async fn required(request: HttpRequest, requirements: Requirements) -> Result<SignedIn, Refused> {
    let sessions = sessions(&request).ok_or_else(Refused::unconfigured)?;
    found(request, requirements).await?.ok_or_else(|| sessions.refuse(Error::Missing))
}

impl FromRequest for SignedIn {
    type Error = Refused;
    type Future = Either<Ready<Result<Self, Refused>>, LocalBoxFuture<'static, Result<Self, Refused>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        if let Some(known) = request.extensions().get::<Self>() {
            return Either::Left(ready(Ok(known.clone())));
        }
        if let Some(sessions) = request.app_data::<Data<Sessions>>()
            && let Some((token, transfer)) = recall(sessions, request)
        {
            let signed_in = Self::new(sessions.as_ref().clone(), token, transfer, Outbox::of(request));
            return Either::Left(ready(Ok(signed_in)));
        }
        Either::Right(Box::pin(required(request.clone(), Requirements::default())))
    }
}

impl FromRequest for MaybeSignedIn {
    type Error = Refused;
    type Future = LocalBoxFuture<'static, Result<Self, Refused>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { found(request, Requirements::default()).await.map(Self) })
    }
}

impl FromRequest for SignedInNow {
    type Error = Refused;
    type Future = LocalBoxFuture<'static, Result<Self, Refused>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        let requirements = Requirements { check_database: true, ..Requirements::default() };
        Box::pin(async move { required(request, requirements).await.map(Self) })
    }
}

impl Refused {
    /// The application has no sessions: a mistake in its wiring.
    fn unconfigured() -> Self {
        let answer = HttpResponse::InternalServerError().finish();
        Self { status: answer.status(), answer: Mutex::new(Some(answer)) }
    }
}

impl ResponseError for Refused {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut answer = self.answer.lock().unwrap_or_else(PoisonError::into_inner);
        answer.take().unwrap_or_else(|| HttpResponse::new(self.status))
    }
}

impl fmt::Debug for Refused {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Refused({})", self.status)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "refused with {}", self.status)
    }
}
