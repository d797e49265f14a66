//! The pages: where they are, which other origins may call the API, and how they look.

use std::path::PathBuf;

use crate::http::origins::OriginPattern;

use super::Reader;

#[derive(Clone, Debug)]
pub struct Website {
    /// Path of the sign-in page; the other pages of the recipes are below it, and mailed links lead there.
    pub base_path: String,
    /// Origins besides `API_DOMAIN` and `WEBSITE_DOMAIN` that may call the API with credentials.
    pub allowed_origins: Vec<OriginPattern>,
    pub theme: Theme,
    /// Files here replace those of the same name below `/static/`, and are added to them.
    pub static_dir: Option<PathBuf>,
}

/// Colours of the pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Theme {
    /// Light or dark as the visitor's system is, unless the visitor chooses.
    Choice,
    /// Always as the visitor's system is.
    System,
    Light,
    Dark,
}

impl Website {
    pub(super) fn read(read: &mut Reader<'_>) -> Self {
        let themes =
            [("choice", Theme::Choice), ("system", Theme::System), ("light", Theme::Light), ("dark", Theme::Dark)];
        let form = "origins separated by commas, like https://app.example.com or https://*.example.com";
        Self {
            base_path: read.path("WEBSITE_BASE_PATH", "/auth"),
            allowed_origins: read.list("ALLOWED_ORIGINS", form),
            theme: read.choice("THEME", &themes, Theme::Choice),
            static_dir: read.folder("STATIC_DIR"),
        }
    }
}
