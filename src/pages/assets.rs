//! Styles, scripts and the icon: small files inside the binary, so that a deployment is one file.
//!
//! Their names never change, so browsers keep them but ask each time (`no-cache`), and are answered 304 as long as the
//! strong `ETag`, a hash of the content, is the one they have.

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::http::header::{EntityTag, IfNoneMatch};
use actix_web::web::Header;
use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::http::routes::{Access, Resource, Routes};

/// Path below `/static/`, content type, content.
const FILES: &[(&str, &str, &str)] = &[
    ("home.css", CSS, include_str!("../../static/home.css")),
    ("home.js", JAVASCRIPT, include_str!("../../static/home.js")),
    ("icon.svg", "image/svg+xml", include_str!("../../static/icon.svg")),
    ("panel.js", JAVASCRIPT, include_str!("../../static/panel.js")),
    ("session.js", JAVASCRIPT, include_str!("../../static/session.js")),
    ("site.css", CSS, include_str!("../../static/site.css")),
    ("site.js", JAVASCRIPT, include_str!("../../static/site.js")),
    ("theme.js", JAVASCRIPT, include_str!("../../static/theme.js")),
    ("welcome.css", CSS, include_str!("../../static/welcome.css")),
];

const CSS: &str = "text/css; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// | method | path             | who    |
/// |--------|------------------|--------|
/// | GET    | `/static/{file}` | anyone |
pub fn routes(root: &mut Routes<'_>) {
    for (name, kind, content) in FILES {
        let tag = tag_of(content);
        let serve = move |known: Header<IfNoneMatch>| {
            let answer = answer(&known, &tag, kind, content);
            async move { answer }
        };
        root.add(Resource::at(&format!("/static/{name}")).get(Access::Public, serve));
    }
}

/// The file, or nothing but its tag where the browser has it already.
fn answer(known: &IfNoneMatch, tag: &EntityTag, kind: &'static str, content: &'static str) -> HttpResponse {
    let mut response = if has(known, tag) { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response.insert_header(header::ETag(tag.clone())).insert_header((header::CACHE_CONTROL, "no-cache"));
    if has(known, tag) { response.finish() } else { response.content_type(kind).body(content) }
}

/// RFC 9110, 13.1.2: compared weakly, because proxies that compress weaken tags.
fn has(known: &IfNoneMatch, tag: &EntityTag) -> bool {
    match known {
        IfNoneMatch::Any => true,
        IfNoneMatch::Items(tags) => tags.iter().any(|known| known.weak_eq(tag)),
    }
}

/// The tag of a file: its SHA-256.
fn tag_of(content: &str) -> EntityTag {
    EntityTag::new_strong(URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, content.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_sent_once_and_then_confirmed() {
        let tag = tag_of("body {}");
        let fresh = answer(&IfNoneMatch::Items(Vec::new()), &tag, "text/css", "body {}");
        assert_eq!(fresh.status(), 200);
        assert_eq!(fresh.headers().get("content-type").unwrap(), "text/css");
        assert_eq!(fresh.headers().get("cache-control").unwrap(), "no-cache");
        let known = IfNoneMatch::Items(vec![EntityTag::new_weak(tag.tag().to_owned())]);
        assert_eq!(answer(&known, &tag, "text/css", "body {}").status(), 304);
        let outdated = IfNoneMatch::Items(vec![tag_of("body { color: red }")]);
        assert_eq!(answer(&outdated, &tag, "text/css", "body {}").status(), 200);
    }
}
