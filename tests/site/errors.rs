//! Refusals, asked for on every route that the site has registered: they have one shape, and say what to do.

use std::collections::BTreeSet;
use std::time::Duration;

use actix_web::HttpResponse;
use reqwest::Method;
use serde_json::json;
use starter::app::SiteExtensions;
use starter::http::routes::{Access, Resource, Route, Routes};

use crate::client::{Response, TestClient};
use crate::world::World;

/// A request body beyond the limit of 64 KiB.
const HUGE_BYTES: usize = 70_000;
/// Told to another origin, also where a browser asks first.
const REFUSED_ORIGIN: &str =
    "cross-site request refused; WEBSITE_DOMAIN and ALLOWED_ORIGINS name the origins that may call the API";
/// Routes of the own API that read a JSON body.
const JSON_ROUTES: &[(&str, &str)] = &[
    ("POST", "/api/comments"),
    ("POST", "/like-comment"),
    ("POST", "/api/user/password"),
    ("POST", "/api/user/email"),
    ("POST", "/api/user/email/confirm"),
    ("PATCH", "/api/user"),
    ("DELETE", "/api/user"),
];
/// Routes of the SuperTokens interface that read one, whatever its content type.
const INTERFACE_ROUTES: &[(&str, &str)] = &[
    ("POST", "/auth/signup"),
    ("POST", "/auth/signin"),
    ("POST", "/auth/signup/complete"),
    ("POST", "/auth/user/password/reset/token"),
    ("POST", "/auth/user/password/reset"),
    ("POST", "/auth/user/email/verify"),
];

/// Routes for programs with a key, whose 401 no SuperTokens client reads.
const KEY_ROUTES: &[&str] = &["/metrics", "/api/admin/"];

/// A path that the pattern of a route matches.
fn path_of(route: &Route) -> String {
    route.path.replace("{id}", "1").replace("{handle}", "some-handle")
}

fn method(name: &str) -> Method {
    Method::from_bytes(name.as_bytes()).unwrap()
}

/// Asserts the shape of an error response, and returns its message.
fn refusal(request: &str, answer: &Response, status: u16) -> String {
    assert_eq!(answer.status, status, "{request}: {}", answer.text);
    let json = answer.json();
    let message = json["message"].as_str().unwrap_or_else(|| panic!("{request}: {}", answer.text)).to_owned();
    assert!(!answer.header("x-request-id").is_empty(), "{request}");
    assert!(!answer.text.contains("hunter2"), "{request}: {}", answer.text);
    if request.contains(" /auth") || status == 401 && !KEY_ROUTES.iter().any(|path| request.contains(path)) {
        assert_eq!(json.as_object().unwrap().len(), 1, "{request}: SuperTokens clients know one member: {json}");
        return message;
    }
    assert_eq!(answer.header("content-type"), "application/problem+json", "{request}");
    assert_eq!(json["status"], status, "{request}");
    assert_eq!(json["requestId"].as_str(), Some(answer.header("x-request-id")), "{request}");
    assert!(json["title"].is_string() && json["detail"].is_string(), "{request}: {json}");
    message
}

async fn send(client: &TestClient, name: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Response {
    let body = (!body.is_empty()).then(|| body.to_owned().into());
    client.send(method(name), path, headers, body).await
}

#[actix_rt::test]
async fn a_method_without_a_handler_is_405_and_allow_names_the_others() {
    let world = World::start().await;
    let visitor = world.visitor();
    for route in world.routes() {
        let path = path_of(route);
        let known: BTreeSet<&str> =
            world.routes().iter().filter(|other| other.path == route.path).map(|other| other.method.as_str()).collect();
        let wrong = ["PATCH", "PUT", "DELETE", "POST"].into_iter().find(|name| !known.contains(name)).unwrap();
        let answer = send(&visitor, wrong, &path, &[], "").await;
        assert_eq!(refusal(&format!("{wrong} {path}"), &answer, 405), "method not allowed");
        let allowed: BTreeSet<&str> = answer.header("allow").split(", ").collect();
        assert!(known.is_subset(&allowed) && !allowed.contains(wrong), "{wrong} {path}: {allowed:?}");
        assert_eq!(allowed.contains("HEAD"), known.contains("GET"), "{wrong} {path}: {allowed:?}");
    }
}

#[actix_rt::test]
async fn a_query_parameter_that_no_handler_reads_is_named() {
    let world = World::start().await;
    let ann = world.sign_up("ann@example.com").await;
    let mut refused = 0;
    for route in world.routes() {
        let path = path_of(route);
        let request = format!("{} {path}", route.method);
        if route.ignores_unknown_query {
            assert!(!path.starts_with("/api/") || path == "/api/docs", "{request} ignores query parameters");
            continue;
        }
        let answer = send(&ann, route.method.as_str(), &format!("{path}?limt=hunter2"), &[], "").await;
        let message = refusal(&request, &answer, 400);
        assert!(message.starts_with("unknown query parameter \"limt\""), "{request}: {message}");
        refused += 1;
    }
    assert!(refused > 35, "{refused}");
    let of_another_method = send(&ann, "POST", "/api/comments?limit=hunter2", &[], "").await;
    let message = refusal("POST /api/comments", &of_another_method, 400);
    assert_eq!(message, "unknown query parameter \"limit\": this address takes none");
    assert_eq!(ann.get("/sessioninfo").await.status, 200, "the session was signed out by a refused request");
    assert_eq!(ann.get("/?utm_source=elsewhere").await.status, 200);
    assert_eq!(ann.get("/auth/loginmethods?clientType=web").await.status, 200);
}

#[actix_rt::test]
async fn a_body_beyond_the_limit_is_413_and_the_limit_is_named() {
    let world = World::start().await;
    let ann = world.sign_up("ann@example.com").await;
    let huge = json!({"text": "x".repeat(HUGE_BYTES)}).to_string();
    for (name, path) in JSON_ROUTES.iter().chain(INTERFACE_ROUTES) {
        let answer = send(&ann, name, path, &[("content-type", "application/json")], &huge).await;
        let message = refusal(&format!("{name} {path}"), &answer, 413);
        assert_eq!(message, "the request body is larger than 65536 bytes", "{name} {path}");
    }
    let page = send(&ann, "POST", "/comments", &[("content-type", "application/x-www-form-urlencoded")], &huge).await;
    assert!(page.status == 413 && page.text.contains("65536 bytes"), "{}", page.text);
}

#[actix_rt::test]
async fn a_malformed_body_is_400_with_its_position_and_another_content_type_415() {
    let world = World::start().await;
    let ann = world.sign_up("ann@example.com").await;
    for (name, path) in JSON_ROUTES {
        let request = format!("{name} {path}");
        let malformed = send(&ann, name, path, &[("content-type", "application/json")], "{\n \"a\": hunter2}").await;
        assert_eq!(refusal(&request, &malformed, 400), "the body is not valid JSON at line 2, column 7");
        let empty = send(&ann, name, path, &[("content-type", "application/json")], "").await;
        assert_eq!(refusal(&request, &empty, 400), "the body is empty, expected a JSON object");
        let typed = send(&ann, name, path, &[("content-type", "text/xml")], "<hunter2/>").await;
        assert_eq!(refusal(&request, &typed, 415), "content type must be application/json");
    }
    for (name, path) in INTERFACE_ROUTES {
        refusal(&format!("{name} {path}"), &send(&ann, name, path, &[], "{\"a\": hunter2}").await, 400);
    }
}

/// Bodies that are no JSON object, or one with a member twice, with what never comes back.
fn malformed_bodies() -> Vec<Vec<u8>> {
    let text = |text: &str| text.as_bytes().to_vec();
    let mut bodies: Vec<Vec<u8>> = [
        "",
        "hunter2",
        "null",
        "\"hunter2\"",
        "[\"hunter2\"]",
        "1e999999",
        "{\"text\":1e999999}",
        "{\"text\":99999999999999999999999999999999999999999}",
        "{\"text\":{\"$ne\":\"hunter2\"}}",
        "{\"text\":\"\\ud800hunter2\"}",
        "{\"text\":\"hunter2\"",
        "{\"text\":\"hunter2\"} x",
        "{\"text\":\"hunter2\"}{}",
        "{\"text\":\"hunter2\"}\0",
        "{\"text\":\"hunter\u{0}2\"}",
        "\0{\"text\":\"hunter2\"}",
        "\u{feff}{\"text\":\"hunter2\"}",
        "{'text':'hunter2'}",
        "{\"text\":\"hunter2\",}",
        "{\"text\":NaN}",
    ]
    .map(text)
    .to_vec();
    for name in ["text", "formFields", "commentId", "currentPassword", "email", "token", "name", "method"] {
        bodies.push(text(&format!(r#"{{"{name}":"hunter2","{name}":"hunter2"}}"#)));
        bodies.push(text(&format!(r#"{{"{name}":["hunter2"]}}"#)));
    }
    bodies.push(b"{\"text\":\"hunter2\xff\"}".to_vec());
    bodies.push(b"\xff\xfe{\0}\0".to_vec());
    bodies.push(text(&format!("{{\"text\":{}", "[".repeat(60_000))));
    bodies.push(text(&"{\"text\":".repeat(6_000)));
    bodies
}

/// S-I-01 … S-I-06 in `docs/threats.md`, on the routes of the own API.
#[actix_rt::test]
async fn no_malformed_body_is_taken_for_another_one() {
    let world = World::start().await;
    let ann = world.sign_up("ann@example.com").await;
    for (name, path) in JSON_ROUTES {
        for body in malformed_bodies() {
            let start = String::from_utf8_lossy(&body).chars().take(50).collect::<String>();
            let request = format!("{name} {path} {start}");
            let answer = ann.send(method(name), path, &[("content-type", "application/json")], Some(body.into())).await;
            refusal(&request, &answer, 400);
        }
    }
    assert_eq!(ann.get("/api/comments").await.json()["comments"], json!([]));
}

#[actix_rt::test]
async fn a_foreign_origin_is_403_also_where_a_browser_asks_first() {
    let world = World::start().await;
    let visitor = world.visitor();
    for route in world.routes() {
        let (path, name) = (path_of(route), route.method.as_str());
        let foreign = ("origin", "https://evil.example");
        if name != "GET" {
            let answer = send(&visitor, name, &path, &[foreign, ("sec-fetch-site", "cross-site")], "").await;
            assert_eq!(refusal(&format!("{name} {path}"), &answer, 403), REFUSED_ORIGIN);
        }
        let asked = [foreign, ("access-control-request-method", name)];
        let answer = send(&visitor, "OPTIONS", &path, &asked, "").await;
        let message = refusal(&format!("OPTIONS {path}"), &answer, 403);
        assert_eq!(message, REFUSED_ORIGIN);
        assert_eq!(answer.header("access-control-allow-origin"), "");
    }
}

#[actix_rt::test]
async fn a_preflight_of_an_allowed_origin_is_told_which_header_or_method_is_refused() {
    let world = World::with(&[("ALLOWED_ORIGINS", "https://app.example.com")]).await;
    let visitor = world.visitor();
    let ask = async |method: &str, headers: &str| {
        let asked = [
            ("origin", "https://app.example.com"),
            ("access-control-request-method", method),
            ("access-control-request-headers", headers),
        ];
        send(&visitor, "OPTIONS", "/api/comments", &asked, "").await
    };
    for headers in ["content-type,rid,fdi-version,st-auth-mode,anti-csrf", "traceparent,tracestate", "last-event-id"] {
        let answer = ask("POST", headers).await;
        assert_eq!((answer.status, answer.header("access-control-allow-credentials")), (200, "true"), "{headers}");
    }
    assert_eq!(ask("HEAD", "authorization").await.status, 200);
    let long = "x".repeat(500);
    for (method, headers, told) in [
        ("POST", "rid, x-own", "the request header \"x-own\" is not allowed, expected accept, "),
        ("POST", long.as_str(), &format!("the request header \"{}\" is not", "x".repeat(60))),
        ("PURGE", "rid", "the method \"PURGE\" is not allowed, expected GET, "),
        ("POST", "rid, <hunter2>", "Request header `Access-Control-Request-Headers` has an invalid value"),
    ] {
        let message = refusal("OPTIONS /api/comments", &ask(method, headers).await, 403);
        assert!(message.starts_with(told) && !message.contains("ORIGINS"), "{message}");
    }
}

#[actix_rt::test]
async fn scripts_of_allowed_origins_read_the_reason_and_the_id_of_a_refusal() {
    let world = World::with(&[("ALLOWED_ORIGINS", "https://app.example.com")]).await;
    let from = ("origin", "https://app.example.com");
    let refused = send(&world.visitor(), "GET", "/api/user", &[from], "").await;
    let signed_in = world.sign_up("ann@example.com").await;
    let refreshed = send(&signed_in, "POST", "/auth/session/refresh", &[from, ("rid", "session")], "").await;
    assert_eq!((refused.status, refreshed.status), (401, 200), "{}", refreshed.text);
    for (answer, expected) in [
        (&refused, &["x-request-id", "retry-after", "www-authenticate"][..]),
        (&refreshed, &["x-request-id", "retry-after", "www-authenticate", "front-token"][..]),
    ] {
        let exposed = answer.header("access-control-expose-headers").to_lowercase();
        let exposed: BTreeSet<&str> = exposed.split(", ").collect();
        assert_eq!(exposed, expected.iter().copied().collect(), "{}", answer.text);
    }
}

/// A handler that panics is answered by the layer around all handlers, as one that takes too long is.
#[actix_rt::test]
async fn a_handler_that_does_not_answer_is_told_in_the_shape_of_all_others() {
    let routes: fn(&mut Routes<'_>) = |site| {
        site.add(Resource::at("/api/broken").get(Access::Public, broken));
        site.add(Resource::at("/broken").get(Access::Public, broken));
    };
    let settings = [("ALLOWED_ORIGINS", "https://app.example.com")];
    let world = World::with_extensions(&settings, SiteExtensions { routes, ..SiteExtensions::default() }).await;
    let page = ("accept", "text/html");
    for (origin, allowed) in [("https://app.example.com", "https://app.example.com"), ("https://evil.example", "")] {
        let answer = send(&world.visitor(), "GET", "/api/broken", &[("origin", origin)], "").await;
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (500, allowed), "{origin}");
    }
    let answer = send(&world.visitor(), "GET", "/api/broken", &[page], "").await;
    assert_eq!(refusal("GET /api/broken", &answer, 500), "internal error");
    let answer = send(&world.visitor(), "GET", "/broken", &[page], "").await;
    assert_eq!((answer.status, answer.header("content-type")), (500, "text/html; charset=utf-8"));
    assert_ne!(answer.header("x-request-id"), "");
}

async fn broken() -> HttpResponse {
    panic!("a handler of a test")
}

/// Below `/api`, where programs ask, whatever they accept.
#[actix_rt::test]
async fn the_api_answers_errors_as_json_also_where_a_browser_asks() {
    let world = World::start().await;
    let ann = world.sign_up("ann@example.com").await;
    let page = ("accept", "text/html,application/xhtml+xml;q=0.9");
    let elsewhere = ("origin", "https://evil.example");
    for (method, path, headers, status) in [
        ("GET", "/api/no-such-thing", &[page][..], 404),
        ("PATCH", "/api/comments", &[page], 405),
        ("GET", "/api/comments?limt=3", &[page], 400),
        ("GET", "/api/comments?limit=3&limit=4", &[page], 400),
        ("POST", "/api/comments", &[page, elsewhere], 403),
        ("POST", "/api/comments", &[page, ("content-type", "text/plain")], 415),
    ] {
        let answer = send(&ann, method, path, headers, "").await;
        refusal(&format!("{method} {path}"), &answer, status);
    }
}

/// The reason in `WWW-Authenticate`; RFC 6750 gives an error code to tokens that were sent only.
fn reason(answer: &Response) -> (bool, String) {
    let challenge = answer.header("www-authenticate");
    assert!(challenge.starts_with("Bearer "), "{challenge:?}");
    let description = challenge.split("error_description=\"").nth(1).unwrap_or_else(|| panic!("{challenge}"));
    (challenge.contains("error=\"invalid_token\""), description.split(':').next().unwrap().to_owned())
}

/// Where a session is optional, a text that has no form of a token is no session, as for SuperTokens' backends: it may be
/// meant for another program on the way. A token that is not ours, or not any more, is refused.
#[actix_rt::test]
async fn an_optional_session_is_none_or_valid() {
    let world = World::start().await;
    let ann = world.sign_up("ann@example.com").await;
    let token = ann.cookie("sAccessToken").unwrap();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let forged = format!("Bearer {signed}.{}", signature.chars().rev().collect::<String>());
    let visitor = world.visitor();
    for (text, status) in
        [("Basic YW5uOnB3", 200), ("Bearer hunter2", 200), (&format!("Bearer {token}"), 200), (&forged, 401)]
    {
        let answer = send(&visitor, "GET", "/api/comments", &[("authorization", text)], "").await;
        assert_eq!(answer.status, status, "{text}: {}", answer.text);
    }
    world.advance(Duration::from_secs(2 * 3600)).await;
    assert_eq!(reason(&ann.get("/api/comments").await), (true, "expired".to_owned()));
}

#[actix_rt::test]
async fn a_401_says_whether_the_token_is_missing_malformed_expired_or_revoked() {
    let world = World::start().await;
    let ann = world.sign_up("ann@example.com").await;
    let token = ann.cookie("sAccessToken").unwrap();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let foreign = format!("Bearer {signed}.{}", signature.chars().rev().collect::<String>());
    let visitor = world.visitor();
    let paths = ["/sessioninfo", "/api/sessions", "/api/user"];

    for path in paths {
        let missing = visitor.get(path).await;
        assert_eq!(refusal(path, &missing, 401), "unauthorised");
        assert_eq!(reason(&missing), (false, "missing".to_owned()), "{path}");
        for text in ["Bearer hunter2", "Bearer a.b.c", foreign.as_str()] {
            let answer = send(&visitor, "GET", path, &[("authorization", text)], "").await;
            refusal(path, &answer, 401);
            assert_eq!(reason(&answer), (true, "malformed".to_owned()), "{path} {text}");
        }
    }

    world.advance(Duration::from_secs(2 * 3600)).await;
    for path in paths {
        let expired = ann.get(path).await;
        assert_eq!(refusal(path, &expired, 401), "try refresh token");
        assert_eq!(reason(&expired), (true, "expired".to_owned()), "{path}");
    }
    let bob = world.sign_up("bob@example.com").await;
    let copy = bob.with_copied_cookies();
    let bearer = format!("Bearer {}", bob.cookie("sAccessToken").unwrap());
    assert_eq!(bob.sign_out().await.status, 200);
    for path in paths {
        assert_eq!(
            reason(&send(&visitor, "GET", path, &[("authorization", &bearer)], "").await).1,
            "revoked",
            "{path}"
        );
        // Whoever cannot show the signature learns nothing of the session.
        let (signed, _) = bearer.rsplit_once('.').unwrap();
        let forged = format!("{signed}.{}", "A".repeat(86));
        assert_eq!(
            reason(&send(&visitor, "GET", path, &[("authorization", &forged)], "").await).1,
            "malformed",
            "{path}"
        );
    }
    assert_eq!(reason(&copy.refresh().await), (true, "revoked".to_owned()));
}
