//! Extractors for pages. Whoever must be signed in and is not, is led to the sign-in page; whose access token has expired is
//! led through a refresh and back, forms included.

use std::fmt;

use actix_web::dev::Payload;
use actix_web::http::{Method, StatusCode};
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest, HttpResponse, ResponseError};
use futures_util::future::LocalBoxFuture;

use crate::http::problem::{Problem, ProblemPage, TypedForm};
use crate::pages::drafts::Draft;
use crate::pages::frame::redirect;
use crate::pages::site_path::{SitePath, in_query};
use crate::pages::{Pages, drafts, resume};
use crate::session;
use crate::session::{AntiCsrfCheck, ClaimCheck, Requirements, SessionCheck, Sessions, SignedIn, UserId};

/// A visitor, signed in or not.
#[derive(Default)]
pub struct OptionalUser {
    session: Option<SignedIn>,
    /// Handle of the session that the browser still holds tokens of, though it has ended.
    ended: Option<String>,
    /// Whether there is a session that could not be renewed, because SQL or Fauna does not answer.
    is_waiting: bool,
}

/// A signed-in user, whatever the claims of their session say: they may look at their account and sign out.
pub struct PageUser(pub SignedIn);

/// A signed-in user whose session has all claims that the site asks for.
pub struct VerifiedUser(pub SignedIn);

/// Why a page is not shown.
#[derive(Debug)]
pub enum NotShown {
    /// Nobody is signed in, or no longer.
    SignIn {
        /// Path of the sign-in page, built by [`Pages::sign_in_path`].
        page: String,
        /// Handle of the session that has ended; empty where there was none.
        ended: String,
        /// Page to come back to; with a parameter `draft` where what was typed waits there.
        back: SitePath,
    },
    Redirect {
        /// 307 repeats the form there, 303 does not.
        status: StatusCode,
        location: String,
    },
    /// The session lacks a claim, such as a confirmed address.
    Confirm {
        user: Option<UserId>,
        location: String,
    },
    Problem(ProblemPage),
}

impl From<Problem> for NotShown {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem.into())
    }
}

impl From<ProblemPage> for NotShown {
    fn from(problem: ProblemPage) -> Self {
        Self::Problem(problem)
    }
}

impl NotShown {
    /// Keeps what was typed. Where signing in comes first, the page at `path` finds it by its parameter `draft`; where the
    /// address must be confirmed, by the user; after a failure the page of the failure shows it.
    pub fn keeping(self, typed: TypedForm, path: &str, pages: &Pages) -> Self {
        match self {
            Self::SignIn { page, ended, .. } => match pages.drafts.keep(draft(&typed)) {
                Ok(key) => {
                    let back = SitePath::parse(&format!("{path}{}{key}", drafts::QUERY)).unwrap_or_default();
                    Self::SignIn { page, ended, back }
                }
                Err(error) => Self::Problem(ProblemPage::from(Problem::internal(error)).keeping(typed)),
            },
            Self::Confirm { user: Some(user), location } => {
                pages.drafts.keep_for(user.as_str(), draft(&typed));
                Self::Confirm { user: Some(user), location }
            }
            Self::Problem(problem) => Self::Problem(problem.keeping(typed)),
            elsewhere @ (Self::Confirm { user: None, .. } | Self::Redirect { .. }) => elsewhere,
        }
    }
}

fn draft(typed: &TypedForm) -> Draft {
    let shown = typed.fields.iter().filter(|field| !field.label.is_empty());
    shown.map(|field| (field.name.clone(), field.value.clone())).collect()
}

impl OptionalUser {
    pub fn session(&self) -> Option<&SignedIn> {
        self.session.as_ref()
    }

    pub fn ended_session(&self) -> Option<&str> {
        self.ended.as_deref()
    }

    pub const fn is_waiting(&self) -> bool {
        self.is_waiting
    }

    async fn of(request: &HttpRequest) -> Result<Self, NotShown> {
        Ok(match session_of(request, ClaimCheck::Skip).await? {
            Found::Session(session) => (*session).into(),
            Found::Ended(handle) => Self { ended: Some(handle), ..Self::default() },
            Found::Waiting => Self { is_waiting: true, ..Self::default() },
            Found::Nobody => Self::default(),
        })
    }
}

impl From<SignedIn> for OptionalUser {
    fn from(session: SignedIn) -> Self {
        Self { session: Some(session), ..Self::default() }
    }
}

impl From<PageUser> for OptionalUser {
    fn from(user: PageUser) -> Self {
        user.0.into()
    }
}

impl From<VerifiedUser> for OptionalUser {
    fn from(user: VerifiedUser) -> Self {
        user.0.into()
    }
}

impl VerifiedUser {
    /// The user of a request, for handlers that first look whether there is one.
    pub async fn of(request: &HttpRequest) -> Result<Self, NotShown> {
        session_of(request, ClaimCheck::Configured).await?.required(request).map(Self)
    }
}

/// The session of a request.
enum Found {
    Session(Box<SignedIn>),
    /// Handle of a session that has ended.
    Ended(String),
    /// A session that could not be renewed, because SQL or Fauna does not answer.
    Waiting,
    Nobody,
}

impl Found {
    fn required(self, request: &HttpRequest) -> Result<SignedIn, NotShown> {
        match self {
            Self::Session(session) => Ok(*session),
            Self::Ended(handle) => Err(redirect_to_sign_in(request, &handle)),
            Self::Waiting => Err(Problem::still_unavailable().into()),
            Self::Nobody => Err(redirect_to_sign_in(request, "")),
        }
    }
}

/// The session of the request, checked in SQL: a page must not greet somebody who was signed out from elsewhere. Headers
/// against cross-site requests are not asked for, because forms cannot send them: `http::same_origin` refuses forms of other
/// sites.
async fn session_of(request: &HttpRequest, claims: ClaimCheck) -> Result<Found, NotShown> {
    let (Some(sessions), Some(pages)) = (request.app_data::<Data<Sessions>>(), request.app_data::<Data<Pages>>())
    else {
        return Err(NotShown::Problem(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal error").into()));
    };
    if let Some(detour) = redirect_to_localhost(request, &pages.settings.website) {
        return Err(detour);
    }
    let requirements = Requirements { session: SessionCheck::Database, anti_csrf: AntiCsrfCheck::Never, claims };
    match sessions.get_session(request, &requirements).await {
        Ok(session) => Ok(session.map_or(Found::Nobody, |session| Found::Session(Box::new(session)))),
        // The refresh was tried, and there was no refresh token.
        Err(session::Error::TryRefresh(_)) if resume::has_failed(request) => Ok(Found::Nobody),
        Err(session::Error::TryRefresh(_)) if resume::is_unavailable(request) => Ok(Found::Waiting),
        Err(session::Error::TryRefresh(_)) => Err(resume::redirect_through_refresh(pages, request)),
        Err(session::Error::InvalidClaims(_)) => {
            let known = sessions.get_session(request, &Requirements { claims: ClaimCheck::Skip, ..requirements }).await;
            let user = known.ok().flatten().map(|session| session.user().clone());
            Err(NotShown::Confirm { user, location: pages.sign_in_path("/verify-email") })
        }
        // The browser is told to forget the tokens; what the access token says is still true.
        Err(session::Error::Ended(_)) => {
            let known = sessions.get_session(request, &Requirements::ANY_SESSION).await.ok().flatten();
            Ok(known.map_or(Found::Nobody, |session| Found::Ended(session.handle().to_string())))
        }
        Err(error) => Err(NotShown::Problem(error.into())),
    }
}

/// Leads a browser that opens `127.0.0.1` to `localhost` where mailed links lead there: cookies belong to one of the names.
fn redirect_to_localhost(request: &HttpRequest, website: &str) -> Option<NotShown> {
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let port = header("host")?.strip_prefix("127.0.0.1")?;
    let is_visit = *request.method() == Method::GET && header("sec-fetch-mode") == Some("navigate");
    if !is_visit || website.strip_prefix("http://localhost")? != port {
        return None;
    }
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    Some(NotShown::Redirect { status: StatusCode::SEE_OTHER, location: format!("{website}{path}") })
}

/// Leads to the sign-in page, which says why the session `ended` is over and leads back: to this page, or to the comments
/// where this is a form.
fn redirect_to_sign_in(request: &HttpRequest, ended: &str) -> NotShown {
    let here = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let back = SitePath::parse(here).filter(|_| *request.method() == Method::GET).unwrap_or_default();
    let page = request.app_data::<Data<Pages>>().map(|pages| pages.sign_in_path("")).unwrap_or_default();
    NotShown::SignIn { page, ended: ended.to_owned(), back }
}

/// The query of the sign-in page that says why the session `ended` is over, and leads back.
fn query_of_sign_in(ended: &str, back: &SitePath) -> String {
    let ended = if ended.is_empty() { String::new() } else { format!("ended={}&", in_query(ended)) };
    format!("?{ended}redirectToPath={}", in_query(back.as_str()))
}

impl FromRequest for OptionalUser {
    type Error = NotShown;
    type Future = LocalBoxFuture<'static, Result<Self, NotShown>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { Self::of(&request).await })
    }
}

impl FromRequest for PageUser {
    type Error = NotShown;
    type Future = LocalBoxFuture<'static, Result<Self, NotShown>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { session_of(&request, ClaimCheck::Skip).await?.required(&request).map(Self) })
    }
}

impl FromRequest for VerifiedUser {
    type Error = NotShown;
    type Future = LocalBoxFuture<'static, Result<Self, NotShown>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { Self::of(&request).await })
    }
}

impl fmt::Display for NotShown {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SignIn { .. } => out.write_str("nobody is signed in"),
            Self::Redirect { location, .. } | Self::Confirm { location, .. } => write!(out, "see {location}"),
            Self::Problem(problem) => problem.fmt(out),
        }
    }
}

impl ResponseError for NotShown {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::SignIn { .. } | Self::Confirm { .. } => StatusCode::SEE_OTHER,
            Self::Redirect { status, .. } => *status,
            Self::Problem(problem) => problem.status_code(),
        }
    }

    fn error_response(&self) -> HttpResponse {
        match self {
            Self::SignIn { page, ended, back } => {
                redirect(StatusCode::SEE_OTHER, &format!("{page}{}", query_of_sign_in(ended, back)))
            }
            Self::Redirect { status, location } => redirect(*status, location),
            Self::Confirm { location, .. } => redirect(StatusCode::SEE_OTHER, location),
            Self::Problem(problem) => problem.error_response(),
        }
    }
}

/// Declares a struct of services that handlers extract together, where an argument for each would be too many.
macro_rules! services {
    ($(#[$attribute:meta])* pub struct $name:ident { $($field:ident: $service:ty,)* }) => {
        $(#[$attribute])*
        pub struct $name {
            $($field: $service,)*
        }

        impl actix_web::FromRequest for $name {
            type Error = actix_web::Error;
            type Future = std::future::Ready<Result<Self, actix_web::Error>>;

            fn from_request(request: &actix_web::HttpRequest, payload: &mut actix_web::dev::Payload) -> Self::Future {
                let mut services = || {
                    Ok(Self { $($field: <$service>::from_request(request, payload).into_inner()?,)* })
                };
                std::future::ready(services())
            }
        }
    };
}
pub(in crate::pages) use services;
