//! The site's own pages, usable with and without JavaScript.
//!
//! Pages call the same services as the API, never the API over HTTP. Every form works as a plain post, answered with 303
//! where it did what was asked, and otherwise with the page and what was typed. Forms are posted outside the base path of the
//! API, where `/auth/<word>/signin` would name a tenant. An expired access token is renewed on the way ([`resume`]).

mod accounts;
mod api_docs;
mod assets;
mod confirm;
mod cookies;
pub mod demo_accounts;
mod display_time;
mod drafts;
mod frame;
mod guards;
mod home;
mod notices;
mod own_files;
mod panel;
mod resume;
mod routes;
mod site_path;

pub use api_docs::ApiReference;
pub use frame::{plain_page, see_other};
pub use guards::PageUser;
pub use panel::{Device, SCRIPTED_DEVICE, devices};
pub use routes::{api_routes, auth_routes, routes, sign_in_routes};
pub use site_path::SitePath;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::events::EventBus;
use crate::http::problem::Brand;
use crate::session::SessionLife;
use assets::Assets;
use drafts::Drafts;
use frame::Frame;
use guards::OptionalUser;
use notices::Notices;
pub use own_files::InvalidFile;
use own_files::OwnFiles;
use own_files::templates::PageTemplates;
use panel::ended::EndedSessions;

/// Life without a refresh of a session whose user did not choose to stay signed in: a working day, because browsers that
/// restore their windows keep the cookies of a closed one.
const NOT_REMEMBERED: Duration = Duration::from_hours(12);

/// State that all pages share; one per process.
pub struct Pages {
    settings: Settings,
    brand: Brand,
    drafts: Drafts,
    notices: Notices,
    ended: EndedSessions,
    assets: Assets,
    templates: Arc<PageTemplates>,
}

#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "settings, each by itself")]
pub struct Settings {
    /// Origin that mailed links lead to.
    pub website: String,
    /// Path of the sign-in page; mailed links lead below it.
    pub website_base_path: String,
    /// Base path of the API; sessions are refreshed below it.
    pub api_base_path: String,
    /// Whether an address must be verified before anything is written.
    pub requires_verified_address: bool,
    /// Whether mail that is not sent can be read at `/dev/mailbox`.
    pub has_mailbox: bool,
    /// Whether the routes of the demo are mounted. Then the secrets of tokens are kept in memory after their session has
    /// ended, to show that Fauna refuses them.
    pub has_demo: bool,
    /// Endpoint that scripts may query with the session's token; none unless they may.
    pub fauna_for_browsers: Option<String>,
    /// `light` or `dark`; `None`: as each visitor chooses.
    pub fixed_theme: Option<&'static str>,
    /// Directory of files and page templates that replace the built-in ones.
    pub static_dir: Option<PathBuf>,
    /// Whether visitors are asked if they want to stay signed in.
    pub remember_me: bool,
    pub terms_url: Option<String>,
    pub privacy_url: Option<String>,
}

/// Reads the files of `STATIC_DIR` as a start does.
///
/// # Errors
/// One of them cannot be used.
pub fn check_files(directory: &Path) -> Result<(), InvalidFile> {
    PageTemplates::parse(OwnFiles::read(directory)?.templates).map(|_parsed| ())
}

impl Pages {
    /// Pages that show the events of `events`.
    ///
    /// # Errors
    /// A file of `static_dir` cannot be used.
    pub fn new(settings: Settings, brand: Brand, events: EventBus) -> Result<Self, InvalidFile> {
        let ended = EndedSessions::new(events, settings.has_demo);
        let own = settings.static_dir.as_deref().map(OwnFiles::read).transpose()?.unwrap_or_default();
        let assets = Assets::new(own.served, settings.fixed_theme);
        let templates = Arc::new(PageTemplates::parse(own.templates)?);
        Ok(Self { settings, brand, drafts: Drafts::default(), notices: Notices::default(), ended, assets, templates })
    }

    fn refresh_path(&self) -> String {
        format!("{}/session/refresh", self.settings.api_base_path)
    }

    /// Path of the sign-in page, with what follows it: a query, or the rest of the path of a page below it.
    pub fn sign_in_path(&self, rest: &str) -> String {
        format!("{}{rest}", self.settings.website_base_path)
    }

    /// Life of a session that begins on a page whose visitor wants to stay signed in, or does not.
    fn session_life(&self, remember: bool) -> SessionLife {
        if remember || !self.settings.remember_me {
            return SessionLife::default();
        }
        SessionLife { unused: Some(NOT_REMEMBERED), total: None, ends_with_browser: true }
    }

    /// The frame of the page at `here`.
    fn frame(&self, here: impl Into<String>, visitor: &OptionalUser) -> Frame {
        let text = |url: &Option<String>| url.clone().unwrap_or_default();
        let mut frame = Frame {
            app_name: self.brand.app_name.clone(),
            session: String::new(),
            waiting: visitor.is_waiting(),
            anti_csrf: String::new(),
            refresh_path: self.refresh_path(),
            sign_in_path: self.sign_in_path(""),
            here: here.into(),
            remember_me: self.settings.remember_me,
            templates: Arc::clone(&self.templates),
            has_mailbox: self.settings.has_mailbox,
            has_demo: self.settings.has_demo,
            fauna_stopped: self.brand.is_fauna_stopped(),
            terms_url: text(&self.settings.terms_url),
            privacy_url: text(&self.settings.privacy_url),
        };
        if let Some(session) = visitor.session() {
            let payload = session.access_token_payload();
            frame.session = session.handle().to_string();
            frame.anti_csrf =
                payload.get("antiCsrfToken").and_then(Value::as_str).map(str::to_owned).unwrap_or_default();
        }
        frame
    }
}
