//! Pages: what a person sees, with and without JavaScript.
//!
//! Pages call the same handles as the API, never the API over HTTP. Every form works as a plain post, answered with 303 where
//! it did what was asked and with the page and what was typed where it did not. Forms are posted outside the base path of the
//! recipes, where `/auth/<word>/signin` would name a tenant. An access token that has ended is renewed on the way
//! ([`resume`]); scripts only make things smoother.

mod account;
mod assets;
mod auth;
mod complete;
mod display_time;
mod frame;
mod guards;
mod home;
mod password;
mod resume;
mod routes;
mod settings;
mod site_path;
mod verify;

pub use routes::{auth_routes, routes};

use serde_json::Value;

use frame::Frame;
use guards::OptionalUser;

/// What pages need to know of the rest of the site.
pub struct Pages {
    /// Where sessions are refreshed; their refresh cookie is sent here and below, and nowhere else.
    refresh_path: String,
    /// Whether mail that is not sent can be looked at.
    has_mailbox: bool,
}

impl Pages {
    /// The pages of a site whose recipes answer below that path, and whose unsent mail can be looked at or not.
    pub fn new(api_base_path: &str, has_mailbox: bool) -> Self {
        Self { refresh_path: format!("{api_base_path}/session/refresh"), has_mailbox }
    }

    /// The frame of the page `here`.
    fn frame(&self, here: &'static str, visitor: &OptionalUser) -> Frame {
        let mut frame = Frame {
            session: String::new(),
            anti_csrf: String::new(),
            refresh_path: self.refresh_path.clone(),
            here,
            has_mailbox: self.has_mailbox,
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
