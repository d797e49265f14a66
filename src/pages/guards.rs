//! Who looks at a page. Whoever must be signed in and is not, is led to where they can be; whose access token has ended is
//! led through a refresh and back, forms included.

use std::fmt;
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::http::{Method, StatusCode};
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest, HttpResponse, ResponseError};
use futures_util::future::LocalBoxFuture;

use crate::http::problem::{Problem, ProblemPage};
use crate::pages::frame::redirect;
use crate::pages::site_path::{SitePath, in_query};
use crate::pages::{Pages, resume};
use crate::session;
use crate::session::{Requirements, Sessions, SignedIn, Validator};

/// Somebody, signed in or not.
#[derive(Default)]
pub struct OptionalUser(Option<SignedIn>);

/// Somebody signed in, whatever the claims of their session say: they may look at their account and leave.
pub struct PageUser(pub SignedIn);

/// Somebody signed in whose session says all that the site asks for.
pub struct VerifiedUser(pub SignedIn);

/// Why a page is not shown.
#[derive(Debug)]
pub enum Detour {
    /// What is wanted is to be found there.
    Elsewhere {
        /// How the browser comes there: with the same form (307) or without (303).
        status: StatusCode,
        /// Where.
        location: String,
    },
    /// It cannot be shown.
    Broken(ProblemPage),
}

impl OptionalUser {
    /// Their session.
    pub fn session(&self) -> Option<&SignedIn> {
        self.0.as_ref()
    }
}

impl From<PageUser> for OptionalUser {
    fn from(person: PageUser) -> Self {
        Self(Some(person.0))
    }
}

impl From<VerifiedUser> for OptionalUser {
    fn from(member: VerifiedUser) -> Self {
        Self(Some(member.0))
    }
}

/// The session of the request, checked in SQL: a page must not greet somebody who was signed out from elsewhere. Headers
/// against cross-site requests are not asked for, because forms cannot send them: `origin` refuses forms of other sites.
async fn session_of(
    request: &HttpRequest,
    validators: Option<Vec<Arc<dyn Validator>>>,
) -> Result<Option<SignedIn>, Detour> {
    let (Some(sessions), Some(pages)) = (request.app_data::<Data<Sessions>>(), request.app_data::<Data<Pages>>())
    else {
        return Err(Detour::Broken(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal error").into()));
    };
    let requirements = Requirements { check_database: true, anti_csrf: Some(false), validators };
    match sessions.get_session(request, &requirements).await {
        Ok(session) => Ok(session),
        Err(session::Error::TryRefresh(_)) => Err(resume::detour(pages, request)),
        Err(session::Error::InvalidClaims(_)) => {
            Err(Detour::Elsewhere { status: StatusCode::SEE_OTHER, location: "/auth/verify-email".to_owned() })
        }
        // Its tokens are being forgotten: this is somebody without a session.
        Err(session::Error::Ended(_)) => Ok(None),
        Err(error) => Err(Detour::Broken(error.into())),
    }
}

/// Where somebody signs in and then comes back from: to this page, or to the comments where this is no page but a form.
fn to_sign_in(request: &HttpRequest) -> Detour {
    let here = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let back = SitePath::parse(here).filter(|_| *request.method() == Method::GET).unwrap_or_default();
    let location = format!("/auth?redirectToPath={}", in_query(back.as_str()));
    Detour::Elsewhere { status: StatusCode::SEE_OTHER, location }
}

impl FromRequest for OptionalUser {
    type Error = Detour;
    type Future = LocalBoxFuture<'static, Result<Self, Detour>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { session_of(&request, Some(Vec::new())).await.map(Self) })
    }
}

impl FromRequest for PageUser {
    type Error = Detour;
    type Future = LocalBoxFuture<'static, Result<Self, Detour>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let session = session_of(&request, Some(Vec::new())).await?;
            session.map(Self).ok_or_else(|| to_sign_in(&request))
        })
    }
}

impl FromRequest for VerifiedUser {
    type Error = Detour;
    type Future = LocalBoxFuture<'static, Result<Self, Detour>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let session = session_of(&request, None).await?;
            session.map(Self).ok_or_else(|| to_sign_in(&request))
        })
    }
}

impl fmt::Display for Detour {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Elsewhere { location, .. } => write!(out, "see {location}"),
            Self::Broken(problem) => problem.fmt(out),
        }
    }
}

impl ResponseError for Detour {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Elsewhere { status, .. } => *status,
            Self::Broken(problem) => problem.status_code(),
        }
    }

    fn error_response(&self) -> HttpResponse {
        match self {
            Self::Elsewhere { status, location } => redirect(*status, location),
            Self::Broken(problem) => problem.error_response(),
        }
    }
}
