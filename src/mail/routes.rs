//! The dev mailbox: mails that a site in development would have sent.

use actix_web::http::{StatusCode, header};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use serde::Serialize;

use crate::http::problem::Problem;
use crate::http::routes::{Access, Resource, Routes};
use crate::mail::envelope::Mail;
use crate::mail::store::Row;
use crate::mail::{Error, Outbox};

/// | method | path           | who                                                     |
/// |--------|----------------|---------------------------------------------------------|
/// | GET    | `/dev/mailbox` | anyone, in development and without a mail server; else 404 |
pub fn routes(site: &mut Routes<'_>) {
    site.add(Resource::at("/dev/mailbox").get(Access::Public, mailbox));
}

/// Unsent mails, newest first: a page, or JSON for `Accept: application/json`.
async fn mailbox(request: HttpRequest, outbox: Data<Outbox>) -> Result<HttpResponse, Problem> {
    let mails = outbox.latest().await?.ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "not found"))?;
    let mails = mails.into_iter().map(|(row, mail)| ShownMail::new(row, mail)).collect();
    let sender = &outbox.sender;
    let page = Mailbox { app_name: sender.app_name.clone(), sign_in: sender.pages.clone(), mails };
    let mut response = HttpResponse::Ok();
    if wants_json(&request) {
        return Ok(response.json(page));
    }
    let html = page.render().map_err(|error| Error::Setting(error.to_string()))?;
    Ok(response.content_type("text/html; charset=utf-8").body(html))
}

fn wants_json(request: &HttpRequest) -> bool {
    let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| accept.contains("application/json"))
}

/// Data for `templates/mailbox.html`, also as JSON.
#[derive(Serialize, Template)]
#[template(path = "mailbox.html")]
struct Mailbox {
    #[serde(skip)]
    app_name: String,
    /// URL of the sign-in page.
    #[serde(skip)]
    sign_in: String,
    mails: Vec<ShownMail>,
}

#[derive(Serialize)]
struct ShownMail {
    to: String,
    subject: String,
    text: String,
    html: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<String>,
    kind: String,
    /// Milliseconds since the Unix epoch.
    #[serde(rename = "writtenAt")]
    written_at: i64,
}

impl ShownMail {
    fn new(row: Row, mail: Mail) -> Self {
        Self {
            to: mail.to,
            subject: mail.subject,
            text: mail.text,
            html: mail.html,
            link: mail.link,
            kind: row.kind,
            written_at: row.created_at.millis(),
        }
    }
}
