//! Extractors. A handler with one of them as a parameter runs only for requests that satisfy it; others get the refusal.

use std::fmt;
use std::future::{Ready, ready};
use std::sync::{Mutex, PoisonError};

use actix_web::HttpMessage as _;
use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest, HttpResponse, ResponseError};
use futures_util::future::{Either, LocalBoxFuture};

use crate::http::problem::Refusal;
use crate::session::Error;
use crate::session::http::error_responses::response;
use crate::session::http::requirements::{Requirements, SessionCheck};
use crate::session::http::signed_in::SignedIn;
use crate::session::http::transport;
use crate::session::service::Sessions;
use crate::session::settings::Transfer;

/// The session of the request, if it has one. A token that has expired, was revoked or is not signed by this site is still
/// refused. A text without the form of a token counts as none, as for SuperTokens' `getSession` with `sessionRequired: false`: it
/// may be meant for another program on the way.
pub struct MaybeSignedIn(pub Option<SignedIn>);

/// A session whose row exists in SQL now, not only when its access token was issued ([`SessionCheck::Database`]).
pub struct SignedInNow(pub SignedIn);

/// The response to a request that is refused, made by [`Sessions::refuse`].
pub struct Refused {
    status: StatusCode,
    /// Taken by the first call of [`ResponseError::error_response`].
    response: Mutex<Option<HttpResponse>>,
}

impl Sessions {
    /// The response to an error, according to [`Settings::error_responses`](crate::session::Settings::error_responses).
    pub fn refuse(&self, error: Error) -> Refused {
        let reason = error.refusal();
        self.refuse_because(reason, error)
    }

    /// As [`Sessions::refuse`], for a request whose credentials may have no form of a token at all.
    pub(crate) fn refuse_request(&self, request: &HttpRequest, error: Error) -> Refused {
        let carries = |transfer| transport::carries_access(request.headers(), self.cookies(), transfer);
        let is_unreadable = matches!(error, Error::Missing) && (carries(Transfer::Header) || carries(Transfer::Cookie));
        let reason = if is_unreadable { Some(Refusal::MALFORMED) } else { error.refusal() };
        self.refuse_because(reason, error)
    }

    fn refuse_because(&self, reason: Option<Refusal>, error: Error) -> Refused {
        let mut response = response(self.settings().error_responses.as_ref(), error);
        if let Some(reason) = reason {
            reason.attach(&mut response);
        }
        Refused { status: response.status(), response: Mutex::new(Some(response)) }
    }
}

fn sessions(request: &HttpRequest) -> Option<Data<Sessions>> {
    request.app_data::<Data<Sessions>>().cloned()
}

/// Stores the result in the request's extensions, so that a second extractor does not verify again.
async fn found(request: HttpRequest, requirements: Requirements) -> Result<Option<SignedIn>, Refused> {
    let sessions = sessions(&request).ok_or_else(Refused::unconfigured)?;
    let signed_in = sessions.get_session(&request, &requirements).await.map_err(|error| sessions.refuse(error))?;
    if let Some(signed_in) = &signed_in {
        request.extensions_mut().insert(signed_in.clone());
    }
    Ok(signed_in)
}

async fn required(request: HttpRequest, requirements: Requirements) -> Result<SignedIn, Refused> {
    let sessions = sessions(&request).ok_or_else(Refused::unconfigured)?;
    found(request.clone(), requirements).await?.ok_or_else(|| sessions.refuse_request(&request, Error::Missing))
}

impl FromRequest for SignedIn {
    type Error = Refused;
    type Future = Either<Ready<Result<Self, Refused>>, LocalBoxFuture<'static, Result<Self, Refused>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        if let Some(known) = request.extensions().get::<Self>() {
            return Either::Left(ready(Ok(known.clone())));
        }
        let requirements = Requirements::default();
        let sessions = request.app_data::<Data<Sessions>>();
        match sessions.and_then(|sessions| sessions.get_session_at_once(request, &requirements)) {
            Some(signed_in) => Either::Left(ready(Ok(signed_in))),
            None => Either::Right(Box::pin(required(request.clone(), requirements))),
        }
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
        let requirements = Requirements { session: SessionCheck::Database, ..Requirements::default() };
        Box::pin(async move { required(request, requirements).await.map(Self) })
    }
}

impl Refused {
    /// The response if `Data<Sessions>` is not registered with the application.
    fn unconfigured() -> Self {
        let response = HttpResponse::InternalServerError().finish();
        Self { status: response.status(), response: Mutex::new(Some(response)) }
    }
}

impl ResponseError for Refused {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = self.response.lock().unwrap_or_else(PoisonError::into_inner);
        response.take().unwrap_or_else(|| HttpResponse::new(self.status))
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
