//! `/auth/complete-sign-up`: where accounts are hidden, the mailed link leads here. Whoever signed up types the password again
//! that they chose, and has the account: a stranger's wish with their address does not become one by their click.
//!
//! Opening a link does nothing yet, as in [`crate::pages::password`].

use actix_web::http::StatusCode;
use actix_web::web::{Data, Form, Query};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use serde::Deserialize;

use crate::http::problem::{Problem, ProblemPage};
use crate::pages::Pages;
use crate::pages::auth::{in_plain_words, signed_in};
use crate::pages::frame::{Frame, INVALID_LINK, page, page_despite, page_of_link, see_other};
use crate::pages::guards::OptionalUser;
use crate::pages::site_path::SitePath;
use crate::session::Transfer;
use crate::supertokens::emailpassword;
use crate::supertokens::emailpassword::{EmailPassword, Outcome};

/// What the address of the page says.
#[derive(Deserialize)]
pub struct Asked {
    /// From a mailed link.
    #[serde(default)]
    token: String,
}

/// What a person typed.
#[derive(Deserialize)]
pub struct Typed {
    /// From the mailed link.
    token: String,
    /// The password; never shown again.
    password: String,
}

/// The page.
#[derive(Template)]
#[template(path = "complete.html")]
struct CompletePage {
    /// Around it.
    frame: Frame,
    /// From a mailed link; empty where there is none.
    token: String,
    /// What is wrong with the password.
    mistake: Option<&'static str>,
    /// What is wrong at all.
    banner: Option<String>,
}

/// Path of the page.
const HERE: &str = "/auth/complete-sign-up";

/// What is said of a password that does not belong to the link.
const OTHER_PASSWORD: &str = "This is not the password with which this link was asked for.";

/// Asks for the password.
pub async fn show(
    visitor: OptionalUser,
    pages: Data<Pages>,
    Query(asked): Query<Asked>,
) -> Result<HttpResponse, ProblemPage> {
    page_of_link(&CompletePage::empty(pages.frame(HERE, &visitor), asked.token))
}

/// Makes the account and signs its owner in.
pub async fn complete(
    request: HttpRequest,
    pages: Data<Pages>,
    recipe: Data<EmailPassword>,
    Form(Typed { token, password }): Form<Typed>,
) -> Result<HttpResponse, ProblemPage> {
    let fields = emailpassword::Form::of([("password", password.as_str())]);
    let outcome = recipe.complete_sign_up(&request, &fields, &token, Some(Transfer::Cookie)).await;
    let mut form = CompletePage::empty(pages.frame(HERE, &OptionalUser::default()), token);
    match outcome {
        Ok(Outcome::SignedIn(_)) => return Ok(signed_in(&SitePath::default())),
        Ok(Outcome::Mailed) => return Ok(see_other("/auth?done=mailed")),
        Ok(Outcome::Refused(problems)) => form.mistake = problems.first().map(|problem| in_plain_words(problem.error)),
        Ok(Outcome::WrongCredentials) => form.mistake = Some(OTHER_PASSWORD),
        Ok(Outcome::InvalidLink) => {
            form = CompletePage {
                banner: Some(INVALID_LINK.to_owned()),
                ..CompletePage::empty(form.frame, String::new())
            };
        }
        Err(error) => {
            let problem = Problem::from(error);
            form.banner = Some(problem.message().to_owned());
            return page_despite(&problem, &form);
        }
    }
    page(StatusCode::UNPROCESSABLE_ENTITY, &form)
}

impl CompletePage {
    /// Nothing typed yet.
    fn empty(frame: Frame, token: String) -> Self {
        Self { frame, token, mistake: None, banner: None }
    }
}
