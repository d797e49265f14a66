//! `/reset-password` below `WEBSITE_BASE_PATH`: without a token the page asks for an address and mails a link; the link leads back here with one.
//!
//! Opening a link changes nothing: mail programs and scanners open links, too. The token stays out of the `Referer` of the
//! next page, and `static/site.js` takes it out of the address bar.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Form, Query};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use serde::{Deserialize, Serialize};

use crate::http::problem::{Problem, ProblemPage};
use crate::pages::Pages;
use crate::pages::accounts::auth::user_message;
use crate::pages::frame::{Frame, INVALID_LINK, page, page_of, page_of_link, page_with_problem, see_other};
use crate::pages::guards::OptionalUser;
use crate::supertokens::emailpassword;
use crate::supertokens::emailpassword::{EmailPassword, Reset};

#[derive(Deserialize)]
pub struct ResetQuery {
    #[serde(default)]
    token: String,
    /// Key of the address that a link was mailed to.
    sent: Option<String>,
}

#[derive(Deserialize)]
pub struct ForgotForm {
    email: String,
}

#[derive(Deserialize)]
pub struct ResetForm {
    token: String,
    password: String,
    repeated: String,
}

#[derive(Template, Serialize)]
#[template(path = "forgot.html")]
struct ForgotPage {
    frame: Frame,
    email: String,
    mistake: Option<&'static str>,
    banner: Option<String>,
    sent: bool,
}

page_of!(ForgotPage, "forgot.html");

#[derive(Template, Serialize)]
#[template(path = "reset.html")]
struct ResetPage {
    frame: Frame,
    token: String,
    mistake: Option<&'static str>,
    repetition: Option<&'static str>,
    banner: Option<String>,
}

page_of!(ResetPage, "reset.html");

/// Path of the page, below `WEBSITE_BASE_PATH`.
pub const HERE: &str = "/reset-password";

pub async fn show(
    visitor: OptionalUser,
    pages: Data<Pages>,
    recipe: Data<EmailPassword>,
    Query(query): Query<ResetQuery>,
) -> Result<HttpResponse, ProblemPage> {
    let frame = pages.frame(pages.sign_in_path(HERE), &visitor);
    if query.token.is_empty() {
        let email = query.sent.as_deref().and_then(|key| pages.drafts.find(key));
        let email = email.and_then(|draft| draft.get("email").cloned()).unwrap_or_default();
        let form = ForgotPage { email, sent: query.sent.is_some(), ..ForgotPage::empty(frame) };
        return page(StatusCode::OK, &form);
    }
    // Before two passwords are typed in vain. Where Fauna does not answer, the form itself will tell.
    if matches!(recipe.is_reset_link(&query.token).await, Ok(false)) {
        let banner = Some(INVALID_LINK.to_owned());
        return page(StatusCode::GONE, &ForgotPage { banner, ..ForgotPage::empty(frame) });
    }
    page_of_link(&ResetPage::empty(frame, query.token))
}

/// Mails a link if there is such an account. The response is the same if there is none.
pub async fn request(
    request: HttpRequest,
    pages: Data<Pages>,
    recipe: Data<EmailPassword>,
    Form(ForgotForm { email }): Form<ForgotForm>,
) -> Result<HttpResponse, ProblemPage> {
    let fields = emailpassword::Form::of([("email", email.as_str())]);
    let form =
        ForgotPage { email, ..ForgotPage::empty(pages.frame(pages.sign_in_path(HERE), &OptionalUser::default())) };
    match recipe.request_reset(&request, &fields).await {
        Ok(Ok(())) => {
            let draft = [("email".to_owned(), form.email)].into();
            let key = pages.drafts.keep(draft).map_err(Problem::internal)?;
            Ok(see_other(&pages.sign_in_path(&format!("{HERE}?sent={key}"))))
        }
        Ok(Err(problem)) => {
            let mistake = Some(user_message("email", problem.error));
            page(StatusCode::UNPROCESSABLE_ENTITY, &ForgotPage { mistake, ..form })
        }
        Err(error) => {
            let problem = Problem::from(error);
            let banner = Some(problem.sentence());
            page_with_problem(&problem, &ForgotPage { banner, ..form })
        }
    }
}

pub async fn reset(
    request: HttpRequest,
    pages: Data<Pages>,
    recipe: Data<EmailPassword>,
    Form(chosen): Form<ResetForm>,
) -> Result<HttpResponse, ProblemPage> {
    let frame = pages.frame(pages.sign_in_path(HERE), &OptionalUser::default());
    let form = ResetPage::empty(frame, chosen.token);
    if chosen.password != chosen.repeated {
        let repetition = Some("The two passwords differ. Type the new one again.");
        return page(StatusCode::UNPROCESSABLE_ENTITY, &ResetPage { repetition, ..form });
    }
    let fields = emailpassword::Form::of([("password", chosen.password.as_str())]);
    match recipe.reset(&request, &fields, &form.token).await {
        Ok(Reset::Done) => Ok(see_other(&pages.sign_in_path("?done=password-changed"))),
        Ok(Reset::Refused(problems)) => {
            let mistake = problems.first().map(|problem| user_message("password", problem.error));
            page(StatusCode::UNPROCESSABLE_ENTITY, &ResetPage { mistake, ..form })
        }
        Ok(Reset::InvalidToken) => {
            let banner = Some(INVALID_LINK.to_owned());
            page(StatusCode::UNPROCESSABLE_ENTITY, &ForgotPage { banner, ..ForgotPage::empty(form.frame) })
        }
        Err(error) => {
            let problem = Problem::from(error);
            let banner = Some(problem.sentence());
            page_with_problem(&problem, &ResetPage { banner, ..form })
        }
    }
}

impl ForgotPage {
    fn empty(frame: Frame) -> Self {
        Self { frame, email: String::new(), mistake: None, banner: None, sent: false }
    }
}

impl ResetPage {
    fn empty(frame: Frame, token: String) -> Self {
        Self { frame, token, mistake: None, repetition: None, banner: None }
    }
}
