//! Who may pass: the extractors. A handler that takes one of them is closed to everybody else.

use std::fmt;
use std::future::{Ready, ready};
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::HttpMessage as _;
use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest, HttpResponse, ResponseError};
use futures_util::future::{Either, LocalBoxFuture};

use crate::session::Error;
use crate::session::http::answers::answer;
use crate::session::http::cookies::Sent;
use crate::session::http::frontend_version::FrontendVersion;
use crate::session::http::requests::Requirements;
use crate::session::http::response_tokens::ResponseTokens;
use crate::session::http::signed_in::SignedIn;
use crate::session::http::transport::Travel;
use crate::session::http::{cookies, frontend_version, transport};
use crate::session::service::Sessions;
use crate::session::settings::{AntiCsrf, Transfer};
use crate::session::tokens::verified_cache::Verified;

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
    /// Answers an error as the settings have it.
    pub fn refuse(&self, error: Error) -> Refused {
        let answer = answer(self.settings().answers.as_ref(), error);
        Refused { status: answer.status(), answer: Mutex::new(Some(answer)) }
    }
}

/// What most requests come with: a cookie or header with a token that is known, and nothing else to ask.
fn recall(sessions: &Sessions, request: &HttpRequest) -> Option<(Arc<Verified>, Transfer)> {
    let settings = sessions.settings();
    let headers = request.headers();
    if !settings.validators.is_empty() || frontend_version::has_id_cookie(headers) {
        return None;
    }
    if transport::is_allowed(Transfer::Header, settings.transfer)
        && let Some(token) = transport::bearer(headers)
    {
        return Some((sessions.recall(token)?, Transfer::Header));
    }
    let is_free = request.method() == "GET" || settings.anti_csrf() == AntiCsrf::None;
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
            let travel = Travel { transfer, profile: FrontendVersion::Modern };
            let signed_in = Self::new(sessions.as_ref().clone(), token, travel, ResponseTokens::of(request));
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
