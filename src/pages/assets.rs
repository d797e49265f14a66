//! Styles, scripts and the icon: small files inside the binary, so that a deployment is one file, and those of `STATIC_DIR`.
//!
//! Their names never change, so browsers keep them but ask each time (`no-cache`), and are answered 304 as long as the
//! strong `ETag`, a hash of the content, is the one they have.

use std::collections::BTreeMap;

use actix_web::http::header;
use actix_web::http::header::{EntityTag, IfNoneMatch};
use actix_web::web::{Bytes, Data, Header, Path};
use actix_web::{HttpRequest, HttpResponse};
use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::http::problem::Problem;
use crate::http::routes::{Access, Resource, Routes};
use crate::pages::Pages;

/// Built-in files: path below `/static/` and content.
const FILES: &[(&str, &str)] = &[
    ("docs.css", include_str!("../../static/docs.css")),
    ("fauna-query.js", include_str!("../../static/fauna-query.js")),
    ("home.css", include_str!("../../static/home.css")),
    ("home.js", include_str!("../../static/home.js")),
    ("icon.svg", include_str!("../../static/icon.svg")),
    ("links.js", include_str!("../../static/links.js")),
    ("passwords.css", include_str!("../../static/passwords.css")),
    ("passwords.js", include_str!("../../static/passwords.js")),
    ("panel.js", include_str!("../../static/panel.js")),
    ("session.js", include_str!("../../static/session.js")),
    (STYLE, include_str!("../../static/site.css")),
    ("site.js", include_str!("../../static/site.js")),
    ("welcome.css", include_str!("../../static/welcome.css")),
    (THEME_SCRIPT, include_str!("../../static/theme.js")),
];
const STYLE: &str = "site.css";
const THEME_SCRIPT: &str = "theme.js";

/// Content types by the ending of a name.
const KINDS: &[(&str, &str)] = &[
    ("css", "text/css; charset=utf-8"),
    ("js", "text/javascript; charset=utf-8"),
    ("mjs", "text/javascript; charset=utf-8"),
    ("svg", "image/svg+xml"),
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("gif", "image/gif"),
    ("webp", "image/webp"),
    ("avif", "image/avif"),
    ("ico", "image/x-icon"),
    ("woff2", "font/woff2"),
    ("woff", "font/woff"),
    ("json", "application/json"),
    ("webmanifest", "application/manifest+json"),
    ("txt", "text/plain; charset=utf-8"),
    ("html", "text/html; charset=utf-8"),
    ("pdf", "application/pdf"),
];
/// Of any other name: browsers download such a file.
const OTHER_KIND: &str = "application/octet-stream";

/// All files below `/static/`, in memory.
#[derive(Debug)]
pub struct Assets(BTreeMap<String, Asset>);

#[derive(Debug)]
struct Asset {
    kind: &'static str,
    content: Bytes,
    tag: EntityTag,
}

/// | method | path             | who    |
/// |--------|------------------|--------|
/// | GET    | `/static/{path}` | anyone |
pub fn routes(root: &mut Routes<'_>) {
    root.add(Resource::at("/static/{path:.*}").get(Access::Public, serve));
}

async fn serve(
    request: HttpRequest,
    path: Path<String>,
    known: Header<IfNoneMatch>,
    pages: Data<Pages>,
) -> HttpResponse {
    match pages.assets.0.get(path.as_str()) {
        Some(asset) => asset.answer(&known),
        None => Problem::no_such_address().respond_to(request.head()),
    }
}

impl Assets {
    /// The built-in files, and those of the site, which replace files of the same path.
    pub fn new(own: BTreeMap<String, Vec<u8>>, fixed_theme: Option<&str>) -> Self {
        let built_in = FILES.iter().map(|(path, content)| ((*path).to_owned(), content.as_bytes().to_vec()));
        let mut files: BTreeMap<String, Vec<u8>> = built_in.chain(own).collect();
        if let Some(theme) = fixed_theme {
            let style = files.entry(STYLE.to_owned()).or_default();
            style.extend_from_slice(format!("\n:root {{ color-scheme: only {theme}; }}\n").as_bytes());
            let script = "document.documentElement.dataset.themeFixed = \"\";\n";
            files.insert(THEME_SCRIPT.to_owned(), script.as_bytes().to_vec());
        }
        Self(files.into_iter().map(|(path, content)| (path.clone(), Asset::new(&path, content))).collect())
    }
}

impl Asset {
    fn new(path: &str, content: Vec<u8>) -> Self {
        let ending = path.rsplit_once('.').map_or("", |(_, ending)| ending).to_ascii_lowercase();
        let kind = KINDS.iter().find(|(known, _)| *known == ending).map_or(OTHER_KIND, |(_, kind)| kind);
        let tag = EntityTag::new_strong(URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, &content)));
        Self { kind, content: content.into(), tag }
    }

    /// The file, or nothing but its tag where the browser has it already.
    fn answer(&self, known: &IfNoneMatch) -> HttpResponse {
        let is_known = self.is_among(known);
        let mut response = if is_known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
        response.insert_header(header::ETag(self.tag.clone())).insert_header((header::CACHE_CONTROL, "no-cache"));
        if is_known { response.finish() } else { response.content_type(self.kind).body(self.content.clone()) }
    }

    /// RFC 9110, 13.1.2: compared weakly, because proxies that compress weaken tags.
    fn is_among(&self, known: &IfNoneMatch) -> bool {
        match known {
            IfNoneMatch::Any => true,
            IfNoneMatch::Items(tags) => tags.iter().any(|known| known.weak_eq(&self.tag)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_sent_once_and_then_confirmed() {
        let asset = Asset::new("site.CSS", b"body {}".to_vec());
        let fresh = asset.answer(&IfNoneMatch::Items(Vec::new()));
        assert_eq!(fresh.status(), 200);
        assert_eq!(fresh.headers().get("content-type").unwrap(), "text/css; charset=utf-8");
        assert_eq!(fresh.headers().get("cache-control").unwrap(), "no-cache");
        let known = IfNoneMatch::Items(vec![EntityTag::new_weak(asset.tag.tag().to_owned())]);
        assert_eq!(asset.answer(&known).status(), 304);
        let changed = Asset::new("site.css", b"body { color: red }".to_vec());
        assert_eq!(changed.answer(&known).status(), 200);
        assert_eq!(Asset::new("noending", Vec::new()).kind, OTHER_KIND);
    }
}
