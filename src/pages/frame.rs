//! The frame around all pages, and their HTTP responses.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use askama::Template;
use serde::Serialize;

use crate::http::problem::{Problem, ProblemPage};
use crate::pages::own_files::templates::PageTemplates;

/// Shown for a mailed link that was used, has expired or never existed.
pub const INVALID_LINK: &str = "This link does not work any more. Ask for a new one.";

/// Data for `templates/frame.html`, which every page includes.
#[derive(Debug, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "conditions of templates, each by itself")]
pub struct Frame {
    pub app_name: String,
    /// Handle of the visitor's session; empty where there is none. Tabs compare it to notice a sign-in or sign-out.
    pub session: String,
    /// Whether the visitor has a session that cannot be renewed now, because SQL or Fauna does not answer.
    pub waiting: bool,
    /// The anti-CSRF token that scripts send, where the site asks for one; else empty.
    pub anti_csrf: String,
    pub refresh_path: String,
    pub sign_in_path: String,
    /// Path of this page, to mark its link in the navigation.
    pub here: String,
    /// Whether sign-in asks if the visitor wants to stay signed in.
    pub remember_me: bool,
    pub has_mailbox: bool,
    pub has_demo: bool,
    /// Whether the demo has stopped Fauna.
    pub fauna_stopped: bool,
    /// Empty where there are none.
    pub terms_url: String,
    pub privacy_url: String,
    #[serde(skip)]
    pub templates: Arc<PageTemplates>,
}

/// A page that a template of `STATIC_DIR` may replace.
pub trait Page: Template + Serialize + Sized {
    /// Name of its template.
    const FILE: &'static str;

    fn frame(&self) -> &Frame;

    fn html(&self) -> Result<String, ProblemPage> {
        match self.frame().templates.render(Self::FILE, self) {
            Some(html) => Ok(html),
            None => Ok(self.render().map_err(Problem::internal)?),
        }
    }
}

/// `page_of!(AuthPage, "auth.html")` implements [`Page`] for a type with a field `frame`.
macro_rules! page_of {
    ($page:ty, $file:literal) => {
        impl $crate::pages::frame::Page for $page {
            const FILE: &'static str = $file;

            fn frame(&self) -> &$crate::pages::frame::Frame {
                &self.frame
            }
        }
    };
}
pub(in crate::pages) use page_of;

pub fn page(status: StatusCode, page: &impl Page) -> Result<HttpResponse, ProblemPage> {
    Ok(html_response(status, page.html()?))
}

/// A page without a frame, which no template replaces.
pub fn plain_page(status: StatusCode, page: &impl Template) -> Result<HttpResponse, ProblemPage> {
    Ok(html_response(status, page.render().map_err(Problem::internal)?))
}

fn html_response(status: StatusCode, html: String) -> HttpResponse {
    HttpResponse::build(status).content_type("text/html; charset=utf-8").body(html)
}

/// A page whose address holds the secret of a mailed link: pages that it leads to get no `Referer`.
pub fn page_of_link(form: &impl Page) -> Result<HttpResponse, ProblemPage> {
    let mut response = page(StatusCode::OK, form)?;
    response.headers_mut().insert(header::REFERRER_POLICY, header::HeaderValue::from_static("no-referrer"));
    Ok(response)
}

/// The page with the status and headers of what went wrong, so that what was typed is not lost.
pub fn page_with_problem(problem: &Problem, page: &impl Page) -> Result<HttpResponse, ProblemPage> {
    let html = page.html()?;
    Ok(problem.respond_with(html))
}

/// Redirects with `GET` (RFC 9110, 15.4.4): reloading the page does not send the form again.
pub fn see_other(path: &str) -> HttpResponse {
    redirect(StatusCode::SEE_OTHER, path)
}

pub fn redirect(status: StatusCode, location: &str) -> HttpResponse {
    HttpResponse::build(status).insert_header((header::LOCATION, location)).finish()
}
