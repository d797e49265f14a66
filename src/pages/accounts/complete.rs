//! `/complete-sign-up` below `WEBSITE_BASE_PATH`: with `HIDE_EXISTING_ACCOUNTS` the mailed link leads here. The password that was chosen at sign-up
//! is asked for once more, so that a click does not complete a sign-up that a stranger began with the reader's address.
//!
//! Opening a link changes nothing, as in [`crate::pages::accounts::password`].

use actix_web::http::StatusCode;
use actix_web::web::{Data, Form, Query};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use serde::{Deserialize, Serialize};

use crate::http::problem::{Problem, ProblemPage};
use crate::pages::Pages;
use crate::pages::accounts::auth::{signed_in, user_message};
use crate::pages::frame::{Frame, INVALID_LINK, page, page_of, page_of_link, page_with_problem, see_other};
use crate::pages::guards::OptionalUser;
use crate::pages::site_path::SitePath;
use crate::session::Transfer;
use crate::supertokens::emailpassword;
use crate::supertokens::emailpassword::{EmailPassword, Outcome};

#[derive(Deserialize)]
pub struct CompleteQuery {
    #[serde(default)]
    token: String,
}

#[derive(Deserialize)]
pub struct CompleteForm {
    token: String,
    password: String,
    /// Present where the visitor wants to stay signed in.
    remember: Option<String>,
}

#[derive(Template, Serialize)]
#[template(path = "complete.html")]
struct CompletePage {
    frame: Frame,
    /// Empty where there is none.
    token: String,
    mistake: Option<&'static str>,
    banner: Option<String>,
}

page_of!(CompletePage, "complete.html");

/// Path of the page, below `WEBSITE_BASE_PATH`.
pub const HERE: &str = "/complete-sign-up";

const OTHER_PASSWORD: &str = "This is not the password that you signed up with.";

pub async fn show(
    visitor: OptionalUser,
    pages: Data<Pages>,
    Query(query): Query<CompleteQuery>,
) -> Result<HttpResponse, ProblemPage> {
    page_of_link(&CompletePage::empty(pages.frame(pages.sign_in_path(HERE), &visitor), query.token))
}

pub async fn complete(
    request: HttpRequest,
    pages: Data<Pages>,
    recipe: Data<EmailPassword>,
    Form(CompleteForm { token, password, remember }): Form<CompleteForm>,
) -> Result<HttpResponse, ProblemPage> {
    let life = pages.session_life(remember.is_some());
    let fields = emailpassword::Form::of([("password", password.as_str())]).lasting(life);
    let outcome = recipe.complete_sign_up(&request, &fields, &token, Some(Transfer::Cookie)).await;
    let mut form = CompletePage::empty(pages.frame(pages.sign_in_path(HERE), &OptionalUser::default()), token);
    match outcome {
        Ok(Outcome::SignedIn(_)) => return Ok(signed_in(&SitePath::default())),
        Ok(Outcome::Mailed) => return Ok(see_other(&pages.sign_in_path("?done=mailed"))),
        Ok(Outcome::Refused(problems)) => {
            form.mistake = problems.first().map(|problem| user_message("password", problem.error));
        }
        Ok(Outcome::WrongCredentials) => form.mistake = Some(OTHER_PASSWORD),
        Ok(Outcome::InvalidLink) => {
            form = CompletePage {
                banner: Some(INVALID_LINK.to_owned()),
                ..CompletePage::empty(form.frame, String::new())
            };
        }
        Err(error) => {
            let problem = Problem::from(error);
            form.banner = Some(problem.sentence());
            return page_with_problem(&problem, &form);
        }
    }
    page(StatusCode::UNPROCESSABLE_ENTITY, &form)
}

impl CompletePage {
    fn empty(frame: Frame, token: String) -> Self {
        Self { frame, token, mistake: None, banner: None }
    }
}
