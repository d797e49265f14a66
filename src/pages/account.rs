//! `/account`: who somebody is, and their sessions at work.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Json, Path};
use askama::Template;
use serde::Serialize;
use serde_json::Value;

use crate::clock::Timestamp;
use crate::fauna_tokens::FaunaTokens;
use crate::http::problem::{Problem, ProblemPage};
use crate::pages::Pages;
use crate::pages::auth::label;
use crate::pages::display_time::DisplayTime;
use crate::pages::frame::{Frame, page, see_other};
use crate::pages::guards::PageUser;
use crate::session::{RevokeReason, SessionHandle, SessionInfo, Sessions, SignedIn, SignedInNow};
use crate::users;
use crate::users::Document;

/// The page.
#[derive(Template)]
#[template(path = "account.html")]
struct Account {
    /// Around it.
    frame: Frame,
    /// Who it is.
    user: Document,
    /// What else is kept of them: what it is called, and what it is.
    kept: Vec<(String, String)>,
    /// When they signed up.
    joined_at: DisplayTime,
    /// Whether they have shown that the address is theirs; absent where nobody is asked to.
    verified: Option<bool>,
    /// This session.
    state: State,
    /// All sessions, newest first.
    sessions: Vec<Entry>,
}

/// What a session is made of at this moment; `static/account.js` asks for it after each refresh.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// Its name.
    handle: SessionHandle,
    /// When its access token ends.
    access_token_expires_at: DisplayTime,
    /// Which token in Fauna is its own.
    fauna_token_id: String,
    /// When Fauna ends that by itself.
    fauna_token_expires_at: DisplayTime,
    /// When it ends itself unless it is used.
    session_expires_at: DisplayTime,
}

/// A session in the list.
struct Entry {
    /// Its name.
    handle: SessionHandle,
    /// Whether it is the one that asks.
    current: bool,
    /// When it began.
    created_at: DisplayTime,
    /// When it ends unless it is used.
    expires_at: DisplayTime,
}

/// Who am I, and where am I signed in.
pub async fn show(
    person: PageUser,
    pages: Data<Pages>,
    tokens: Data<FaunaTokens>,
    sessions: Data<Sessions>,
) -> Result<HttpResponse, ProblemPage> {
    let PageUser(session) = &person;
    let user: Document = tokens.query_idempotent(session, &users::own_document()).await?;
    let listed = sessions.list(session.user()).await?;
    let entries = listed.into_iter().map(|info| Entry::new(info, session)).collect();
    let state = state_of(session, &tokens).await?;
    let verified = session.payload().get("st-ev").and_then(|claim| claim.get("v")).and_then(Value::as_bool);
    let account = Account {
        verified,
        joined_at: Timestamp::from_millis(user.joined_at.millis()).into(),
        kept: user.profile.0.iter().map(|(field, value)| (label(field), said(value))).collect(),
        user,
        state,
        sessions: entries,
        frame: pages.frame("/account", &person.into()),
    };
    page(StatusCode::OK, &account)
}

/// A value as it was typed; what is no text as JSON.
fn said(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// This session, as JSON.
pub async fn session(SignedInNow(session): SignedInNow, tokens: Data<FaunaTokens>) -> Result<Json<State>, Problem> {
    Ok(Json(state_of(&session, &tokens).await?))
}

/// Ends one of one's other sessions.
pub async fn end(
    PageUser(owner): PageUser,
    sessions: Data<Sessions>,
    handle: Path<SessionHandle>,
) -> Result<HttpResponse, ProblemPage> {
    sessions.revoke_own(&owner, &handle).await?;
    Ok(see_other("/account"))
}

/// Ends all of one's other sessions.
pub async fn end_others(PageUser(owner): PageUser, sessions: Data<Sessions>) -> Result<HttpResponse, ProblemPage> {
    sessions.revoke_others(&owner, RevokeReason::EndedFromAnotherDevice).await?;
    Ok(see_other("/account"))
}

/// What that session is made of.
async fn state_of(session: &SignedIn, tokens: &FaunaTokens) -> Result<State, Problem> {
    let token = tokens.describe(session).await?;
    Ok(State {
        handle: session.handle().clone(),
        access_token_expires_at: session.access_token_expires_at().into(),
        fauna_token_id: token.id.as_str().to_owned(),
        fauna_token_expires_at: token.expires_at.into(),
        session_expires_at: session.info().await?.expires_at.into(),
    })
}

impl Entry {
    /// In a list that `asking` asks for.
    fn new(info: SessionInfo, asking: &SignedIn) -> Self {
        Self {
            current: info.handle == *asking.handle(),
            created_at: info.created_at.into(),
            expires_at: info.expires_at.into(),
            handle: info.handle,
        }
    }
}
