//! Origins besides the site's own that may call the API.

use crate::http::origins::OriginPattern;

use super::Reader;

#[derive(Clone, Debug)]
pub struct Website {
    /// Origins besides `API_DOMAIN` and `WEBSITE_DOMAIN` that may call the API with credentials.
    pub allowed_origins: Vec<OriginPattern>,
}

impl Website {
    pub(super) fn read(read: &mut Reader<'_>) -> Self {
        let form = "origins separated by commas, like https://app.example.com or https://*.example.com";
        Self { allowed_origins: read.list("ALLOWED_ORIGINS", form) }
    }
}
