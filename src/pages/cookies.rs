//! `/cookies`: which cookies the site sets, what for and for how long.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Data;
use askama::Template;
use serde::Serialize;

use crate::http::problem::ProblemPage;
use crate::pages::Pages;
use crate::pages::frame::{Frame, page, page_of};
use crate::pages::guards::OptionalUser;
use crate::session::Sessions;

#[derive(Template, Serialize)]
#[template(path = "cookies.html")]
struct CookiesPage {
    frame: Frame,
    access_minutes: u64,
    refresh_days: u64,
    refresh_path: String,
}

page_of!(CookiesPage, "cookies.html");

pub async fn show(
    visitor: OptionalUser,
    pages: Data<Pages>,
    sessions: Data<Sessions>,
) -> Result<HttpResponse, ProblemPage> {
    let cookies = CookiesPage {
        frame: pages.frame("/cookies", &visitor),
        access_minutes: sessions.access_token_lifetime().as_secs().div_ceil(60),
        refresh_days: sessions.refresh_token_lifetime().as_secs().div_ceil(86_400),
        refresh_path: pages.refresh_path(),
    };
    page(StatusCode::OK, &cookies)
}
