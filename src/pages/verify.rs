//! `/auth/verify-email`: somebody shows that an address is theirs. Without a token the page offers to mail a link; the link
//! leads back here with one, as do links that confirm a new address.
//!
//! Opening a link does nothing yet, as in [`crate::pages::password`]. Where the browser is signed in, `static/site.js` presses
//! the button.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Form, Query};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use serde::Deserialize;

use crate::http::problem::{Problem, ProblemPage};
use crate::pages::Pages;
use crate::pages::frame::{Frame, INVALID_LINK, page, page_despite, page_of_link, see_other};
use crate::pages::guards::{OptionalUser, PageUser};
use crate::supertokens::emailverification::{Asked as Wish, EmailVerification};
use crate::throttle::Client;

/// What the address of the page says.
#[derive(Deserialize)]
pub struct Asked {
    /// From a mailed link.
    #[serde(default)]
    token: String,
    /// Present once a link is on its way.
    sent: Option<String>,
    /// Present once an address is confirmed.
    done: Option<String>,
}

/// From a mailed link.
#[derive(Deserialize)]
pub struct Link {
    /// What the link proves.
    token: String,
}

/// The page.
#[derive(Template)]
#[template(path = "verify.html")]
struct VerifyPage {
    /// Around it.
    frame: Frame,
    /// From a mailed link; empty where there is none.
    token: String,
    /// Whether a link is on its way.
    sent: bool,
    /// Whether the address is confirmed.
    done: bool,
    /// What is wrong.
    banner: Option<String>,
}

/// Path of the page.
const HERE: &str = "/auth/verify-email";

/// Offers to mail a link, or to use one.
pub async fn show(
    visitor: OptionalUser,
    pages: Data<Pages>,
    Query(asked): Query<Asked>,
) -> Result<HttpResponse, ProblemPage> {
    let verify = VerifyPage {
        token: asked.token,
        sent: asked.sent.is_some(),
        done: asked.done.is_some(),
        ..VerifyPage::empty(pages.frame(HERE, &visitor))
    };
    page_of_link(&verify)
}

/// Mails a link to whoever is signed in.
pub async fn send(
    request: HttpRequest,
    person: PageUser,
    client: Client,
    pages: Data<Pages>,
    verification: Data<EmailVerification>,
) -> Result<HttpResponse, ProblemPage> {
    match verification.ask(&request, &client).await {
        Ok(Wish::Mailed) => Ok(see_other("/auth/verify-email?sent=yes")),
        Ok(Wish::VerifiedBefore) => Ok(see_other("/auth/verify-email?done=yes")),
        Err(error) => {
            let problem = Problem::from(error);
            let banner = Some(problem.message().to_owned());
            let frame = pages.frame(HERE, &person.into());
            page_despite(&problem, &VerifyPage { banner, ..VerifyPage::empty(frame) })
        }
    }
}

/// Uses a link.
pub async fn verify(
    request: HttpRequest,
    (visitor, client): (OptionalUser, Client),
    pages: Data<Pages>,
    verification: Data<EmailVerification>,
    Form(link): Form<Link>,
) -> Result<HttpResponse, ProblemPage> {
    let form = VerifyPage::empty(pages.frame(HERE, &visitor));
    match verification.verify(&request, &client, &link.token).await {
        Ok(true) => Ok(see_other("/auth/verify-email?done=yes")),
        Ok(false) => {
            let banner = Some(INVALID_LINK.to_owned());
            page(StatusCode::UNPROCESSABLE_ENTITY, &VerifyPage { banner, ..form })
        }
        Err(error) => {
            let problem = Problem::from(error);
            let banner = Some(problem.message().to_owned());
            page_despite(&problem, &VerifyPage { banner, token: link.token, ..form })
        }
    }
}

impl VerifyPage {
    /// Nothing has happened yet.
    fn empty(frame: Frame) -> Self {
        Self { frame, token: String::new(), sent: false, done: false, banner: None }
    }
}
