//! A refresh on the way to a page, for browsers whose access token has ended and which run no script to renew it.
//!
//! The refresh cookie is sent to `{base}/session/refresh` and below only, so the page sends the browser there, and from there
//! it comes back with new cookies. 307 keeps method and body (RFC 9110, 15.4.8): a comment that was written while the access
//! token ended is posted all the same.
//!
//! That a `GET` renews the session is safe: another site that makes a browser follow such a link only brings the session's
//! own browser its own new tokens, which the old ones survive until the new ones are used. It leads to paths of this site
//! only ([`SitePath`]), with the method that came, and a form from another site never comes this far (`origin`).

use actix_web::http::{Method, StatusCode};
use actix_web::web::{Data, Query};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;

use crate::http::problem::ProblemPage;
use crate::pages::Pages;
use crate::pages::frame::{redirect, see_other};
use crate::pages::guards::Detour;
use crate::pages::site_path::{SitePath, in_query};
use crate::session::{Error, Sessions};

/// Where to go on.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Then {
    /// A path of this site.
    #[serde(default)]
    redirect_to_path: SitePath,
}

/// Through a refresh and back to this request.
pub fn detour(pages: &Pages, request: &HttpRequest) -> Detour {
    let here = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let back = SitePath::parse(here).unwrap_or_default();
    let status = if is_form(request) { StatusCode::TEMPORARY_REDIRECT } else { StatusCode::SEE_OTHER };
    Detour::Elsewhere {
        status,
        location: format!("{}/continue?redirectToPath={}", pages.refresh_path, in_query(back.as_str())),
    }
}

/// Renews the session and goes on. Where there is none any more, a page says so by itself; a form must be filled in again.
pub async fn resume(
    request: HttpRequest,
    sessions: Data<Sessions>,
    then: Query<Then>,
) -> Result<HttpResponse, ProblemPage> {
    let path = then.redirect_to_path.as_str();
    match sessions.refresh_without_anti_csrf(&request).await {
        Ok(_) | Err(Error::DuplicateCookiesCleared) if is_form(&request) => {
            Ok(redirect(StatusCode::TEMPORARY_REDIRECT, path))
        }
        Err(Error::Missing | Error::Ended(_) | Error::Theft { .. }) if is_form(&request) => Ok(see_other("/auth")),
        Ok(_) | Err(Error::Missing | Error::Ended(_) | Error::Theft { .. } | Error::DuplicateCookiesCleared) => {
            Ok(see_other(path))
        }
        Err(error) => Err(error.into()),
    }
}

/// Whether something was sent that must not be lost.
fn is_form(request: &HttpRequest) -> bool {
    *request.method() == Method::POST
}
