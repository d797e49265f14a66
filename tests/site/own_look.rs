//! `THEME` and `STATIC_DIR`: how the pages look on a site of one's own, without compiling anything.

use std::fs;
use std::path::Path;

use reqwest::Method;
use starter::app;
use starter::clock::Clock;
use starter::config::Config;

use crate::pages::{browser, credentials, signed_up};
use crate::world::{PASSWORD, World};

fn write(directory: &Path, files: &[(&str, &str)]) {
    for (path, text) in files {
        let path = directory.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

async fn with_files(files: &[(&str, &str)]) -> (World, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), files);
    let world = World::with(&[("STATIC_DIR", directory.path().to_str().unwrap())]).await;
    (world, directory)
}

#[actix_rt::test]
async fn files_of_the_directory_replace_the_built_in_ones_and_join_them() {
    let files = [("site.css", ":root { --accent: red }"), ("fonts/own.woff2", "font"), (".env", "secret")];
    let (world, directory) = with_files(&files).await;
    let visitor = browser(&world);
    let style = visitor.get("/static/site.css").await;
    assert_eq!(
        (style.text.as_str(), style.header("content-type")),
        (":root { --accent: red }", "text/css; charset=utf-8")
    );
    assert_eq!(visitor.get("/static/home.css").await.status, 200, "the others stay");
    let font = visitor.get("/static/fonts/own.woff2").await;
    assert_eq!((font.status, font.header("content-type")), (200, "font/woff2"));
    assert!(font.header("content-security-policy").contains("font-src 'self'"));
    let again =
        visitor.send(Method::GET, "/static/fonts/own.woff2", &[("if-none-match", font.header("etag"))], None).await;
    assert_eq!((again.status, again.text.as_str()), (304, ""));
    // Files are those of the start; what is written later is neither served nor reachable.
    write(directory.path(), &[("site.css", "changed"), ("late.css", "late")]);
    assert_eq!(visitor.get("/static/site.css").await.text, style.text);
    for path in [
        "/static/late.css",
        "/static/.env",
        "/static/",
        "/static/fonts",
        "/static/../Cargo.toml",
        "/static/%2e%2e/%2e%2e/etc/passwd",
        "/static/..%2f..%2fetc/passwd",
        "/static//etc/passwd",
        "/static/site.css%00",
    ] {
        let status = visitor.get(path).await.status;
        assert!(status == 404 || status == 400, "{path}: {status}");
    }
}

#[actix_rt::test]
async fn a_template_of_the_directory_replaces_a_page_and_can_share_a_layout() {
    let layout = "<!doctype html><title>{{ frame.app_name }}</title><main>{% block main %}{% endblock %}</main>";
    let auth = r#"{% extends "layout.html" %}{% block main %}<form method="post" action="/sign-{{ "up" if signing_up else "in" }}">
        <b>{{ form.banner or "" }}</b><input name="email" value="{{ form.email }}"><input name="password">
        <a href="{{ frame.sign_in_path }}/reset-password">Lost it?</a></form>{% endblock %}"#;
    let account = "Hello {{ user.name }} at {{ user.email }}: {{ devices|length }}";
    let (world, _directory) = with_files(&[
        ("templates/layout.html", layout),
        ("templates/auth.html", auth),
        ("templates/account.html", account),
    ])
    .await;
    let visitor = browser(&world);
    let page = visitor.get("/auth").await;
    assert!(page.text.contains("Lost it?") && page.text.contains("<title>Fauna starter</title>"), "{}", page.text);
    assert_eq!(page.header("cache-control"), "no-store");
    let wrong = visitor.submit("/sign-in", &credentials("\"><b>@example.com", "wrong")).await;
    assert_eq!(wrong.status, 422);
    assert!(wrong.text.contains("Lost it?") && !wrong.text.contains("\"><b>@"), "{}", wrong.text);
    let ann = signed_up(&world, "ann@example.com").await;
    assert_eq!(ann.get("/account").await.text, "Hello ann at ann@example.com: 1");
    assert!(ann.get("/account/settings").await.text.contains("action=\"/account/password\""), "built in");
    assert_eq!(ann.get("/static/templates/auth.html").await.status, 404);
    assert_eq!(visitor.submit("/sign-in", &credentials("ann@example.com", PASSWORD)).await.status, 303);
}

/// Every page has the data that `docs/operations.md` promises to its template.
#[actix_rt::test]
async fn every_page_can_be_replaced() {
    let dump = "replaced {{ frame.app_name }}";
    let pages = ["auth", "forgot", "reset", "complete", "verify", "account", "settings", "cookies", "home"];
    let names: Vec<String> = pages.iter().map(|page| format!("templates/{page}.html")).collect();
    let variables = [
        "{{ signing_up }}{{ form }}{{ ended }}{{ notice }}",
        "{{ email }}{{ mistake }}{{ banner }}{{ sent }}",
        "{{ token }}{{ mistake }}{{ repetition }}{{ banner }}",
        "{{ token }}{{ mistake }}{{ banner }}",
        "{{ token }}{{ sent }}{{ done }}{{ has_draft }}{{ banner }}",
        "{{ user }}{{ profile }}{{ joined_at }}{{ verified }}{{ devices }}{{ refresh_minutes }}",
        "{{ account }}{{ notice }}{{ banner }}{{ profile }}{{ password }}{{ email }}{{ typed_email }}{{ delete }}",
        "{{ access_minutes }}{{ refresh_days }}{{ refresh_path }}",
        "{{ panel }}{{ comments }}{{ after }}{{ older }}{{ ended }}{{ unavailable }}{{ form_key }}{{ draft }}{{ mistake }}",
    ];
    let texts: Vec<String> = variables.iter().map(|all| format!("{dump}{all}")).collect();
    let files: Vec<(&str, &str)> = names.iter().map(String::as_str).zip(texts.iter().map(String::as_str)).collect();
    let (world, _directory) = with_files(&files).await;
    let ann = signed_up(&world, "ann@example.com").await;
    let nobody = browser(&world);
    let open =
        ["/auth?show=signup", "/auth/reset-password", "/auth/complete-sign-up", "/auth/verify-email", "/cookies", "/"];
    for path in open {
        assert!(nobody.get(path).await.text.starts_with("replaced Fauna starter"), "{path}");
    }
    for path in ["/account", "/account/settings", "/"] {
        assert!(ann.get(path).await.text.starts_with("replaced Fauna starter"), "{path}");
    }
    ann.submit("/forgot-password", "email=ann%40example.com").await;
    let token = crate::mailbox::token_to(&world, "ann@example.com").await;
    let reset = nobody.get(&format!("/auth/reset-password?token={token}")).await;
    assert!(reset.text.starts_with("replaced Fauna starter") && reset.text.contains(&token));
}

#[actix_rt::test]
async fn a_directory_that_cannot_be_used_keeps_the_site_from_starting() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("missing").to_str().unwrap().to_owned();
    let settings = |name: &str| (name == "STATIC_DIR").then(|| missing.clone());
    let refused = Config::from_lookup(&settings).unwrap_err().to_string();
    assert!(refused.contains("STATIC_DIR: must be a folder"), "{refused}");
    let own = directory.path().join("own");
    write(&own, &[("templates/auth.html", "{% if %}")]);
    let data = directory.path().join("data");
    let config = Config::from_lookup(&|name| match name {
        "STATIC_DIR" => Some(own.to_str().unwrap().to_owned()),
        "DATA_DIR" => Some(data.to_str().unwrap().to_owned()),
        "LISTEN" | "EMBEDDED_FAUNA_LISTEN" => Some("127.0.0.1:0".to_owned()),
        _ => None,
    });
    let error = app::start(config.unwrap(), Clock::system()).await.err().unwrap().to_string();
    assert!(error.contains("STATIC_DIR: templates/auth.html: syntax error"), "{error}");
}

#[actix_rt::test]
async fn a_fixed_theme_needs_no_script_and_offers_no_choice() {
    for (theme, expected) in [("light", "color-scheme: only light"), ("dark", "color-scheme: only dark")] {
        let world = World::with(&[("THEME", theme)]).await;
        let visitor = browser(&world);
        let style = visitor.get("/static/site.css").await.text;
        assert!(style.trim_end().ends_with(&format!(":root {{ {expected}; }}")), "{style}");
        let script = visitor.get("/static/theme.js").await.text;
        assert!(script.contains("themeFixed") && !script.contains("localStorage"), "{script}");
    }
    let world = World::start().await;
    assert!(browser(&world).get("/static/theme.js").await.text.contains("localStorage"));
    let unknown = Config::from_lookup(&|name| (name == "THEME").then(|| "pink".to_owned())).unwrap_err().to_string();
    assert!(unknown.contains("THEME: must be one of visitor, light, dark"), "{unknown}");
}

/// The plain HTML form of `docs/from-supertokens.md`, on a page of an allowed origin.
#[actix_rt::test]
async fn a_form_on_a_page_of_an_allowed_origin_signs_in() {
    let world = World::with(&[("ALLOWED_ORIGINS", "https://www.example.com")]).await;
    signed_up(&world, "ann@example.com").await;
    let form = format!("{}&redirectToPath=%2Faccount", credentials("ann@example.com", PASSWORD));
    let post = async |origin: &str| {
        let kind = [("content-type", "application/x-www-form-urlencoded"), ("origin", origin)];
        browser(&world).send(Method::POST, "/sign-in", &kind, Some(form.clone().into())).await
    };
    let allowed = post("https://www.example.com").await;
    assert_eq!((allowed.status, allowed.header("location")), (303, "/account"));
    assert!(
        allowed.set_cookies().iter().any(|cookie| cookie.starts_with("sAccessToken=")),
        "{:?}",
        allowed.set_cookies()
    );
    let stranger = post("https://evil.example").await;
    assert_eq!((stranger.status, stranger.set_cookies().len()), (403, 0));
}
