//! `WEBSITE_BASE_PATH`: where the sign-in page is, and the pages that mailed links lead to.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use starter::config::Config;

use crate::mailbox::{link_to, token_to};
use crate::pages::{browser, credentials, signed_up};
use crate::world::{PASSWORD, World};

#[actix_rt::test]
async fn pages_forms_and_mailed_links_are_below_the_path() {
    let world = World::with(&[("WEBSITE_BASE_PATH", "/login/"), ("EMAIL_VERIFICATION", "REQUIRED")]).await;
    let ann = signed_up(&world, "ann@example.com").await;
    assert_eq!(ann.submit("/comments", "text=Hi").await.header("location"), "/login/verify-email");
    let sent = ann.submit("/verify-email/send", "").await.header("location").to_owned();
    assert_eq!(sent, "/login/verify-email?sent=yes");
    let link = link_to(&world, "ann@example.com").await;
    assert!(link.contains("/login/verify-email?token="), "{link}");
    let token = token_to(&world, "ann@example.com").await;
    let verified = ann.submit("/verify-email", &format!("token={token}")).await;
    assert_eq!(verified.header("location"), "/login/verify-email?done=yes");
    for path in ["/", "/account", "/account/settings", "/cookies", "/login/verify-email", "/login/reset-password"] {
        let page = ann.get(path).await;
        assert_eq!((page.status, page.text.contains("\"/auth\"")), (200, false), "{path}: {}", page.text);
        assert!(
            !page.text.contains("\"/auth/verify-email\"") && page.text.contains("data-sign-in=\"/login\""),
            "{path}"
        );
    }
    let signed_out = ann.submit("/sign-out", "").await.header("location").to_owned();
    assert!(signed_out.starts_with("/login?done=signed-out&ended="), "{signed_out}");
    let page = ann.get(&signed_out).await.text;
    assert!(page.contains("href=\"/login/reset-password\"") && page.contains("href=\"/login?show=signup"), "{page}");
    assert!(page.contains("href=\"/login\" aria-current=\"page\""), "{page}");
    assert_eq!(ann.get("/account").await.header("location"), "/login?redirectToPath=%2Faccount");
    assert_eq!(ann.get("/auth").await.status, 404);
}

#[actix_rt::test]
async fn a_forgotten_password_is_reset_below_the_path_by_form_and_by_the_interface() {
    let world = World::with(&[("WEBSITE_BASE_PATH", "/members/login"), ("API_BASE_PATH", "/api/auth")]).await;
    signed_up(&world, "ann@example.com").await;
    let visitor = browser(&world);
    let sent = visitor.submit("/forgot-password", "email=ann%40example.com").await.header("location").to_owned();
    assert!(sent.starts_with("/members/login/reset-password?sent="), "{sent}");
    assert!(visitor.get(&sent).await.text.contains("ann@example.com"));
    let by_form = link_to(&world, "ann@example.com").await;
    world.advance(Duration::from_mins(5)).await;
    let fields = json!({"formFields": [{"id": "email", "value": "ann@example.com"}]});
    let asked = world.visitor().post("/api/auth/user/password/reset/token", &fields).await;
    assert_eq!(asked.json(), json!({"status": "OK"}));
    let by_interface = link_to(&world, "ann@example.com").await;
    assert_ne!(by_form, by_interface);
    for link in [&by_form, &by_interface] {
        assert!(link.contains("/members/login/reset-password?token="), "{link}");
    }
    let newest = by_interface.strip_prefix(world.base().replace("127.0.0.1", "localhost").as_str()).unwrap();
    assert!(visitor.get(newest).await.text.contains("action=\"/reset-password\""), "{newest}");
    let token = token_to(&world, "ann@example.com").await;
    let form = format!("token={token}&password=another+horse+2&repeated=another+horse+2");
    assert_eq!(
        visitor.submit("/reset-password", &form).await.header("location"),
        "/members/login?done=password-changed"
    );
    assert_eq!(visitor.submit("/sign-in", &credentials("ann@example.com", "another horse 2")).await.status, 303);
}

/// Both may be the same path, which is the default; the pages are `GET`, and the routes of the interface stay reachable.
#[actix_rt::test]
async fn the_two_base_paths_may_be_one() {
    let world = World::with(&[("WEBSITE_BASE_PATH", "/login"), ("API_BASE_PATH", "/login")]).await;
    let ann = signed_up(&world, "ann@example.com").await;
    assert_eq!(ann.send(Method::POST, "/login/session/refresh", &[], None).await.status, 200);
    assert_eq!(browser(&world).get("/login").await.status, 200);
    let body = crate::world::credentials("ann@example.com", PASSWORD);
    assert_eq!(world.visitor().post("/login/signin", &body).await.json()["status"], "OK");
}

#[test]
fn paths_of_other_routes_are_refused() {
    for (path, api, expected) in [
        ("/", "/auth", "WEBSITE_BASE_PATH: must be a path"),
        ("/a b", "/auth", "WEBSITE_BASE_PATH: must be a path"),
        ("//evil.example", "/auth", ""),
        ("/a/../b", "/auth", "WEBSITE_BASE_PATH: must be a path"),
        ("/{x}", "/auth", "WEBSITE_BASE_PATH: must be a path"),
        ("/api/login", "/auth", "WEBSITE_BASE_PATH: must not begin with /api"),
        ("/account", "/auth", "WEBSITE_BASE_PATH: must not begin with /account"),
        ("/static", "/auth", "WEBSITE_BASE_PATH: must not begin with /static"),
        ("/auth/signin", "/auth", "WEBSITE_BASE_PATH: must not be below API_BASE_PATH"),
        ("/authentication", "/auth", ""),
    ] {
        let settings = |name: &str| match name {
            "WEBSITE_BASE_PATH" => Some(path.to_owned()),
            "API_BASE_PATH" => Some(api.to_owned()),
            _ => None,
        };
        let read = Config::from_lookup(&settings);
        let mistakes = read.as_ref().err().map(ToString::to_string).unwrap_or_default();
        assert_eq!(mistakes.is_empty(), expected.is_empty(), "{path}: {mistakes}");
        assert!(mistakes.contains(expected), "{path}: {mistakes}");
    }
}

/// As for the pages, except that the interface may be below `/api`.
#[test]
fn the_interface_is_refused_at_paths_of_other_routes() {
    for (path, expected) in [
        ("/static", "API_BASE_PATH: must not begin with /static,"),
        ("/comments/", "API_BASE_PATH: must not begin with /comments,"),
        ("/account/auth", "API_BASE_PATH: must not begin with /account,"),
        ("/api/comments", "API_BASE_PATH: must not begin with /api/comments,"),
        ("/api/admin/auth", "API_BASE_PATH: must not begin with /api/admin,"),
        ("/api", ""),
        ("/api/auth", ""),
        ("/api/v1/auth", ""),
        ("/v1/static", ""),
        ("/statics", ""),
    ] {
        let read = Config::from_lookup(&|name| (name == "API_BASE_PATH").then(|| path.to_owned()));
        let mistakes = read.as_ref().err().map(ToString::to_string).unwrap_or_default();
        assert_eq!(mistakes.is_empty(), expected.is_empty(), "{path}: {mistakes}");
        assert!(mistakes.contains(expected), "{path}: {mistakes}");
    }
}

/// Every first part of a route's path is refused, so that a new route cannot be hidden by the sign-in page or hide the interface.
#[actix_rt::test]
async fn no_route_can_be_hidden_by_the_sign_in_page() {
    let world = World::start().await;
    let is_refused =
        |setting: &str, path: &str| Config::from_lookup(&|name| (name == setting).then(|| path.to_owned())).is_err();
    for route in world.routes() {
        let mut parts = route.path.split('/').skip(1);
        let (first, second) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        if first.is_empty() || first == "auth" {
            continue;
        }
        assert!(is_refused("WEBSITE_BASE_PATH", &format!("/{first}")), "{}", route.path);
        let path = if first == "api" { format!("/api/{second}") } else { format!("/{first}") };
        assert!(is_refused("API_BASE_PATH", &path), "{}", route.path);
    }
}
