//! What every page shows around its content, and the headers that every page has.

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use askama::Template;

use crate::http::problem::{Problem, ProblemPage};

/// What is said of a mailed link that does nothing any more.
pub const INVALID_LINK: &str = "This link does not work any more. Ask for a new one.";

/// What `templates/frame.html` needs.
#[derive(Debug)]
pub struct Frame {
    /// Handle of the visitor's session; empty where there is none. Tabs compare it to notice a sign-in or sign-out.
    pub session: String,
    /// What scripts send beside their unsafe requests where the site asks for it; else empty.
    pub anti_csrf: String,
    /// Where a session is refreshed.
    pub refresh_path: String,
    /// Path of this page, to mark its link.
    pub here: &'static str,
    /// Whether mail that is not sent can be looked at.
    pub has_mailbox: bool,
}

/// The page, answered with that status.
pub fn page(status: StatusCode, page: &impl Template) -> Result<HttpResponse, ProblemPage> {
    let html = page.render().map_err(Problem::internal)?;
    Ok(HttpResponse::build(status).content_type("text/html; charset=utf-8").body(html))
}

/// A page whose address holds a secret, that of a mailed link: where it leads to learns nothing of it.
pub fn page_of_link(form: &impl Template) -> Result<HttpResponse, ProblemPage> {
    let mut response = page(StatusCode::OK, form)?;
    response.headers_mut().insert(header::REFERRER_POLICY, header::HeaderValue::from_static("no-referrer"));
    Ok(response)
}

/// The page, answered with the status and headers of what went wrong: what was typed is not lost.
pub fn page_despite(problem: &Problem, page: &impl Template) -> Result<HttpResponse, ProblemPage> {
    let html = page.render().map_err(Problem::internal)?;
    Ok(problem.respond_with(html))
}

/// On to another page, with `GET` (RFC 9110, 15.4.4): reloading it does not send the form again.
pub fn see_other(path: &str) -> HttpResponse {
    redirect(StatusCode::SEE_OTHER, path)
}

/// On to somewhere else on this site, this time only.
pub fn redirect(status: StatusCode, location: &str) -> HttpResponse {
    HttpResponse::build(status).insert_header((header::LOCATION, location)).finish()
}
