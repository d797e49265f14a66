//! Who may use what: every route, and what a visitor without a session gets. The site lists its routes; a route without a row
//! here, or a row without a route, fails a test.

use actix_web::dev::ResourceDef;
use reqwest::Method;
use serde_json::json;
use starter::http::routes::{Access, Route};

use crate::admin::KEY;
use crate::world::{PASSWORD, World};

/// Method, path, and the status for a visitor who sends an empty JSON object.
pub const ROUTES: &[(&str, &str, u16)] = &[
    ("GET", "/health", 200),
    ("GET", "/ready", 200),
    ("GET", "/metrics", 404),
    ("GET", "/", 200),
    ("GET", "/auth/jwt/jwks.json", 200),
    ("GET", "/auth/.well-known/openid-configuration", 200),
    ("POST", "/auth/signup", 400),
    ("POST", "/auth/signin", 400),
    ("POST", "/auth/signup/complete", 400),
    ("GET", "/auth/emailpassword/email/exists?email=x@example.com", 200),
    ("GET", "/auth/signup/email/exists?email=x@example.com", 200),
    ("POST", "/auth/session/refresh", 401),
    ("POST", "/auth/signout", 401),
    ("POST", "/auth/user/password/reset/token", 400),
    ("POST", "/auth/user/password/reset", 400),
    ("GET", "/auth/loginmethods", 200),
    ("GET", "/dev/mailbox", 200),
    ("POST", "/auth/user/email/verify/token", 401),
    ("POST", "/auth/user/email/verify", 400),
    ("GET", "/auth/user/email/verify", 401),
    ("POST", "/api/user/password", 401),
    ("POST", "/api/user/email", 401),
    ("POST", "/api/user/email/confirm", 400),
    ("GET", "/api/user", 401),
    ("PATCH", "/api/user", 401),
    ("DELETE", "/api/user", 401),
    ("GET", "/sessioninfo", 401),
    ("GET", "/api/sessions", 401),
    ("DELETE", "/api/sessions/some-handle", 401),
    ("POST", "/api/sessions/revoke-others", 401),
    ("GET", "/api/comments", 200),
    ("POST", "/api/comments", 401),
    ("DELETE", "/api/comments/1", 401),
    ("PUT", "/api/comments/1/like", 401),
    ("DELETE", "/api/comments/1/like", 401),
    ("POST", "/like-comment", 401),
    ("GET", "/auth", 200),
    ("GET", "/auth/complete-sign-up", 200),
    ("POST", "/complete-sign-up", 415),
    ("GET", "/auth/reset-password", 200),
    ("POST", "/forgot-password", 415),
    ("POST", "/reset-password", 415),
    ("GET", "/auth/verify-email", 200),
    ("POST", "/verify-email", 415),
    ("POST", "/verify-email/send", 303),
    ("GET", "/account", 303),
    ("GET", "/account/settings", 303),
    ("POST", "/account/profile", 303),
    ("POST", "/account/password", 303),
    ("POST", "/account/email", 303),
    ("POST", "/account/delete", 303),
    ("GET", "/account/session", 401),
    ("POST", "/account/sessions/some-handle/end", 303),
    ("POST", "/account/sessions/end-others", 303),
    ("GET", "/auth/session/refresh/continue", 303),
    ("POST", "/auth/session/refresh/continue", 303),
    ("POST", "/sign-up", 415),
    ("POST", "/sign-in", 415),
    ("POST", "/sign-out", 303),
    ("POST", "/sign-out-everywhere", 303),
    ("POST", "/comments", 303),
    ("POST", "/drafts/discard", 415),
    ("POST", "/comments/1/like", 303),
    ("POST", "/comments/1/unlike", 303),
    ("POST", "/comments/1/delete", 303),
    ("GET", "/cookies", 200),
    ("GET", "/api/docs", 200),
    ("GET", "/api/openapi.json", 200),
    ("GET", "/.well-known/change-password", 302),
    ("GET", "/api/session/events", 401),
    ("POST", "/demo/try", 415),
    ("POST", "/demo/second-device", 303),
    ("POST", "/demo/second-device/end", 303),
    ("POST", "/demo/sign-out", 303),
    ("POST", "/demo/forbidden", 303),
    ("POST", "/demo/fauna", 303),
    ("POST", "/demo/fauna/start", 415),
    ("POST", "/auth/session/refresh/demo/expire", 303),
    ("POST", "/auth/session/refresh/demo/theft", 303),
    ("GET", "/static/docs.css", 200),
    ("GET", "/static/fauna-query.js", 200),
    ("GET", "/static/home.css", 200),
    ("GET", "/static/home.js", 200),
    ("GET", "/static/panel.js", 200),
    ("GET", "/static/passwords.css", 200),
    ("GET", "/static/links.js", 200),
    ("GET", "/static/passwords.js", 200),
    ("GET", "/static/theme.js", 200),
    ("GET", "/static/icon.svg", 200),
    ("GET", "/static/session.js", 200),
    ("GET", "/static/site.css", 200),
    ("GET", "/static/site.js", 200),
    ("GET", "/static/no-such-file", 404),
    ("GET", "/static/welcome.css", 200),
    ("GET", "/api/admin/users", 401),
    ("GET", "/api/admin/users/count", 401),
    ("GET", "/api/admin/users/by-email?email=ann@example.com", 401),
    ("GET", "/api/admin/users/export", 401),
    ("POST", "/api/admin/users/import", 401),
    ("DELETE", "/api/admin/users/1", 401),
];

/// Paths and methods without a route, and their status.
const UNKNOWN: &[(&str, &str, u16)] = &[
    ("GET", "/no-such-page", 404),
    ("GET", "/auth/no-such-page", 404),
    ("GET", "/api/no-such-page", 404),
    ("PATCH", "/api/comments", 405),
];

/// Routes that only forms of pages are sent to: a refusal is a page, too.
pub const FORMS: &[&str] = &[
    "/forgot-password",
    "/reset-password",
    "/verify-email",
    "/sign-up",
    "/sign-in",
    "/complete-sign-up",
    "/drafts/discard",
    "/demo/try",
    "/demo/fauna/start",
];

fn is_row_of(route: &Route, (method, path, _): &(&str, &str, u16)) -> bool {
    let path = path.split('?').next().unwrap();
    // The first route that matches answers, so a row for `/users/count` is not one for `/users/{id}`, whose method differs.
    route.method.as_str() == *method && ResourceDef::new(route.path.as_str()).is_match(path)
}

#[actix_rt::test]
async fn every_route_has_a_row_that_says_who_may_use_it() {
    let world = World::start().await;
    let rows_of = |route: &Route| ROUTES.iter().filter(|row| is_row_of(route, row)).copied().collect::<Vec<_>>();
    for route in world.routes() {
        let rows = rows_of(route);
        assert!(!rows.is_empty(), "{route} has no row in ROUTES");
        for (_, _, status) in rows {
            let agrees = match route.access {
                Access::Public | Access::MaybeSignedIn | Access::MailedLink => !matches!(status, 303 | 401),
                Access::RefreshToken => matches!(status, 303 | 401),
                Access::SignedIn | Access::AdminKey => status == 401,
                Access::MetricsToken => status == 404,
                Access::SignedInPage => status == 303,
            };
            assert!(agrees, "{route} is registered as {:?}, and a visitor gets {status}", route.access);
        }
    }
    for row in ROUTES {
        assert!(world.routes().iter().any(|route| is_row_of(route, row)), "{row:?} is no route");
    }
}

#[actix_rt::test]
async fn every_route_is_closed_unless_it_is_meant_to_be_open() {
    let world = World::with(&[("ADMIN_API_KEY", KEY)]).await;
    let visitor = world.visitor();
    for (method, path, expected) in ROUTES.iter().chain(UNKNOWN) {
        let body = (*method != "GET").then(|| json!({}).to_string().into());
        let kind = [("content-type", "application/json")];
        let answer = visitor.send(Method::from_bytes(method.as_bytes()).unwrap(), path, &kind, body).await;
        assert_eq!(answer.status, *expected, "{method} {path}: {}", answer.text);
        if answer.status >= 400 && answer.header("content-type").starts_with("text/html") {
            assert!(FORMS.contains(path) && answer.text.contains("<h1>"), "{method} {path}: {}", answer.text);
        } else if answer.status >= 400 {
            assert!(answer.json()["message"].is_string(), "{method} {path} refuses without words: {}", answer.text);
        }
        for header in ["x-content-type-options", "content-security-policy", "referrer-policy"] {
            assert_ne!(answer.header(header), "", "{method} {path} lacks {header}");
        }
    }
}

#[actix_rt::test]
async fn what_a_person_is_answered_is_kept_by_nobody() {
    let world = World::start().await;
    let ann = world.sign_up("ann@example.com").await;
    for path in
        ["/sessioninfo", "/api/sessions", "/account/session", "/auth/user/email/verify", "/api/comments", "/account"]
    {
        assert_eq!(ann.get(path).await.header("cache-control"), "no-store", "{path}");
    }
    assert!(ann.get("/auth/jwt/jwks.json").await.header("cache-control").contains("max-age"));
}

#[actix_rt::test]
async fn a_body_that_is_too_large_is_413_and_the_session_lives_on() {
    let world = World::start().await;
    let ann = world.sign_up("ann@example.com").await;
    let huge = json!({"text": "x".repeat(3_000_000)});
    let answer = ann.post("/api/comments", &huge).await;
    assert_eq!((answer.status, answer.json()["message"].is_string()), (413, true));
    assert_eq!(ann.get("/sessioninfo").await.status, 200);
}

/// S-I-02, S-I-03 in `docs/threats.md`.
#[actix_rt::test]
async fn a_body_that_is_not_what_it_should_be_is_refused_in_words() {
    let world = World::start().await;
    let ann = world.sign_up("ann@example.com").await;
    let json_type = ("content-type", "application/json");
    let wrong = [
        ("/api/comments", json_type, "{bad", 400),
        ("/api/comments", json_type, "[]", 400),
        ("/api/comments", ("content-type", "text/xml"), r#"{"text":"x"}"#, 415),
        ("/auth/signup", json_type, "{bad", 400),
        ("/like-comment", json_type, "{}", 400),
        ("/like-comment", json_type, r#"["1"]"#, 400),
        ("/api/comments", json_type, r#"["hello"]"#, 400),
        ("/api/comments", json_type, r#"{"text":"x","likes":7}"#, 400),
        ("/api/comments", json_type, r#"{"text":"x","text":"y"}"#, 400),
        ("/api/user/password", json_type, r#"["correct horse 1","correct horse 2"]"#, 400),
        ("/api/user/email/confirm", json_type, r#"["token"]"#, 400),
    ];
    for (path, header, body, expected) in wrong {
        let answer = ann.send(Method::POST, path, &[header], Some(body.into())).await;
        assert_eq!(answer.status, expected, "{path} {body}: {}", answer.text);
        assert!(answer.json()["message"].is_string(), "{}", answer.text);
    }
    let as_array = Some(json!([PASSWORD]).to_string().into());
    assert_eq!(ann.send(Method::DELETE, "/api/user", &[json_type], as_array).await.status, 400);
    assert_eq!(ann.get("/sessioninfo").await.status, 200);
    assert_eq!(ann.get("/api/comments").await.json()["comments"], json!([]));
}
