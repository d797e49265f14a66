//! `/verify-email` below `WEBSITE_BASE_PATH`: without a token the page offers to mail a link that confirms the user's address; the link leads back
//! here with one, as do links that confirm a new address.
//!
//! Opening a link changes nothing, as in [`crate::pages::accounts::password`]. Where the browser is signed in, `static/site.js` presses
//! the button.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Form, Query};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use serde::{Deserialize, Serialize};

use crate::http::problem::{Problem, ProblemPage};
use crate::pages::Pages;
use crate::pages::frame::{Frame, INVALID_LINK, page, page_of, page_of_link, page_with_problem, see_other};
use crate::pages::guards::{OptionalUser, PageUser, services};
use crate::supertokens::emailverification::{EmailVerification, LinkRequest};
use crate::throttle::Client;

#[derive(Deserialize)]
pub struct VerifyQuery {
    #[serde(default)]
    token: String,
    /// Present once a link was mailed.
    sent: Option<String>,
    /// Present once an address is confirmed.
    done: Option<String>,
}

#[derive(Deserialize)]
pub struct VerifyForm {
    token: String,
}

#[derive(Template, Serialize)]
#[template(path = "verify.html")]
struct VerifyPage {
    frame: Frame,
    /// Empty where there is none.
    token: String,
    sent: bool,
    done: bool,
    /// Whether a comment waits until the address is confirmed.
    has_draft: bool,
    banner: Option<String>,
}

page_of!(VerifyPage, "verify.html");

/// Path of the page, below `WEBSITE_BASE_PATH`.
pub const HERE: &str = "/verify-email";

pub async fn show(
    visitor: OptionalUser,
    pages: Data<Pages>,
    Query(query): Query<VerifyQuery>,
) -> Result<HttpResponse, ProblemPage> {
    let has_draft = pages.settings.requires_verified_address
        && visitor.session().is_some_and(|user| pages.drafts.of_user(user.user().as_str()).is_some());
    let verify = VerifyPage {
        has_draft,
        token: query.token,
        sent: query.sent.is_some(),
        done: query.done.is_some(),
        ..VerifyPage::empty(pages.frame(pages.sign_in_path(HERE), &visitor))
    };
    page_of_link(&verify)
}

pub async fn send(
    request: HttpRequest,
    user: PageUser,
    client: Client,
    pages: Data<Pages>,
    verification: Data<EmailVerification>,
) -> Result<HttpResponse, ProblemPage> {
    match verification.request_link(&request, &client).await {
        Ok(LinkRequest::Mailed) => Ok(see_other(&pages.sign_in_path("/verify-email?sent=yes"))),
        Ok(LinkRequest::AlreadyVerified) => Ok(see_other(&pages.sign_in_path("/verify-email?done=yes"))),
        Err(error) => {
            let problem = Problem::from(error);
            let banner = Some(problem.sentence());
            let frame = pages.frame(pages.sign_in_path(HERE), &user.into());
            page_with_problem(&problem, &VerifyPage { banner, ..VerifyPage::empty(frame) })
        }
    }
}

services! {
    /// The services that the handlers use.
    pub struct Services {
        pages: Data<Pages>,
        verification: Data<EmailVerification>,
    }
}

pub async fn verify(
    request: HttpRequest,
    visitor: OptionalUser,
    client: Client,
    services: Services,
    Form(link): Form<VerifyForm>,
) -> Result<HttpResponse, ProblemPage> {
    let form = VerifyPage::empty(services.pages.frame(services.pages.sign_in_path(HERE), &visitor));
    match services.verification.verify(&request, &client, &link.token).await {
        Ok(true) => Ok(see_other(&services.pages.sign_in_path("/verify-email?done=yes"))),
        Ok(false) => {
            let banner = Some(INVALID_LINK.to_owned());
            page(StatusCode::UNPROCESSABLE_ENTITY, &VerifyPage { banner, ..form })
        }
        Err(error) => {
            let problem = Problem::from(error);
            let banner = Some(problem.sentence());
            page_with_problem(&problem, &VerifyPage { banner, token: link.token, ..form })
        }
    }
}

impl VerifyPage {
    fn empty(frame: Frame) -> Self {
        Self { frame, token: String::new(), sent: false, done: false, has_draft: false, banner: None }
    }
}
