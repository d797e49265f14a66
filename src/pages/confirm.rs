//! Asks before something is ended, for browsers that run no script; others show a dialog.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;

use crate::http::problem::ProblemPage;
use crate::pages::frame::{Frame, plain_page};

/// The form is posted again to `action`, without the field that asks.
#[derive(Template)]
#[template(path = "confirm.html")]
pub struct Confirmation<'a> {
    pub frame: Frame,
    pub question: &'a str,
    /// Label of the button.
    pub answer: &'static str,
    pub action: &'a str,
    /// Page that the form was on.
    pub back: &'a str,
}

impl Confirmation<'_> {
    pub fn respond(&self) -> Result<HttpResponse, ProblemPage> {
        plain_page(StatusCode::OK, self)
    }
}
