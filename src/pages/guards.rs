//! Extractors for pages. Whoever must be signed in and is not, is led to the sign-in page; whose access token has expired is
//! led through a refresh and back, forms included.

use std::fmt;

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
use crate::session::{AntiCsrfCheck, ClaimCheck, Requirements, SessionCheck, Sessions, SignedIn};

/// A visitor, signed in or not.
#[derive(Default)]
pub struct OptionalUser {
    session: Option<SignedIn>,
    /// Handle of the session that the browser still holds tokens of, though it has ended.
    ended: Option<String>,
}

/// A signed-in user, whatever the claims of their session say: they may look at their account and sign out.
pub struct PageUser(pub SignedIn);

/// A signed-in user whose session has all claims that the site asks for.
pub struct VerifiedUser(pub SignedIn);

/// Why a page is not shown.
#[derive(Debug)]
pub enum Detour {
    /// Nobody is signed in, or no longer.
    SignIn {
        /// Handle of the session that has ended; empty where there was none.
        ended: String,
        /// Page to come back to.
        back: SitePath,
        /// Whether what was typed waits there.
        has_draft: bool,
    },
    Elsewhere {
        /// 307 repeats the form there, 303 does not.
        status: StatusCode,
        location: String,
    },
    Broken(ProblemPage),
}

impl From<Problem> for Detour {
    fn from(problem: Problem) -> Self {
        Self::Broken(problem.into())
    }
}

impl From<ProblemPage> for Detour {
    fn from(problem: ProblemPage) -> Self {
        Self::Broken(problem)
    }
}

impl Detour {
    /// Where signing in comes first, what was typed is kept for the page at `path`, which finds it by its parameter `draft`.
    pub fn keeping(self, typed: &str, path: &str, pages: &Pages) -> Self {
        let Self::SignIn { ended, .. } = self else { return self };
        match pages.drafts.keep(typed) {
            Ok(key) => {
                let back = SitePath::parse(&format!("{path}?draft={key}")).unwrap_or_default();
                Self::SignIn { ended, back, has_draft: true }
            }
            Err(error) => Problem::internal(error).into(),
        }
    }
}

impl OptionalUser {
    pub fn session(&self) -> Option<&SignedIn> {
        self.session.as_ref()
    }

    pub fn ended(&self) -> Option<&str> {
        self.ended.as_deref()
    }

    async fn of(request: &HttpRequest) -> Result<Self, Detour> {
        match session_of(request, ClaimCheck::Skip).await? {
            Found::Session(session) => Ok(Self { session: Some(*session), ended: None }),
            Found::Ended(handle) => Ok(Self { session: None, ended: Some(handle) }),
            Found::Nobody => Ok(Self::default()),
        }
    }
}

impl From<PageUser> for OptionalUser {
    fn from(user: PageUser) -> Self {
        Self { session: Some(user.0), ended: None }
    }
}

impl From<VerifiedUser> for OptionalUser {
    fn from(user: VerifiedUser) -> Self {
        Self { session: Some(user.0), ended: None }
    }
}

impl VerifiedUser {
    /// The user of a request, for handlers that first look whether there is one.
    pub async fn of(request: &HttpRequest) -> Result<Self, Detour> {
        session_of(request, ClaimCheck::Configured).await?.required(request).map(Self)
    }
}

/// The session of a request.
enum Found {
    Session(Box<SignedIn>),
    /// Handle of a session that has ended.
    Ended(String),
    Nobody,
}

impl Found {
    fn required(self, request: &HttpRequest) -> Result<SignedIn, Detour> {
        match self {
            Self::Session(session) => Ok(*session),
            Self::Ended(handle) => Err(to_sign_in(request, &handle)),
            Self::Nobody => Err(to_sign_in(request, "")),
        }
    }
}

/// The session of the request, checked in SQL: a page must not greet somebody who was signed out from elsewhere. Headers
/// against cross-site requests are not asked for, because forms cannot send them: `http::same_origin` refuses forms of other
/// sites.
async fn session_of(request: &HttpRequest, claims: ClaimCheck) -> Result<Found, Detour> {
    let (Some(sessions), Some(pages)) = (request.app_data::<Data<Sessions>>(), request.app_data::<Data<Pages>>())
    else {
        return Err(Detour::Broken(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal error").into()));
    };
    if let Some(detour) = to_the_same_host(request, &pages.settings.website) {
        return Err(detour);
    }
    let requirements = Requirements { session: SessionCheck::Database, anti_csrf: AntiCsrfCheck::Never, claims };
    match sessions.get_session(request, &requirements).await {
        Ok(session) => Ok(session.map_or(Found::Nobody, |session| Found::Session(Box::new(session)))),
        Err(session::Error::TryRefresh(_)) => Err(resume::detour(pages, request)),
        Err(session::Error::InvalidClaims(_)) => {
            Err(Detour::Elsewhere { status: StatusCode::SEE_OTHER, location: "/auth/verify-email".to_owned() })
        }
        // The browser is told to forget the tokens; what the access token says is still true.
        Err(session::Error::Ended(_)) => {
            let known = sessions.get_session(request, &Requirements::ANY_SESSION).await.ok().flatten();
            Ok(known.map_or(Found::Nobody, |session| Found::Ended(session.handle().to_string())))
        }
        Err(error) => Err(Detour::Broken(error.into())),
    }
}

/// Leads a browser that opens `127.0.0.1` to `localhost` where mailed links lead there: cookies belong to one of the names.
fn to_the_same_host(request: &HttpRequest, website: &str) -> Option<Detour> {
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let port = header("host")?.strip_prefix("127.0.0.1")?;
    let is_visit = *request.method() == Method::GET && header("sec-fetch-mode") == Some("navigate");
    if !is_visit || website.strip_prefix("http://localhost")? != port {
        return None;
    }
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    Some(Detour::Elsewhere { status: StatusCode::SEE_OTHER, location: format!("{website}{path}") })
}

/// Leads to the sign-in page, which says why the session `ended` is over and leads back: to this page, or to the comments
/// where this is a form.
fn to_sign_in(request: &HttpRequest, ended: &str) -> Detour {
    let here = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let back = SitePath::parse(here).filter(|_| *request.method() == Method::GET).unwrap_or_default();
    Detour::SignIn { ended: ended.to_owned(), back, has_draft: false }
}

/// The address of the sign-in page that says why the session `ended` is over, and leads back.
fn to_auth(ended: &str, back: &SitePath, has_draft: bool) -> String {
    let ended = if ended.is_empty() { String::new() } else { format!("ended={}&", in_query(ended)) };
    let done = if has_draft { "done=draft-kept&" } else { "" };
    format!("/auth?{ended}{done}redirectToPath={}", in_query(back.as_str()))
}

impl FromRequest for OptionalUser {
    type Error = Detour;
    type Future = LocalBoxFuture<'static, Result<Self, Detour>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { Self::of(&request).await })
    }
}

impl FromRequest for PageUser {
    type Error = Detour;
    type Future = LocalBoxFuture<'static, Result<Self, Detour>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { session_of(&request, ClaimCheck::Skip).await?.required(&request).map(Self) })
    }
}

impl FromRequest for VerifiedUser {
    type Error = Detour;
    type Future = LocalBoxFuture<'static, Result<Self, Detour>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { Self::of(&request).await })
    }
}

impl fmt::Display for Detour {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SignIn { .. } => out.write_str("nobody is signed in"),
            Self::Elsewhere { location, .. } => write!(out, "see {location}"),
            Self::Broken(problem) => problem.fmt(out),
        }
    }
}

impl ResponseError for Detour {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::SignIn { .. } => StatusCode::SEE_OTHER,
            Self::Elsewhere { status, .. } => *status,
            Self::Broken(problem) => problem.status_code(),
        }
    }

    fn error_response(&self) -> HttpResponse {
        match self {
            Self::SignIn { ended, back, has_draft } => {
                redirect(StatusCode::SEE_OTHER, &to_auth(ended, back, *has_draft))
            }
            Self::Elsewhere { status, location } => redirect(*status, location),
            Self::Broken(problem) => problem.error_response(),
        }
    }
}
