//! Where the pages are, how they look, and which other origins may call the API.

use std::path::PathBuf;

use super::Reader;
use crate::http::origins::OriginPattern;

/// First parts of paths that are neither those of the sign-in pages nor those of the SuperTokens interface. The latter may be
/// below `/api`, except at [`TAKEN_BELOW_API`].
const TAKEN: [&str; 22] = [
    ".well-known",
    "account",
    "api",
    "comments",
    "complete-sign-up",
    "cookies",
    "demo",
    "dev",
    "drafts",
    "forgot-password",
    "health",
    "like-comment",
    "metrics",
    "ready",
    "reset-password",
    "sessioninfo",
    "sign-in",
    "sign-out",
    "sign-out-everywhere",
    "sign-up",
    "static",
    "verify-email",
];

/// First parts of the paths below `/api` of other routes than those of the SuperTokens interface.
const TAKEN_BELOW_API: [&str; 7] = ["admin", "comments", "docs", "openapi.json", "session", "sessions", "user"];

#[derive(Clone, Debug)]
pub struct Website {
    /// Path of the sign-in page, which mailed links lead below.
    pub base_path: String,
    /// `light` or `dark`; `None`: as each visitor chooses.
    pub fixed_theme: Option<&'static str>,
    /// Directory of files and page templates that replace the built-in ones.
    pub static_dir: Option<PathBuf>,
    /// Origins besides `API_DOMAIN` and `WEBSITE_DOMAIN` that may call the API with credentials.
    pub allowed_origins: Vec<OriginPattern>,
}

impl Website {
    pub(super) fn read(read: &mut Reader<'_>, api_base_path: &str) -> Self {
        let form = "origins separated by commas, like https://app.example.com or https://*.example.com";
        let themes = [("visitor", None), ("light", Some("light")), ("dark", Some("dark"))];
        Self {
            base_path: base_path(read, api_base_path),
            fixed_theme: read.choice("THEME", &themes, None),
            static_dir: read.folder("STATIC_DIR"),
            allowed_origins: read.list("ALLOWED_ORIGINS", form),
        }
    }
}

/// The pages may share the base path of the API, but below it their paths could be those of its routes.
fn base_path(read: &mut Reader<'_>, api_base_path: &str) -> String {
    let path = read.path("WEBSITE_BASE_PATH", "/auth");
    let first = path.split('/').nth(1).unwrap_or_default();
    if TAKEN.contains(&first) {
        read.refuse("WEBSITE_BASE_PATH", &format!("must not begin with /{first}, which other routes use"));
    } else if path.strip_prefix(api_base_path).is_some_and(|rest| rest.starts_with('/')) {
        read.refuse("WEBSITE_BASE_PATH", "must not be below API_BASE_PATH; it may be the same");
    }
    path
}

/// The path of the SuperTokens interface: `/api`, below it, or where no other route is.
pub(super) fn api_base_path(read: &mut Reader<'_>) -> String {
    let path = read.path("API_BASE_PATH", "/auth");
    let mut parts = path.split('/').skip(1);
    let (first, second) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let taken = match first {
        "api" => TAKEN_BELOW_API.contains(&second).then(|| format!("/api/{second}")),
        first => TAKEN.contains(&first).then(|| format!("/{first}")),
    };
    if let Some(taken) = taken {
        read.refuse("API_BASE_PATH", &format!("must not begin with {taken}, which other routes use"));
    }
    path
}
