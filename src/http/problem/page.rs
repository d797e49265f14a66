//! Error responses as pages.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};

use super::Problem;

/// Data about the site for error pages.
#[derive(Clone, Debug, Default)]
pub struct Brand {
    pub app_name: String,
    /// Whether the demo has stopped Fauna; `None` without the demo.
    pub fauna_stopped: Option<Arc<AtomicBool>>,
}

impl Brand {
    pub fn is_fauna_stopped(&self) -> bool {
        self.fauna_stopped.as_ref().is_some_and(|stopped| stopped.load(Ordering::Relaxed))
    }
}

/// The same failure, answered as a page.
#[derive(Debug)]
pub struct ProblemPage(Box<FailedPage>);

#[derive(Debug)]
struct FailedPage {
    problem: Problem,
    typed: Option<TypedForm>,
}

/// What was typed into a form, without passwords. A page of a failure shows it, to be sent again.
#[derive(Clone, Debug, Default)]
pub struct TypedForm {
    /// Path that the form is posted to.
    pub action: String,
    pub fields: Vec<TypedField>,
    /// Whether the form needs the user's current password besides.
    pub asks_password: bool,
}

#[derive(Clone, Debug)]
pub struct TypedField {
    pub name: String,
    /// Empty: the field is not shown.
    pub label: String,
    pub value: String,
}

impl ProblemPage {
    /// The same page with what was typed.
    #[must_use]
    pub fn keeping(mut self, typed: TypedForm) -> Self {
        let has_text = typed.fields.iter().any(|field| !field.label.is_empty() && !field.value.is_empty());
        self.0.typed = has_text.then_some(typed);
        self
    }
}

impl<E: Into<Problem>> From<E> for ProblemPage {
    fn from(error: E) -> Self {
        Self(Box::new(FailedPage { problem: error.into(), typed: None }))
    }
}

impl fmt::Display for ProblemPage {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.problem.fmt(out)
    }
}

impl ResponseError for ProblemPage {
    fn status_code(&self) -> StatusCode {
        self.0.problem.status
    }

    fn error_response(&self) -> HttpResponse {
        let FailedPage { problem, typed } = &*self.0;
        let page = ErrorPage::new(problem.status, problem.sentence(), typed.clone());
        let mut response = problem.respond_with(page.html(&Brand::default()));
        response.extensions_mut().insert(page);
        response
    }
}

/// Travels with the response of a [`ProblemPage`] to the layer that knows the site, which renders it again.
#[derive(Clone, Debug)]
pub struct ErrorPage {
    /// Shown below the heading, for instance `404 Not Found`.
    status: StatusCode,
    sentence: String,
    typed: Option<TypedForm>,
}

impl ErrorPage {
    const fn new(status: StatusCode, sentence: String, typed: Option<TypedForm>) -> Self {
        Self { status, sentence, typed }
    }

    pub fn html(&self, brand: &Brand) -> String {
        let page = ErrorTemplate { page: self, app_name: &brand.app_name, is_stopped: brand.is_fauna_stopped() };
        askama::Template::render(&page).unwrap_or_else(|_| self.sentence.clone())
    }
}

#[derive(askama::Template)]
#[template(path = "problem.html")]
struct ErrorTemplate<'a> {
    page: &'a ErrorPage,
    app_name: &'a str,
    /// Whether the demo has stopped Fauna.
    is_stopped: bool,
}
