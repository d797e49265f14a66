//! `/account`: the user's profile and devices.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Form, Path};
use askama::Template;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::Timestamp;
use crate::fauna_tokens::FaunaTokens;
use crate::http::problem::ProblemPage;
use crate::pages::Pages;
use crate::pages::accounts::auth::label;
use crate::pages::confirm::Confirmation;
use crate::pages::display_time::DisplayTime;
use crate::pages::frame::{Frame, page, page_of, see_other};
use crate::pages::guards::PageUser;
use crate::pages::panel::{Device, devices};
use crate::pages::site_path::{SitePath, in_query};
use crate::session::{RevokeReason, SessionHandle, Sessions, SignedIn};
use crate::users::{Document, Users};

#[derive(Template, Serialize)]
#[template(path = "account.html")]
struct AccountPage {
    frame: Frame,
    user: ShownUser,
    /// Label and value of each profile field.
    profile: Vec<(String, String)>,
    joined_at: Option<DisplayTime>,
    /// None where the site does not ask for verified addresses.
    verified: Option<bool>,
    devices: Vec<Device>,
    /// Outcome of the form that led here, as a sentence; empty without one.
    notice: String,
    /// Life of an access token.
    refresh_minutes: u64,
}

page_of!(AccountPage, "account.html");

/// Fields of the user's document; `None` where it has no such field.
#[derive(Serialize)]
struct ShownUser {
    name: Option<String>,
    email: Option<String>,
}

/// Body of the forms that end sessions.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EndForm {
    /// Page that the form was on.
    redirect_to_path: Option<SitePath>,
    /// Present where no script has asked whether this is meant.
    ask: Option<String>,
}

pub async fn show(
    user: PageUser,
    pages: Data<Pages>,
    users: Data<Users>,
    tokens: Data<FaunaTokens>,
    sessions: Data<Sessions>,
) -> Result<HttpResponse, ProblemPage> {
    let session = &user.0;
    pages.ended.remember(session, &tokens).await;
    let document: Document = tokens.query_idempotent(session, &users.own_document()).await?;
    let account = AccountPage {
        verified: session.payload().get("st-ev").and_then(|claim| claim.get("v")).and_then(Value::as_bool),
        joined_at: document.joined_at.map(|time| Timestamp::from_millis(time.millis()).into()),
        profile: document
            .profile
            .iter()
            .flat_map(|profile| &profile.0)
            .map(|(field, value)| (label(field), as_text(value)))
            .collect(),
        user: ShownUser { name: document.name, email: document.email },
        devices: devices(session, &sessions).await?,
        notice: pages.notices.take(session.handle()),
        refresh_minutes: sessions.access_token_lifetime().as_secs().div_ceil(60),
        frame: pages.frame("/account", &user.into()),
    };
    page(StatusCode::OK, &account)
}

/// Text as it was typed, anything else as JSON.
fn as_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Ends one of the user's other sessions.
pub async fn end(
    user: PageUser,
    pages: Data<Pages>,
    sessions: Data<Sessions>,
    handle: Path<SessionHandle>,
    Form(form): Form<EndForm>,
) -> Result<HttpResponse, ProblemPage> {
    let device = devices(&user.0, &sessions).await?.into_iter().find(|device| device.handle == *handle);
    if let Some(device) = device.as_ref().filter(|_| form.asks()) {
        let action = format!("/account/sessions/{}/end", in_query(handle.as_str()));
        let (question, answer) = (&device.sign_out_question(), "Sign out device");
        let frame = pages.frame("", &user.into());
        return Confirmation { frame, question, answer, action: &action, back: form.back() }.respond();
    }
    let sentence = match device {
        Some(device) if sessions.revoke_own(&user.0, &handle).await? => {
            pages.ended.sentence_about_device(&user.0, &device)
        }
        _ => "This device is signed out already.".to_owned(),
    };
    form.leave_notice(&pages, &user.0, sentence);
    Ok(see_other(form.back()))
}

/// Ends all of the user's other sessions.
pub async fn end_others(
    user: PageUser,
    pages: Data<Pages>,
    sessions: Data<Sessions>,
    Form(form): Form<EndForm>,
) -> Result<HttpResponse, ProblemPage> {
    if form.asks() {
        let (question, answer) = ("Sign out all other devices?", "Sign out everywhere else");
        let (frame, action) = (pages.frame("", &user.into()), "/account/sessions/end-others");
        return Confirmation { frame, question, answer, action, back: form.back() }.respond();
    }
    let ended = sessions.revoke_others(&user.0, RevokeReason::EndedFromAnotherDevice).await?.len();
    let devices = if ended == 1 { "device is" } else { "devices are" };
    form.leave_notice(&pages, &user.0, format!("{ended} other {devices} signed out."));
    Ok(see_other(form.back()))
}

impl EndForm {
    pub fn asks(&self) -> bool {
        self.ask.is_some()
    }

    /// Keeps a sentence for the page that the form was on.
    fn leave_notice(&self, pages: &Pages, user: &SignedIn, sentence: String) {
        if self.redirect_to_path.is_some() {
            pages.notices.put(user.handle(), sentence);
        }
    }

    pub fn back(&self) -> &str {
        self.redirect_to_path.as_ref().map_or("/account", SitePath::as_str)
    }
}
