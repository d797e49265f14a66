//! `/auth/reset-password`: a new password for somebody who forgot theirs. Without a token the page asks for the address and
//! mails a link; the link leads back here with one.
//!
//! Opening a link does nothing yet: mail programs and scanners open links, too. The token stays out of the `Referer` of
//! whatever the person visits next, and `static/site.js` takes it out of the address bar.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Form, Query};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use serde::Deserialize;

use crate::http::problem::{Problem, ProblemPage};
use crate::pages::Pages;
use crate::pages::auth::in_plain_words;
use crate::pages::frame::{Frame, INVALID_LINK, page, page_despite, page_of_link, see_other};
use crate::pages::guards::OptionalUser;
use crate::supertokens::emailpassword;
use crate::supertokens::emailpassword::{EmailPassword, Reset};

/// What the address of the page says.
#[derive(Deserialize)]
pub struct Asked {
    /// From a mailed link; empty where somebody still has to ask for one.
    #[serde(default)]
    token: String,
    /// Present once a link is on its way.
    sent: Option<String>,
}

/// Whose password is forgotten.
#[derive(Deserialize)]
pub struct Forgotten {
    /// E-mail address.
    email: String,
}

/// A new password.
#[derive(Deserialize)]
pub struct Chosen {
    /// From the mailed link.
    token: String,
    /// The password; never shown again.
    password: String,
    /// The same once more.
    repeated: String,
}

/// The page that asks for an address.
#[derive(Template)]
#[template(path = "forgot.html")]
struct ForgotPage {
    /// Around it.
    frame: Frame,
    /// What was typed.
    email: String,
    /// What is wrong with it.
    mistake: Option<&'static str>,
    /// What is wrong at all.
    banner: Option<String>,
    /// Whether a link is on its way.
    sent: bool,
}

/// The page that asks for a new password.
#[derive(Template)]
#[template(path = "reset.html")]
struct ResetPage {
    /// Around it.
    frame: Frame,
    /// From the mailed link.
    token: String,
    /// What is wrong with the password.
    mistake: Option<&'static str>,
    /// What is wrong with its repetition.
    repetition: Option<&'static str>,
    /// What is wrong at all.
    banner: Option<String>,
}

/// Path of the page.
const HERE: &str = "/auth/reset-password";

/// Asks for an address, or for a new password.
pub async fn show(
    visitor: OptionalUser,
    pages: Data<Pages>,
    Query(asked): Query<Asked>,
) -> Result<HttpResponse, ProblemPage> {
    let frame = pages.frame(HERE, &visitor);
    if asked.token.is_empty() {
        let form = ForgotPage { sent: asked.sent.is_some(), ..ForgotPage::empty(frame) };
        return page(StatusCode::OK, &form);
    }
    page_of_link(&ResetPage::empty(frame, asked.token))
}

/// Mails a link, if there is such an account; says the same if there is none.
pub async fn ask(
    request: HttpRequest,
    pages: Data<Pages>,
    recipe: Data<EmailPassword>,
    Form(Forgotten { email }): Form<Forgotten>,
) -> Result<HttpResponse, ProblemPage> {
    let fields = emailpassword::Form::of([("email", email.as_str())]);
    let form = ForgotPage { email, ..ForgotPage::empty(pages.frame(HERE, &OptionalUser::default())) };
    match recipe.ask_for_reset(&request, &fields).await {
        Ok(Ok(())) => Ok(see_other("/auth/reset-password?sent=yes")),
        Ok(Err(problem)) => {
            let mistake = Some(in_plain_words(problem.error));
            page(StatusCode::UNPROCESSABLE_ENTITY, &ForgotPage { mistake, ..form })
        }
        Err(error) => {
            let problem = Problem::from(error);
            let banner = Some(problem.message().to_owned());
            page_despite(&problem, &ForgotPage { banner, ..form })
        }
    }
}

/// Sets the new password.
pub async fn reset(
    request: HttpRequest,
    pages: Data<Pages>,
    recipe: Data<EmailPassword>,
    Form(chosen): Form<Chosen>,
) -> Result<HttpResponse, ProblemPage> {
    let frame = pages.frame(HERE, &OptionalUser::default());
    let form = ResetPage::empty(frame, chosen.token);
    if chosen.password != chosen.repeated {
        let repetition = Some("This is not the same password.");
        return page(StatusCode::UNPROCESSABLE_ENTITY, &ResetPage { repetition, ..form });
    }
    let fields = emailpassword::Form::of([("password", chosen.password.as_str())]);
    match recipe.reset(&request, &fields, &form.token).await {
        Ok(Reset::Done) => Ok(see_other("/auth?done=password-changed")),
        Ok(Reset::Refused(problems)) => {
            let mistake = problems.first().map(|problem| in_plain_words(problem.error));
            page(StatusCode::UNPROCESSABLE_ENTITY, &ResetPage { mistake, ..form })
        }
        Ok(Reset::InvalidToken) => {
            let banner = Some(INVALID_LINK.to_owned());
            page(StatusCode::UNPROCESSABLE_ENTITY, &ForgotPage { banner, ..ForgotPage::empty(form.frame) })
        }
        Err(error) => {
            let problem = Problem::from(error);
            let banner = Some(problem.message().to_owned());
            page_despite(&problem, &ResetPage { banner, ..form })
        }
    }
}

impl ForgotPage {
    /// Nothing typed yet.
    fn empty(frame: Frame) -> Self {
        Self { frame, email: String::new(), mistake: None, banner: None, sent: false }
    }
}

impl ResetPage {
    /// Nothing typed yet.
    fn empty(frame: Frame, token: String) -> Self {
        Self { frame, token, mistake: None, repetition: None, banner: None }
    }
}
