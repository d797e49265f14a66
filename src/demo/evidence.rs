//! What an experiment has shown: a page without scripts, and the same part of it beside the experiment with them.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header::HeaderValue;
use actix_web::http::{StatusCode, header};
use askama::Template;

use crate::http::problem::ProblemPage;
use crate::pages::plain_page;

#[derive(Debug, Template)]
#[template(path = "evidence.html")]
pub struct Evidence {
    pub title: &'static str,
    pub steps: Vec<Step>,
    /// The conclusion from the steps.
    pub verdict: String,
    /// Whether everything went as promised.
    pub holds: bool,
    /// Whether the form asks for the password of the user, to run the experiment again with it.
    pub asks_password: bool,
    /// The sign-in page, which says what became of the session, if that of this browser is over.
    pub sign_in_again: Option<String>,
    /// Values of `Set-Cookie` for this browser: new tokens of its session, or none where it is over.
    pub cookies: Vec<String>,
}

/// An exchange, or something that was done between two of them.
#[derive(Debug)]
pub struct Step {
    pub who: &'static str,
    /// Method and path, or FQL.
    pub request: String,
    /// HTTP status; 0 where there was no answer.
    pub status: u16,
    pub duration: Duration,
    /// Explanation, or the error message of the response.
    pub note: String,
    /// The part of the schema that causes the response; may be empty.
    pub cause: String,
    /// Whether the answer is the promised one.
    pub expected: bool,
}

impl Step {
    /// Something that is no exchange.
    pub fn comment(who: &'static str, request: impl Into<String>, note: impl Into<String>) -> Self {
        Self {
            who,
            request: request.into(),
            status: 0,
            duration: Duration::ZERO,
            note: note.into(),
            cause: String::new(),
            expected: true,
        }
    }

    pub fn outcome(&self) -> String {
        match self.status {
            0 => String::new(),
            status => {
                let micros = self.duration.as_micros();
                format!("{status} · {}.{} ms", micros / 1000, micros % 1000 / 100)
            }
        }
    }
}

impl Evidence {
    /// The verdict `good` where all steps went as promised, else `bad`.
    pub fn of(title: &'static str, steps: Vec<Step>, good: impl Into<String>, bad: impl Into<String>) -> Self {
        let holds = steps.iter().all(|step| step.expected);
        let verdict = if holds { good.into() } else { bad.into() };
        Self { title, steps, verdict, holds, asks_password: false, sign_in_again: None, cookies: Vec::new() }
    }

    /// An experiment that could not be made.
    pub fn failed(title: &'static str, why: impl Into<String>) -> Self {
        Self { holds: false, ..Self::nothing_to_do(title, why) }
    }

    /// An experiment whose outcome exists already.
    pub fn nothing_to_do(title: &'static str, why: impl Into<String>) -> Self {
        Self::of(title, Vec::new(), why, "")
    }

    pub fn respond(&self) -> Result<HttpResponse, ProblemPage> {
        let mut response = plain_page(StatusCode::OK, self)?;
        for cookie in &self.cookies {
            if let Ok(cookie) = HeaderValue::from_str(cookie) {
                response.headers_mut().append(header::SET_COOKIE, cookie);
            }
        }
        Ok(response)
    }
}
