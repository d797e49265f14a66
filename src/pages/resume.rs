//! A refresh on the way to a page, for browsers whose access token has ended and which run no script to renew it.
//!
//! The refresh cookie is sent to `{base}/session/refresh` and below only, so the page sends the browser there, and from there
//! it comes back with new cookies. 307 keeps method and body (RFC 9110, 15.4.8): a comment that was written while the access
//! token ended is posted all the same.
//!
//! That a `GET` renews the session is safe: another site that makes a browser follow such a link only brings the session's
//! own browser its own new tokens, which the old ones survive until the new ones are used. It leads to paths of this site
//! only ([`SitePath`]), with the method that came, and a form from another site never comes this far (`origin`).

use std::collections::BTreeMap;

use actix_web::http::{Method, StatusCode};
use actix_web::web::{Data, Form, Query};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;

use crate::http::problem::{Problem, ProblemPage, TypedField, TypedForm};
use crate::pages::Pages;
use crate::pages::accounts::auth::label;
use crate::pages::frame::{redirect, see_other};
use crate::pages::guards::NotShown;
use crate::pages::site_path::{SitePath, in_query};
use crate::session::{Error, Sessions};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContinueQuery {
    #[serde(default)]
    redirect_to_path: SitePath,
}

/// The query of a form that goes on without a session, so that it is not led here again.
const FAILED: &str = "session=none";
/// Added to the query of a page that is shown although the session could not be renewed, because SQL or Fauna does not answer.
const UNAVAILABLE: &str = "session=unavailable";
/// Fields whose text is no person's, or is not to be shown.
const NOT_SHOWN: [&str; 6] = ["password", "current", "repeated", "token", "key", "redirectToPath"];

/// Whether the request comes from a refresh that had no refresh token.
pub fn has_failed(request: &HttpRequest) -> bool {
    request.query_string() == FAILED
}

/// Whether the request comes from a refresh that SQL or Fauna did not answer.
pub fn is_unavailable(request: &HttpRequest) -> bool {
    request.query_string().split('&').next_back() == Some(UNAVAILABLE)
}

/// Through a refresh and back to this request.
pub fn redirect_through_refresh(pages: &Pages, request: &HttpRequest) -> NotShown {
    let here = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let back = SitePath::parse(here).unwrap_or_default();
    let status = if is_form(request) { StatusCode::TEMPORARY_REDIRECT } else { StatusCode::SEE_OTHER };
    NotShown::Redirect {
        status,
        location: format!("{}/continue?redirectToPath={}", pages.refresh_path(), in_query(back.as_str())),
    }
}

/// Renews the session and goes on. Where the session is over, or cannot be renewed now, the page says so by itself; a form is sent on as well, so that its
/// page can keep what was typed.
pub async fn resume(
    request: HttpRequest,
    sessions: Data<Sessions>,
    pages: Data<Pages>,
    then: Query<ContinueQuery>,
    form: Result<Form<BTreeMap<String, String>>, actix_web::Error>,
) -> Result<HttpResponse, ProblemPage> {
    let path = then.redirect_to_path.as_str();
    let on = || if is_form(&request) { redirect(StatusCode::TEMPORARY_REDIRECT, path) } else { see_other(path) };
    match sessions.refresh_without_anti_csrf(&request).await {
        Err(Error::Theft { handle, .. }) if !is_form(&request) => {
            let (handle, back) = (in_query(handle.as_str()), in_query(path));
            Ok(see_other(&pages.sign_in_path(&format!("?ended={handle}&redirectToPath={back}"))))
        }
        Err(Error::Missing) if is_form(&request) && path == "/" => Ok(see_other(&pages.sign_in_path(""))),
        Err(Error::Missing) if is_form(&request) => {
            let path = path.split('?').next().unwrap_or_default();
            Ok(redirect(StatusCode::TEMPORARY_REDIRECT, &format!("{path}?{FAILED}")))
        }
        Ok(_) | Err(Error::DuplicateCookiesCleared | Error::Ended(_) | Error::Theft { .. } | Error::Missing) => {
            Ok(on())
        }
        Err(error) => {
            let problem = Problem::from(error);
            if problem.status() == StatusCode::SERVICE_UNAVAILABLE && !is_form(&request) {
                problem.log();
                let separator = if path.contains('?') { '&' } else { '?' };
                return Ok(see_other(&format!("{path}{separator}{UNAVAILABLE}")));
            }
            Err(match form {
                Ok(Form(fields)) => ProblemPage::from(problem).keeping(typed(path, fields)),
                Err(_) => problem.into(),
            })
        }
    }
}

/// The fields of a form that is posted to `path`, without passwords and tokens.
fn typed(path: &str, fields: BTreeMap<String, String>) -> TypedForm {
    let asks_password = fields.contains_key("current");
    let is_shown = |name: &str| !NOT_SHOWN.contains(&name);
    let fields = fields.into_iter().filter(|(name, _)| name == "key" || is_shown(name));
    let fields = fields.map(|(name, value)| {
        let label = if is_shown(&name) { label(&name) } else { String::new() };
        TypedField { name, label, value }
    });
    TypedForm { action: path.to_owned(), fields: fields.collect(), asks_password }
}

/// Whether something was sent that must not be lost.
fn is_form(request: &HttpRequest) -> bool {
    *request.method() == Method::POST
}
