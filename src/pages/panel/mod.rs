//! The panel beside the comments: the visitor's session, its Fauna token, what happened to both, and the user's devices.
//!
//! Nothing here asks Fauna, so that the panel is shown while Fauna does not answer.

pub mod ended;
pub mod event_stream;
pub mod timeline;

use std::time::Duration;

use actix_web::web::{Data, Json};
use serde::Serialize;
use serde_json::Value;

use crate::clock::Timestamp;
use crate::events::{Event, EventKind};
use crate::fauna_tokens;
use crate::fauna_tokens::FaunaTokens;
use crate::http::problem::Problem;
use crate::pages::Pages;
use crate::pages::display_time::DisplayTime;
use crate::pages::panel::timeline::{Entry, short};
use crate::session::{SessionHandle, SessionInfo, Sessions, SignedIn, SignedInNow};

/// Timeline entries in the page itself; scripts load the others.
const ENTRIES_MAX: usize = 10;
/// Characters of their exchanges; scripts load the rest.
const EXCHANGE_CHARS_MAX: usize = 200;
/// `User-Agent` of the second device that the demo signs in, and its name in the list.
pub const SCRIPTED_DEVICE: &str = "Scripted device";
/// Devices beside the comments; `/account` lists all.
const DEVICES_MAX: usize = 5;

#[derive(Serialize)]
pub struct SessionPanel {
    pub state: SessionState,
    /// Name or address of the user; empty where Fauna does not answer.
    pub user_name: String,
    /// Address to sign in again with, if the account is one of the demo; else empty.
    pub demo_address: String,
    /// Superseded tokens that late requests may still use.
    pub in_grace: Vec<TokenInGrace>,
    pub timeline: Vec<Entry>,
    pub devices: Vec<Device>,
    /// Whether the second device of the demo is signed in.
    pub has_scripted_device: bool,
    pub delay: Delay,
    /// Endpoint that scripts may query with the session's token; none unless they may.
    pub fauna_for_browsers: Option<String>,
}

/// A Fauna token that was replaced by a refresh and is accepted until its grace period ends.
#[derive(Debug, Serialize)]
pub struct TokenInGrace {
    pub fingerprint: String,
    pub until: DisplayTime,
    /// Time left as minutes and seconds.
    pub left: String,
}

/// A session and its tokens, as pages and `GET /account/session` show them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionState {
    pub handle: String,
    pub user: String,
    /// See [`crate::events::fingerprint`]; empty where there is no token at the moment.
    pub fauna_token: String,
    pub fauna_token_issued_at: Option<DisplayTime>,
    pub fauna_token_expires_at: Option<DisplayTime>,
    pub access_token_expires_at: DisplayTime,
    pub session_expires_at: DisplayTime,
    /// Time of the server, which may be that of the demo clock, in milliseconds since 1970.
    pub now: Timestamp,
    /// Life of an access token, in seconds.
    pub access_token_lifetime: u64,
    pub access_token_left: u64,
}

/// A session in the list of devices.
#[derive(Debug, Serialize)]
pub struct Device {
    pub handle: SessionHandle,
    pub name: String,
    pub current: bool,
    pub created_at: DisplayTime,
    pub used_at: DisplayTime,
}

/// Delays between the ends of sessions and the deletion of their tokens, as text.
#[derive(Serialize)]
pub struct Delay {
    pub p50: String,
    pub p99: String,
    pub pending: usize,
    pub oldest: String,
}

impl SessionPanel {
    pub async fn of(
        session: &SignedIn,
        pages: &Pages,
        sessions: &Sessions,
        tokens: &FaunaTokens,
    ) -> Result<Self, Problem> {
        pages.ended.remember(session, tokens).await;
        let history = pages.ended.events().history(session.user().as_str(), 0);
        let entries = history.iter().rev().map(|event| Entry::new(event, session.handle().as_str()));
        let newest = entries.filter(|entry| !entry.background).take(ENTRIES_MAX);
        let devices = devices(session, sessions).await?;
        Ok(Self {
            state: SessionState::of(session, sessions, tokens).await?,
            user_name: String::new(),
            demo_address: String::new(),
            in_grace: in_grace(&history, session.handle().as_str(), sessions.now()),
            timeline: newest.map(|entry| entry.cut(EXCHANGE_CHARS_MAX)).collect(),
            has_scripted_device: devices.iter().any(|device| device.name == SCRIPTED_DEVICE),
            devices: first_devices(devices),
            delay: Delay::of(tokens),
            fauna_for_browsers: pages.settings.fauna_for_browsers.clone(),
        })
    }
}

/// The tokens of a session that are in grace, by its events, oldest first.
fn in_grace(history: &[Event], session: &str, now: Timestamp) -> Vec<TokenInGrace> {
    let mut found: Vec<TokenInGrace> = Vec::new();
    for event in history.iter().filter(|event| &*event.session == session) {
        match &event.kind {
            EventKind::TokenInGrace { fingerprint, until }
                if !found.iter().any(|known| known.fingerprint == *fingerprint) =>
            {
                let left = minutes_and_seconds(now.until(*until).as_secs());
                found.push(TokenInGrace { fingerprint: fingerprint.clone(), until: (*until).into(), left });
            }
            EventKind::TokenDeleted { fingerprint: Some(deleted), .. } => {
                found.retain(|known| known.fingerprint != *deleted);
            }
            _ => {}
        }
    }
    found
}

/// The sessions of the user, newest first.
pub async fn devices(session: &SignedIn, sessions: &Sessions) -> Result<Vec<Device>, Problem> {
    let listed = sessions.list(session.user()).await?;
    Ok(listed.into_iter().map(|info| Device::new(info, session)).collect())
}

/// The device that asks, and the newest others.
fn first_devices(mut devices: Vec<Device>) -> Vec<Device> {
    devices.sort_by_key(|device| !device.current);
    devices.truncate(DEVICES_MAX);
    devices
}

/// `GET /account/session`, for scripts.
pub async fn state(
    SignedInNow(session): SignedInNow,
    pages: Data<Pages>,
    sessions: Data<Sessions>,
    tokens: Data<FaunaTokens>,
) -> Result<Json<SessionState>, Problem> {
    pages.ended.remember(&session, &tokens).await;
    Ok(Json(SessionState::of(&session, &sessions, &tokens).await?))
}

impl SessionState {
    async fn of(session: &SignedIn, sessions: &Sessions, tokens: &FaunaTokens) -> Result<Self, Problem> {
        let token = match tokens.describe(session).await {
            Ok(token) => Some(token),
            Err(fauna_tokens::Error::Fauna(_)) => None,
            Err(error) => return Err(error.into()),
        };
        let now = sessions.now();
        let expires_at = session.access_token_expires_at();
        Ok(Self {
            handle: session.handle().to_string(),
            user: session.user().to_string(),
            fauna_token: token.as_ref().map(|token| token.fingerprint.clone()).unwrap_or_default(),
            fauna_token_issued_at: token.as_ref().map(|token| token.created_at.into()),
            fauna_token_expires_at: token.as_ref().map(|token| token.expires_at.into()),
            access_token_expires_at: expires_at.into(),
            session_expires_at: session.info().await?.expires_at.into(),
            now,
            access_token_lifetime: sessions.access_token_lifetime().as_secs(),
            access_token_left: now.until(expires_at).as_secs(),
        })
    }

    pub fn short_handle(&self) -> String {
        short(&self.handle)
    }

    /// Time left of the access token as minutes and seconds.
    pub fn countdown(&self) -> String {
        minutes_and_seconds(self.access_token_left)
    }
}

fn minutes_and_seconds(seconds: u64) -> String {
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

impl Device {
    fn new(info: SessionInfo, asking: &SignedIn) -> Self {
        let user_agent = info.data.get("userAgent").and_then(Value::as_str);
        Self {
            current: info.handle == *asking.handle(),
            name: user_agent.map_or_else(|| "Unknown device".to_owned(), device_name),
            created_at: info.created_at.into(),
            used_at: info.refreshed_at.into(),
            handle: info.handle,
        }
    }

    pub fn short_handle(&self) -> String {
        short(self.handle.as_str())
    }

    /// Asked before its session is revoked.
    pub fn sign_out_question(&self) -> String {
        format!("Sign out {} (session {})? Its Fauna token is deleted, too.", self.name, self.short_handle())
    }
}

/// Browser and system of a `User-Agent`, as far as their names stand in it.
fn device_name(user_agent: &str) -> String {
    let first = |names: &[(&str, &'static str)]| {
        names.iter().find(|(mark, _)| user_agent.contains(mark)).map(|(_, name)| *name)
    };
    // Browsers name those they imitate, too, so the imitators come first.
    let browser = first(&[
        (SCRIPTED_DEVICE, SCRIPTED_DEVICE),
        ("Scripted attacker", "Scripted attacker"),
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
        ("curl/", "curl"),
        ("node", "Node.js"),
    ]);
    let system = first(&[
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS", "macOS"),
        ("CrOS", "ChromeOS"),
        ("Linux", "Linux"),
    ]);
    match (browser, system) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(name), None) | (None, Some(name)) => name.to_owned(),
        (None, None) => "Unknown device".to_owned(),
    }
}

impl Delay {
    fn of(tokens: &FaunaTokens) -> Self {
        let delay = tokens.revocation_delay();
        Self { p50: millis(delay.p50), p99: millis(delay.p99), pending: delay.pending, oldest: millis(delay.oldest) }
    }
}

fn millis(span: Option<Duration>) -> String {
    span.map_or_else(|| "–".to_owned(), |span| span.as_millis().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_named_by_browser_and_system() {
        for (user_agent, name) in [
            (
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/149.0.0.0 Safari/537.36",
                "Chrome on Linux",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/149.0 Safari/537.36 Edg/149.0",
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 Version/19.0 Safari/604.1",
                "Safari on iPhone",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:140.0) Gecko/20100101 Firefox/140.0",
                "Firefox on macOS",
            ),
            ("Scripted device", "Scripted device"),
            ("nonsense", "Unknown device"),
        ] {
            assert_eq!(device_name(user_agent), name, "{user_agent}");
        }
    }
}
